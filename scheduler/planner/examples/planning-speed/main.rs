//! How fast jobs are planned over fifty sites and seven days of quarters of an hour, each around those before it:
//! `cargo run --release -p lowtide-planner --example planning-speed -- 100000`. The number is the most jobs to plan; a file name after
//! it is where the plot of growth goes.
#![expect(clippy::print_stdout, reason = "it is run to be read")]

mod peers;
mod plot;
mod world;

use std::hint::black_box;
use std::time::Instant;

use lowtide_planner::plan::{Bulk, Choice, Proposal, choose_stretches, plan};

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use peers::{numpy, rescan};
use world::{Task, World, tasks};

/// How many jobs are planned with their explanation, on the sites as full as the others left them.
const EXPLAINED: usize = 100;
const COUNTS: [usize; 5] = [1_000, 3_000, 10_000, 30_000, 100_000];
/// More jobs than this are not planned one by one any more: it takes minutes.
const MOST_SINGLY: usize = 10_000;
/// Jobs that are looked at together. More of them take each other's places more often, fewer keep the processors waiting.
const BATCH: usize = 16;

fn main() {
    let most: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let counts: Vec<usize> = COUNTS.into_iter().filter(|count| *count <= most).collect();
    let mut curves = Vec::new();
    for whole_slots in [true, false] {
        println!("\nlengths {}\n", if whole_slots { "of whole slots" } else { "of any second" });
        println!(
            "| jobs | one by one, s | bulk, 1 thread | bulk, 2 threads | rescan | numpy | plan() of one, ms | grams | grams of rescan |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        let points: Vec<(f64, f64)> =
            counts.iter().map(|count| (*count as f64, measure(*count, whole_slots))).collect();
        if let [first, .., last] = points.as_slice() {
            let exponent = (last.1 / first.1).ln() / (last.0 / first.0).ln();
            println!(
                "\nfrom the first to the last, on two threads, as the number of jobs to the power of {exponent:.2}"
            );
        }
        curves.push((if whole_slots { "whole slots" } else { "any second" }, points));
    }
    if !peers::has_numpy() {
        println!("\nSKIPPED: no numpy (`PYTHON` may name a Python that has it)");
    }
    println!("\nmemory at most {:.0} MB", memory_mb());
    if let Some(file) = std::env::args().nth(2) {
        std::fs::write(file, plot::growth(&curves)).expect("the file can be written");
    }
}

/// Seconds to choose for so many jobs on two threads; everything is printed.
fn measure(count: usize, whole_slots: bool) -> f64 {
    let tasks = tasks(count, whole_slots);
    let mut world = World::new(&tasks);
    let (one, singly) = if count <= MOST_SINGLY {
        let (choices, seconds) = one_by_one(&mut World::new(&tasks), &tasks);
        (Some(choices), format!("{seconds:.3}"))
    } else {
        (None, "-".to_owned())
    };
    let (alone, on_one) = in_bulk(&world, &tasks, 1);
    let (choices, on_two) = in_bulk(&world, &tasks, 2);
    assert!(alone == choices, "the same on any number of threads");
    assert!(one.is_none_or(|one| one == choices), "the same one by one");
    for (task, choice) in tasks.iter().zip(&choices) {
        for segment in &choice.segments {
            let at = world.sites.iter().position(|site| site.id == segment.site).expect("one of the sites");
            world.taken[at].add(segment.window, task.job.spec.resources);
        }
    }
    let views = world.views();
    let begun = Instant::now();
    for task in tasks.iter().take(EXPLAINED) {
        black_box(plan(&world.input(task, &views)));
    }
    let explained = begun.elapsed().as_secs_f64() * 1e3 / EXPLAINED as f64;
    let grams: f64 = choices.iter().map(|choice| choice.footprint.get()).sum();
    let (rescanned, rescan_grams) = rescan(&world, &tasks);
    let numpy = numpy(&world, &tasks).map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2}"));
    println!(
        "| {count} | {singly} | {on_one:.3} | {on_two:.3} | {rescanned:.3} | {numpy} | {explained:.3} | {grams:.5e} | {rescan_grams:.5e} |"
    );
    on_two
}

fn one_by_one(world: &mut World, tasks: &[Task]) -> (Vec<Choice>, f64) {
    let begun = Instant::now();
    let mut choices = Vec::with_capacity(tasks.len());
    for task in tasks {
        let views = world.views();
        let choice = choose_stretches(&world.input(task, &views)).expect("each site is large enough for each job");
        for segment in &choice.segments {
            let at = world.sites.iter().position(|site| site.id == segment.site).expect("one of the sites");
            world.taken[at].add(segment.window, task.job.spec.resources);
        }
        choices.push(choice);
    }
    (choices, begun.elapsed().as_secs_f64())
}

/// Batch after batch: looked at by all threads, then taken in order.
fn in_bulk(world: &World, tasks: &[Task], threads: usize) -> (Vec<Choice>, f64) {
    let begun = Instant::now();
    let views = world.views();
    let mut bulk = Bulk::new(&views);
    let mut choices = Vec::with_capacity(tasks.len());
    let large_enough = "each site is large enough for each job";
    if threads == 1 {
        for task in tasks {
            choices.push(bulk.choose(&world.input(task, &[])).expect(large_enough));
        }
        return (choices, begun.elapsed().as_secs_f64());
    }
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be made");
    pool.install(|| {
        for batch in tasks.chunks(BATCH) {
            let look = |task| bulk.propose(&world.input(task, &[]));
            let proposals: Vec<Proposal> = batch.par_iter().map(look).collect();
            for (task, proposal) in batch.iter().zip(proposals) {
                choices.push(bulk.commit(&world.input(task, &[]), proposal).expect(large_enough));
            }
        }
    });
    (choices, begun.elapsed().as_secs_f64())
}

/// The most memory the program had.
fn memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}
