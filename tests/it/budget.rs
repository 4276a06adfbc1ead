//! `lowtide budget`, `approvals`, `jobs --held`: what holds jobs, and who lets them go.

use std::fs;

use serde_json::Value;

use crate::world::World;

/// A world with two budgets. Its site home has 400 g/kWh at any hour: a kilowatt for an hour is 400 g.
fn with_budgets() -> World {
    let world = World::new();
    let mut config = fs::read_to_string(world.config()).expect("a configuration");
    config.push_str(
        r#"
[[budgets]]
name = "vision"
grams = 500
period = "total"
project = "vision"

[[budgets]]
name = "everybody"
kg = 5
period = "month"
action = "warn"
zone = "UTC"
"#,
    );
    fs::write(world.config(), config).expect("written");
    world
}

const HEAVY: [&str; 10] =
    ["--policy", "run-now", "--site", "home", "--project", "vision", "--duration", "1h", "--power", "1kW"];

fn state(world: &World, id: u64) -> Value {
    world.json(&["show", &id.to_string(), "--json"])["state"].clone()
}

#[test]
fn a_job_over_its_budget_is_held_listed_and_released_with_a_reason() {
    let world = with_budgets();
    let first = world.submit(&HEAVY, &["sleep", "60"]);
    world.wait_for_state(first, "running");
    let second = world.submit(&HEAVY, &["true"]);
    let shown = world.json(&["show", &second.to_string(), "--json"]);
    assert_eq!(shown["state"], "held", "{shown:#}");
    let detail = shown["state_detail"].as_str().expect("why");
    assert!(detail.contains("400 g") && detail.contains("`vision`") && detail.contains("release"), "{detail}");

    let budget = world.json(&["budget", "show", "vision", "--json"]);
    assert_eq!(budget["held"][0]["id"], second);
    let amount = |key: &str| budget[key].as_f64().expect("an amount");
    assert!((amount("running_so_far_g") + amount("running_predicted_g") - 400.0).abs() < 5.0, "{budget:#}");
    assert!((amount("left_g") - 100.0).abs() < 5.0, "{budget:#}");
    assert_eq!(budget["period_end"], Value::Null, "a total never renews");
    let all = world.json(&["budget", "list", "--json"]);
    assert_eq!(all["budgets"].as_array().map(Vec::len), Some(2));
    assert!(all["budgets"][1]["period_end"].is_string(), "a month renews");
    let table = world.ok(&["budget", "list"]);
    assert!(table.contains("vision") && table.contains("everybody"), "{table}");

    for listing in [world.ok(&["approvals"]), world.ok(&["jobs", "--held"])] {
        assert!(listing.contains(&format!("job {second} ")) && listing.contains("budget `vision`"), "{listing}");
    }
    world.ok(&["release", &second.to_string(), "--reason", "the paper is due"]);
    let job = world.wait_for_state(second, "succeeded");
    let notes = job["notes"].to_string();
    assert!(notes.contains("approved beyond budget `vision` by ada") && notes.contains("the paper is due"), "{notes}");
    assert_eq!(world.json(&["approvals", "--json"])["jobs"], Value::Array(vec![]));
}

#[test]
fn a_held_job_goes_by_itself_when_the_one_before_it_leaves_room() {
    let world = with_budgets();
    let first = world.submit(&HEAVY, &["sleep", "60"]);
    world.wait_for_state(first, "running");
    let second = world.submit(&HEAVY, &["true"]);
    assert_eq!(state(&world, second), "held");
    // It ends after a second, having used next to nothing of its 400 g.
    world.ok(&["cancel", &first.to_string()]);
    world.wait_for_state(second, "succeeded");
}

#[test]
fn a_held_job_goes_when_its_budget_begins_anew() {
    let world = World::new();
    let mut config = fs::read_to_string(world.config()).expect("a configuration");
    config.push_str("\n[[budgets]]\nname = \"daily\"\ngrams = 500\nperiod = \"day\"\nzone = \"UTC\"\n");
    fs::write(world.config(), config).expect("written");
    // An hour passes in a second. The first job is busy for three hours of the evening: more than the budget has.
    world.ok(&["daemon", "start", "--time-scale", "3600", "--virtual-start", "2026-06-01T19:00:00Z"]);
    let busy = "end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do :; done";
    let first = world.submit(&HEAVY, &["sh", "-c", busy]);
    let second = world.submit(&HEAVY, &["true"]);
    assert_eq!(state(&world, second), "held");
    let used = world.wait_for_state(first, "succeeded")["actual"]["footprint_g"].as_f64().expect("it ran");
    assert!(100.0 < used, "it used {used} g");
    let job = world.wait_for_state(second, "succeeded");
    let start = job["attempts"][0]["start"].as_str().expect("it ran");
    assert!("2026-06-01T23" < start, "{start}");
    let budget = world.json(&["budget", "show", "daily", "--json"]);
    assert!("2026-06-02T00:00:00Z" <= budget["period_start"].as_str().expect("a day"), "{budget:#}");
}

#[test]
fn a_job_put_aside_is_no_approval_and_keeps_its_reason() {
    let world = with_budgets();
    let first = world.submit(&["--policy", "run-now", "--site", "home", "--cpus", "4"], &["sleep", "60"]);
    world.wait_for_state(first, "running");
    let second = world.submit(&["--policy", "run-now", "--site", "home", "--cpus", "4"], &["true"]);
    world.ok(&["hold", &second.to_string(), "--reason", "the data is broken"]);
    assert_eq!(world.json(&["approvals", "--json"])["jobs"], Value::Array(vec![]));
    assert_eq!(world.json(&["jobs", "--held", "--json"])["jobs"][0]["id"], second);
    let notes = world.json(&["show", &second.to_string(), "--json"])["notes"].to_string();
    assert!(notes.contains("held by ada: the data is broken"), "{notes}");
}

#[test]
fn a_dry_run_tells_of_the_budget_and_queues_nothing() {
    let world = with_budgets();
    let arguments = [&["submit", "--dry-run", "--json"], &HEAVY[..8], &["--power", "2kW", "--", "true"]].concat();
    let job = world.json(&arguments);
    assert!(job["plan"]["warnings"].to_string().contains("over budget `vision`"), "{job:#}");
    assert_eq!(world.json(&["jobs", "--all", "--json"])["jobs"], Value::Array(vec![]));
}

#[test]
fn an_unknown_budget_is_told_beside_those_there_are() {
    let world = with_budgets();
    let said = world.run(&["budget", "show", "vsion"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("no budget `vsion`") && said.stderr.contains("`vision`"), "{}", said.stderr);
}
