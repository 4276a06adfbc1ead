//! Jobs that have come in one go make room for one another: the real daemon, a minute later.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::world::World;

/// One processor, and a grid with two clean hours, which come every day.
const CONFIG: &str = r#"
[[sites]]
name = "home"
zone = "TEST-A"
cpus = 1

[zones.TEST-A]
plugin = "csv"
config = { file = "grid", repeat = "day", kind = "forecast" }
grants = { assets = { grid = "grid.csv" } }
"#;

#[test]
fn a_job_that_draws_little_leaves_the_cleanest_hour_to_one_that_draws_much() {
    let world = World::empty();
    let mut grid = "hour,intensity\n".to_owned();
    for hour in 0..24 {
        let level = match hour {
            15 => 100,
            17 => 200,
            _ => 500,
        };
        writeln!(grid, "{hour},{level}").expect("a text grows");
    }
    fs::write(world.config().with_file_name("grid.csv"), grid).expect("written");
    fs::write(world.config(), CONFIG).expect("written");
    // A minute passes in a second.
    world.ok(&["daemon", "start", "--time-scale", "60", "--virtual-start", "2026-06-01T12:00:00Z"]);
    let flags = |power| ["--policy", "patient", "--duration", "1h", "--power", power];
    let starts_at = |job: &Value, hour: &str| {
        let start = job["plan"]["segments"][0]["start"].as_str();
        start.is_some_and(|start| start == format!("2026-06-01T{hour}:00:00Z"))
    };
    let alone = [&["submit", "--dry-run", "--json"], &flags("50W")[..], &["--", "true"]].concat();
    assert!(starts_at(&world.json(&alone), "15"), "alone it takes the cleanest hour");
    let little = world.submit(&flags("50W"), &["true"]);
    let much = world.submit(&flags("1kW"), &["true"]);
    world.wait_for(much, |job| starts_at(job, "15"));
    world.wait_for(little, |job| starts_at(job, "17"));
}
