//! How many jobs a second the two rules of Let's Wait Awhile decide, on a year of made-up half-hours:
//! `cargo run --release -p lowtide-planner --example baseline-speed`.
#![expect(clippy::print_stdout, reason = "it is run to be read")]

use std::hint::black_box;
use std::time::Instant;

use lowtide_planner::baseline::Series;
use lowtide_planner::baseline::awhile::contiguous_steps;
use lowtide_planner::baseline::least::LeastSums;

const YEAR: usize = 17_568;
const JOBS: usize = 1_000_000;

fn main() {
    // A day's wave, a week's and something that repeats late: what matters is that values differ.
    let value = |step: usize| {
        let hours = step as f64 / 2.0;
        250.0
            + 80.0 * (hours / 24.0 * std::f64::consts::TAU).sin()
            + 40.0 * (hours / 131.0).cos()
            + (step * 7919 % 97) as f64
    };
    let series = Series::new(0.5, (0..YEAR).map(value).collect()).expect("numbers");
    // Lengths of 4 to 90 h, half a day to three and a half days of slack, as in scenario II.
    let jobs: Vec<(usize, usize, usize)> = (0..JOBS)
        .map(|job| {
            let (length, slack) = (8 + job * 31 % 173, job * 53 % 168);
            let arrival = job * 7919 % (YEAR - length - slack);
            (arrival, length, arrival + length + slack)
        })
        .collect();
    let begun = Instant::now();
    let mut sum = 0.0;
    for (arrival, length, latest) in &jobs {
        let start = contiguous_steps(&series, *arrival, *length, *latest);
        sum += series.sum(start, start + length);
    }
    tell("contiguous", begun, sum);
    let begun = Instant::now();
    let least = LeastSums::new(series.values());
    let mut sum = 0.0;
    for (arrival, length, latest) in &jobs {
        sum += least.least(*arrival, *latest, *length).map_or(0.0, |least| least.sum);
    }
    tell("interruptible (with its preparation)", begun, sum);
}

fn tell(rule: &str, begun: Instant, sum: f64) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("{rule}: {:.0} jobs/s (sum {:.6e})", JOBS as f64 / seconds, black_box(sum));
}
