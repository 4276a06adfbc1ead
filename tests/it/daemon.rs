//! `lowtide daemon start|stop|status`, and how the other verbs come by a daemon.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::world::World;

#[test]
fn no_daemon_is_exit_code_3() {
    let world = World::new();
    let said = world.run(&["daemon", "status"]);
    assert_eq!((said.code, said.stdout.as_str()), (3, ""));
    assert!(said.stderr.contains("no lowtide daemon answers at") && said.stderr.contains("hint: "), "{}", said.stderr);
    let said = world.run(&["daemon", "status", "--json"]);
    let error: Value = serde_json::from_str(&said.stderr).expect("JSON");
    assert_eq!((said.code, error["error"]["kind"].as_str()), (3, Some("unreachable")));
    assert_eq!(world.run(&["show", "1"]).code, 3, "where no daemon ever was, there is no job to ask about");
    assert_eq!(world.run(&["daemon", "stop"]).code, 0, "what is asked for is so already");
    assert!(!world.state().exists(), "asking starts nothing");
}

#[test]
fn it_starts_once_tells_of_itself_and_stops() {
    let world = World::new();
    world.ok(&["daemon", "start"]);
    let status = world.json(&["daemon", "status", "--json"]);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["config"], world.config().display().to_string());
    assert!(status["socket"].as_str().is_some_and(|socket| socket.ends_with("lowtide.sock")), "{status}");
    let again = world.run(&["daemon", "start"]);
    assert!(again.code == 0 && again.stderr.contains("already runs"), "{again:?}");
    assert_eq!(world.json(&["daemon", "status", "--json"])["pid"], status["pid"]);
    world.ok(&["daemon", "stop"]);
    assert_eq!(world.run(&["daemon", "status"]).code, 3);
}

#[test]
fn stop_returns_when_the_daemon_has_ended_and_the_next_command_starts_another() {
    let world = World::new();
    let mut submitted = Vec::new();
    for _ in 0..5 {
        submitted.push(world.submit(&["--policy", "run-now"], &["true"]));
        let daemon = world.daemon().expect("it runs");
        let said = world.run(&["daemon", "stop"]);
        assert!(!World::runs(daemon), "process {daemon} still runs");
        assert!(said.code == 0 && said.stderr.contains("has stopped"), "{said:?}");
        let listed = world.json(&["jobs", "--all", "--json"]);
        assert_eq!(listed["jobs"].as_array().map(Vec::len), Some(submitted.len()), "{listed}");
    }
}

#[test]
fn ten_commands_at_once_start_one_daemon() {
    let world = World::new();
    let commands: Vec<_> = (0..10)
        .map(|_| {
            let mut command = world.lowtide(&["submit", "--quiet", "--policy", "run-now", "--", "true"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
        })
        .collect();
    let mut ids: Vec<u64> = commands
        .into_iter()
        .map(|command| {
            let output = command.wait_with_output().expect("it ends");
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
            stdout.trim().parse().unwrap_or_else(|_| panic!("no number: {stdout} {stderr}"))
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=10).collect::<Vec<u64>>());
}

#[test]
fn a_virtual_clock_runs_faster_and_begins_where_told() {
    let world = World::new();
    world.ok(&["daemon", "start", "--time-scale", "3600", "--virtual-start", "2026-06-01T00:00:00Z"]);
    let status = world.json(&["daemon", "status", "--json"]);
    assert_eq!(status["time_scale"], 3600.0);
    assert!(status["now"].as_str().is_some_and(|now| now.starts_with("2026-06-0")), "{status}");
}

#[test]
fn a_configuration_that_cannot_be_used_says_where() {
    let world = World::empty();
    fs::write(world.config(), "[[sites]]\nname = \"a\"\npue = 0.5\n").expect("written");
    for (arguments, code) in [(&["daemon", "start"][..], 1), (&["submit", "--", "true"], 3), (&["doctor"], 1)] {
        let said = world.run(arguments);
        assert_eq!(said.code, code, "{arguments:?}: {said:?}");
        assert!(format!("{}{}", said.stdout, said.stderr).contains("pue"), "{said:?}");
    }
    let absent = world.run(&["--config", "/does/not/exist.toml", "jobs"]);
    assert!(absent.code == 3 && absent.stderr.contains("/does/not/exist.toml"), "{absent:?}");
}

#[test]
fn a_corrupt_database_is_said_and_left_alone() {
    let world = World::new();
    fs::create_dir_all(world.state()).expect("made");
    let database = world.state().join("lowtide.db");
    fs::write(&database, "this is no database, whatever its name says\n".repeat(100)).expect("written");
    let said = world.run(&["submit", "--", "true"]);
    assert_eq!((said.code, said.stdout.as_str()), (3, ""), "{said:?}");
    assert!(said.stderr.contains("lowtide.db"), "{}", said.stderr);
    assert!(fs::read_to_string(&database).expect("still there").starts_with("this is no database"));
}

#[test]
fn a_state_directory_that_cannot_be_made_is_said() {
    let world = World::new();
    world.file("file", "");
    let said = world.run(&["--state-dir", "file/state", "jobs"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.stderr.contains("file/state"), "{}", said.stderr);
}

#[test]
fn another_configuration_than_the_running_one_is_warned_of() {
    let world = World::new();
    world.ok(&["daemon", "start"]);
    let other = world.file("other.toml", "");
    let said = world.run(&["--config", &other.display().to_string(), "jobs"]);
    assert!(said.code == 0 && said.stderr.contains("has no effect"), "{said:?}");
}
