//! What a policy that weighs money or delay gives up for them: its plan beside the one with the least carbon under the same rules.

use lowtide_model::plan::Cleanest;
use lowtide_model::quantity::GramsCo2e;

use super::course::Course;
use super::situation::Situation;
use super::{PlanningInput, decide, weighing};
use crate::policy::{Policy, Weights};

/// The plan there would be by carbon alone; nothing where the policy goes by that, or where it emits no less.
pub(super) fn look(situation: &Situation, course: &Course) -> Option<Cleanest> {
    let input = situation.input;
    if input.policy.weights == Weights::CARBON {
        return None;
    }
    let policy = Policy { weights: Weights::CARBON, ..input.policy.clone() };
    let other = PlanningInput { policy: &policy, ..*input };
    let other = Situation::of(&other).ok()?;
    let at_once = other.at_once();
    let run_now = other.run_now(&at_once)?;
    let best = decide(&other, &run_now, || at_once.clone(), |rules| other.candidates(rules)).course;
    (best.grams < course.grams && best.stretches != course.stretches).then(|| Cleanest {
        footprint: GramsCo2e::saturating(best.grams),
        end: best.end(),
        cost: weighing::cost(&other, &best, &run_now).map(|cost| cost.amount),
        segments: other.segments(&best),
    })
}
