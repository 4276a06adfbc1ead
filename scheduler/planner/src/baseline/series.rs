//! Carbon intensity in even steps, with prefix sums: the integral over any stretch costs O(1).

/// A step function of intensity from hour 0 on. Before its first and after its last step it keeps their values.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    step_h: f64,
    values: Vec<f64>,
    /// Integrals from hour 0 to the start of each step, and one more to the end of the last, g/kWh·h.
    integrals: Vec<f64>,
    /// Least and greatest value: rules ask for them at every job.
    bounds: (f64, f64),
}

impl Series {
    /// Steps of `step_h` hours each, g/kWh. `None` without a step, with a step length that is not positive, or with a value
    /// that is not a finite number.
    #[must_use]
    pub fn new(step_h: f64, values: Vec<f64>) -> Option<Self> {
        let usable = step_h > 0.0 && step_h.is_finite() && !values.is_empty();
        if !usable || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut integrals = Vec::with_capacity(values.len() + 1);
        let mut sum = 0.0;
        integrals.push(sum);
        for value in &values {
            sum += value * step_h;
            integrals.push(sum);
        }
        let fold = |start: f64, pick: fn(f64, f64) -> f64| values.iter().copied().fold(start, pick);
        let bounds = (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max));
        Some(Self { step_h, values, integrals, bounds })
    }

    /// Hours of a step.
    #[must_use]
    pub const fn step_h(&self) -> f64 {
        self.step_h
    }

    /// The steps, g/kWh.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Where the last step ends, hours.
    #[must_use]
    pub fn end(&self) -> f64 {
        self.values.len() as f64 * self.step_h
    }

    /// Least and greatest value.
    #[must_use]
    pub const fn bounds(&self) -> (f64, f64) {
        self.bounds
    }

    /// The mean of all steps, g/kWh.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.integrals[self.values.len()] / self.end()
    }

    /// The step that a moment lies in, kept within those there are. A moment within a millionth of a step of a boundary
    /// counts as the boundary, so that hours computed from seconds find their step.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "kept between the first step and the last"
    )]
    pub fn step_of(&self, hour: f64) -> usize {
        let place = (hour / self.step_h + 1e-6).floor().clamp(0.0, (self.values.len() - 1) as f64);
        place as usize
    }

    /// When a step begins, hours.
    #[must_use]
    pub fn start_of(&self, step: usize) -> f64 {
        step as f64 * self.step_h
    }

    /// The intensity at a moment, g/kWh.
    #[must_use]
    pub fn at(&self, hour: f64) -> f64 {
        self.values[self.step_of(hour)]
    }

    /// What a kilowatt emits from one moment to another, grams.
    #[must_use]
    pub fn integral(&self, from: f64, to: f64) -> f64 {
        self.integral_to(to) - self.integral_to(from)
    }

    /// The sum of whole steps `from..to`, g/kWh·h.
    #[must_use]
    pub fn sum(&self, from: usize, to: usize) -> f64 {
        self.integrals[to] - self.integrals[from]
    }

    /// Integrals from hour 0 to the start of each step and to the end of the last.
    pub(crate) fn integrals(&self) -> &[f64] {
        &self.integrals
    }

    fn integral_to(&self, hour: f64) -> f64 {
        let step = self.step_of(hour);
        self.integrals[step] + self.values[step] * (hour - self.start_of(step))
    }

    /// The pieces of steps between two moments: start, end and intensity.
    pub fn pieces(&self, from: f64, to: f64) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        let (first, last) = (self.step_of(from), self.step_of(to));
        (first..=last).filter_map(move |step| {
            let start = if step == first { from } else { self.start_of(step) };
            let end = if step == last { to } else { self.start_of(step + 1) };
            (super::SAME_MOMENT < end - start).then(|| (start, end, self.values[step]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        Series::new(0.5, vec![100.0, 200.0, 50.0]).expect("numbers")
    }

    #[test]
    fn an_integral_counts_parts_of_steps() {
        assert!((series().integral(0.25, 1.25) - (25.0 + 100.0 + 12.5)).abs() < 1e-9);
    }

    #[test]
    fn the_outside_is_like_the_nearest_step() {
        assert!((series().integral(-1.0, 0.0) - 100.0).abs() < 1e-9);
        assert!((series().integral(1.5, 3.5) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn the_pieces_make_up_the_integral() {
        let series = series();
        let sum: f64 = series.pieces(0.1, 1.9).map(|(start, end, value)| (end - start) * value).sum();
        assert!((sum - series.integral(0.1, 1.9)).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_number_makes_no_series() {
        assert_eq!(Series::new(1.0, vec![]), None);
        assert_eq!(Series::new(0.0, vec![1.0]), None);
        assert_eq!(Series::new(1.0, vec![f64::NAN]), None);
    }
}
