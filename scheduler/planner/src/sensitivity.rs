//! What would change a decision, found by deciding again under changed circumstances.
//!
//! [`explain`](crate::explain) reads a plan as it was made; here it is made anew, with one thing otherwise each time. A job that
//! runs, or has nothing to decide, is left alone. At most some thirty plans are made.

use jiff::Timestamp;
use lowtide_model::job::{Checkpoint, Job};
use lowtide_model::plan::Plan;
use lowtide_model::quantity::{GramsCo2e, Seconds};
use lowtide_model::window::Window;

use crate::curve::IntensityCurve;
use crate::plan::{PlanningInput, SiteView, plan};
use crate::policy::Policy;
use crate::wording;

/// The forecast of the chosen hours is tried up to this many times itself.
const MOST_RISE: f64 = 4.0;
/// Halvings between no rise and that: to a quarter of a per cent.
const HALVINGS: usize = 11;
/// Deadlines are tried so many hours later.
const LATER_HOURS: [f64; 5] = [3.0, 6.0, 12.0, 24.0, 48.0];
/// What saves less than this share is no change worth telling.
const TRIFLE: f64 = 0.01;
/// SIGTERM, and a minute: a checkpoint as a submission has it that says no more.
const CHECKPOINT: Checkpoint = Checkpoint { signal: 15, grace_s: 60 };

/// One thing that would change the decision, and to what.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The intensity of the chosen hours, higher by more than this share.
    Rise {
        /// The share at which it flips, to a quarter of a per cent.
        share: f64,
        /// When the job would start then, in other hours or elsewhere.
        start: Timestamp,
    },
    /// A deadline so much later.
    Deadline {
        /// By how much.
        later: Seconds,
        /// The footprint then.
        footprint: GramsCo2e,
    },
    /// Being able to leave a checkpoint.
    Checkpoint {
        /// The footprint then.
        footprint: GramsCo2e,
    },
    /// A policy that lets it run at other sites.
    Route {
        /// The footprint then.
        footprint: GramsCo2e,
    },
    /// A lower minimum saving.
    MinimumSaving {
        /// What waiting would save, as a share of running at once: the minimum has to lie at or below it.
        at_most: f64,
    },
}

/// What would change the decision for a job that waits, or is about to start: nothing for one that runs.
#[must_use]
pub fn changes(input: &PlanningInput) -> Vec<Change> {
    let chosen = plan(input);
    if input.current.is_some() || input.job.run_now || input.probing || chosen.segments.is_empty() {
        return Vec::new();
    }
    let better = |other: &Plan| {
        let least = chosen.footprint.median.times(1.0 - TRIFLE);
        (other.footprint.median < least).then_some(other.footprint.median)
    };
    let with_policy = |change: &dyn Fn(&mut Policy)| {
        let mut policy = input.policy.clone();
        change(&mut policy);
        plan(&PlanningInput { policy: &policy, ..*input })
    };
    let with_job = |change: &dyn Fn(&mut Job)| {
        let mut job = input.job.clone();
        change(&mut job);
        plan(&PlanningInput { job: &job, ..*input })
    };
    let mut changes = Vec::new();
    changes.extend(rise(input, &chosen));
    if let Some(deadline) = input.job.spec.deadline {
        changes.extend(LATER_HOURS.into_iter().find_map(|hours| {
            let later = Seconds::from_hours(hours);
            let footprint = better(&with_job(&|job| job.spec.deadline = Some(later.after(deadline))))?;
            Some(Change::Deadline { later, footprint })
        }));
    }
    if input.job.spec.checkpoint.is_none() && input.policy.pausable && input.policy.delay {
        let pausable = with_job(&|job| job.spec.checkpoint = Some(CHECKPOINT));
        changes.extend(better(&pausable).map(|footprint| Change::Checkpoint { footprint }));
    }
    if !input.policy.route && 1 < input.sites.len() {
        let routed = with_policy(&|policy| policy.route = true);
        changes.extend(better(&routed).map(|footprint| Change::Route { footprint }));
    }
    if input.policy.delay && 0.0 < input.policy.minimum_saving {
        let eager = with_policy(&|policy| policy.minimum_saving = 0.0);
        if eager.segments != chosen.segments
            && let Some(share) = eager.footprint.median.per(chosen.footprint.median).filter(|share| *share < 1.0)
        {
            changes.push(Change::MinimumSaving { at_most: 1.0 - share });
        }
    }
    changes
}

