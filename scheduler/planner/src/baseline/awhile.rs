//! "Let's Wait Awhile" (Wiesner et al., Middleware '21): the cleanest contiguous window before the deadline, and the
//! cleanest slots before it where a job may be interrupted.
//!
//! Two semantics of a window. *Honest*: a window of n slots offers n. *Published*: the authors' program prepends the current
//! value to a range that includes its end, so a window of n slots offers n + 1; even a job without any slack may start
//! one slot late. Their tables need it.

use super::{SAME_MOMENT, Series, Stretch, Task, append, least_start};

/// How many slots a window offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Semantics {
    /// As many as it holds.
    #[default]
    Honest,
    /// One more, as the authors' program has it.
    Published,
}

impl Semantics {
    /// The task with its window as this semantics has it, cut where the series ends.
    #[must_use]
    pub fn window(self, series: &Series, slot_h: f64, task: &Task) -> Task {
        let extra = if self == Self::Published { slot_h } else { 0.0 };
        let end = series.end();
        let length = task.length.min((end - task.arrival).max(0.0));
        Task { length, latest_end: (task.latest_end + extra).min(end), ..*task }
    }
}

/// The start of the cleanest contiguous run, of those whole slots after the arrival; the earliest of equals. O(w).
#[must_use]
pub fn contiguous(series: &Series, slot_h: f64, task: &Task) -> f64 {
    least_start(task.arrival, task.slack(), slot_h, |start| series.integral(start, start + task.length))
}

/// The same for jobs that are whole steps of the series, in whole steps: where the run begins. `length` is at least 1 and
/// `latest_end - arrival` at least `length`. O(w) without a branch in the loop.
#[must_use]
pub fn contiguous_steps(series: &Series, arrival: usize, length: usize, latest_end: usize) -> usize {
    let integrals = series.integrals();
    let last = latest_end - length;
    let (starts, ends) = (&integrals[arrival..=last], &integrals[arrival + length..=latest_end]);
    // Two passes, the first of which the compiler turns into vector instructions.
    let mut lanes = [f64::INFINITY; 8];
    let (starts_by_lane, ends_by_lane) = (starts.chunks_exact(8), ends.chunks_exact(8));
    for (start, end) in starts_by_lane.remainder().iter().zip(ends_by_lane.remainder()) {
        lanes[0] = lanes[0].min(end - start);
    }
    for (starts, ends) in starts_by_lane.zip(ends_by_lane) {
        for ((lane, start), end) in lanes.iter_mut().zip(starts).zip(ends) {
            let sum = end - start;
            *lane = if sum < *lane { sum } else { *lane };
        }
    }
    let least = lanes.into_iter().fold(f64::INFINITY, f64::min);
    // Sums that differ by rounding alone are equal.
    let least = least + 1e-12 * integrals[latest_end];
    arrival + starts.iter().zip(ends).position(|(start, end)| end - start <= least).unwrap_or(0)
}

/// The cleanest pieces of the window that make up the length; of equal ones the earliest. O(w log w).
#[must_use]
pub fn interruptible(series: &Series, task: &Task) -> Vec<Stretch> {
    let window_end = task.latest_end.max(task.arrival + task.length);
    let mut pieces: Vec<(f64, f64, f64)> = series.pieces(task.arrival, window_end).collect();
    pieces.sort_by(|a, b| a.2.total_cmp(&b.2).then(a.0.total_cmp(&b.0)));
    let mut left = task.length;
    let mut chosen: Vec<Stretch> = Vec::new();
    for (start, end, _) in pieces {
        if left <= SAME_MOMENT {
            break;
        }
        let taken = left.min(end - start);
        // Of the last piece only a part is needed: the earlier part.
        chosen.push(Stretch { start, end: start + taken });
        left -= taken;
    }
    chosen.sort_by(|a, b| a.start.total_cmp(&b.start));
    let mut stretches = Vec::new();
    for Stretch { start, end } in chosen {
        append(&mut stretches, start, end);
    }
    stretches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::baseline::emitted;

    fn series() -> Series {
        Series::new(1.0, vec![5.0, 3.0, 9.0, 1.0, 1.0, 7.0]).expect("numbers")
    }

    #[test]
    fn the_cleanest_window_is_found_and_the_earliest_of_equals() {
        let task = Task { arrival: 0.0, length: 1.0, latest_end: 6.0 };
        assert!((contiguous(&series(), 1.0, &task) - 3.0).abs() < 1e-9);
        let tight = Task { arrival: 0.0, length: 2.0, latest_end: 2.0 };
        assert!(contiguous(&series(), 1.0, &tight).abs() < 1e-9);
    }

    #[test]
    fn pieces_that_touch_are_one_stretch() {
        let task = Task { arrival: 0.0, length: 3.0, latest_end: 6.0 };
        let expected = [Stretch { start: 1.0, end: 2.0 }, Stretch { start: 3.0, end: 5.0 }];
        assert_eq!(interruptible(&series(), &task), expected);
    }

    #[test]
    fn the_published_window_is_one_slot_longer_but_ends_with_the_data() {
        let task = Task { arrival: 0.0, length: 1.0, latest_end: 1.0 };
        let published = Semantics::Published.window(&series(), 1.0, &task);
        assert!((contiguous(&series(), 1.0, &published) - 1.0).abs() < 1e-9);
        let late = Task { arrival: 5.0, length: 3.0, latest_end: 8.0 };
        let cut = Semantics::Published.window(&series(), 1.0, &late);
        assert_eq!(cut, Task { arrival: 5.0, length: 1.0, latest_end: 6.0 });
    }

    proptest! {
        #[test]
        fn in_whole_steps_the_start_is_the_same(
            values in prop::collection::vec(0.0..900.0_f64, 1..80), arrival in 0_usize..80, length in 1_usize..20, slack in 0_usize..60
        ) {
            let arrival = arrival % values.len();
            let length = length.min(values.len() - arrival);
            let latest = (arrival + length + slack).min(values.len());
            let series = Series::new(1.0, values).expect("numbers");
            let task = Task { arrival: arrival as f64, length: length as f64, latest_end: latest as f64 };
            let start = contiguous_steps(&series, arrival, length, latest);
            let found = series.sum(start, start + length);
            let other = emitted(&series, &[task.from(contiguous(&series, 1.0, &task))]);
            prop_assert!((found - other).abs() < 1e-6 * other.max(1.0));
            let pieces = emitted(&series, &interruptible(&series, &task));
            prop_assert!(pieces <= found + 1e-6);
        }
    }
}
