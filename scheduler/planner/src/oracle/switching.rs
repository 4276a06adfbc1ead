//! The cheapest slots for one job when every start and every stop costs: O(slots x length), exact.

/// The cheapest choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimum {
    /// Intensities of the slots taken, and the cost of starts and stops.
    pub cost: f64,
    /// Which slots are taken.
    pub taken: Vec<bool>,
}

/// The cheapest `count` of the slots, each start and each stop, the last one too, at `beta`. Of equal choices one that ends
/// early. `None` where there are fewer slots.
#[must_use]
pub fn cheapest(intensities: &[f64], count: usize, beta: f64) -> Option<Optimum> {
    if intensities.len() < count {
        return None;
    }
    // By slots done: the least cost when the job is off, and when it is on, before the present slot.
    let mut off = vec![f64::INFINITY; count + 1];
    let mut on = vec![f64::INFINITY; count + 1];
    off[0] = 0.0;
    // For each slot and number done: whether the best way to be off here is to have stopped here, and to be on, to start here.
    let width = count + 1;
    let mut stopped = vec![false; intensities.len() * width];
    let mut started = vec![false; intensities.len() * width];
    let mut best = (f64::INFINITY, 0);
    for (slot, intensity) in intensities.iter().enumerate() {
        for done in 0..=count {
            if on[done] + beta < off[done] {
                off[done] = on[done] + beta;
                stopped[slot * width + done] = true;
            }
        }
        for done in (0..count).rev() {
            let (run, start) = (on[done], off[done] + beta);
            on[done + 1] = run.min(start) + intensity;
            started[slot * width + done + 1] = start < run;
        }
        on[0] = f64::INFINITY;
        if on[count] + beta < best.0 {
            best = (on[count] + beta, slot + 1);
        }
    }
    let mut taken = vec![false; intensities.len()];
    if count == 0 {
        return Some(Optimum { cost: 0.0, taken });
    }
    let (cost, mut slot) = best;
    let (mut done, mut running) = (count, true);
    while 0 < done {
        slot -= 1;
        if running {
            taken[slot] = true;
            running = !started[slot * width + done];
            done -= 1;
        }
        // Off at the beginning of this slot: since when?
        if !running && 0 < done && stopped[slot * width + done] {
            running = true;
        }
    }
    Some(Optimum { cost, taken })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::baseline::threshold;

    proptest! {
        #[test]
        fn no_choice_of_all_there_are_is_cheaper(
            intensities in prop::collection::vec(0.0..100.0_f64, 1..11), count in 1_usize..11, beta in 0.0..40.0_f64
        ) {
            let found = cheapest(&intensities, count, beta);
            let choices = (0_u32..1 << intensities.len()).filter(|bits| bits.count_ones() as usize == count);
            let least = choices
                .map(|bits| {
                    let taken: Vec<bool> = (0..intensities.len()).map(|slot| bits >> slot & 1 == 1).collect();
                    threshold::cost(&intensities, &taken, beta)
                })
                .fold(f64::INFINITY, f64::min);
            match found {
                Some(found) => {
                    prop_assert!((found.cost - least).abs() < 1e-9);
                    prop_assert_eq!(found.taken.iter().filter(|taken| **taken).count(), count);
                    prop_assert!((threshold::cost(&intensities, &found.taken, beta) - least).abs() < 1e-9);
                }
                None => prop_assert!(least.is_infinite()),
            }
        }
    }
}
