//! What is kept of a finished job's epochs for the prediction of its family.

use std::collections::BTreeMap;

use lowtide_model::course::Course;
use lowtide_model::job::Epoch;

/// How the epochs went, each as it ran last. Where one was not reported nothing is kept but the plan: what is called the
/// second epoch must be the second.
pub(crate) fn course_of(planned: Option<u32>, epochs: &[Epoch]) -> Course {
    let latest: BTreeMap<u32, &Epoch> = epochs.iter().map(|epoch| (epoch.index, epoch)).collect();
    let complete = (1..).zip(latest.keys()).all(|(expected, index)| expected == *index);
    let measured = |epoch: &&Epoch| (epoch.window.duration(), epoch.energy);
    let all: Vec<_> = if complete { latest.values().map(measured).collect() } else { Vec::new() };
    Course::of(planned, &all)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lowtide_model::job::EnergySource;
    use lowtide_model::quantity::{Joules, Seconds};
    use lowtide_model::window::Window;

    use super::*;

    fn epoch(index: u32, seconds: f64) -> Epoch {
        let start = Timestamp::UNIX_EPOCH;
        let window = Window::new(start, Seconds::saturating(seconds).after(start)).expect("start before end");
        Epoch { index, total: None, window, energy: Joules::saturating(seconds), source: EnergySource::Measured }
    }

    #[test]
    fn an_epoch_run_again_after_a_pause_counts_as_it_ran_last() {
        let course = course_of(Some(9), &[epoch(1, 10.0), epoch(2, 30.0), epoch(2, 11.0), epoch(3, 12.0)]);
        let seconds: Vec<f64> = course.time.iter().map(|time| time.get()).collect();
        assert_eq!((seconds, course.planned), (vec![10.0, 11.0, 12.0], Some(9)));
    }

    #[test]
    fn of_a_run_with_epochs_left_out_only_the_plan_is_kept() {
        for epochs in [&[epoch(2, 1.0)][..], &[epoch(1, 1.0), epoch(3, 1.0)][..], &[][..]] {
            let course = course_of(Some(9), epochs);
            assert!(course.time.is_empty() && course.energy.is_empty() && course.planned == Some(9));
        }
    }
}
