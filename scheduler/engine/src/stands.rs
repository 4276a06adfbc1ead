//! Who stands where: the stretches of plans that may have to make way, by site and time, so that whoever wants a place finds those in
//! it without looking through everybody's plan.
//!
//! Stretches lie in the order of their starts. One that stands in another begins before that ends and not longer before it begins than
//! the longest stretch there is at the site, so only those in between are looked at.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use lowtide_model::identity::{JobId, SiteId};
use lowtide_model::plan::Segment;
use lowtide_model::window::Window;

/// Stretches of plans, by site.
#[derive(Debug, Default)]
pub(crate) struct Stands {
    at: BTreeMap<SiteId, BySite>,
}

#[derive(Debug, Default)]
struct BySite {
    /// Start, job and end.
    stretches: BTreeSet<(Timestamp, JobId, Timestamp)>,
    /// No stretch was ever longer than this.
    longest: SignedDuration,
}

impl Stands {
    /// A job's plan has this stretch from now on.
    pub(crate) fn insert(&mut self, id: JobId, Segment { site, window, point: _ }: &Segment) {
        if !self.at.contains_key(site) {
            self.at.insert(site.clone(), BySite::default());
        }
        if let Some(here) = self.at.get_mut(site) {
            here.stretches.insert((window.start(), id, window.end()));
            here.longest = here.longest.max(window.end().duration_since(window.start()));
        }
    }

    /// It has it no more.
    pub(crate) fn remove(&mut self, id: JobId, Segment { site, window, point: _ }: &Segment) {
        if let Some(here) = self.at.get_mut(site) {
            here.stretches.remove(&(window.start(), id, window.end()));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.at.clear();
    }

    /// Whose stretches share any time with a window at a site; a job may come more than once.
    pub(crate) fn during(&self, site: &SiteId, window: Window) -> impl Iterator<Item = JobId> {
        self.at.get(site).into_iter().flat_map(move |here| {
            let soonest = window.start().checked_sub(here.longest).unwrap_or(Timestamp::MIN);
            let first = (soonest, JobId(0), Timestamp::MIN);
            let behind = (window.end(), JobId(0), Timestamp::MIN);
            let near = here.stretches.range(first..behind);
            near.filter(move |(_, _, end)| window.start() < *end).map(|(_, id, _)| *id)
        })
    }
}

#[cfg(test)]
mod tests {
    use lowtide_model::operating_point::OperatingPoint;
    use lowtide_model::quantity::Seconds;
    use proptest::prelude::*;

    use super::*;

    fn stretch(site: u8, start_h: u8, hours: u8) -> Segment {
        let at = |hour: u8| Seconds::from_hours(f64::from(hour)).after(Timestamp::UNIX_EPOCH);
        Segment {
            site: SiteId::new(format!("site-{site}")).expect("a name"),
            window: Window::new(at(start_h), at(start_h + hours)).expect("in order"),
            point: OperatingPoint::default(),
        }
    }

    proptest! {
        #[test]
        fn those_found_are_those_that_share_time(
            stretches in prop::collection::vec((0_u8..2, 0_u8..60, 1_u8..20, any::<bool>()), 0..40),
            wanted in (0_u8..2, 0_u8..60, 1_u8..20),
        ) {
            let mut stands = Stands::default();
            let all: Vec<(JobId, Segment, bool)> = (0..).zip(stretches)
                .map(|(id, (site, start, hours, goes))| (JobId(id), stretch(site, start, hours), goes))
                .collect();
            for (id, segment, _) in &all {
                stands.insert(*id, segment);
            }
            for (id, segment, _) in all.iter().filter(|(.., goes)| *goes) {
                stands.remove(*id, segment);
            }
            let want = stretch(wanted.0, wanted.1, wanted.2);
            let found: BTreeSet<JobId> = stands.during(&want.site, want.window).collect();
            let shares = |segment: &Segment| {
                segment.site == want.site && segment.window.intersection(&want.window).is_some()
            };
            let expected = all.iter().filter(|(_, segment, goes)| !goes && shares(segment)).map(|(id, ..)| *id);
            prop_assert_eq!(found, expected.collect::<BTreeSet<_>>());
        }
    }
}
