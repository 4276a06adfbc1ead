//! Jobs in one line each: what bare `lowtide` prints.

use lowtide_api::v1::summary::JobSummary;

use super::layout::{self, Column, Look};
use super::words::{self, Clock};

const COLUMNS: [Column; 9] = [
    Column::numbers("id", 0),
    Column::words("name", 0),
    Column::words("state", 0),
    Column::words("site", 2),
    Column::words("start", 0),
    Column::words("end", 3),
    Column::numbers("epochs", 1),
    Column::numbers("energy", 4),
    Column::numbers("footprint", 0),
];

/// A table of jobs. An amount that is not known but guessed carries a `~`.
#[must_use]
pub(crate) fn text(jobs: &[JobSummary], clock: &Clock, look: Look) -> String {
    let row = |job: &JobSummary| {
        let moment = |at: Option<jiff::Timestamp>| at.map(|at| words::moment(at, clock)).unwrap_or_default();
        let about = if job.source.as_deref() == Some("actual") { "" } else { "~" };
        let epochs = match (job.epochs_done, job.epochs_total) {
            (0, None) => String::new(),
            (done, Some(total)) => format!("{done}/{total}"),
            (done, None) => done.to_string(),
        };
        vec![
            job.id.to_string(),
            layout::shorten(&job.name, 32),
            job.state.clone(),
            job.site.clone().unwrap_or_default(),
            moment(job.start),
            moment(job.end),
            epochs,
            job.energy_kwh.map(|kwh| format!("{about}{}", words::energy(kwh))).unwrap_or_default(),
            job.footprint_g.map(|grams| format!("{about}{}", words::grams(grams))).unwrap_or_default(),
        ]
    };
    layout::table(&COLUMNS, &jobs.iter().map(row).collect::<Vec<_>>(), look)
}

/// What stands below a table that is not all: how many jobs are not in it, and how to see them.
#[must_use]
pub(crate) fn closing(listed: usize, more: u64) -> String {
    let jobs = if more == 1 { "1 more job is" } else { &format!("{} more jobs are", words::count(more)) };
    let wider = (listed as u64).saturating_mul(4);
    let some = if wider < more { format!("`--limit {wider}` shows more, ") } else { String::new() };
    format!(
        "{jobs} not shown: {some}`lowtide jobs --limit all` {}; `--state`, `--user` and `--project` choose",
        if some.is_empty() { "shows them too" } else { "every one" }
    )
}

/// A job that waits for a person, in two lines: what it would emit, and why it is held.
#[must_use]
pub(crate) fn held(jobs: &[JobSummary], look: Look) -> String {
    let mut text = String::new();
    for job in jobs {
        let grams = job.footprint_g.map(|grams| format!(", ~{}", words::grams(grams))).unwrap_or_default();
        text.push_str(&layout::clean(&format!("job {} {} of {}{grams}", job.id, job.name, job.user)));
        text.push('\n');
        let why = job.state_detail.as_deref().unwrap_or("held");
        text.push_str(&layout::fields(&[layout::Field::new("why", why)], look.width));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    fn summary(id: u64, state: &str, source: &str) -> JobSummary {
        JobSummary {
            id,
            name: "train.py".to_owned(),
            state: state.to_owned(),
            state_detail: None,
            held_for_approval: false,
            policy: "patient".to_owned(),
            priority: 0,
            project: None,
            user: "ada".to_owned(),
            submitted_at: testing::at("2026-11-25T13:00:00Z"),
            site: Some("north".to_owned()),
            start: Some(testing::at("2026-11-25T21:30:00Z")),
            end: Some(testing::at("2026-11-26T06:40:00Z")),
            epochs_done: 3,
            epochs_total: Some(90),
            energy_kwh: Some(6.2),
            footprint_g: Some(1800.0),
            source: Some(source.to_owned()),
        }
    }

    #[test]
    fn a_table_that_is_not_all_says_so() {
        insta::assert_snapshot!(closing(50, 99_966), @"99,966 more jobs are not shown: `--limit 200` shows more, `lowtide jobs --limit all` every one; `--state`, `--user` and `--project` choose");
        insta::assert_snapshot!(closing(50, 1), @"1 more job is not shown: `lowtide jobs --limit all` shows them too; `--state`, `--user` and `--project` choose");
    }

    #[test]
    fn the_table_fits_every_width() {
        let jobs = [summary(41, "succeeded", "actual"), summary(142, "waiting", "history")];
        insta::assert_snapshot!(text(&jobs, &testing::clock(), testing::look(120)), @r"
         id  name      state      site   start        end             epochs    energy  footprint
         41  train.py  succeeded  north  today 22:30  tomorrow 07:40    3/90   6.2 kWh     1.8 kg
        142  train.py  waiting    north  today 22:30  tomorrow 07:40    3/90  ~6.2 kWh    ~1.8 kg
        ");
        insta::assert_snapshot!(text(&jobs, &testing::clock(), testing::look(80)), @r"
         id  name      state      site   start        end             epochs  footprint
         41  train.py  succeeded  north  today 22:30  tomorrow 07:40    3/90     1.8 kg
        142  train.py  waiting    north  today 22:30  tomorrow 07:40    3/90    ~1.8 kg
        ");
        insta::assert_snapshot!(text(&jobs, &testing::clock(), testing::look(60)), @r"
         id  name      state      start        epochs  footprint
         41  train.py  succeeded  today 22:30    3/90     1.8 kg
        142  train.py  waiting    today 22:30    3/90    ~1.8 kg
        ");
    }
}
