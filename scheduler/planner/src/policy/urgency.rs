//! Tiers of urgency: what is otherwise for jobs that have more time than others, or less.

use lowtide_model::job::Urgency;
use lowtide_model::quantity::Seconds;

use crate::policy::Policy;

/// The longest that a job of high urgency waits, unless its policy says otherwise, hours, and the least it has to save by that.
const HIGH_WAIT_HOURS: f64 = 4.0;
const HIGH_SAVING: f64 = 0.1;

/// What is otherwise for jobs of a tier; what it leaves out is as the policy has it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tier {
    /// The longest a job may wait in sum.
    pub max_delay: Option<Seconds>,
    /// The least share that waiting has to save.
    pub minimum_saving: Option<f64>,
    /// Whether it may be delayed for carbon.
    pub delay: Option<bool>,
    /// Whether it may be paused for carbon.
    pub pausable: Option<bool>,
}

impl Tier {
    /// What a tier means where a policy does not say: `now` runs at once and is not paused, `high` waits four hours at most and
    /// for a tenth of its footprint at least, `low` takes any saving. None of them makes a policy more patient than it is.
    pub(super) fn meant(urgency: Urgency, policy: &Policy) -> Self {
        let longest = Seconds::from_hours(HIGH_WAIT_HOURS);
        match urgency {
            Urgency::Normal => Self::default(),
            Urgency::Low => Self { minimum_saving: Some(0.0), ..Self::default() },
            Urgency::High => Self {
                max_delay: Some(policy.max_delay.map_or(longest, |own| if own < longest { own } else { longest })),
                minimum_saving: Some(policy.minimum_saving.max(HIGH_SAVING)),
                ..Self::default()
            },
            Urgency::Now => Self { delay: Some(false), pausable: Some(false), ..Self::default() },
        }
    }

    /// What is said, over what is meant.
    pub(super) fn over(meant: Self, said: Option<&Self>) -> Self {
        let said = said.copied().unwrap_or_default();
        Self {
            max_delay: said.max_delay.or(meant.max_delay),
            minimum_saving: said.minimum_saving.or(meant.minimum_saving),
            delay: said.delay.or(meant.delay),
            pausable: said.pausable.or(meant.pausable),
        }
    }
}

#[cfg(test)]
mod tests {
    use lowtide_model::identity::PolicyId;

    use super::*;
    use crate::policy::parse;

    fn policy(text: &str) -> Policy {
        parse(PolicyId::new("test").expect("a name"), text).expect("a policy")
    }

    #[test]
    fn tiers_mean_what_their_names_say_and_never_more_patience() {
        let patient = policy("max_delay = \"24h\"\nminimum_saving = 0.05");
        assert_eq!(patient.clone().at_urgency(Urgency::Normal), patient);
        let high = patient.clone().at_urgency(Urgency::High);
        assert_eq!((high.max_delay, high.minimum_saving), (Some(Seconds::from_hours(4.0)), 0.1));
        let now = patient.clone().at_urgency(Urgency::Now);
        assert!(!now.delay && !now.pausable);
        assert!(patient.at_urgency(Urgency::Low).minimum_saving <= 0.0);
        let hasty = policy("max_delay = \"1h\"").at_urgency(Urgency::High);
        assert_eq!(hasty.max_delay, Some(Seconds::from_hours(1.0)));
    }

    #[test]
    fn a_policy_may_say_otherwise_key_by_key() {
        let policy = policy("max_delay = \"24h\"\n[urgency.high]\nmax_delay = \"8h\"\n[urgency.now]\npausable = true");
        let high = policy.clone().at_urgency(Urgency::High);
        assert_eq!((high.max_delay, high.minimum_saving), (Some(Seconds::from_hours(8.0)), 0.1));
        let now = policy.at_urgency(Urgency::Now);
        assert!(!now.delay && now.pausable);
    }
}
