//! Whether a job that may pause runs or waits in the next slot: a receding horizon over a corrected curve of intensity.
//!
//! Each slot anew, [`Horizon::decide`] solves a dynamic programme over (slot, slots of work done, running or not, how far
//! the intensity has wandered from the curve). What is left of the work is a distribution, not a number: in each slot that
//! runs the job ends with the chance that it has come to its end, given that it has not yet. So is the curve: it is right
//! in the slot at hand, which is measured, and wanders off it by [`Drift`], so that waiting has the worth of an option.
//! A missed deadline has a price, so the reserve before it is no rule apart but the point where waiting costs more in the
//! chance to miss than it saves. With a length and a course that are known, it is the exact optimum of pause and resume with
//! switching costs (the dynamic programme named `OPT` in Lechowicz et al., "The Online Pause and Resume Problem",
//! SIGMETRICS 2024).
//!
//! Values only: slots are numbered from now on, costs in the unit of the curve (g/kWh of one slot at the job's power).

mod drift;
mod lesson;
mod normal;
mod outlook;
mod remaining;

pub use drift::Drift;
pub use lesson::Lesson;
pub use normal::normal_quantile;
pub use outlook::{Outlook, Recipe};
pub use remaining::Remaining;

/// Prices of a miss that [`Horizon::decide_within`] goes up to, in doublings of the first.
const DOUBLINGS: f64 = 10.0;
/// How near it comes to the lowest that does, in doublings: a quarter more or less moves no decision worth the time.
const NEAR_ENOUGH: f64 = 0.3;

/// All that the decision for one slot is taken from.
#[derive(Debug, Clone, Copy)]
pub struct Horizon<'a> {
    /// Intensity of each slot to the deadline, g/kWh; the first is the slot to decide about. The deadline is its end.
    pub intensity: &'a [f64],
    /// How far the slots after the first may wander from it.
    pub drift: Drift,
    /// What is left of the work.
    pub remaining: &'a Remaining,
    /// Price of one start, and of one stop (the last one too), g/kWh of a slot, not negative: checkpoint, restore, lost
    /// work.
    pub change: f64,
    /// Whether the job runs as the first slot begins.
    pub running: bool,
    /// Price of a missed deadline, g/kWh of a slot.
    pub miss: f64,
}

/// What to do in the first slot, and what is foreseen after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Whether to run in the first slot.
    pub run: bool,
    /// Expected cost of running in it and then doing the best, with the price of a miss.
    pub cost_of_running: f64,
    /// Expected cost of waiting in it and then doing the best, with the price of a miss.
    pub cost_of_waiting: f64,
    /// Chance to miss the deadline, by what is believed now: what will be learned of the length lowers it.
    pub chance_to_miss: f64,
}

/// What is to be expected from a slot on: of a job that stands still, and of one that runs.
#[derive(Debug, Clone, Copy, Default)]
struct Expected {
    cost: [f64; 2],
    late: [f64; 2],
}

impl Expected {
    /// The mean by these chances.
    fn mean(chances: &[f64], of: &[Self]) -> Self {
        let mut mean = Self::default();
        for (chance, one) in chances.iter().zip(of) {
            for state in 0..2 {
                mean.cost[state] += chance * one.cost[state];
                mean.late[state] += chance * one.late[state];
            }
        }
        mean
    }
}

impl Horizon<'_> {
    /// Run or wait in the first slot, by the least expected cost; of two that cost the same, run.
    ///
    /// Without slots before the deadline it runs: it can only become later. `O(slots x work x 25)`.
    #[must_use]
    pub fn decide(&self) -> Decision {
        let slots = self.intensity.len();
        let width = self.remaining.most().min(slots) + 1;
        // What a slot after the deadline costs is not foreseen: the mean of the horizon.
        let after = self.intensity.iter().sum::<f64>() / slots.max(1) as f64;
        let grid = self.drift.grid();
        let states = grid.off.len();
        let late = |done: usize| {
            let cost = self.miss + self.remaining.expected_after(done) * after;
            Expected { cost: [cost + 2.0 * self.change, cost + self.change], late: [1.0; 2] }
        };
        let mut next: Vec<Expected> = (0..width * states).map(|at| late(at / states)).collect();
        let mut here = next.clone();
        let mut first = Decision {
            run: true,
            cost_of_running: next[0].cost[1],
            cost_of_waiting: f64::INFINITY,
            chance_to_miss: 1.0,
        };
        for (slot, intensity) in self.intensity.iter().enumerate().rev() {
            // Only so much can have been done by then, and no more than there may be.
            let reach = width.min(slot + 1);
            for done in 0..reach {
                let ends = self.remaining.hazard(done);
                // In the first slot the curve is what was measured.
                let looked_at = if slot == 0 { states / 2..states / 2 + 1 } else { 0..states };
                for off in looked_at {
                    let chances = &grid.chances[off];
                    let idle = Expected::mean(chances, &next[done * states..][..states]);
                    let on = if ends < 1.0 && done + 1 < width {
                        Expected::mean(chances, &next[(done + 1) * states..][..states])
                    } else {
                        Expected::default()
                    };
                    let run = intensity + grid.off[off] + ends * self.change + (1.0 - ends) * on.cost[1];
                    let run_late = (1.0 - ends) * on.late[1];
                    let costs = [[run + self.change, idle.cost[0]], [run, idle.cost[0] + self.change]];
                    let best = &mut here[done * states + off];
                    for (state, [running, waiting]) in costs.into_iter().enumerate() {
                        let runs = running <= waiting;
                        best.cost[state] = if runs { running } else { waiting };
                        best.late[state] = if runs { run_late } else { idle.late[0] };
                    }
                    if slot == 0 {
                        let state = usize::from(self.running);
                        let [cost_of_running, cost_of_waiting] = costs[state];
                        let run = cost_of_running <= cost_of_waiting;
                        first = Decision { run, cost_of_running, cost_of_waiting, chance_to_miss: best.late[state] };
                    }
                }
            }
            std::mem::swap(&mut next, &mut here);
        }
        first
    }

    /// As [`Horizon::decide`], at the lowest price of a miss from `miss` upwards that adds no more than `chance` to the
    /// chance to miss that even running at once has; where none does, at the highest that was tried, 1024 times as much.
    ///
    /// For hard deadlines. A price alone lets long jobs miss more often than short ones.
    #[must_use]
    pub fn decide_within(&self, chance: f64) -> Decision {
        let allowed = chance + self.remaining.chance_of_more_than(self.intensity.len());
        let priced = |doublings: f64| Self { miss: self.miss * doublings.exp2(), ..*self }.decide();
        let decision = priced(0.0);
        if decision.chance_to_miss <= allowed {
            return decision;
        }
        let (mut low, mut high) = (0.0, DOUBLINGS);
        let mut kept = None;
        while NEAR_ENOUGH < high - low {
            let middle = f64::midpoint(low, high);
            let decision = priced(middle);
            if decision.chance_to_miss <= allowed {
                (high, kept) = (middle, Some(decision));
            } else {
                low = middle;
            }
        }
        kept.unwrap_or_else(|| priced(DOUBLINGS))
    }
}

#[cfg(test)]
mod tests;
