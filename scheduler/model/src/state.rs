//! The states of a job and the one function that changes them.
//!
//! ```text
//!            hold / approve                            pause, move, cancel
//!   held <------------------> waiting --> starting --> running --> pausing
//!                                ^           |            |           |
//!                                '-----------'            |           v
//!                             start refused               |        paused --> starting …
//!                                                         v           |
//!                        succeeded | failed | cancelled | lost <------'
//! ```
//!
//! The last four are final. A cancelled job that runs is `pausing` until it has left.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::identity::{AttemptNumber, BudgetId};
use crate::job::{Ending, Exit};

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum JobState {
    /// Waits for a person.
    Held {
        /// Why.
        why: HeldBecause,
    },
    /// Waits for its window.
    Waiting,
    /// An attempt was ordered and has not yet been seen to run.
    Starting {
        /// The attempt.
        attempt: AttemptNumber,
        /// Whether it goes on from a checkpoint.
        resume: bool,
    },
    /// An attempt runs.
    Running {
        /// The attempt.
        attempt: AttemptNumber,
    },
    /// An attempt was asked to leave and has not left yet.
    Pausing {
        /// The attempt.
        attempt: AttemptNumber,
        /// What follows when it has left.
        then: AfterLeaving,
    },
    /// Has left a checkpoint and waits to go on.
    Paused {
        /// Who wants it to wait.
        by: PausedBy,
    },
    /// Ended by itself, well.
    Succeeded,
    /// Ended by itself, or could not be started.
    Failed {
        /// How.
        failure: Failure,
    },
    /// Ended by the user, or by a policy's carbon limit.
    Cancelled,
    /// Vanished without a record of its exit.
    Lost,
}

/// Why a job is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldBecause {
    /// The user asked.
    User,
    /// Its predicted footprint passes its policy's limit: approval is needed.
    OverLimit {
        /// The prediction, rounded to whole grams.
        predicted_g: u64,
        /// The limit, rounded to whole grams.
        limit_g: u64,
    },
    /// No period of a budget that it could run in has room for it. It is looked at again when there is some.
    OverBudget(Box<NoRoom>),
}

/// What a budget had left for a job when it held it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoRoom {
    /// The budget.
    pub budget: BudgetId,
    /// What the job would emit in the period, rounded to whole grams.
    pub needed_g: u64,
    /// What was left of the budget then, rounded to whole grams.
    pub left_g: u64,
    /// When the budget begins anew, if it does.
    pub renews: Option<Timestamp>,
}

/// Who wants a job to wait in `paused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PausedBy {
    /// The plan: it goes on by itself in its next window.
    Plan,
    /// The user: it goes on when resumed.
    User,
}

/// What follows when an attempt has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterLeaving {
    /// It waits for its next window.
    Continue,
    /// It waits for the user.
    Wait,
    /// It is over.
    Cancel,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// Its command ended so.
    Exit(Exit),
    /// Its command could not be started at all.
    NotStarted {
        /// For people.
        message: String,
    },
}

/// What may happen to a job's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum StateChange {
    /// Put aside.
    Hold {
        /// Why.
        why: HeldBecause,
    },
    /// Let go again.
    Release,
    /// An attempt was ordered.
    Start {
        /// The attempt.
        attempt: AttemptNumber,
    },
    /// The ordered attempt runs.
    Started,
    /// The ordered attempt could not begin, by no fault of the job; it will be tried again.
    StartRefused,
    /// The command itself cannot be started.
    StartFailed {
        /// For people.
        message: String,
    },
    /// The attempt was asked to leave, or a paused job to stay away.
    Pause {
        /// What follows.
        then: AfterLeaving,
    },
    /// The user lets a paused job go on.
    Resume,
    /// The user, or a limit, ends it.
    Cancel,
    /// The attempt ended.
    Exited {
        /// How.
        ending: Ending,
    },
    /// The attempt vanished without a record of its exit.
    Vanished,
}

/// A change that the state does not allow.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("a job that is {} cannot {}", .state.name(), .change.verb())]
pub struct IllegalChange {
    /// The state.
    pub state: JobState,
    /// The change.
    pub change: StateChange,
}

impl JobState {
    /// The names of the states of jobs that are not over, in the order of a job's life.
    pub const OPEN_NAMES: [&str; 6] = ["held", "waiting", "starting", "running", "pausing", "paused"];
    /// The names of the final states.
    pub const FINAL_NAMES: [&str; 4] = ["succeeded", "failed", "cancelled", "lost"];

