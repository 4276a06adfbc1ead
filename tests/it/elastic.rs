//! Jobs that can run with several counts of workers.

use std::fs;

use crate::world::World;

/// One site with so many processors on a grid that is alike at every hour.
fn site(cpus: u32) -> World {
    let world = World::new();
    let config = format!(
        "[[sites]]\nname = \"home\"\nzone = \"TEST-A\"\ncpus = {cpus}\n[zones.TEST-A]\nannual_g_per_kwh = 400.0\n"
    );
    fs::write(world.config(), config).expect("written");
    world
}

const PROFILE: [&str; 2] = ["--workers", "1:1,2:1.9,4:3.5"];
const TELLS: [&str; 3] = ["sh", "-c", "echo \"$LOWTIDE_WORKERS workers\"; while [ ! -e go ]; do sleep 0.05; done"];

fn submit(world: &World, flags: &[&str]) -> u64 {
    world.submit(&[&PROFILE, flags].concat(), &TELLS)
}

#[test]
fn without_need_a_job_runs_with_its_fewest_workers_and_is_told_so() {
    let world = site(4);
    let id = submit(&world, &["--policy", "run-now"]);
    world.wait_for_state(id, "running");
    let shown = world.ok(&["show", &id.to_string()]);
    assert!(shown.contains("home with 1 worker"), "{shown}");
    assert!(shown.contains("1 CPU for each worker (throughput by workers 1:1,2:1.9,4:3.5)"), "{shown}");
    world.file("go", "");
    world.wait_for_state(id, "succeeded");
    assert_eq!(world.ok(&["logs", &id.to_string()]).trim(), "1 workers");
}

#[test]
fn a_near_deadline_takes_more_workers_and_they_occupy_the_site() {
    let world = site(4);
    // Ten hours at one worker, and five and a half at most: four workers are needed.
    let id = submit(&world, &["--duration", "10h", "--deadline", "330m"]);
    world.wait_for_state(id, "running");
    let job = world.json(&["show", "--json", &id.to_string()]);
    assert_eq!(job["attempts"][0]["workers"], 4, "{job}");
    assert_eq!(job["plan"]["segments"][0]["workers"], 4, "{job}");
    assert_eq!(job["workers"], "1:1,2:1.9,4:3.5", "{job}");
    let hours = job["estimates"][0]["duration_s"]["median"].as_f64().map(|seconds| seconds / 3600.0);
    assert!(hours.is_some_and(|hours| (hours - 10.0 / 3.5).abs() < 0.1), "as it will run, not as with one: {job}");

    let other = world.submit(&["--policy", "run-now"], &["true"]);
    assert_eq!(world.json(&["show", "--json", &other.to_string()])["state"], "waiting", "four of four are taken");
    world.file("go", "");
    world.wait_for_state(id, "succeeded");
    world.wait_for_state(other, "succeeded");
    assert_eq!(world.ok(&["logs", &id.to_string()]).trim(), "4 workers");
}

#[test]
fn more_workers_than_a_site_holds_are_not_taken() {
    let world = site(2);
    let id = submit(&world, &["--duration", "10h", "--deadline", "330m"]);
    world.wait_for_state(id, "running");
    let job = world.json(&["show", "--json", &id.to_string()]);
    assert_eq!(job["attempts"][0]["workers"], 2, "{job}");
    world.file("go", "");
    world.wait_for_state(id, "succeeded");
}

#[test]
fn a_profile_that_cannot_be_is_refused_with_the_reason() {
    let world = site(4);
    for (profile, reason) in [
        ("2", "`2` is not a count of workers and its throughput"),
        ("1:1,2:0.9", "2 workers come after 1 and have to be more and faster"),
        ("0:1", "`0:1` is not"),
    ] {
        let said = world.run(&["submit", "--workers", profile, "--", "true"]);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.stderr.contains(reason) && said.stderr.contains("as in `1:1,2:1.9,4:3.5`"), "{said:?}");
    }
    let wide = world.run(&["submit", "--workers", "8:1,16:1.5", "--", "true"]);
    assert!(wide.code == 1 && wide.stderr.contains("8 cpus"), "{wide:?}");
}