/// Whether a plan begins elsewhere, or in none of the hours of another: an hour earlier or later is no other decision.
fn is_apart(plan: &Plan, chosen: &Plan) -> bool {
    let Some(first) = plan.segments.first() else { return false };
    let meets = |window: &Window| first.window.intersection(window).is_some();
    chosen.segments.iter().all(|segment| segment.site != first.site || !meets(&segment.window))
}

/// The least rise of the chosen hours at which the job would begin in others, or elsewhere.
fn rise(input: &PlanningInput, chosen: &Plan) -> Option<Change> {
    let other = |share: f64| {
        let curves: Vec<IntensityCurve> = input.sites.iter().map(|view| raised(view, chosen, share)).collect();
        let views: Vec<SiteView> =
            input.sites.iter().zip(&curves).map(|(view, curve)| SiteView { curve, ..*view }).collect();
        let plan = plan(&PlanningInput { sites: &views, ..*input });
        plan.start().filter(|_| is_apart(&plan, chosen))
    };
    let (mut low, mut high) = (0.0, MOST_RISE);
    let mut start = other(high)?;
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        match other(middle) {
            Some(earlier) => (high, start) = (middle, earlier),
            None => low = middle,
        }
    }
    Some(Change::Rise { share: high, start })
}

/// A site's curve, with the hours that the plan has there higher by a share.
fn raised(view: &SiteView, chosen: &Plan, share: f64) -> IntensityCurve {
    let planned: Vec<Window> =
        chosen.segments.iter().filter(|segment| segment.site == view.site.id).map(|segment| segment.window).collect();
    view.curve.raised_within(&planned, share)
}