    /// Its name, as users see it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Waiting => "waiting",
            Self::Starting { .. } => "starting",
            Self::Running { .. } => "running",
            Self::Pausing { .. } => "pausing",
            Self::Paused { .. } => "paused",
            Self::Succeeded => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// Whether nothing can happen to it any more.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed { .. } | Self::Cancelled | Self::Lost)
    }

    /// The attempt that occupies a site now.
    #[must_use]
    pub const fn attempt(&self) -> Option<AttemptNumber> {
        match self {
            Self::Starting { attempt, .. } | Self::Running { attempt } | Self::Pausing { attempt, .. } => {
                Some(*attempt)
            }
            Self::Held { .. }
            | Self::Waiting
            | Self::Paused { .. }
            | Self::Succeeded
            | Self::Failed { .. }
            | Self::Cancelled
            | Self::Lost => None,
        }
    }

    /// Whether the planner may give it a new window: it waits, or has paused by plan.
    #[must_use]
    pub const fn awaits_a_window(&self) -> bool {
        matches!(self, Self::Waiting | Self::Paused { by: PausedBy::Plan })
    }

    /// The state after `change`, or the refusal. Nothing else changes a job's state.
    pub fn next(&self, change: &StateChange) -> Result<Self, IllegalChange> {
        use StateChange as C;
        let next = match (self, change) {
            (Self::Waiting, C::Hold { why }) => Self::Held { why: why.clone() },
            (Self::Held { .. }, C::Release) => Self::Waiting,

            (Self::Waiting, C::Start { attempt }) => Self::Starting { attempt: *attempt, resume: false },
            (Self::Paused { by: PausedBy::Plan }, C::Start { attempt }) => {
                Self::Starting { attempt: *attempt, resume: true }
            }

            (Self::Starting { attempt, .. }, C::Started) => Self::Running { attempt: *attempt },
            // An order to leave may overtake the news that the attempt runs.
            (Self::Pausing { .. }, C::Started) => self.clone(),
            (Self::Starting { resume: false, .. }, C::StartRefused | C::Vanished) => Self::Waiting,
            (Self::Starting { resume: true, .. }, C::StartRefused | C::Vanished) => Self::Paused { by: PausedBy::Plan },
            (Self::Pausing { then, .. }, C::StartRefused) => {
                Self::Paused { by: then.paused_by() }.unless_cancelled(*then)
            }
            (Self::Starting { .. } | Self::Pausing { .. }, C::StartFailed { message }) => {
                Self::Failed { failure: Failure::NotStarted { message: message.clone() } }
            }

            (Self::Starting { attempt, .. } | Self::Running { attempt }, C::Pause { then }) => {
                Self::Pausing { attempt: *attempt, then: *then }
            }
            // A later wish overrides an earlier one, but nothing takes a cancellation back.
            (Self::Pausing { attempt, then }, C::Pause { then: wish }) if *then != AfterLeaving::Cancel => {
                Self::Pausing { attempt: *attempt, then: *wish }
            }
            (Self::Paused { .. }, C::Pause { then: AfterLeaving::Wait }) => Self::Paused { by: PausedBy::User },
            (Self::Paused { by: PausedBy::User }, C::Resume) => Self::Paused { by: PausedBy::Plan },
            (Self::Pausing { attempt, then: AfterLeaving::Wait }, C::Resume) => {
                Self::Pausing { attempt: *attempt, then: AfterLeaving::Continue }
            }

            (Self::Held { .. } | Self::Waiting | Self::Paused { .. }, C::Cancel) => Self::Cancelled,
            (Self::Starting { attempt, .. } | Self::Running { attempt } | Self::Pausing { attempt, .. }, C::Cancel) => {
                Self::Pausing { attempt: *attempt, then: AfterLeaving::Cancel }
            }

            (Self::Starting { .. } | Self::Running { .. }, C::Exited { ending }) => match ending {
                Ending::Succeeded => Self::Succeeded,
                Ending::Paused => Self::Paused { by: PausedBy::Plan },
                Ending::Failed(exit) => Self::Failed { failure: Failure::Exit(*exit) },
            },
            (Self::Pausing { then, .. }, C::Exited { ending }) => match ending {
                Ending::Succeeded => Self::Succeeded,
                Ending::Paused => Self::Paused { by: then.paused_by() }.unless_cancelled(*then),
                Ending::Failed(exit) => Self::Failed { failure: Failure::Exit(*exit) }.unless_cancelled(*then),
            },
            (Self::Running { .. }, C::Vanished) => Self::Lost,
            (Self::Pausing { then, .. }, C::Vanished) => Self::Lost.unless_cancelled(*then),

            _ => return Err(IllegalChange { state: self.clone(), change: change.clone() }),
        };
        Ok(next)
    }

    fn unless_cancelled(self, then: AfterLeaving) -> Self {
        match then {
            AfterLeaving::Cancel => Self::Cancelled,
            AfterLeaving::Continue | AfterLeaving::Wait => self,
        }
    }
}

