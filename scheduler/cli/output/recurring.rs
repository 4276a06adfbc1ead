//! Jobs that recur: a table of them, and one in full.

use lowtide_api::v1::recurring::RecurringView;

use super::layout::{self, Column, Field, Look};
use super::words::{self, Clock};

const COLUMNS: [Column; 6] = [
    Column::words("id", 0),
    Column::words("name", 0),
    Column::words("cron", 0),
    Column::words("zone", 2),
    Column::words("next", 0),
    Column::numbers("jobs so far", 1),
];

/// A table of recurring jobs.
#[must_use]
pub(crate) fn table(recurring: &[RecurringView], clock: &Clock, look: Look) -> String {
    let row = |one: &RecurringView| {
        vec![
            one.id.clone(),
            layout::shorten(&one.name, 32),
            one.cron.clone(),
            one.zone.clone(),
            next(one, clock).into_iter().next().unwrap_or_else(|| "no more".to_owned()),
            one.occurrences.to_string(),
        ]
    };
    layout::table(&COLUMNS, &recurring.iter().map(row).collect::<Vec<_>>(), look)
}

/// A recurring job in full.
#[must_use]
pub(crate) fn text(recurring: &RecurringView, clock: &Clock, look: Look) -> String {
    let RecurringView { id, name, user, policy, cron, zone, slack_s, early_s, overlap, .. } = recurring;
    let slack = match (slack_s, *early_s > 0.0) {
        (None, _) => format!("what policy {policy} allows"),
        (Some(late), false) => format!("up to {} after its time", words::duration(*late)),
        (Some(late), true) => {
            format!("from {} before to {} after its time", words::duration(*early_s), words::duration(*late))
        }
    };
    let overlaps = if overlap == "queue" { "waits for the one before it" } else { "is left out" };
    let next = next(recurring, clock);
    let mut fields = vec![
        Field::new("user", user),
        Field::new("times", cron).remark(format!("by the clock of {zone}")),
        Field::new("starts", slack),
        Field::new("overlap", overlaps).remark("while the one before it is not over"),
        Field::new("next", if next.is_empty() { "no more".to_owned() } else { next.join(", ") }),
        Field::new("jobs so far", recurring.occurrences.to_string()),
    ];
    fields.extend(recurring.last_job.map(|job| Field::new("last job", job.to_string())));
    fields.extend(recurring.notes.iter().map(|note| Field::new("note", &note.text)));
    format!("{}\n{}", layout::clean(&format!("{id} {name}")), layout::fields(&fields, look.width))
}

fn next(recurring: &RecurringView, clock: &Clock) -> Vec<String> {
    recurring.next.iter().map(|at| words::moment(*at, clock)).collect()
}
