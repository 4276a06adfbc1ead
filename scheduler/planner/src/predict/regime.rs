//! Where the level of a series last changed. Trainings have phases: a classifier first and then the whole network, a
//! growing resolution, a curriculum. What was before the last change says nothing of the epochs to come.
//!
//! The latest regime is found by splitting in two where the means differ most, and going on with the later part for as
//! long as the difference is more than noise (binary segmentation; Scott and Knott, Biometrics 30, 1974), on the series
//! smoothed by the median of three, which takes single spikes out and leaves steps where they are.

use super::interval::median;

/// Spread of epochs around their level in the logarithm, before there are enough of them to tell; it counts as
/// [`NOISE_WEIGHT`] epochs.
const NOISE: f64 = 0.06;
const NOISE_WEIGHT: f64 = 2.0;
/// A split is a change if its likelihood ratio statistic exceeds this and twice the logarithm of the number of places
/// at which it could have been.
const EVIDENCE: f64 = 9.0;
/// Changes smaller than this (in the logarithm) are left to the mean and the trend.
const SMALLEST: f64 = 0.06;
/// Where only two epochs make up the new level, the first of them has gone at least this part of the way.
const ALREADY: f64 = 0.7;
/// The last epoch alone is off the level if it is this many deviations off it, and this much.
const DEVIATIONS: f64 = 4.0;
const FAR: f64 = 0.12;

/// What the latest values of a series tell of its level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Regime {
    /// The first value that belongs to it.
    pub(super) start: usize,
    /// One past the last value that is surely of it: the very last may be the first of the next.
    pub(super) end: usize,
    /// How likely the level is that of the last value, where that is off the level of those before it.
    pub(super) turned: Option<f64>,
}

/// The latest regime of a series of logarithms. Before a run has shown what it does, `staying` of its deviations are
/// thought to have stayed for each that went back.
pub(super) fn latest(logs: &[f64], staying: f64) -> Regime {
    let smooth = median_of_three(logs);
    let noise = noise(&smooth).max(noise(logs).min(2.0 * NOISE));
    let (mut start, mut changes) = (0, 0.0);
    while let Some(split) = change(&smooth[start..], noise) {
        start += split;
        changes += 1.0;
    }
    let end = logs.len();
    let Some(turn) = end.checked_sub(1).filter(|before| start + 2 <= *before) else {
        return Regime { start, end, turned: None };
    };
    let level = median(logs[start..turn].iter().copied()).unwrap_or_default();
    let far = |value: f64| FAR.max(DEVIATIONS * noise) < (value - level).abs();
    if !far(logs[turn]) {
        return Regime { start, end, turned: None };
    }
    // The rule of succession over the deviations of this run: how many went back and how many stayed.
    let spikes = logs[start..turn].iter().filter(|value| far(**value)).count() as f64;
    Regime { start, end: turn, turned: Some((staying + changes) / (staying + 1.0 + changes + spikes)) }
}

/// The later part's first value, if the two parts differ by more than noise.
fn change(values: &[f64], noise: f64) -> Option<usize> {
    let count = values.len();
    if count < 3 {
        return None;
    }
    let total: f64 = values.iter().sum();
    let (mut before, mut best) = (0.0, (0.0, 0));
    for split in 1..=count - 2 {
        before += values[split - 1];
        let (left, right) = (split as f64, (count - split) as f64);
        let difference = (total - before) / right - before / left;
        let statistic = difference.powi(2) * left * right / (left + right);
        // Of two, the last may have the level for itself.
        let begun = split + 2 < count || ALREADY * difference.powi(2) < difference * (values[split] - before / left);
        if SMALLEST < difference.abs() && best.0 <= statistic && begun {
            best = (statistic, split);
        }
    }
    let needed = EVIDENCE + 2.0 * (count as f64).ln();
    (0 < best.1 && needed < best.0 / noise.powi(2)).then_some(best.1)
}

/// The spread of single values, from the differences of neighbours, which know no level.
fn noise(values: &[f64]) -> f64 {
    /// From the median absolute difference of two normal values to their standard deviation.
    const TO_SIGMA: f64 = 1.4826 * std::f64::consts::FRAC_1_SQRT_2;
    let differences = values.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    let measured = TO_SIGMA * median(differences).unwrap_or_default();
    let count = values.len().saturating_sub(1) as f64;
    ((NOISE_WEIGHT * NOISE.powi(2) + count * measured.powi(2)) / (NOISE_WEIGHT + count)).sqrt()
}

/// The ends stay as they are: the first may be warm-up, the last the first of a new level.
fn median_of_three(values: &[f64]) -> Vec<f64> {
    let mut smooth = values.to_vec();
    for (at, three) in values.windows(3).enumerate() {
        smooth[at + 1] = three[0].min(three[1]).max(three[0].max(three[1]).min(three[2]));
    }
    smooth
}
