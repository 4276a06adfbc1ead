//! The optimum for GAIA's thousand jobs on limited processors, against a linear program's, in four zones.

mod reference;

use std::path::Path;

use lowtide_planner::baseline::Series;
use lowtide_planner::oracle::flow::{Demand, Schedule, Slot, cleanest_first};
use reference::{data, number, rows, zone_2023};

/// The references are told to the gram: half of one, of some hundred kilograms, is what can be compared.
const GRAM_KG: f64 = 0.000_51;
const FIRST_HOUR: usize = 4368;
const HOURS: usize = 720;

/// kg: at once, then with as many processors as it takes, 30 and 20.
const EXPECTED: [(&str, f64, [f64; 3]); 4] = [
    ("US-CAL-CISO", 707.449, [532.294, 582.568, 660.762]),
    ("DE-LU", 849.823, [638.705, 697.392, 812.282]),
    ("CA-ON", 431.096, [356.795, 378.709, 408.187]),
    ("US-TEX-ERCO", 1390.149, [1264.136, 1302.422, 1344.227]),
];

struct Job {
    arrival: f64,
    length: f64,
    cpus: f64,
}

fn jobs(data: &Path) -> Vec<Job> {
    rows(&data.join("jobs/pai_1k.csv"))
        .iter()
        .map(|row| Job { arrival: number(&row[0]) / 3600.0, length: number(&row[1]) / 3600.0, cpus: number(&row[2]) })
        .collect()
}

fn demands(series: &Series, jobs: &[Job]) -> Vec<Demand> {
    jobs.iter()
        .map(|job| {
            let wait = if job.length < 2.0 { 6.0 } else { 24.0 };
            let pieces = series.pieces(job.arrival, job.arrival + job.length + wait);
            let slots = pieces.map(|(start, end, _)| (series.step_of(start), job.cpus * (end - start))).collect();
            Demand { work: job.cpus * job.length, slots, power: 1.0 }
        })
        .collect()
}

fn optimum(series: &Series, jobs: &[Job], cpus: f64) -> Schedule {
    let slots: Vec<Slot> =
        series.values().iter().map(|intensity| Slot { intensity: *intensity, capacity: cpus }).collect();
    cleanest_first(&demands(series, jobs), &slots)
}

fn same(what: &str, actual: f64, expected: f64) {
    assert!((actual - expected).abs() < GRAM_KG, "{what}: {actual} kg instead of {expected} kg");
}

#[test]
fn the_cleanest_slot_first_is_the_linear_programs_optimum() {
    let Some(data) = data() else { return };
    let jobs = jobs(&data);
    for (zone, at_once, optima) in EXPECTED {
        let series = zone_2023(&data, zone, FIRST_HOUR, HOURS);
        let sum: f64 = jobs.iter().map(|job| job.cpus * series.integral(job.arrival, job.arrival + job.length)).sum();
        same(&format!("{zone} at once"), sum / 1000.0, at_once);
        for (cpus, expected) in [f64::INFINITY, 30.0, 20.0].into_iter().zip(optima) {
            let schedule = optimum(&series, &jobs, cpus);
            assert!(schedule.undone < 1e-6, "{zone}, {cpus} processors: {} h undone", schedule.undone);
            same(&format!("{zone}, {cpus} processors"), schedule.cost / 1000.0, expected);
        }
    }
}

#[test]
fn eighteen_processors_are_too_few() {
    let Some(data) = data() else { return };
    let series = zone_2023(&data, "US-CAL-CISO", FIRST_HOUR, HOURS);
    assert!(1.0 < optimum(&series, &jobs(&data), 18.0).undone);
}