impl AfterLeaving {
    const fn paused_by(self) -> PausedBy {
        match self {
            Self::Continue => PausedBy::Plan,
            Self::Wait | Self::Cancel => PausedBy::User,
        }
    }
}

impl StateChange {
    /// What the job would do, to follow "cannot".
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Hold { .. } => "be held",
            Self::Release => "be released",
            Self::Start { .. } => "be started",
            Self::Started => "have started",
            Self::StartRefused | Self::StartFailed { .. } => "fail to start",
            Self::Pause { .. } => "be paused",
            Self::Resume => "be resumed",
            Self::Cancel => "be cancelled",
            Self::Exited { .. } => "exit",
            Self::Vanished => "vanish",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn changes() -> impl Strategy<Value = StateChange> {
        let then = prop_oneof![Just(AfterLeaving::Continue), Just(AfterLeaving::Wait), Just(AfterLeaving::Cancel)];
        let ending = prop_oneof![Just(Ending::Succeeded), Just(Ending::Paused), Just(Ending::Failed(Exit::Code(7)))];
        prop_oneof![
            Just(StateChange::Hold { why: HeldBecause::User }),
            Just(StateChange::Release),
            (1..9_u32).prop_map(|n| StateChange::Start { attempt: AttemptNumber(n) }),
            Just(StateChange::Started),
            Just(StateChange::StartRefused),
            Just(StateChange::StartFailed { message: "no such command".into() }),
            then.prop_map(|then| StateChange::Pause { then }),
            Just(StateChange::Resume),
            Just(StateChange::Cancel),
            ending.prop_map(|ending| StateChange::Exited { ending }),
            Just(StateChange::Vanished),
        ]
    }

    proptest! {
        /// Whatever happens in whatever order: a final state stays, a state that occupies a site is left only by an
        /// exit, a refusal or a vanishing, and a refused change changes nothing.
        #[test]
        fn no_order_of_changes_breaks_the_rules(script in prop::collection::vec(changes(), 0..60)) {
            let mut state = JobState::Waiting;
            for change in &script {
                let Ok(next) = state.next(change) else { continue };
                prop_assert!(!state.is_final(), "{state:?} changed by {change:?}");
                if state.attempt().is_some() && next.attempt().is_none() {
                    let left = matches!(
                        change,
                        StateChange::Exited { .. }
                            | StateChange::StartRefused
                            | StateChange::StartFailed { .. }
                            | StateChange::Vanished
                    );
                    prop_assert!(left, "{state:?} left its site by {change:?}");
                }
                if next.attempt().is_some() && state.attempt().is_none() {
                    let started = matches!(change, StateChange::Start { .. });
                    prop_assert!(started, "came upon a site by {change:?}");
                }
                state = next;
            }
        }

        /// From every state a cancellation leads to an end as soon as the attempt has left.
        #[test]
        fn what_is_cancelled_ends(script in prop::collection::vec(changes(), 0..60)) {
            let mut state = JobState::Waiting;
            for change in &script {
                state = state.next(change).unwrap_or(state);
            }
            if !state.is_final() {
                let cancelled = state.next(&StateChange::Cancel).expect("what is not final can be cancelled");
                let left = if cancelled.attempt().is_some() {
                    cancelled.next(&StateChange::Exited { ending: Ending::Paused }).expect("what runs can exit")
                } else {
                    cancelled
                };
                prop_assert_eq!(left, JobState::Cancelled);
            }
        }
    }

    #[test]
    fn a_cancelled_job_that_finishes_first_has_succeeded() {
        let pausing = JobState::Pausing { attempt: AttemptNumber(1), then: AfterLeaving::Cancel };
        let done = pausing.next(&StateChange::Exited { ending: Ending::Succeeded });
        assert_eq!(done, Ok(JobState::Succeeded));
    }

    #[test]
    fn a_refusal_says_what_cannot_be() {
        let refused = JobState::Succeeded.next(&StateChange::Cancel).expect_err("final");
        assert_eq!(refused.to_string(), "a job that is succeeded cannot be cancelled");
    }
}
