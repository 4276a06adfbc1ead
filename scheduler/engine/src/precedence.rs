//! Who goes first: the one order in which jobs that wait are given room.
//!
//! The rules, from the strongest; a later one decides only among jobs that all before it leave equal:
//!
//! 1. **Deadline.** A job with less than [`PRESSED`] of slack goes before all without; of two such the one with less slack
//!    (least laxity first; Mok 1983), by whole hours. Slack is the time from now to the latest start that meets the deadline if the
//!    job takes as long as the high quantile of its prediction.
//! 2. **Age.** A job that has waited longer than [`PATIENCE`] goes before all that have not, so that no stream of others keeps it
//!    waiting for ever: only those that were there before it, and deadlines, come first then.
//! 3. **Priority**, as submitted or changed since: the higher goes first.
//! 4. **Fair share**, where it is configured: the account goes first that used less of what there is, measured by its share
//!    ([`crate::share`]).
//! 5. **Arrival**: the lower job number.
//!
//! What runs is never touched: precedence decides over plans alone.

use std::cmp::Reverse;

use lowtide_model::priority::Priority;
use lowtide_model::quantity::Seconds;

/// A deadline counts once the slack is less than this. A job that runs is not stopped for another, so the slack has to outlast
/// a whole run of one that goes before: a day does for most (the 95 % quantile of the Alibaba PAI trace is some 7 hours).
pub const PRESSED: f64 = 24.0;
/// Hours after which a job has waited for long: a week, longer than any plan waits for clean hours by itself (four days by
/// default), and the time after which Slurm's age factor is at its height (`PriorityMaxAge`).
pub const PATIENCE: f64 = 24.0 * 7.0;

/// What decides when a job has its turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Seconds from now to its latest start, where it has a deadline; negative once that has passed.
    pub slack: Option<f64>,
    /// How long it has waited, without the time it ran.
    pub waited: Seconds,
    /// As its user has it.
    pub priority: Priority,
    /// What its account has used, as [`crate::share::Level`] has it.
    pub used: u8,
}

/// A place in the order: the least goes first. Jobs of equal precedence go in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precedence {
    /// Its deadline is near.
    Pressed {
        /// Whole hours of slack.
        slack_h: i64,
    },
    /// It has waited for long.
    Aged,
    /// Neither.
    Usual {
        /// The higher the sooner.
        priority: Reverse<Priority>,
        /// The less the sooner.
        used: u8,
    },
}

impl Precedence {
    /// The precedence of a job that stands so.
    #[must_use]
    pub fn of(standing: Standing) -> Self {
        let Standing { slack, waited, priority, used } = standing;
        match slack.map(|slack| slack / 3600.0) {
            #[expect(clippy::cast_possible_truncation, reason = "it saturates, and no deadline is that far away")]
            Some(hours) if hours < PRESSED => Self::Pressed { slack_h: hours.floor() as i64 },
            _ if PATIENCE < waited.hours() => Self::Aged,
            _ => Self::Usual { priority: Reverse(priority), used },
        }
    }

    /// Whether two jobs may make room for one another where the sum of both falls: neither has a right to the better place, or
    /// deadlines alone decide, which a sum never trades for carbon.
    #[must_use]
    pub fn is_peer_of(self, other: Self) -> bool {
        self == other || matches!((self, other), (Self::Pressed { .. }, Self::Pressed { .. }))
    }
}

impl std::fmt::Display for Precedence {
    /// As in "it goes by ...".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pressed { slack_h: ..0 } => f.write_str("its deadline, which leaves no slack"),
            Self::Pressed { slack_h } => write!(f, "its deadline, which leaves less than {} h of slack", slack_h + 1),
            Self::Aged => f.write_str("its age: it has waited for more than a week"),
            Self::Usual { priority: Reverse(priority), .. } => write!(f, "its priority of {priority}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn standing(slack_h: Option<f64>, waited_h: f64, priority: i64, used: u8) -> Standing {
        Standing {
            slack: slack_h.map(|hours| hours * 3600.0),
            waited: Seconds::from_hours(waited_h),
            priority: Priority::new(priority).expect("a priority"),
            used,
        }
    }

    fn goes_before(one: Standing, other: Standing) -> bool {
        Precedence::of(one) < Precedence::of(other)
    }

    #[test]
    fn each_rule_decides_where_those_before_it_do_not() {
        let usual = standing(None, 1.0, 0, 5);
        assert!(goes_before(standing(Some(2.0), 0.0, -100, 20), standing(Some(9.0), 300.0, 100, 0)), "least slack");
        assert!(goes_before(standing(Some(23.0), 0.0, -100, 20), standing(None, 300.0, 100, 0)), "deadline over age");
        assert!(goes_before(standing(None, 169.0, -100, 20), standing(None, 167.0, 100, 0)), "age over priority");
        assert!(goes_before(standing(None, 0.0, 1, 20), standing(None, 167.0, 0, 0)), "priority over share");
        assert!(goes_before(standing(None, 0.0, 0, 4), usual), "share over arrival");
        assert!(
            goes_before(standing(Some(-3.0), 0.0, 0, 0), standing(Some(0.5), 0.0, 0, 0)),
            "late is the most pressed"
        );
    }

    #[test]
    fn a_deadline_far_away_is_no_reason_to_go_first() {
        assert!(goes_before(standing(None, 0.0, 1, 0), standing(Some(25.0), 0.0, 0, 0)));
    }

    proptest! {
        #[test]
        fn without_a_deadline_whoever_has_waited_for_long_is_passed_by_nobody_new(
            priority in -100_i64..=100, used in 0_u8..20, others in -100_i64..=100, waited in 168.1_f64..9e3,
        ) {
            let old = standing(None, waited, priority, used);
            prop_assert!(goes_before(old, standing(None, 0.0, others, 0)));
        }
    }
}
