//! Whether a job that may pause runs or waits in the next slot: a receding horizon over a corrected curve of intensity.
//!
//! Each slot anew, [`Horizon::decide`] solves a dynamic programme over (slot, slots of work done, running or not). What
//! is left of the work is a distribution, not a number: in each slot that runs the job ends with the chance that it has
//! come to its end, given that it has not yet. A missed deadline has a price, so the reserve before it is not a rule apart
//! but the point where waiting costs more in the chance to miss than it saves. With a length that is known, it is the exact
//! optimum of pause and resume with switching costs (the dynamic programme named `OPT` in Lechowicz et al., "The Online
//! Pause and Resume Problem", SIGMETRICS 2024).
//!
//! Values only: slots are numbered from now on, costs in the unit of the curve (g/kWh of one slot at the job's power).

mod outlook;
mod remaining;

pub use outlook::{Outlook, Recipe};
pub use remaining::Remaining;

/// All that the decision for one slot is taken from.
#[derive(Debug, Clone, Copy)]
pub struct Horizon<'a> {
    /// Intensity of each slot to the deadline, g/kWh; the first is the slot to decide about. The deadline is its end.
    pub intensity: &'a [f64],
    /// What is left of the work.
    pub remaining: &'a Remaining,
    /// Price of one start, and of one stop (the last one too), g/kWh of a slot, not negative: checkpoint, restore, lost
    /// work.
    pub change: f64,
    /// Whether the job runs as the first slot begins.
    pub running: bool,
    /// Price of a missed deadline, g/kWh of a slot. Whoever has hard deadlines takes many times the job's emissions.
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
    /// Slots that will run, as long as the work has not ended; the first is that of `run`.
    pub plan: Vec<bool>,
}

impl Horizon<'_> {
    /// Run or wait in the first slot, by the least expected cost; of two that cost the same, run.
    ///
    /// Without slots before the deadline it runs: it can only become later.
    #[must_use]
    pub fn decide(&self) -> Decision {
        let slots = self.intensity.len();
        let most = self.remaining.most().min(slots);
        // What a slot after the deadline costs is not foreseen: the mean of the horizon.
        let late = self.intensity.iter().sum::<f64>() / slots.max(1) as f64;
        let width = most + 1;
        // Expected cost from the beginning of a slot on, by slots done: [stopped, running].
        let mut next: Vec<[f64; 2]> = (0..width)
            .map(|done| {
                let after = self.miss + self.remaining.expected_after(done) * late;
                [after + 2.0 * self.change, after + self.change]
            })
            .collect();
        let mut choices = vec![[false; 2]; slots * width];
        let mut first = [[f64::INFINITY; 2]; 2];
        for (slot, intensity) in self.intensity.iter().enumerate().rev() {
            let mut here = next.clone();
            for done in 0..width.min(slot + 1) {
                let ends = self.remaining.hazard(done);
                let onwards = next.get(done + 1).map_or(0.0, |cost| cost[1]);
                let run = intensity + ends * self.change + if ends < 1.0 { (1.0 - ends) * onwards } else { 0.0 };
                let wait = next[done][0];
                let costs = [[run + self.change, wait], [run, wait + self.change]];
                for state in 0..2 {
                    let [running, waiting] = costs[state];
                    choices[slot * width + done][state] = running <= waiting;
                    here[done][state] = running.min(waiting);
                }
                if slot == 0 {
                    first = costs;
                }
            }
            next = here;
        }
        let [cost_of_running, cost_of_waiting] = first[usize::from(self.running)];
        let mut plan = Vec::with_capacity(slots);
        let (mut done, mut running) = (0, self.running);
        for slot in 0..slots {
            running = done < width && done < most && choices[slot * width + done][usize::from(running)];
            done += usize::from(running);
            plan.push(running);
        }
        Decision { run: plan.first().copied().unwrap_or(true), cost_of_running, cost_of_waiting, plan }
    }
}