impl Change {
    /// For people.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Rise { share, start } => format!(
                "starts {} instead if the forecast of its hours rises by more than {}",
                wording::moment(*start),
                wording::percent(*share)
            ),
            Self::Deadline { later, footprint } => {
                format!(
                    "a deadline {} later would let it run with {}",
                    wording::duration(*later),
                    wording::grams(*footprint)
                )
            }
            Self::Checkpoint { footprint } => format!(
                "checkpoints (`--checkpoint`) would let it pause in dirty hours: {}",
                wording::grams(*footprint)
            ),
            Self::Route { footprint } => {
                format!("a policy with `route = true` would let it run elsewhere: {}", wording::grams(*footprint))
            }
            Self::MinimumSaving { at_most } => {
                format!(
                    "waiting would save {}: a `minimum_saving` at or below that lets it wait",
                    wording::percent(*at_most)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lowtide_model::identity::PolicyId;
    use lowtide_model::quantity::GramsPerKwh;
    use proptest::prelude::*;

    use super::*;
    use crate::capacity::Occupancy;
    use crate::plan::Overhead;
    use crate::policy::parse;
    use crate::testing::{TAGS, certain, forecast, hour, job, site, spec, window};

    /// Decides about a job of so many hours over hourly levels, and looks for changes; `seen` gets the input to decide again.
    fn decided<T>(
        hours: f64,
        levels: &[f64],
        text: &str,
        deadline: Option<f64>,
        seen: impl FnOnce(&PlanningInput, Vec<Change>) -> T,
    ) -> T {
        let mut job = job(spec());
        job.spec.checkpoint = None;
        job.spec.deadline = deadline.map(hour);
        let home = site("home", 4);
        let told = forecast("GB", levels);
        let curve = IntensityCurve::build(Some(&told), GramsPerKwh::ZERO, hour(0.0), window(0.0, levels.len() as f64));
        let occupancy = Occupancy::new(home.capacity);
        let views = [SiteView { tags: Some(TAGS), ..SiteView::of(&home, &curve, &occupancy) }];
        let policy = parse(PolicyId::new("test").expect("a name"), text).expect("a policy");
        let prediction = certain(hours);
        let input = PlanningInput {
            now: hour(0.0),
            job: &job,
            prediction: &prediction,
            policy: &policy,
            sites: &views,
            current: None,
            last_site: None,
            overhead: Overhead { stop: Seconds::ZERO, start: Seconds::ZERO },
            horizon: Seconds::from_hours(48.0),
            slot: Seconds::from_hours(1.0),
            probing: false,
            comparable: false,
            seed: 0,
        };
        let changes = changes(&input);
        seen(&input, changes)
    }

    #[test]
    fn the_second_best_window_is_told_with_the_rise_that_leads_to_it() {
        let levels: Vec<f64> = (0..48)
            .map(|at| {
                if at == 5 {
                    100.0
                } else if at == 9 {
                    150.0
                } else {
                    400.0
                }
            })
            .collect();
        decided(1.0, &levels, "max_delay = \"24h\"", None, |_, changes| {
            let Some(Change::Rise { share, start }) = changes.first() else { panic!("{changes:?}") };
            assert!((share - 0.5).abs() < 0.005 && *start == hour(9.0), "{changes:?}");
        });
    }

    #[test]
    fn a_later_deadline_checkpoints_and_a_lower_minimum_are_told_with_what_they_bring() {
        let levels: Vec<f64> = (0..48).map(|at| if [10, 20].contains(&at) { 100.0 } else { 400.0 }).collect();
        decided(2.0, &levels, "max_delay = \"40h\"", Some(8.0), |_, changes| {
            let later = changes.iter().find_map(|change| match change {
                Change::Deadline { later, footprint } => Some((later.hours(), footprint.get())),
                _ => None,
            });
            let (later, grams) = later.expect("a deadline");
            assert!((later - 3.0).abs() < 1e-9 && (grams - 500.0).abs() < 1.0, "{changes:?}");
        });
        decided(2.0, &levels, "max_delay = \"40h\"", None, |_, changes| {
            assert!(
                changes
                    .iter()
                    .any(|change| matches!(change, Change::Checkpoint { footprint } if footprint.get() < 201.0))
            );
        });
        decided(2.0, &levels, "max_delay = \"40h\"\nminimum_saving = 0.6", None, |_, changes| {
            let least = changes.iter().find_map(|change| match change {
                Change::MinimumSaving { at_most } => Some(*at_most),
                _ => None,
            });
            assert!(least.is_some_and(|least| (least - 0.375).abs() < 1e-6), "{changes:?}");
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// What is told flips, and nearly as much of it does not.
        #[test]
        fn the_told_rise_is_where_the_decision_flips(
            levels in prop::collection::vec(50.0..900.0_f64, 48), hours in 1_u32..6,
        ) {
            decided(f64::from(hours), &levels, "max_delay = \"24h\"", None, |input, changes| {
                let chosen = plan(input);
                let Some(Change::Rise { share, .. }) = changes.first() else { return Ok(()) };
                let apart_at = |share: f64| {
                    let curve = input.sites[0].curve.raised_within(&[chosen.segments[0].window], share);
                    let views = [SiteView { curve: &curve, ..input.sites[0] }];
                    is_apart(&plan(&PlanningInput { sites: &views, ..*input }), &chosen)
                };
                prop_assert!(apart_at(share * 1.01 + 0.003));
                prop_assert!(!apart_at((share * 0.99 - 0.003).max(0.0)));
                Ok(())
            })?;
        }
    }
}
