//! `lowtide simulate`: small traces whose results can be worked out by hand.

use std::fmt::Write as _;

use serde_json::Value;

use crate::world::World;

/// Two days of hours from 2024-01-01 on: 400 g/kWh, but 100 from 3:00 to 5:00 and at 8:00, each day.
fn carbon() -> String {
    let mut text = "time,lifecycle,direct\n".to_owned();
    for hour in 0..48 {
        let intensity = if [3, 4, 8].contains(&(hour % 24)) { 100 } else { 400 };
        let _ = writeln!(text, "2024-01-{:02}T{:02}:00Z,{intensity},0", 1 + hour / 24, hour % 24);
    }
    text
}

const JOBS: &str = "id,arrival_h,duration_h,cpus\na,0,3,2\nb,6,1,1\n";

fn world() -> World {
    let world = World::empty();
    world.file("carbon.csv", &carbon());
    world.file("jobs.csv", JOBS);
    world
}

fn simulate(world: &World, flags: &[&str]) -> Value {
    let common = ["simulate", "--json", "--jobs", "jobs.csv", "--carbon", "X=carbon.csv", "--queues", "2h:4h,*:8h"];
    world.json(&[&common, flags].concat())
}

fn is(value: &Value, expected: f64) -> bool {
    value.as_f64().is_some_and(|value| (value - expected).abs() < 1e-6 * expected.max(1.0))
}

#[test]
fn baselines_are_counted_by_the_hours_they_run_in() {
    let world = world();
    // At once: a runs three hours at 400 with 2 kW, b one at 400.
    for (policy, grams, wait, starts) in [
        ("run-now", 2800.0, 0.0, 2),
        // a at 2:00 or 3:00 with two clean hours; b at 8:00.
        ("lwa-contiguous", 1300.0, 2.0, 2),
        // a at 3:00, 4:00 and 8:00.
        ("lwa-interruptible", 700.0, 4.0, 3),
        ("gaia-wait-awhile", 700.0, 4.0, 3),
        ("gaia-lowest-slot", 1300.0, 2.5, 2),
        ("gaia-ecovisor", 700.0, 4.0, 3),
        ("oracle", 700.0, 4.0, 3),
    ] {
        let said = simulate(&world, &["--policy", policy]);
        assert!(is(&said["baseline_g"], 2800.0) && is(&said["oracle_g"], 700.0), "{policy}: {said}");
        assert!(is(&said["policy_g"], grams) && is(&said["mean_wait_h"], wait), "{policy}: {said}");
        assert!(is(&said["saving"], 1.0 - grams / 2800.0), "{policy}: {said}");
        assert_eq!((&said["jobs"], &said["deadline_misses"], &said["starts"]), (&2.into(), &0.into(), &starts.into()));
        assert!(said["elapsed_s"].as_f64().is_some_and(|seconds| seconds >= 0.0), "{said}");
    }
}

#[test]
fn lowtides_own_policies_are_planned_as_the_daemon_plans() {
    let world = world();
    world.file("mine.toml", "minimum_saving = 0\n");
    let said = simulate(&world, &["--policy", "mine.toml"]);
    assert!(is(&said["policy_g"], 700.0) && is(&said["mean_wait_h"], 4.0), "{said}");
    let said = simulate(&world, &["--policy", "patient", "--no-checkpoints"]);
    assert!(is(&said["policy_g"], 1300.0), "{said}");
}

#[test]
fn a_wrong_forecast_costs_carbon_and_planning_anew_sees_each_hour_as_it_comes() {
    let world = world();
    world.file("mine.toml", "minimum_saving = 0\n");
    // It takes 5:00 for clean and 3:00 and 4:00 for dirty.
    let hour = |hour: usize| if hour == 5 || hour == 8 { "100" } else { "400" };
    let leads: Vec<String> = (0..24).map(|lead| format!("h{lead}")).collect();
    let values: Vec<&str> = (0..24).map(hour).collect();
    world.file("forecast.csv", &format!("issue_time,{}\n2024-01-01T00:00Z,{}\n", leads.join(","), values.join(",")));
    let flags = ["--forecast", "X=forecast.csv", "--policy"];
    let once = simulate(&world, &[&flags[..], &["lwa-interruptible"]].concat());
    let again = simulate(&world, &[&flags[..], &["mine.toml"]].concat());
    // Once: a at 5:00, 8:00 and the earliest dirty hour, which is 0:00. Anew at 3:00 and 4:00: those are seen to be clean.
    assert!(is(&once["policy_g"], 1900.0) && is(&again["policy_g"], 700.0), "{once} {again}");
    assert!(is(&once["oracle_g"], 700.0) && again["deadline_misses"] == 0, "{once} {again}");
}

