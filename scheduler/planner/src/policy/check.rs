//! What is allowed in a policy but probably not meant: advice for the author, never an error.

use jiff::Timestamp;
use lowtide_model::quantity::Seconds;

use crate::policy::Policy;
use crate::policy::timetable::Timetable;
use crate::wording;

/// Sentences about keys that contradict each other or have no effect. Empty for a policy that says what it does.
#[must_use]
pub fn advise(policy: &Policy) -> Vec<String> {
    let mut advice = Vec::new();
    if !policy.delay && policy.pausable {
        advice.push("`pausable` has no effect with `delay = false`: a paused job is a delayed one".to_owned());
    }
    if !policy.delay && !policy.windows.is_empty() {
        advice.push("jobs wait for `windows` even with `delay = false`: windows are what is allowed".to_owned());
    }
    if !policy.delay && !policy.route && 0.0 < policy.minimum_saving {
        advice.push("`minimum_saving` has no effect: this policy neither delays nor routes".to_owned());
    }
    if policy.delay && policy.max_delay.is_none() && policy.deadline.is_none() {
        advice.push(
            "without `max_delay` and `deadline` a job may wait as long as the planner looks ahead (four days by default)"
                .to_owned(),
        );
    }
    if let (Some(deadline), Some(max_delay)) = (policy.deadline, policy.max_delay)
        && deadline < max_delay
    {
        advice.push(format!(
            "`max_delay` ({}) is longer than `deadline` ({}), which decides",
            wording::duration(max_delay),
            wording::duration(deadline)
        ));
    }
    if let Some(shortest) = policy.windows.iter().map(Timetable::duration).min_by(Seconds::total_cmp)
        && shortest < Seconds::from_hours(0.25)
    {
        advice.push(format!("a window of {} is shorter than a slot of most forecasts", wording::duration(shortest)));
    }
    if !policy.blackouts.is_empty() && policy.next_opening(Timestamp::UNIX_EPOCH).is_none() {
        advice.push("the blackouts leave no time in which a job may run".to_owned());
    }
    if policy.weights.carbon <= 0.0 && policy.weights.grams_per_money <= 0.0 {
        advice.push("only delay has a weight: jobs run as early as they can".to_owned());
    }
    if 0.0 < policy.weights.grams_per_money {
        advice.push(
            "the weight of money has an effect only where prices are known: `prices` of a zone in the configuration"
                .to_owned(),
        );
    }
    if policy.route && policy.sites.len() == 1 {
        advice.push("`route` has no effect with a single site in `sites`".to_owned());
    }
    advice
}
