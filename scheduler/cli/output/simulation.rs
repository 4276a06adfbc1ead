//! The outcome of a replay as people read it.

use super::layout::{self, Field, Look};
use super::words;
use crate::commands::simulate::Summary;

/// What was saved, what it cost in waiting, and what could have been saved.
#[must_use]
pub(crate) fn text(summary: &Summary, look: Look) -> String {
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
        notes,
    } = summary;
    let of_best =
        oracle_g.filter(|oracle| oracle < baseline_g).map(|oracle| (baseline_g - policy_g) / (baseline_g - oracle));
    let mut fields = vec![
        Field::new("policy", policy),
        Field::new("jobs", jobs.to_string()),
        Field::new("at once", words::grams(*baseline_g)),
        Field::new("emitted", words::grams(*policy_g)),
        Field::new("saved", words::percent(*saving)),
    ];
    if let Some(oracle) = oracle_g {
        let best = Field::new("at best", words::grams(*oracle));
        fields.push(match of_best {
            Some(share) => best.remark(format!("the policy saved {} of what could be", words::percent(share))),
            None => best,
        });
    }
    fields.extend([
        Field::new("mean wait", format!("{mean_wait_h:.2} h")),
        Field::new("late", format!("{deadline_misses} after their deadline")),
        Field::new("starts", starts.to_string()),
        Field::new("took", format!("{elapsed_s:.2} s")),
    ]);
    let mut text = layout::fields(&fields, look.width);
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(&layout::bullets(notes, look.width));
    }
    text
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
            mean_wait_h: 12.345,
            deadline_misses: 0,
            starts: 3387,
            elapsed_s: 0.25,
            notes: vec!["GB: 3 steps without a value keep the one before them".to_owned()],
        };
        insta::assert_snapshot!(text(&summary, testing::look(80)), @"");
    }
}
