//! Predicted against actual over many jobs: a table for people, comma-separated values for spreadsheets.

use std::fmt::Write as _;

use lowtide_api::v1::report::{ReportRow, ReportView};

use super::layout::{self, Column, Look};
use super::words;

/// The table: one row for each group and one for all.
#[must_use]
pub(crate) fn text(report: &ReportView, look: Look) -> String {
    let ReportView { by, rows, total } = report;
    if rows.is_empty() {
        return "No job with a review yet\n".to_owned();
    }
    let columns = [
        Column::words(group(by), 0),
        Column::numbers("jobs", if by == "job" { 6 } else { 1 }),
        Column::numbers("energy", 2),
        Column::numbers("predicted", 3),
        Column::numbers("actual", 0),
        Column::numbers("run at once", 1),
        Column::numbers("saved", 0),
        Column::numbers("", 0),
        Column::numbers("error", 1),
        Column::numbers("of energy", 4),
        Column::numbers("of time", 5),
        Column::numbers("of intensity", 4),
    ];
    let mut cells: Vec<Vec<String>> = rows.iter().map(|row| cells_of(row, row.key.clone())).collect();
    cells.push(cells_of(total, "total".to_owned()));
    layout::table(&columns, &cells, look)
}

fn group(by: &str) -> &'static str {
    match by {
        "project" => "project",
        "site" => "site",
        "policy" => "policy",
        "user" => "user",
        _ => "job",
    }
}

fn cells_of(row: &ReportRow, key: String) -> Vec<String> {
    let ReportRow {
        key: _,
        jobs,
        energy_kwh,
        footprint_g,
        predicted_g,
        run_at_once_g,
        saving_g,
        footprint_error,
        energy_error,
        duration_error,
        intensity_error,
    } = row;
    let (saved, share) = words::saving(*saving_g, *run_at_once_g).unwrap_or_else(|| ("0 g".to_owned(), None));
    let error = |error: &Option<f64>| error.map(words::percent).unwrap_or_default();
    vec![
        key,
        jobs.to_string(),
        words::energy(*energy_kwh),
        words::grams(*predicted_g),
        words::grams(*footprint_g),
        words::grams(*run_at_once_g),
        saved,
        share.unwrap_or_default(),
        error(footprint_error),
        error(energy_error),
        error(duration_error),
        error(intensity_error),
    ]
}

/// Comma-separated values as RFC 4180 has them: one line of heads, the keys of the JSON. The total is left to the reader.
#[must_use]
pub(crate) fn csv(report: &ReportView) -> String {
    let mut text = String::from(
        "key,jobs,energy_kwh,footprint_g,predicted_g,run_at_once_g,saving_g,footprint_error,energy_error,\
         duration_error,intensity_error\n",
    );
    let number = |value: &Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for row in &report.rows {
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{}",
            quoted(&row.key),
            row.jobs,
            row.energy_kwh,
            row.footprint_g,
            row.predicted_g,
            row.run_at_once_g,
            row.saving_g,
            number(&row.footprint_error),
            number(&row.energy_error),
            number(&row.duration_error),
            number(&row.intensity_error),
        );
    }
    text
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    fn row(key: &str, error: Option<f64>) -> ReportRow {
        ReportRow {
            key: key.to_owned(),
            jobs: 3,
            energy_kwh: 18.6,
            footprint_g: 5460.0,
            predicted_g: 5400.0,
            run_at_once_g: 9300.0,
            saving_g: 3840.0,
            footprint_error: error,
            energy_error: error,
            duration_error: error,
            intensity_error: error,
        }
    }

    fn report() -> ReportView {
        ReportView {
            by: "project".to_owned(),
            rows: vec![row("vision", Some(0.038)), row("a, \"b\"", None)],
            total: row("", None),
        }
    }

    #[test]
    fn the_table_fits_every_width() {
        insta::assert_snapshot!(text(&report(), testing::look(120)), @r#"
        project  jobs    energy  predicted   actual  run at once    saved          error  of energy  of time  of intensity
        vision      3  18.6 kWh     5.4 kg  5.46 kg       9.3 kg  3.84 kg  41.3 %  3.8 %      3.8 %    3.8 %         3.8 %
        a, "b"      3  18.6 kWh     5.4 kg  5.46 kg       9.3 kg  3.84 kg  41.3 %
        total       3  18.6 kWh     5.4 kg  5.46 kg       9.3 kg  3.84 kg  41.3 %
        "#);
        insta::assert_snapshot!(text(&report(), testing::look(80)), @r#"
        project  jobs    energy  predicted   actual  run at once    saved          error
        vision      3  18.6 kWh     5.4 kg  5.46 kg       9.3 kg  3.84 kg  41.3 %  3.8 %
        a, "b"      3  18.6 kWh     5.4 kg  5.46 kg       9.3 kg  3.84 kg  41.3 %
        total       3  18.6 kWh     5.4 kg  5.46 kg       9.3 kg  3.84 kg  41.3 %
        "#);
        insta::assert_snapshot!(text(&report(), testing::look(60)), @r#"
        project  jobs   actual  run at once    saved          error
        vision      3  5.46 kg       9.3 kg  3.84 kg  41.3 %  3.8 %
        a, "b"      3  5.46 kg       9.3 kg  3.84 kg  41.3 %
        total       3  5.46 kg       9.3 kg  3.84 kg  41.3 %
        "#);
    }

    #[test]
    fn a_comma_in_a_name_makes_no_column() {
        insta::assert_snapshot!(csv(&report()), @r#"
        key,jobs,energy_kwh,footprint_g,predicted_g,run_at_once_g,saving_g,footprint_error,energy_error,duration_error,intensity_error
        vision,3,18.6,5460,5400,9300,3840,0.038,0.038,0.038,0.038
        "a, ""b""",3,18.6,5460,5400,9300,3840,,,,
        "#);
    }
}
