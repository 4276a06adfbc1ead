//! The sum of the k least values of any range, in O(log n): a wavelet matrix over the ranks of the values.
//!
//! "The p cleanest slots before the deadline" is this question. Sorting or selecting costs O(w) for each job; a year of
//! half-hours needs 15 levels, whatever the window. (Claude, Navarro, Ordóñez: The wavelet matrix, 2015.)

/// Ranks of values by bits, highest bit first.
#[derive(Debug, Clone)]
pub struct LeastSums {
    levels: Vec<Level>,
    /// Values by rank.
    sorted: Vec<f64>,
    /// Rank of each value; of equal values the earlier has the lower.
    ranks: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Level {
    /// For each place, how many before it have a zero at this level, and the sum of their values.
    zeros: Vec<(u32, f64)>,
    all_zeros: u32,
}

/// The k least of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Least {
    /// Their sum.
    pub sum: f64,
    /// The rank of the greatest of them.
    pub rank: u32,
}

impl LeastSums {
    /// Prepares the values: O(n log n), 16 bytes a value and level.
    ///
    /// # Panics
    /// Beyond four billion values.
    #[must_use]
    pub fn new(values: &[f64]) -> Self {
        let count = u32::try_from(values.len()).expect("fewer slots than four billion");
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]).then(a.cmp(b)));
        let mut ranks = vec![0_u32; values.len()];
        for (rank, index) in (0..count).zip(&order) {
            ranks[*index as usize] = rank;
        }
        let sorted = order.iter().map(|index| values[*index as usize]).collect::<Vec<_>>();
        let bits = u32::BITS - count.leading_zeros();
        let mut row = ranks.clone();
        let mut levels = Vec::new();
        for bit in (0..bits).rev() {
            let mut zeros = Vec::with_capacity(row.len() + 1);
            let mut seen = (0_u32, 0.0_f64);
            zeros.push(seen);
            for rank in &row {
                if rank >> bit & 1 == 0 {
                    seen = (seen.0 + 1, seen.1 + sorted[*rank as usize]);
                }
                zeros.push(seen);
            }
            let (low, high): (Vec<u32>, Vec<u32>) = row.iter().partition(|rank| **rank >> bit & 1 == 0);
            levels.push(Level { zeros, all_zeros: seen.0 });
            row = [low, high].concat();
        }
        Self { levels, sorted, ranks }
    }

    /// The `count` least values of places `from..to`; `None` where there are not so many, or `count` is 0.
    #[must_use]
    pub fn least(&self, from: usize, to: usize, count: usize) -> Option<Least> {
        if count == 0 || to < from + count || self.ranks.len() < to {
            return None;
        }
        let (mut from, mut to, mut left) = (from, to, count);
        let (mut sum, mut rank) = (0.0, 0_u32);
        for level in &self.levels {
            let (before, upto) = (level.zeros[from], level.zeros[to]);
            let zeros = (upto.0 - before.0) as usize;
            rank <<= 1;
            if left <= zeros {
                (from, to) = (before.0 as usize, upto.0 as usize);
            } else {
                sum += upto.1 - before.1;
                left -= zeros;
                rank |= 1;
                from = level.all_zeros as usize + (from - before.0 as usize);
                to = level.all_zeros as usize + (to - upto.0 as usize);
            }
        }
        // Ranks are distinct, so exactly one value is left.
        Some(Least { sum: sum + self.sorted[rank as usize], rank })
    }

    /// Rank of each value.
    #[must_use]
    pub fn ranks(&self) -> &[u32] {
        &self.ranks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_sorting_gives(
            values in prop::collection::vec(0..40_u32, 1..70), from in 0_usize..70, length in 1_usize..70, count in 1_usize..70
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let from = from % values.len();
            let to = (from + length).min(values.len());
            let found = LeastSums::new(&values).least(from, to, count);
            let mut sorted = values[from..to].to_vec();
            sorted.sort_by(f64::total_cmp);
            if count <= sorted.len() {
                let found = found.expect("there are so many");
                prop_assert!((found.sum - sorted[..count].iter().sum::<f64>()).abs() < 1e-9);
                let ranks = LeastSums::new(&values);
                let chosen = ranks.ranks()[from..to].iter().filter(|rank| **rank <= found.rank).count();
                prop_assert_eq!(chosen, count);
            } else {
                prop_assert_eq!(found, None);
            }
        }
    }
}
