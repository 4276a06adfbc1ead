//! `lowtide cancel`, `hold`, `release`, `pause`, `resume`, `run-now`.

use crate::world::World;

/// A job that counts to 30 and can be paused at any number.
const COUNTER: &str = "n=$(cat count 2>/dev/null || echo 0); trap 'exit 75' TERM; \
    while [ $n -lt 30 ]; do n=$((n+1)); sleep 0.1; echo $n > count; echo \"Epoch $n/30 loss=1\"; done";

#[test]
fn a_running_job_is_cancelled() {
    let world = World::new();
    let id = world.submit(&["--policy", "run-now"], &["sleep", "60"]);
    world.wait_for_state(id, "running");
    world.ok(&["cancel", &id.to_string()]);
    world.wait_for_state(id, "cancelled");
    let said = world.run(&["cancel", &id.to_string()]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("cancelled"), "{}", said.stderr);
}

#[test]
fn a_held_job_stays_until_released() {
    let world = World::new();
    // The first occupies all of its site, so the second waits.
    let first = world.submit(&["--policy", "run-now", "--site", "home", "--cpus", "4"], &["sleep", "60"]);
    world.wait_for_state(first, "running");
    let second = world.submit(&["--policy", "run-now", "--site", "home", "--cpus", "4"], &["true"]);
    let held = world.json(&["hold", "--json", &second.to_string()]);
    assert_eq!(held["jobs"][0]["state"], "held");
    world.ok(&["cancel", &first.to_string()]);
    world.wait_for_state(first, "cancelled");
    assert_eq!(world.json(&["show", &second.to_string(), "--json"])["state"], "held");
    world.ok(&["release", &second.to_string()]);
    world.wait_for_state(second, "succeeded");
}

#[test]
fn a_paused_job_goes_on_where_it_was() {
    let world = World::new();
    let id = world.submit(&["--policy", "run-now", "--checkpoint"], &["sh", "-c", COUNTER]);
    world.wait_for(id, |job| job["epochs_done"].as_u64() >= Some(2));
    world.ok(&["pause", &id.to_string()]);
    world.wait_for_state(id, "paused");
    world.ok(&["resume", &id.to_string()]);
    let job = world.wait_for_state(id, "succeeded");
    assert_eq!(job["attempts"].as_array().map(Vec::len), Some(2), "{job:#}");
    assert_eq!(std::fs::read_to_string(world.work().join("count")).expect("written"), "30\n");
}

#[test]
fn a_job_without_checkpoints_is_not_paused() {
    let world = World::new();
    let id = world.submit(&["--policy", "run-now"], &["sleep", "60"]);
    world.wait_for_state(id, "running");
    let said = world.run(&["pause", &id.to_string()]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("checkpoint") && said.stderr.contains("hint: "), "{}", said.stderr);
}

#[test]
fn run_now_does_not_wait_for_the_plan() {
    let world = World::new();
    let policies = world.config().with_file_name("policies");
    std::fs::create_dir(&policies).expect("made");
    // A window that opens in a month that is never this one: the job would wait for it.
    std::fs::write(policies.join("later.toml"), "windows = [{ cron = \"0 0 29 2 *\", duration = \"1h\" }]\n")
        .expect("written");
    let id = world.submit(&["--policy", "later"], &["true"]);
    assert_eq!(world.json(&["show", &id.to_string(), "--json"])["state"], "waiting");
    world.ok(&["run-now", &id.to_string()]);
    world.wait_for_state(id, "succeeded");
}

#[test]
fn one_refusal_does_not_keep_the_others_from_being_asked() {
    let world = World::new();
    let id = world.submit(&["--policy", "run-now"], &["sleep", "60"]);
    let said = world.run(&["cancel", "99", &id.to_string()]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("there is no job 99"), "{}", said.stderr);
    world.wait_for_state(id, "cancelled");
}
