//! Jobs in the order of their turns, each with the precedence it had when it was put in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use lowtide_model::identity::JobId;

use crate::precedence::Precedence;

/// A place in the order of all jobs.
pub(crate) type Turn = (Precedence, JobId);

/// The last place of a precedence: after all jobs that have it.
pub(crate) const fn last_of(precedence: Precedence) -> Turn {
    (precedence, JobId(u64::MAX))
}

/// Jobs by precedence, then by number.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    order: BTreeSet<Turn>,
    of: BTreeMap<JobId, Precedence>,
}

impl Turns {
    /// Puts a job in, or where it now belongs.
    pub(crate) fn insert(&mut self, id: JobId, precedence: Precedence) {
        self.remove(id);
        self.order.insert((precedence, id));
        self.of.insert(id, precedence);
    }

    /// Takes a job out. The precedence it was in with.
    pub(crate) fn remove(&mut self, id: JobId) -> Option<Precedence> {
        let precedence = self.of.remove(&id)?;
        self.order.remove(&(precedence, id));
        Some(precedence)
    }

    /// The precedence a job was put in with.
    pub(crate) fn precedence_of(&self, id: JobId) -> Option<Precedence> {
        self.of.get(&id).copied()
    }

    /// Takes out the one whose turn it is.
    pub(crate) fn pop_first(&mut self) -> Option<Turn> {
        let (precedence, id) = self.order.pop_first()?;
        self.of.remove(&id);
        Some((precedence, id))
    }

    pub(crate) fn first(&self) -> Option<Turn> {
        self.order.first().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn clear(&mut self) {
        self.order.clear();
        self.of.clear();
    }

    /// All of them.
    pub(crate) fn ids(&self) -> impl Iterator<Item = JobId> {
        self.of.keys().copied()
    }

    /// The one who comes next after this; the first of all after nothing.
    pub(crate) fn next_after(&self, turn: Option<Turn>) -> Option<Turn> {
        let from = turn.map_or(Bound::Unbounded, Bound::Excluded);
        self.order.range((from, Bound::Unbounded)).next().copied()
    }

    /// Whether anyone comes after this.
    pub(crate) fn any_after(&self, turn: Turn) -> bool {
        self.order.last().is_some_and(|last| turn < *last)
    }

    /// Those who come after this, first first.
    pub(crate) fn after(&self, turn: Turn) -> impl DoubleEndedIterator<Item = JobId> {
        self.order.range((Bound::Excluded(turn), Bound::Unbounded)).map(|(_, id)| *id)
    }

    /// Those who come before this or have it, first first.
    pub(crate) fn up_to(&self, turn: Turn) -> impl Iterator<Item = JobId> {
        self.order.range(..=turn).map(|(_, id)| *id)
    }

    /// Those who come after one and not after another that is not before it, first first.
    pub(crate) fn between(&self, after: Turn, until: Turn) -> impl Iterator<Item = JobId> {
        self.order.range((Bound::Excluded(after), Bound::Included(until))).map(|(_, id)| *id)
    }
}
