//! Torture: worlds made of files whose energy is known, metered under conditions that meters fail on. Each case says what
//! was really used and what was measured; they may differ by half a percent.
//!
//! ```text
//! cargo test -p lowtide-meters --test torture -- --nocapture      # prints the table
//! ```
//!
//! A world has a clock that is an argument, counters in files, GPUs behind a fake driver, and a `/proc` of its own. The
//! cases of `real.rs` run real processes, since what they test is the kernel's bookkeeping: there the truth is what the
//! process says it used, and two clock ticks are granted.

#![allow(clippy::print_stdout, reason = "the table is what the suite is for")]

#[path = "../common/mod.rs"]
mod common;

mod counters;
mod gpus;
mod modelled;
mod processes;
mod real;
mod sensors;
mod sharing;
mod time;
mod world;

/// The most that may be measured amiss.
const TOLERANCE: f64 = 0.005;

/// What a case came to, in joules; in seconds where it is about processor time.
pub(crate) struct Outcome {
    truth: f64,
    measured: f64,
    /// Granted beyond the tolerance, for the coarseness of a real clock.
    granted: f64,
}

impl Outcome {
    pub(crate) fn new(truth: f64, measured: f64) -> Self {
        Self { truth, measured, granted: 0.0 }
    }

    fn error(&self) -> f64 {
        let difference = ((self.measured - self.truth).abs() - self.granted).max(0.0);
        if self.truth == 0.0 { difference } else { difference / self.truth }
    }
}

/// A name and what to do.
pub(crate) type Case = (&'static str, fn() -> Outcome);

fn within(cases: &[Case], at_least: usize) {
    println!("{:<66} {:>14} {:>14} {:>9}", "case", "truth J", "measured J", "error %");
    let mut failed = Vec::new();
    for (name, run) in cases {
        let outcome = run();
        let Outcome { truth, measured, .. } = outcome;
        let percent = if truth == 0.0 { measured } else { (measured - truth) / truth * 100.0 };
        println!("{name:<66} {truth:>14.3} {measured:>14.3} {percent:>9.4}");
        if !(outcome.error() <= TOLERANCE && measured.is_finite()) {
            failed.push(format!("{name}: {measured} for {truth}"));
        }
    }
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), cases.len(), failed.join("\n"));
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
}

/// All cases whose worlds are files.
fn simulated() -> Vec<Case> {
    [counters::CASES, gpus::CASES, sensors::CASES, time::CASES, modelled::CASES, sharing::CASES, processes::CASES]
        .concat()
}

#[test]
fn every_simulated_case_is_measured_within_half_a_percent() {
    within(&simulated(), 60);
}

#[test]
fn every_case_with_real_processes_is_measured_within_half_a_percent_or_two_ticks() {
    within(real::CASES, 4);
}

#[test]
fn no_two_cases_have_one_name() {
    let mut names: Vec<&str> = simulated().iter().chain(real::CASES).map(|(name, _)| *name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
