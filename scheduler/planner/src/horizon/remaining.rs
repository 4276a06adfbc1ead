//! What is left of a job's work, in whole slots, as a distribution.

/// How many slots of work are left: at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Remaining {
    /// Chance that more than so many slots are left, from 0 (always 1) on; the last is 0.
    more: Vec<f64>,
    /// Sum of `more` from each place on.
    sums: Vec<f64>,
}

impl Remaining {
    /// A known number of slots; 0 counts as 1.
    #[must_use]
    pub fn known(slots: usize) -> Self {
        Self::from_chances((1..=slots.max(1)).map(|left| if left == slots.max(1) { 1.0 } else { 0.0 }))
    }

    /// From the chance that 1, 2, 3, ... slots are left. They need not sum to 1; negative and non-finite ones count as 0.
    #[must_use]
    pub fn from_chances(chances: impl IntoIterator<Item = f64>) -> Self {
        let mut chances: Vec<f64> =
            chances.into_iter().map(|chance| if chance.is_finite() { chance.max(0.0) } else { 0.0 }).collect();
        while chances.last() == Some(&0.0) {
            chances.pop();
        }
        if chances.is_empty() {
            chances.push(1.0);
        }
        let total: f64 = chances.iter().sum();
        let mut more = vec![0.0; chances.len() + 1];
        for left in (0..chances.len()).rev() {
            more[left] = more[left + 1] + chances[left] / total;
        }
        let mut sums = more.clone();
        for left in (0..chances.len()).rev() {
            sums[left] += sums[left + 1];
        }
        Self { more, sums }
    }

    /// From quantiles of what is left, in slots: each value stands for an equal share of the chance and is rounded up.
    #[must_use]
    pub fn from_equal_quantiles(values: &[f64]) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, from 1 to 100,000")]
        let whole = |value: f64| if value.is_finite() { value.ceil().clamp(1.0, 1e5) as usize } else { 1 };
        let most = values.iter().map(|value| whole(*value)).max().unwrap_or(1);
        let mut chances = vec![0.0; most];
        for value in values {
            chances[whole(*value) - 1] += 1.0;
        }
        Self::from_chances(chances)
    }

    /// The most slots that may be left.
    #[must_use]
    pub fn most(&self) -> usize {
        self.more.len() - 1
    }

    /// Chance that more than so many slots are left.
    #[must_use]
    pub fn chance_of_more_than(&self, slots: usize) -> f64 {
        self.more.get(slots).copied().unwrap_or(0.0)
    }

    /// Chance that the slot after `done` more is the last, given that it is needed.
    #[must_use]
    pub fn hazard(&self, done: usize) -> f64 {
        match (self.more.get(done), self.more.get(done + 1)) {
            (Some(needed), Some(more)) if 0.0 < *more && 0.0 < *needed => 1.0 - more / needed,
            _ => 1.0,
        }
    }

    /// Expected slots left once `done` more have run without an end.
    #[must_use]
    pub fn expected_after(&self, done: usize) -> f64 {
        match (self.sums.get(done), self.more.get(done)) {
            (Some(sum), Some(more)) if 0.0 < *more => sum / more,
            _ => 1.0,
        }
    }
}
