//! How fast jobs are planned over fifty sites and seven days of quarters of an hour, each around those before it, on one core:
//! `cargo run --release -p lowtide-planner --example planning-speed`. A number as argument is the most jobs to plan.
#![expect(clippy::print_stdout, reason = "it is run to be read")]

mod world;

use std::hint::black_box;
use std::time::Instant;

use lowtide_planner::plan::{choose_stretches, plan};

use world::{World, tasks};

/// How many jobs are planned with their explanation, on the sites as full as the others left them.
const EXPLAINED: usize = 100;
const COUNTS: [usize; 5] = [1_000, 3_000, 10_000, 30_000, 100_000];

fn main() {
    let most: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    println!("lengths          jobs   chosen in    us a job   plan() of one   grams");
    for whole_slots in [true, false] {
        let counts: Vec<usize> = COUNTS.into_iter().filter(|count| *count <= most).collect();
        let points: Vec<(f64, f64)> =
            counts.iter().map(|count| (*count as f64, measure(*count, whole_slots))).collect();
        if let [first, .., last] = points.as_slice() {
            let exponent = (last.1 / first.1).ln() / (last.0 / first.0).ln();
            println!(
                "from the first to the last of these the time grows as the number of jobs to the power of {exponent:.2}"
            );
        }
    }
}

/// Seconds to choose for so many jobs, one after the other.
fn measure(count: usize, whole_slots: bool) -> f64 {
    let tasks = tasks(count, whole_slots);
    let mut world = World::new(&tasks);
    let mut grams = 0.0;
    let begun = Instant::now();
    for task in &tasks {
        let views = world.views();
        let choice = choose_stretches(&world.input(task, &views)).expect("each site is large enough for each job");
        grams += choice.footprint.get();
        for segment in &choice.segments {
            let at = world.sites.iter().position(|site| site.id == segment.site).expect("one of the sites");
            world.taken[at].add(segment.window, task.job.spec.resources);
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let views = world.views();
    let begun = Instant::now();
    for task in tasks.iter().take(EXPLAINED) {
        black_box(plan(&world.input(task, &views)));
    }
    let explained = begun.elapsed().as_secs_f64() * 1e3 / EXPLAINED as f64;
    let lengths = if whole_slots { "whole slots" } else { "any" };
    let each = seconds * 1e6 / count as f64;
    println!("{lengths:<12} {count:>8} {seconds:>9.3} s {each:>11.1} {explained:>12.3} ms   {grams:.4e}");
    seconds
}
