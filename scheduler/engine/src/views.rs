//! What jobs of different turns see of the sites, kept from job to job: a few such views, each right at every moment.
//!
//! A view is all that is taken but the plans of those that wait and come after its turn. To make one from nothing is a look at
//! everybody; from another it takes no more than the jobs between the two.

use lowtide_planner::joint::Taken;

use crate::turns::Turn;

/// So many views are kept: with 100,000 jobs a full one takes some megabytes, and every change of a plan goes into each.
const MOST_VIEWS: usize = 16;

/// What jobs see up to a turn.
#[derive(Debug)]
struct View {
    turn: Turn,
    taken: Taken,
}

/// The views that are kept.
#[derive(Debug, Default)]
pub(crate) struct Views {
    kept: Vec<View>,
}

impl Views {
    /// What is seen up to a turn, if that is kept.
    pub(crate) fn up_to(&self, turn: Turn) -> Option<&Taken> {
        self.kept.iter().find(|view| view.turn == turn).map(|view| &view.taken)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Turn, &Taken)> {
        self.kept.iter().map(|view| (view.turn, &view.taken))
    }

    /// Whether there is room for another one.
    pub(crate) const fn may_grow(&self) -> bool {
        self.kept.len() < MOST_VIEWS
    }

    /// Keeps a view; where there are too many the one that was made longest ago goes.
    pub(crate) fn keep(&mut self, turn: Turn, taken: Taken) {
        if !self.may_grow() {
            self.kept.remove(0);
        }
        self.kept.push(View { turn, taken });
    }

    /// Takes out the view up to a turn.
    pub(crate) fn remove(&mut self, turn: Turn) -> Option<Taken> {
        let place = self.kept.iter().position(|view| view.turn == turn)?;
        Some(self.kept.remove(place).taken)
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }

    /// Views in which a plan of this turn is seen; all of them for one that is firm and has no turn.
    pub(crate) fn that_see(&mut self, turn: Option<Turn>) -> impl Iterator<Item = &mut Taken> {
        let see = move |view: &&mut View| turn.is_none_or(|turn| turn <= view.turn);
        self.kept.iter_mut().filter(see).map(|view| &mut view.taken)
    }

    /// Views in which it is not.
    pub(crate) fn blind_to(&mut self, turn: Turn) -> impl Iterator<Item = &mut Taken> {
        self.kept.iter_mut().filter(move |view| view.turn < turn).map(|view| &mut view.taken)
    }
}
