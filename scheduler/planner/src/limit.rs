//! Admission by the carbon limit of a policy. It says what the policy wants; the engine does it.

use lowtide_model::estimate::Interval;
use lowtide_model::quantity::GramsCo2e;

use crate::policy::{LimitAction, Policy};

/// What a policy's carbon limit says of a prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LimitVerdict {
    /// No limit is passed.
    Within,
    /// The limit is passed; tell the user and go on.
    Warn {
        /// The limit.
        limit: GramsCo2e,
    },
    /// The limit is passed; a person has to approve the job.
    Hold {
        /// The limit.
        limit: GramsCo2e,
    },
    /// The limit is passed; the job is to be refused, or ended if it runs.
    Stop {
        /// The limit.
        limit: GramsCo2e,
    },
}

/// Compares the predicted footprint of a whole job with the limit of its policy. The median decides: a wide interval
/// before the first epoch must not stop a job that will probably stay within.
#[must_use]
pub fn check_limit(policy: &Policy, predicted: &Interval<GramsCo2e>) -> LimitVerdict {
    let Some(limit) = policy.limit.filter(|limit| limit.grams < predicted.median) else {
        return LimitVerdict::Within;
    };
    match limit.action {
        LimitAction::Warn => LimitVerdict::Warn { limit: limit.grams },
        LimitAction::Hold => LimitVerdict::Hold { limit: limit.grams },
        LimitAction::Stop => LimitVerdict::Stop { limit: limit.grams },
    }
}

#[cfg(test)]
mod tests {
    use lowtide_model::identity::PolicyId;

    use super::*;
    use crate::policy;

    #[test]
    fn the_median_above_the_limit_brings_the_policys_action() {
        let parse = |text: &str| policy::parse(PolicyId::new("test").expect("a name"), text).expect("a policy");
        let held = parse("[limit]\ngrams = 500\naction = \"hold\"");
        let predicted = |median: f64| Interval { low: 10.0, median, high: 9000.0 }.map(GramsCo2e::saturating);
        assert_eq!(check_limit(&held, &predicted(500.0)), LimitVerdict::Within);
        let limit = GramsCo2e::saturating(500.0);
        assert_eq!(check_limit(&held, &predicted(501.0)), LimitVerdict::Hold { limit });
        assert_eq!(check_limit(&parse(""), &predicted(1e9)), LimitVerdict::Within);
    }
}
