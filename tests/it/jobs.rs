//! `lowtide jobs`, and bare `lowtide`.

use crate::world::World;

#[test]
fn bare_lowtide_lists_the_queue() {
    let world = World::new();
    let empty = world.run(&[]);
    assert!(empty.code == 0 && empty.stdout.is_empty() && empty.stderr.contains("No jobs"), "{empty:?}");
    let first = world.submit(&["--policy", "run-now", "--name", "quick"], &["true"]);
    let second = world.submit(&["--policy", "run-now", "--name", "slow"], &["sleep", "30"]);
    world.wait_for_state(first, "succeeded");
    world.wait_for_state(second, "running");
    let listed = world.ok(&[]);
    assert!(listed.contains("slow") && !listed.contains("quick"), "{listed}");
    let all = world.json(&["jobs", "--all", "--json"]);
    let ids: Vec<_> = all["jobs"].as_array().expect("a list").iter().filter_map(|job| job["id"].as_u64()).collect();
    assert_eq!(ids, [first, second], "oldest first");
    assert_eq!(world.ok(&["--quiet", "jobs"]), format!("{second}\n"));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let world = World::new();
    world.submit(&[], &["sleep", "30"]);
    let script = format!("{} jobs --json | true; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_lowtide"));
    let state = world.state().display().to_string();
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .env("LOWTIDE_STATE_DIR", state)
        .output()
        .expect("bash runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn colour_is_for_terminals_and_those_who_ask() {
    let world = World::new();
    world.submit(&[], &["sleep", "30"]);
    assert!(!world.ok(&["jobs"]).contains('\u{1b}'));
    assert!(world.ok(&["--color", "always", "jobs"]).contains('\u{1b}'));
}
