//! How many epochs a job will run: as planned, or fewer where it may stop early, as the runs of its family did.

use lowtide_model::estimate::Interval;

use super::PastRun;
use super::interval::{Z_95, conformal_count, median, student_t_95};

/// Spread of the number of epochs of runs that stop by themselves, in the logarithm, before there are enough of them to
/// tell; it counts as [`PRIOR_WEIGHT`] runs.
const SPREAD: f64 = 0.15;
const PRIOR_WEIGHT: f64 = 1.0;

/// A run that has outrun all of its family is thought to have at least this part of its epochs still to come.
const OUTRUN_SHARE: f64 = 0.1;

/// How many epochs a job will run in all.
///
/// `done` counts with the part of the epoch under way. `planned` is trusted unless the job may stop early, by its own
/// word or by that of its family: a run that ended before its planned number. Nothing, where nobody says how many.
pub(super) fn epochs(
    done: f64,
    planned: Option<u32>,
    may_stop_early: bool,
    history: &[PastRun],
) -> Option<Interval<f64>> {
    let planned = planned.map(f64::from);
    let stopped = |run: &PastRun| run.epochs.zip(run.course.planned).is_some_and(|(ran, planned)| ran < planned);
    let early = may_stop_early || history.iter().any(stopped);
    let limit = |epochs: f64| planned.map_or(epochs, |planned| epochs.min(planned).max(done));
    let ran = |run: &PastRun| {
        let epochs = f64::from(run.epochs.filter(|epochs| 0 < *epochs)?);
        // Who reached the end of its plan would reach that of another.
        let reached = run.course.planned.is_some() && !stopped(run);
        Some(planned.filter(|_| reached).unwrap_or(epochs))
    };
    let mut counts: Vec<f64> = history.iter().filter_map(ran).collect();
    match planned {
        Some(planned) if !early => return Some(Interval::exactly(planned.max(done))),
        Some(planned) if counts.is_empty() => return Some(between(done, planned.max(done))),
        None if counts.is_empty() => return None,
        _ => {}
    }
    let (least, most) =
        counts.iter().fold((f64::MAX, 0.0_f64), |(least, most), count| (count.min(least), count.max(most)));
    if most <= least && done < least && !early {
        return Some(Interval::exactly(least));
    }
    counts.retain(|count| done < *count);
    if counts.is_empty() {
        // Whoever waits longest may wait longest.
        let mean = (OUTRUN_SHARE * done).max(most - least);
        let exponential = Interval { low: 0.0513 * mean, median: std::f64::consts::LN_2 * mean, high: 2.9957 * mean };
        return Some(exponential.map(|more| limit(done + more)));
    }
    let typical = median(counts.iter().copied())?;
    let of_family = conformal_count(&mut counts).unwrap_or_else(|| around(typical, &counts, done));
    Some(of_family.map(limit))
}

/// Nothing speaks for any number before another.
fn between(done: f64, planned: f64) -> Interval<f64> {
    let at = |share: f64| done + share * (planned - done);
    Interval { low: at(0.05), median: at(0.5), high: at(0.95) }
}

/// A few runs: Student's t around their median, in the logarithm of the epochs they had left.
fn around(typical: f64, counts: &[f64], done: f64) -> Interval<f64> {
    let number = counts.len() as f64;
    let mean = counts.iter().map(|count| count.ln()).sum::<f64>() / number;
    let squares: f64 = counts.iter().map(|count| (count.ln() - mean).powi(2)).sum();
    let freedom = PRIOR_WEIGHT + number - 1.0;
    let spread = ((PRIOR_WEIGHT * SPREAD.powi(2) + squares) / freedom).sqrt();
    let width = student_t_95(freedom).max(Z_95) * spread * (1.0 + 1.0 / number).sqrt();
    // What is behind the job is certain.
    let low = (typical * (-width).exp()).max(done + 0.05 * (typical - done));
    Interval { low, median: typical, high: typical * width.exp() }
}
