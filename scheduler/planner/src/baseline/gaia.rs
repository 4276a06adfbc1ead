//! The rules of GAIA (Hanafy et al., ASPLOS '24), and the two it compares itself with.
//!
//! A queue has a longest wait and a mean length; a rule that does not know a job's length uses the mean of its queue.
//! Candidate starts are whole hours after the arrival, the first one the arrival itself, the last one the longest wait
//! later; [`lowest_slot`] alone looks at the hours of the clock. Of equal starts the earliest is taken. The authors' program
//! walks in steps of five seconds; here the integrals over hourly steps are exact.

use super::{SAME_MOMENT, Series, Stretch, Task, append, awhile, least_start, starts};

/// Candidate starts are this far apart, hours.
const CANDIDATE_H: f64 = 1.0;

/// The quantile of the next day below which the threshold rule runs, and how long its day is.
const THRESHOLD_QUANTILE: f64 = 0.3;
const THRESHOLD_HOURS: f64 = 24.0;

/// The start in the cleanest hour of those within the longest wait. Knows no length.
#[must_use]
pub fn lowest_slot(series: &Series, task: &Task) -> f64 {
    let last = task.arrival + task.slack();
    let mut best = (series.at(task.arrival), task.arrival);
    for step in series.step_of(task.arrival) + 1..=series.step_of(last) {
        if series.values()[step] < best.0 {
            best = (series.values()[step], series.start_of(step));
        }
    }
    best.1
}

/// The start at which a job of the queue's mean length would emit least.
#[must_use]
pub fn lowest_window(series: &Series, task: &Task, mean_length: f64) -> f64 {
    least_start(task.arrival, task.slack(), CANDIDATE_H, |start| series.integral(start, start + mean_length))
}

/// The start at which a job of the queue's mean length would save most for each hour until its end.
#[must_use]
pub fn carbon_time(series: &Series, task: &Task, mean_length: f64) -> f64 {
    let emitted = |start: f64| series.integral(start, start + mean_length);
    let at_once = emitted(task.arrival);
    let mut best = (f64::NEG_INFINITY, task.arrival);
    for start in starts(task.arrival, task.slack(), CANDIDATE_H) {
        let rate = (at_once - emitted(start)) / (start - task.arrival + mean_length);
        if best.0 < rate - 1e-12 {
            best = (rate, start);
        }
    }
    best.1
}

/// The start at which the job itself emits least: its length is known.
#[must_use]
pub fn contiguous(series: &Series, task: &Task) -> f64 {
    awhile::contiguous(series, CANDIDATE_H, task)
}

/// Runs whenever the intensity is below the 30 % quantile of the day after the arrival, and, once all waiting is spent, to
/// the end. Knows no length. (After Ecovisor; Souza et al., ASPLOS '23.)
#[must_use]
pub fn ecovisor(series: &Series, task: &Task) -> Vec<Stretch> {
    let threshold = quantile(series, task.arrival, task.arrival + THRESHOLD_HOURS, THRESHOLD_QUANTILE);
    let (mut waiting, mut left) = (task.slack(), task.length);
    let mut stretches = Vec::new();
    let end = task.arrival + task.slack() + task.length;
    for (start, end, value) in series.pieces(task.arrival, end) {
        let mut at = start;
        if threshold <= value {
            let waited = waiting.min(end - at);
            waiting -= waited;
            at += waited;
        }
        let run = left.min(end - at);
        if SAME_MOMENT < run {
            append(&mut stretches, at, at + run);
            left -= run;
        }
        if left <= SAME_MOMENT {
            break;
        }
    }
    if SAME_MOMENT < left {
        // What rounding left over.
        let at = stretches.last().map_or(task.arrival, |last| last.end);
        append(&mut stretches, at, at + left);
    }
    stretches
}

/// The cleanest pieces before the deadline: what GAIA calls Wait Awhile.
#[must_use]
pub fn wait_awhile(series: &Series, task: &Task) -> Vec<Stretch> {
    awhile::interruptible(series, task)
}

/// A quantile of the intensity by time, of the stretch from one moment to another; between neighbours in proportion, which for
/// a step function is a step itself but in the rare case that the quantile falls between two.
fn quantile(series: &Series, from: f64, to: f64, share: f64) -> f64 {
    let mut pieces: Vec<(f64, f64)> = series.pieces(from, to).map(|(start, end, value)| (value, end - start)).collect();
    pieces.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut until = share * (to - from);
    for (value, hours) in &pieces {
        until -= hours;
        if until < 0.0 {
            return *value;
        }
    }
    pieces.last().map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Night at 100, day at 300, and one very clean half-hour at noon.
    fn series() -> Series {
        let values = (0..96)
            .map(|step| match step % 48 {
                24 => 10.0,
                0..12 => 100.0,
                _ => 300.0,
            })
            .collect();
        Series::new(0.5, values).expect("numbers")
    }

    #[test]
    fn a_slot_is_cleaner_than_a_window_around_it() {
        let task = Task { arrival: 10.0, length: 6.0, latest_end: 40.0 };
        assert!((lowest_slot(&series(), &task) - 12.0).abs() < 1e-9);
        assert!((lowest_window(&series(), &task, 6.0) - 24.0).abs() < 1e-9);
        assert!((contiguous(&series(), &task) - 24.0).abs() < 1e-9);
    }

    #[test]
    fn carbon_time_waits_less_where_waiting_pays_little() {
        let task = Task { arrival: 10.0, length: 1.0, latest_end: 40.0 };
        assert!((carbon_time(&series(), &task, 1.0) - 12.0).abs() < 1e-9);
        let flat = Series::new(1.0, vec![200.0; 48]).expect("numbers");
        assert!((carbon_time(&flat, &task, 1.0) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn the_threshold_rule_runs_on_once_its_waiting_is_spent() {
        let task = Task { arrival: 7.0, length: 4.0, latest_end: 14.0 };
        let stretches = ecovisor(&series(), &task);
        assert_eq!(stretches, [Stretch { start: 10.0, end: 14.0 }]);
        let patient = Task { latest_end: 40.0, ..task };
        let stretches = ecovisor(&series(), &patient);
        assert_eq!(stretches.len(), 2, "{stretches:?}");
        assert!((stretches.iter().map(|stretch| stretch.end - stretch.start).sum::<f64>() - 4.0).abs() < 1e-6);
    }
}
