//! What may still change in a job of which no earlier run is known: half of all trainings have phases, and after one
//! epoch nobody can tell which.
//!
//! A guess, made to be wide at first and to narrow with every epoch that was like those before: the chance that the next
//! epoch begins a new level falls as one over the epochs seen (the hazard of a Pareto distribution, as in Laplace's rule
//! of succession), and the new level is a log-normal multiple of the old one. It widens intervals and moves no median.

use super::interval::Widths;

/// How readily levels change: the exponent of the Pareto distribution of the length of a phase.
const PROPENSITY: f64 = 0.25;
/// Epochs' worth of trust before the first.
const HEAD_START: f64 = 4.0;
/// How many of the changes are to a higher level: unfreezing and growing inputs are commoner than their contraries.
const UPWARD: f64 = 0.75;
/// Quantiles (10, 30, 50, 70 and 90 %) of the factor between two levels: what it exceeds 1 by is exponential with mean 1.
/// The phases of the transfer learning of del Rey et al. (SEAA 2023) differ by 1.5 to 2.7.
const FACTORS: [f64; 5] = [1.105, 1.357, 1.693, 2.204, 3.303];
/// What lies outside of the interval on each side.
const OUTSIDE: f64 = 0.05;

/// How far the sum of the `ahead` epochs to come may be off because of a change of level, given `alike` epochs without one.
pub(super) fn unseen(alike: f64, ahead: f64) -> Widths {
    if ahead <= 0.0 {
        return Widths::NONE;
    }
    Widths {
        up: exceeded(alike, ahead, UPWARD, |factor| factor).ln(),
        down: -exceeded(alike, ahead, 1.0 - UPWARD, f64::recip).ln(),
    }
}

/// The ratio to an unchanged rest that is passed with a chance of 5 %, if changes of this direction make up `part`.
fn exceeded(alike: f64, ahead: f64, part: f64, level: impl Fn(f64) -> f64) -> f64 {
    /// Halvings of the interval of possible ratios.
    const STEPS: u32 = 24;
    // The chance of a change within so many epochs.
    let within = |epochs: f64| {
        let (seen, then) = (HEAD_START + alike, HEAD_START + alike + epochs.max(0.0));
        1.0 - (PROPENSITY * (seen / then).ln()).exp()
    };
    // A ratio is passed if the change comes early enough for the rest to make it up.
    let chance = |distance: f64| {
        let of = |factor: &f64| within(ahead * (1.0 - distance / (level(*factor) - 1.0).abs()));
        part * FACTORS.iter().map(of).sum::<f64>() / FACTORS.len() as f64
    };
    let farthest = (level(FACTORS[FACTORS.len() - 1]) - 1.0).abs();
    let (mut near, mut far) = (0.0, farthest);
    if chance(near) <= OUTSIDE {
        return 1.0;
    }
    for _ in 0..STEPS {
        let middle = f64::midpoint(near, far);
        if OUTSIDE < chance(middle) { near = middle } else { far = middle }
    }
    if level(2.0) < 1.0 { 1.0 - near } else { 1.0 + near }
}
