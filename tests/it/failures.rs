//! Faults of the world around a job: none of them may cost the job.

use std::fs;

use crate::world::World;

#[test]
fn a_job_that_cannot_start_fails_and_says_why() {
    let world = World::new();
    let id = world.submit(&["--policy", "run-now"], &["no-such-program"]);
    let job = world.wait_for_state(id, "failed");
    assert_eq!(job["exit_code"], 127, "{job:#}");
    assert!(format!("{job:#}").contains("no-such-program"));
}

#[test]
fn the_state_is_the_users_own() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.submit(&[], &["sleep", "30"]);
    for path in [world.state(), world.state().join("lowtide.sock"), world.state().join("daemon.log")] {
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} can be entered by others: {mode:o}", path.display());
    }
}

#[test]
fn the_queue_is_found_again_after_a_restart() {
    let world = World::new();
    let ids: Vec<u64> = (0..3)
        .map(|_| world.submit(&["--policy", "run-now", "--site", "home", "--cpus", "4"], &["sleep", "60"]))
        .collect();
    world.ok(&["daemon", "stop"]);
    let found = world.json(&["jobs", "--json"]);
    let found: Vec<u64> =
        found["jobs"].as_array().expect("a list").iter().filter_map(|job| job["id"].as_u64()).collect();
    assert_eq!(found, ids);
}
