//! Carbon budgets: a table of them, and one in full.

use lowtide_api::v1::budget::BudgetView;
use lowtide_api::v1::summary::JobSummary;

use super::layout::{self, Column, Field, Look};
use super::words::{self, Clock};

const COLUMNS: [Column; 8] = [
    Column::words("budget", 0),
    Column::words("counts", 2),
    Column::words("period", 1),
    Column::numbers("limit", 0),
    Column::numbers("used", 0),
    Column::numbers("running", 0),
    Column::numbers("planned", 0),
    Column::numbers("left", 0),
];

/// A table of budgets. Amounts with a `~` are predicted.
#[must_use]
pub(crate) fn table(budgets: &[BudgetView], clock: &Clock, look: Look) -> String {
    let row = |budget: &BudgetView| {
        let until = budget.period_end.map(|end| format!(", to {}", words::moment(end, clock))).unwrap_or_default();
        vec![
            budget.name.clone(),
            counts(budget),
            format!("{}{until}", budget.period),
            words::grams(budget.limit_g),
            words::grams(budget.used_g + budget.running_so_far_g),
            about(budget.running_predicted_g),
            about(budget.planned_g),
            words::grams(budget.left_g),
        ]
    };
    layout::table(&COLUMNS, &budgets.iter().map(row).collect::<Vec<_>>(), look)
}

/// A budget in full, with the jobs that wait for it.
#[must_use]
pub(crate) fn text(budget: &BudgetView, clock: &Clock, look: Look) -> String {
    let renews = match budget.period_end {
        Some(end) => format!("{} (calendar of {})", words::moment(end, clock), budget.zone),
        None => "never".to_owned(),
    };
    let does = match (budget.action.as_str(), budget.pause) {
        (action, true) => format!("{action}, and pause what runs once it is used up"),
        (action, false) => action.to_owned(),
    };
    let mut fields = vec![
        Field::new("counts", counts(budget)),
        Field::new(
            "limit",
            format!("{} a {}", words::grams(budget.limit_g), budget.period).replace("a total", "in all"),
        ),
        Field::new("over it", does),
        Field::new("predicted at", format!("the {} quantile", budget.quantile)),
        Field::new("used", words::grams(budget.used_g)).remark("by jobs that are over"),
        Field::new("running", words::grams(budget.running_so_far_g)).remark("so far by jobs that have begun"),
        Field::new("", about(budget.running_predicted_g)).remark("still to come of them, predicted"),
        Field::new("planned", about(budget.planned_g)).remark("by jobs that wait, predicted"),
        Field::new("left", words::grams(budget.left_g)),
        Field::new("begins anew", renews),
    ];
    let job = |label: &'static str, job: &JobSummary| {
        let grams = job.footprint_g.map(|grams| format!(", {}", about(grams))).unwrap_or_default();
        Field::new(label, format!("job {} {}{grams}", job.id, job.name))
    };
    fields.extend(budget.held.iter().map(|held| job("holds", held)));
    fields.extend(budget.deferred.iter().map(|deferred| job("puts off", deferred)));
    format!("{}\n{}", layout::clean(&budget.name), layout::fields(&fields, look.width))
}

fn counts(budget: &BudgetView) -> String {
    match (&budget.project, &budget.user) {
        (None, None) => "all jobs".to_owned(),
        (Some(project), None) => format!("project {project}"),
        (None, Some(user)) => format!("user {user}"),
        (Some(project), Some(user)) => format!("project {project} of {user}"),
    }
}

fn about(grams: f64) -> String {
    if grams > 0.0 { format!("~{}", words::grams(grams)) } else { words::grams(0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    #[test]
    fn a_budget_says_what_is_used_what_is_bound_and_what_is_left() {
        let budget = BudgetView {
            name: "team".to_owned(),
            limit_g: 5000.0,
            period: "month".to_owned(),
            zone: "Europe/Copenhagen".to_owned(),
            project: Some("vision".to_owned()),
            user: None,
            action: "hold".to_owned(),
            quantile: "median".to_owned(),
            pause: true,
            period_start: Some(testing::at("2026-10-31T23:00:00Z")),
            period_end: Some(testing::at("2026-11-30T23:00:00Z")),
            used_g: 2100.0,
            running_so_far_g: 200.0,
            running_predicted_g: 400.0,
            planned_g: 0.0,
            left_g: 2300.0,
            held: Vec::new(),
            deferred: Vec::new(),
        };
        insta::assert_snapshot!(text(&budget, &testing::clock(), testing::look(80)), @r"
        team
          counts        project vision
          limit         5 kg a month
          over it       hold, and pause what runs once it is used up
          predicted at  the median quantile
          used          2.1 kg    by jobs that are over
          running       200 g     so far by jobs that have begun
                        ~400 g    still to come of them, predicted
          planned       0 g       by jobs that wait, predicted
          left          2.3 kg
          begins anew   Tue 00:00 (calendar of Europe/Copenhagen)
        ");
        insta::assert_snapshot!(table(&[budget], &testing::clock(), testing::look(100)), @r"
        budget  counts          period               limit    used  running  planned    left
        team    project vision  month, to Tue 00:00   5 kg  2.3 kg   ~400 g      0 g  2.3 kg
        ");
    }
}
