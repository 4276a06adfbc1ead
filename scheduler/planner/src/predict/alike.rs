//! Runs of a family that began as this one did. A family is what has the same project, name and program; a script that
//! trains now this and now that makes one of many jobs, and its runs fall into clusters.

use lowtide_model::course::Course;

use super::PastRun;
use super::periods::Series;

/// Runs are alike if their epochs so far differ by at most this (in the logarithm, in the mean) in time and in energy,
/// plus [`NOISE`] for one epoch, less for more of them.
const TOLERANCE: f64 = 0.05;
const NOISE: f64 = 0.10;
/// So many of the latest epochs are compared, among those that a course keeps one by one.
const COMPARED: usize = 8;
const KEPT: u32 = 64;
/// So many runs are enough to leave the others.
const ENOUGH: usize = 8;

/// The runs that began alike, if they are enough and not all.
pub(super) fn runs(history: &[PastRun], series: &Series) -> Option<Vec<PastRun>> {
    let kept = series.periods.iter().rev().filter(|period| period.position < KEPT);
    let compared: Vec<(usize, f64, f64)> =
        kept.take(COMPARED).map(|period| (period.position as usize, period.seconds.ln(), period.joules.ln())).collect();
    if compared.is_empty() {
        return None;
    }
    let number = compared.len() as f64;
    let tolerance = TOLERANCE + NOISE / number.sqrt();
    let alike = |run: &&PastRun| {
        let Course { time, energy, .. } = &run.course;
        let mut off = (0.0, 0.0);
        for (position, seconds, joules) in &compared {
            let (Some(time), Some(energy)) = (time.get(*position), energy.get(*position)) else { return false };
            off.0 += time.get().ln() - seconds;
            off.1 += energy.get().ln() - joules;
        }
        off.0.abs() <= tolerance * number && off.1.abs() <= tolerance * number
    };
    let alike: Vec<PastRun> = history.iter().filter(alike).cloned().collect();
    (ENOUGH <= alike.len() && alike.len() < history.len()).then_some(alike)
}
