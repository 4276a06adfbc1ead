//! The outcome of a replay as people read it.

use super::layout::{self, Field, Look};
use super::words;
use crate::commands::simulate::Summary;

/// What was saved, what it cost in waiting, and what could have been saved.
#[must_use]
pub(crate) fn text(summary: &Summary, look: Look) -> String {
    let best = of_best(summary).map(|share| format!("the policy saved {} of what could be", words::percent(share)));
    let fields = facts(summary).into_iter().map(|(label, value)| {
        let field = Field::new(label, value);
        match &best {
            Some(remark) if label == AT_BEST => field.remark(remark),
            _ => field,
        }
    });
    let mut text = layout::fields(&fields.collect::<Vec<_>>(), look.width);
    if !summary.notes.is_empty() {
        text.push('\n');
        text.push_str(&layout::bullets(&summary.notes, look.width));
    }
    text
}

const AT_BEST: &str = "at best";

/// Labels and values, one fact each.
#[must_use]
pub(crate) fn facts(summary: &Summary) -> Vec<(&'static str, String)> {
    let Summary {
        policy,
        jobs,
        baseline_g,
        policy_g,
        oracle_g,
        saving,
        mean_wait_h,
        deadline_misses,
        starts,
        elapsed_s,
        notes: _,
    } = summary;
    vec![
        ("policy", policy.clone()),
        ("jobs", jobs.to_string()),
        ("at once", words::grams(*baseline_g)),
        ("emitted", words::grams(*policy_g)),
        ("saved", words::percent(*saving)),
        (AT_BEST, oracle_g.map_or_else(|| "not known".to_owned(), words::grams)),
        ("mean wait", format!("{mean_wait_h:.2} h")),
        ("late", format!("{deadline_misses} after their deadline")),
        ("starts", starts.to_string()),
        ("took", format!("{elapsed_s:.2} s")),
    ]
}

/// Which share of the saving that there could be was had.
fn of_best(summary: &Summary) -> Option<f64> {
    let Summary { baseline_g, policy_g, oracle_g, .. } = summary;
    oracle_g.filter(|oracle| oracle < baseline_g).map(|oracle| (baseline_g - policy_g) / (baseline_g - oracle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    #[test]
    fn a_summary_says_what_was_saved_of_what_could_be() {
        let summary = Summary {
            policy: "lwa-contiguous".to_owned(),
            jobs: 3387,
            baseline_g: 1000.0,
            policy_g: 850.0,
            oracle_g: Some(800.0),
            saving: 0.15,
            mean_wait_h: 12.348,
            deadline_misses: 0,
            starts: 3387,
            elapsed_s: 0.25,
            notes: vec!["GB: 3 steps without a value keep the one before them".to_owned()],
        };
        let text = text(&summary, testing::look(80));
        for line in
            ["  saved      15 %", "  mean wait  12.35 h", "the policy saved 75 % of what could be", "  - GB: 3 steps"]
        {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
    }
}