#[test]
fn lengths_that_are_only_predicted_cost_carbon_and_every_job_runs_to_its_end() {
    let world = world();
    world.file("mine.toml", "minimum_saving = 0\n");
    let rows: Vec<String> = (0..30).map(|number| format!("{number},{},3,1", f64::from(number) * 0.5)).collect();
    world.file("jobs.csv", &format!("id,arrival_h,duration_h,cpus\n{}\n", rows.join("\n")));
    let replay =
        |flags: &[&str]| simulate(&world, &[&["--policy", "mine.toml", "--csv", "out.csv"][..], flags].concat());
    let known = replay(&[]);
    let off = replay(&["--length-error", "0.5", "--seed", "3"]);
    let lines = std::fs::read_to_string(world.work().join("out.csv")).expect("written");
    assert!(known["jobs"] == 30 && off["jobs"] == 30 && known["deadline_misses"] == 0, "{known} {off}");
    assert_eq!(lines.lines().filter(|line| line.contains(",3,")).count(), 30, "all ran three hours: {lines}");
    let grams = |said: &Value| said["policy_g"].as_f64().expect("a number");
    assert!(grams(&known) < grams(&off), "{known} {off}");
    assert!(grams(&off) < off["baseline_g"].as_f64().expect("a number"), "{off}");
    let again = replay(&["--length-error", "0.5", "--seed", "3"]);
    assert_eq!(again["policy_g"], off["policy_g"], "the same again for a seed");
    let rule = simulate(&world, &["--policy", "lwa-contiguous", "--length-error", "0.5"]);
    assert!(rule["notes"].to_string().contains("this rule knows every length"), "{rule}");
}

#[test]
fn a_limit_on_processors_is_kept_and_the_optimum_knows_it() {
    let world = world();
    world.file("jobs.csv", "arrival_h,duration_h,cpus\n0,2,1\n0,2,1\n");
    let flags = ["--queues", "*:4h", "--policy", "oracle", "--capacity", "1"];
    let said =
        world.json(&[&["simulate", "--json", "--jobs", "jobs.csv", "--carbon", "X=carbon.csv"][..], &flags].concat());
    assert!(is(&said["policy_g"], 1000.0), "two of four hours are clean: {said}");
    let said = simulate(&world, &["--policy", "lwa-contiguous", "--capacity", "1"]);
    assert!(is(&said["mean_wait_h"], 4.0), "the second runs after the first: {said}");
    world.file("jobs.csv", "arrival_h,duration_h,cpus\n0,2,2\n");
    let said = world.run(&[
        "simulate",
        "--jobs",
        "jobs.csv",
        "--carbon",
        "X=carbon.csv",
        "--policy",
        "run-now",
        "--capacity",
        "1",
    ]);
    assert!(said.code == 1 && said.stderr.contains("needs 2 processors and there are 1"), "{said:?}");
}

#[test]
fn a_line_for_each_job_and_a_page_are_written() {
    let world = world();
    simulate(&world, &["--policy", "lwa-contiguous", "--csv", "out.csv", "--html", "out.html"]);
    let lines = std::fs::read_to_string(world.work().join("out.csv")).expect("written");
    assert!(lines.starts_with("job,arrival,start,end,"), "{lines}");
    assert!(
        lines.contains("\nb,2024-01-01T06:00:00Z,2024-01-01T08:00:00Z,2024-01-01T09:00:00Z,1,2,1,false,400,100\n"),
        "{lines}"
    );
    let page = std::fs::read_to_string(world.work().join("out.html")).expect("written");
    assert_eq!(page.matches("<svg").count(), 3);
}

#[test]
fn what_cannot_be_replayed_is_told_with_a_way_out() {
    let world = world();
    let run =
        |flags: &[&str]| world.run(&[&["simulate", "--jobs", "jobs.csv", "--carbon", "X=carbon.csv"], flags].concat());
    let said = run(&["--policy", "nobody"]);
    assert!(said.code == 1 && said.stderr.contains("lwa-contiguous") && said.stderr.contains("patient"), "{said:?}");
    let said = run(&["--policy", "run-now", "--start", "2030-01-01"]);
    assert!(said.code == 1 && said.stderr.contains("the trace goes from 2024-01-01T00:00:00Z"), "{said:?}");
    let said = run(&["--policy", "run-now", "--forecast", "Y=carbon.csv"]);
    assert!(said.code == 1 && said.stderr.contains("--carbon Y=FILE"), "{said:?}");
    assert_eq!(run(&["--policy", "run-now", "--queues", "soon"]).code, 2);
    world.file("jobs.csv", "when,long\n1,2\n");
    let said = run(&["--policy", "run-now"]);
    assert!(said.code == 1 && said.stderr.contains("there is no column for the"), "{said:?}");
}
