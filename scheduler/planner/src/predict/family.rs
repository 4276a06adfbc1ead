//! Finished runs of a job's family, by their totals alone: enough for a first guess, and all there is of runs whose
//! epochs were not kept.

use lowtide_model::estimate::Interval;
use lowtide_model::quantity::Seconds;

use super::PastRun;
use super::interval::Uncertain;

/// Spread of runs of one family, as a standard deviation of the logarithm, before there are enough runs to tell; it
/// counts as [`PRIOR_WEIGHT`] observations.
const FAMILY_SPREAD: f64 = 0.25;
const PRIOR_WEIGHT: f64 = 2.0;

/// Finished jobs of one family, taken together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Family<'a> {
    runs: &'a [PastRun],
    pub(super) time_per_epoch: Option<Uncertain>,
    pub(super) energy_per_epoch: Option<Uncertain>,
    pub(super) power: Interval<f64>,
}

impl<'a> Family<'a> {
    pub(super) fn of(runs: &'a [PastRun]) -> Option<Self> {
        let ran = || runs.iter().filter(|run| Seconds::ZERO < run.duration);
        ran().next()?;
        let per_epoch = |of: fn(&PastRun) -> f64| {
            let rates = ran()
                .filter_map(|run| run.epochs.filter(|epochs| 0 < *epochs).map(|epochs| of(run) / f64::from(epochs)));
            between_runs(rates)
        };
        let power = between_runs(ran().map(|run| run.energy.get() / run.duration.get()));
        Some(Self {
            runs,
            time_per_epoch: per_epoch(|run| run.duration.get()),
            energy_per_epoch: per_epoch(|run| run.energy.get()),
            power: power.map_or(Interval::exactly(0.0), |power| power.sum_of(1.0)),
        })
    }

    /// Time in total; scaled by epochs where both this job and the family tell how many.
    pub(super) fn duration(&self, epochs_total: Option<u32>) -> Interval<f64> {
        if let (Some(total), Some(per_epoch)) = (epochs_total, self.time_per_epoch) {
            // Runs of one family differ as a whole: their spread does not average out over the epochs.
            let whole = Uncertain { value: per_epoch.value * f64::from(total), ..per_epoch };
            return whole.sum_of(1.0);
        }
        let durations = self.runs.iter().map(|run| run.duration.get());
        between_runs(durations).map_or(Interval::exactly(0.0), |duration| duration.sum_of(1.0))
    }
}

/// The geometric mean over runs; for another run to come, both its error and its spread count.
fn between_runs(values: impl Iterator<Item = f64>) -> Option<Uncertain> {
    let logs: Vec<f64> = values.filter(|value| 0.0 < *value).map(f64::ln).collect();
    if logs.is_empty() {
        return None;
    }
    let count = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / count;
    let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
    let freedom = PRIOR_WEIGHT + count - 1.0;
    let spread = ((PRIOR_WEIGHT * FAMILY_SPREAD.powi(2) + squares) / freedom).sqrt();
    Some(Uncertain { value: mean.exp(), error: spread / count.sqrt(), spread, freedom })
}
