//! How far the intensity wanders from the curve that is believed: a mean-reverting walk on a few values.

/// A first-order autoregressive walk around the curve, which it leaves from the present, measured hour on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// Standard deviation that it comes to after long, g/kWh; 0 where the curve is certain.
    pub spread: f64,
    /// Share of the distance from the curve that the next slot keeps, 0 to below 1.
    pub persistence: f64,
}

/// The walk as a chain of Markov.
pub(super) struct Grid {
    /// Distances from the curve, g/kWh; the middle one is 0.
    pub off: Vec<f64>,
    /// Chances to come from one to the others in a slot.
    pub chances: Vec<Vec<f64>>,
}

/// Values of the chain, odd. More change no decision that was looked at.
const VALUES: usize = 5;

impl Drift {
    /// The curve comes true.
    pub const NONE: Self = Self { spread: 0.0, persistence: 0.0 };

    /// The same walk in slots that are so many times as long.
    #[must_use]
    pub fn in_slots(self, times: f64) -> Self {
        Self { persistence: self.persistence.powf(times.max(0.0)), ..self }
    }

    /// The chain of Rouwenhorst (1995), which keeps mean, variance and autocorrelation of the walk exactly, also when that
    /// is near 1 (Kopecky and Suen, "Finite State Markov-chain Approximations to Highly Persistent Processes", 2010).
    pub(super) fn grid(self) -> Grid {
        if !(0.0 < self.spread && self.spread.is_finite()) {
            return Grid { off: vec![0.0], chances: vec![vec![1.0]] };
        }
        let stay = f64::midpoint(1.0, self.persistence.clamp(0.0, 1.0));
        let mut chances = vec![vec![stay, 1.0 - stay], vec![1.0 - stay, stay]];
        while chances.len() < VALUES {
            let size = chances.len() + 1;
            let mut wider = vec![vec![0.0; size]; size];
            for (from, row) in chances.iter().enumerate() {
                for (to, chance) in row.iter().enumerate() {
                    wider[from][to] += stay * chance;
                    wider[from][to + 1] += (1.0 - stay) * chance;
                    wider[from + 1][to] += (1.0 - stay) * chance;
                    wider[from + 1][to + 1] += stay * chance;
                }
            }
            for chance in wider[1..size - 1].iter_mut().flatten() {
                *chance /= 2.0;
            }
            chances = wider;
        }
        let steps = (VALUES - 1) as f64;
        let off = (0..VALUES).map(|at| self.spread * steps.sqrt() * (2.0 * at as f64 / steps - 1.0)).collect();
        Grid { off, chances }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_keeps_the_variance_and_the_persistence_of_the_walk() {
        let grid = Drift { spread: 30.0, persistence: 0.9 }.grid();
        for (from, chances) in grid.chances.iter().enumerate() {
            assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let mean: f64 = chances.iter().zip(&grid.off).map(|(chance, off)| chance * off).sum();
            assert!((mean - 0.9 * grid.off[from]).abs() < 1e-9, "from {from} to {mean}");
        }
        let mut chances = vec![0.0, 0.0, 1.0, 0.0, 0.0];
        for _ in 0..500 {
            chances = (0..5).map(|to| (0..5).map(|from| chances[from] * grid.chances[from][to]).sum()).collect();
        }
        let variance: f64 = chances.iter().zip(&grid.off).map(|(chance, off)| chance * off * off).sum();
        assert!((variance - 900.0).abs() < 1e-6, "{variance}");
    }

    #[test]
    fn without_a_spread_there_is_one_value() {
        assert_eq!(Drift::NONE.grid().off, [0.0]);
        assert_eq!(Drift { spread: f64::NAN, persistence: 0.5 }.grid().off, [0.0]);
    }
}
