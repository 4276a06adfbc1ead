//! Not all at once: of starts that cost nearly the same each job takes another one.
//!
//! Whoever reads the same forecast finds the same cleanest slot; so many that they move the load of a grid from one peak to
//! another (the rebound peak of demand response; for electric vehicles: Gan, Topcu and Low, IEEE Trans. Power Systems 2013). A
//! policy may therefore give up a small share of the footprint, its `spread`: all starts that cost at most that share more than the
//! best one are as good, and of these a job takes the one with the least lot. A lot looks random and is fixed by installation, job and
//! slot (as in rendezvous hashing; Thaler and Ravishankar, IEEE/ACM Trans. Networking 1998), so it needs no word between installations.
//!
//! The lot of a slot never changes and a start in force is kept while it lies within the share, so plans do not flap. What runs is
//! not moved, what is best at once is not put off, and what the policy asks for (windows, longest delay, deadline with its reserve,
//! the least saving) is asked of every start.

use jiff::Timestamp;
use lowtide_model::plan::{Plan, Reason, Segment};
use lowtide_model::quantity::Seconds;
use lowtide_model::window::Window;

use super::course::{Course, Stretch};
use super::situation::{Rules, Situation};
use super::window::slots;

/// Courses whose lengths differ by less than this do the same work, seconds.
const SAME_LENGTH: f64 = 1.0;

impl Situation<'_> {
    /// The plan in force of a job that waits for cleaner hours, as far as it is still ahead, where it lies within the share of the
    /// cheapest course. It is kept even if that is to start at once: else all whose start is yet to come would start together in the
    /// first of the hours that are as good.
    pub(super) fn kept(
        &self,
        best: &Course,
        cheapest: &Course,
        score: impl Fn(&Course) -> f64,
        rules: Rules,
    ) -> Option<Course> {
        let plan = self.input.job.plan.as_ref().filter(|_| 0.0 < self.input.policy.spread && self.current.is_none())?;
        let waits = matches!(plan.reason, Reason::Delay | Reason::RouteAndDelay | Reason::Pauses);
        let start = plan.start().filter(|_| waits)?.max(self.places[best.stretches[0].place].earliest);
        let whole = self.in_force(plan).filter(|course| {
            let length =
                |course: &Course| course.stretches.iter().map(|stretch| stretch.window.duration()).sum::<Seconds>();
            (length(course).get() - length(best).get()).abs() < SAME_LENGTH
        });
        let limit = score(cheapest) + self.input.policy.spread * cheapest.grams.abs();
        let near = |course: &Course| score(course) <= limit && self.admits(course, rules);
        whole.into_iter().chain(self.moved(best, start)).find(near)
    }

    /// A plan as a course, if all of it lies ahead.
    fn in_force(&self, plan: &Plan) -> Option<Course> {
        let stretch = |segment: &Segment| {
            let place = self
                .places
                .iter()
                .position(|place| place.view.site.id == segment.site && place.point == segment.point)?;
            (self.places[place].earliest <= segment.window.start()).then_some(Stretch { place, window: segment.window })
        };
        let stretches: Option<Vec<Stretch>> = plan.segments.iter().map(stretch).collect();
        stretches.filter(|stretches| !stretches.is_empty()).map(|stretches| self.course(stretches))
    }

    /// The course to take instead of the best one, which waits; `worth` says whether a course may replace it at all. `None` for the
    /// best one itself.
    pub(super) fn spread(
        &self,
        best: &Course,
        score: impl Fn(&Course) -> f64,
        rules: Rules,
        worth: impl Fn(&Course) -> bool,
    ) -> Option<Course> {
        let share = self.input.policy.spread;
        let first = best.stretches[0];
        if share <= 0.0 || self.current.is_some() || first.window.start() <= self.places[first.place].earliest {
            return None;
        }
        let most = share * best.grams.abs();
        let limit = score(best) + most;
        let near = |course: &Course| score(course) <= limit && self.admits(course, rules);
        let end = self.input.horizon.after(self.input.now);
        // One shape of course for each place, moved to all its starts.
        let shape = |place: usize| match best.stretches.as_slice() {
            _ if place == first.place => Some(best.clone()),
            [_] if self.least_cost(place, rules) <= best.grams + most => {
                self.contiguous(place, self.places[place].earliest).map(|stretch| self.course(vec![stretch]))
            }
            _ => None,
        };
        let shapes: Vec<Option<Course>> = (0..self.places.len()).map(shape).collect();
        let there = shapes.iter().enumerate().filter(|(_, shape)| shape.is_some());
        let starts = there.flat_map(|(place, _)| {
            slots(self.places[place].earliest, end, self.input.slot).map(move |start| (place, start))
        });
        let before = self.lot(first.place, first.window.start());
        let mut lots: Vec<(u64, usize, Timestamp)> =
            starts.map(|(place, start)| (self.lot(place, start), place, start)).collect();
        // In the order of the lots the first one that will do is the one, and most need not be looked at.
        lots.retain(|(lot, ..)| *lot < before);
        lots.sort_unstable();
        let moved = lots.into_iter().filter_map(|(_, place, start)| self.moved(shapes[place].as_ref()?, start));
        moved.into_iter().find(|course| worth(course) && near(course))
    }

    /// The same course begun at another moment.
    fn moved(&self, course: &Course, start: Timestamp) -> Option<Course> {
        let by = start.duration_since(course.start());
        let shifted = |stretch: &Stretch| {
            let (start, end) =
                (stretch.window.start().checked_add(by).ok()?, stretch.window.end().checked_add(by).ok()?);
            Some(Stretch { window: Window::new(start, end).ok()?, ..*stretch })
        };
        let stretches: Option<Vec<Stretch>> = course.stretches.iter().map(shifted).collect();
        Some(self.course(stretches?))
    }

    /// The lot of starting at a place at a moment.
    fn lot(&self, place: usize, start: Timestamp) -> u64 {
        let slot = start.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64() / self.input.slot.get().max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a slot after 1970; any other saturates"
        )]
        let slot = slot.floor() as u64;
        let place = place as u64;
        [self.input.job.id.0, slot, place].into_iter().fold(mixed(self.input.seed), |seed, next| mixed(seed ^ next))
    }
}

/// A number that looks random and is the same every time (splitmix64; Steele, Lea and Flood, OOPSLA 2014).
const fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
