//! How forecasts came true, as two tables for each zone.

use lowtide_api::v1::verify::{LeadView, RegretView, VerificationView};

use super::layout::{self, Column, Look};

/// Head and tables of a zone.
#[must_use]
pub(crate) fn text(zone: &VerificationView, look: Look) -> String {
    let VerificationView { zone, issues, first, last, leads, regret } = zone;
    let between = match (first, last) {
        (Some(first), Some(last)) => format!(" between {first} and {last}"),
        _ => String::new(),
    };
    let mut text = layout::clean(&format!("{zone}: {issues} issues{between} have come true, the first of each hour"));
    text.push('\n');
    if leads.is_empty() {
        text.push_str("  Nothing can be said yet: no hour was both forecast and measured.\n");
        return text;
    }
    let columns = [
        Column::words("lead", 0),
        Column::numbers("hours", 3),
        Column::numbers("bias g/kWh", 2),
        Column::numbers("error g/kWh", 0),
        Column::numbers("error", 1),
        Column::numbers("corrected g/kWh", 0),
        Column::numbers("in 90 % band", 1),
    ];
    text.push_str(&layout::table(&columns, &leads.iter().map(lead).collect::<Vec<_>>(), look));
    if regret.is_empty() {
        text.push_str("What following them cost can be said once a week of hours was measured.\n");
        return text;
    }
    text.push_str("\nWhat jobs would have lost against knowing everything (share of the saving kept)\n");
    let columns = [
        Column::words("believing", 0),
        Column::numbers("jobs", 2),
        Column::numbers("4 h in one piece", 0),
        Column::numbers("half the hours", 0),
    ];
    text.push_str(&layout::table(&columns, &regret.iter().map(cost).collect::<Vec<_>>(), look));
    text
}

fn lead(lead: &LeadView) -> Vec<String> {
    let share = |share: f64| format!("{:.0} %", share * 100.0);
    vec![
        format!("{} to {} h", lead.from_h, lead.to_h),
        lead.hours.to_string(),
        format!("{:+.1}", lead.bias_g_per_kwh),
        format!("{:.1}", lead.absolute_error_g_per_kwh),
        share(lead.relative_error),
        lead.corrected_error_g_per_kwh.map(|error| format!("{error:.1}")).unwrap_or_default(),
        lead.covered.map(share).unwrap_or_default(),
    ]
}

fn cost(regret: &RegretView) -> Vec<String> {
    let told = |lost: f64, kept: f64| format!("{:.1} % ({:.0} %)", lost * 100.0, kept * 100.0);
    vec![
        match regret.of.as_str() {
            "as issued" => "the forecast as issued".to_owned(),
            "corrected" => "the corrected forecast".to_owned(),
            _ => "the last week's hours".to_owned(),
        },
        regret.jobs.to_string(),
        told(regret.contiguous, regret.contiguous_kept),
        told(regret.interruptible, regret.interruptible_kept),
    ]
}
