//! A policy tried on the past: what happened, running at once, and the policy, side by side.

use super::layout::{self, Column, Look};
use super::words;
use crate::commands::trial::{Side, Trial};

/// The table, and what could not be replayed.
#[must_use]
pub(crate) fn text(trial: &Trial, look: Look) -> String {
    let Trial { policy, jobs, happened, at_once_g, tried, notes } = trial;
    let columns = [
        Column::words(if *jobs == 1 { "1 job" } else { "jobs" }, 0),
        Column::numbers("footprint", 0),
        Column::numbers("saved", 0),
        Column::numbers("mean wait", 0),
        Column::numbers("late", 0),
        Column::numbers("starts", 1),
    ];
    let saved = |grams: f64| if 0.0 < *at_once_g { words::percent(1.0 - grams / at_once_g) } else { String::new() };
    let row = |name: &str, side: &Side| {
        let Side { footprint_g, mean_wait_h, deadline_misses, starts } = side;
        vec![
            name.to_owned(),
            words::grams(*footprint_g),
            saved(*footprint_g),
            format!("{mean_wait_h:.2} h"),
            deadline_misses.to_string(),
            starts.to_string(),
        ]
    };
    let at_once = Side { footprint_g: *at_once_g, mean_wait_h: 0.0, deadline_misses: 0, starts: *jobs };
    let rows = vec![row("at once", &at_once), row("what happened", happened), row(policy, tried)];
    let mut text = layout::table(&columns, &rows, look);
    if !notes.is_empty() {
        text.push_str("\nNot replayed\n");
        text.push_str(&layout::bullets(notes, look.width));
    }
    text
}
