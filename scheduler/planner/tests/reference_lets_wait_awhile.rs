//! "Let's Wait Awhile", scenario II: 3,387 machine-learning jobs of 2020 in half-hour slots, by the closed formulas, in both
//! semantics of a window, against all thirty results of the authors' program and of its corrected form.

mod reference;

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use lowtide_planner::baseline::awhile::{Semantics, contiguous, contiguous_steps, interruptible};
use lowtide_planner::baseline::flexibility::Flexibility;
use lowtide_planner::baseline::least::LeastSums;
use lowtide_planner::baseline::{Series, Task, emitted};
use reference::{close, data, number, rows, series};

const SLOT_H: f64 = 0.5;
const TOLERANCE: f64 = 1e-6;

/// At once; next workday contiguous and interruptible; semi-weekly contiguous and interruptible. g/kWh over slots.
const PUBLISHED: [(&str, [f64; 5]); 3] = [
    ("GB", [67_289_066.9, 62_867_650.2, 61_078_676.7, 57_363_245.3, 53_828_004.4]),
    ("DE", [99_017_964.7, 93_149_952.5, 90_942_349.2, 85_026_533.2, 80_701_843.3]),
    ("FR", [17_687_141.9, 16_840_000.9, 16_587_161.6, 15_714_480.5, 15_235_432.3]),
];

const HONEST: [(&str, [f64; 5]); 3] = [
    ("GB", [67_429_418.4, 62_940_657.4, 61_207_180.5, 57_414_646.7, 53_884_151.5]),
    ("DE", [99_157_812.0, 93_286_495.4, 91_185_283.5, 85_128_611.1, 80_832_633.9]),
    ("FR", [17_713_892.7, 16_850_633.3, 16_604_926.6, 15_721_223.2, 15_243_265.1]),
];

fn begin() -> Timestamp {
    "2020-01-01T00:00:00Z".parse().expect("a time")
}

/// The jobs with the deadline each flexibility gives; none gives their own end.
fn tasks(data: &Path, flexibility: Option<Flexibility>) -> Vec<Task> {
    rows(&data.join("jobs/lwa_ml_3387.csv"))
        .iter()
        .map(|row| {
            let (arrival, length) = (number(&row[1]) / 60.0, number(&row[2]) / 60.0);
            let end = begin() + SignedDuration::from_secs_f64((arrival + length) * 3600.0);
            let latest = flexibility.map_or(end, |flexibility| flexibility.deadline(end));
            Task { arrival, length, latest_end: latest.duration_since(begin()).as_secs_f64() / 3600.0 }
        })
        .collect()
}

fn gb(data: &Path, zone: &str) -> Series {
    series(&data.join(format!("carbon/lets-wait-awhile/{zone}_2020.csv")), SLOT_H, "2020-01-01T00:00Z", usize::MAX)
}

fn check(semantics: Semantics, expected: &[(&str, [f64; 5])]) {
    let Some(data) = data() else { return };
    for (zone, expected) in expected {
        let series = gb(&data, zone);
        let year = |flexibility: Option<Flexibility>, pausable: bool| -> f64 {
            let tasks = tasks(&data, flexibility);
            let windows = tasks.iter().map(|task| semantics.window(&series, SLOT_H, task));
            let grams = windows.map(|task| {
                if pausable {
                    return emitted(&series, &interruptible(&series, &task));
                }
                emitted(&series, &[task.from(contiguous(&series, SLOT_H, &task))])
            });
            // A kilowatt for half an hour is half a kilowatt-hour.
            grams.sum::<f64>() / SLOT_H
        };
        let (workday, weekly) = (Some(Flexibility::NextWorkday), Some(Flexibility::SemiWeekly));
        let runs = [(None, false), (workday, false), (workday, true), (weekly, false), (weekly, true)];
        for ((flexibility, pausable), expected) in runs.into_iter().zip(expected) {
            let what = format!("{zone} {semantics:?} {flexibility:?} pausable {pausable}");
            close(&what, year(flexibility, pausable), *expected, TOLERANCE);
        }
    }
}

#[test]
fn the_published_tables_are_reproduced_with_their_extra_slot() {
    check(Semantics::Published, &PUBLISHED);
}

#[test]
fn windows_of_exactly_their_slots_give_the_corrected_tables() {
    check(Semantics::Honest, &HONEST);
}

#[test]
fn the_fast_forms_in_whole_slots_give_the_same() {
    let Some(data) = data() else { return };
    let series = gb(&data, "GB");
    let sums = LeastSums::new(series.values());
    let (mut in_one, mut in_pieces) = (0.0, 0.0);
    for task in tasks(&data, Some(Flexibility::SemiWeekly)) {
        let task = Semantics::Honest.window(&series, SLOT_H, &task);
        let arrival = series.step_of(task.arrival);
        let (length, end) = (series.step_of(task.length), (task.latest_end / SLOT_H).round());
        let end = (0..=series.values().len()).rev().find(|step| *step as f64 <= end).expect("a slot");
        let start = contiguous_steps(&series, arrival, length, end);
        in_one += series.sum(start, start + length) / SLOT_H;
        in_pieces += sums.least(arrival, end, length).expect("room").sum;
    }
    close("GB contiguous", in_one, 57_414_646.7, TOLERANCE);
    close("GB interruptible", in_pieces, 53_884_151.5, TOLERANCE);
}
