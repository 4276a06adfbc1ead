//! `lowtide submit --follow`.

use std::io::Read;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{World, epochs};

#[test]
fn the_commands_own_code_is_passed_on() {
    let world = World::new();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137)] {
        let said = world.run(&["submit", "--follow", "--policy", "run-now", "--", "sh", "-c", script]);
        assert_eq!(said.code, code, "{script}: {said:?}");
    }
    let absent = world.run(&["submit", "--follow", "--policy", "run-now", "--", "no-such-program"]);
    assert_eq!(absent.code, 127, "{absent:?}");
}

#[test]
fn its_output_passes_through_and_all_else_goes_to_stderr() {
    let world = World::new();
    let script = format!("{}; echo trouble >&2", epochs(3));
    let said = world.run(&["submit", "--follow", "--policy", "run-now", "--", "sh", "-c", &script]);
    assert_eq!(said.stdout, "Epoch 1/3 loss=0.1\nEpoch 2/3 loss=0.2\nEpoch 3/3 loss=0.3\n");
    for word in ["trouble", "Job 1 queued", "Epoch 3 of 3: ", "modelled", "succeeded", "run at once"] {
        assert!(said.stderr.contains(word), "{word} is missing in {}", said.stderr);
    }
}

#[test]
fn with_json_stdout_is_the_finished_job_alone() {
    let world = World::new();
    let job = world.json(&["submit", "--follow", "--json", "--policy", "run-now", "--", "sh", "-c", "echo chatter"]);
    assert_eq!((job["state"].as_str(), job["exit_code"].as_i64()), (Some("succeeded"), Some(0)));
}

/// The job of a command that has only just been started: at first there is no daemon yet.
fn wait_for_first_job(world: &World) {
    while world.run(&["show", "1", "--json"]).code != 0 {
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    world.wait_for_state(1, "running");
}

#[test]
fn an_interrupt_leaves_the_job_in_the_queue() {
    let world = World::new();
    let mut command = world.lowtide(&["submit", "--follow", "--policy", "run-now", "--", "sleep", "20"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut stderr = child.stderr.take().expect("piped");
    wait_for_first_job(&world);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).expect("it runs");
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(said.contains("Job 1 stays in the queue"), "{said}");
    assert_eq!(world.json(&["show", "1", "--json"])["state"], "running");
}

#[test]
fn following_outlives_the_daemon() {
    let world = World::new();
    let script = "sleep 2; echo done; exit 4";
    let mut command = world.lowtide(&["submit", "--follow", "--policy", "run-now", "--", "sh", "-c", script]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    wait_for_first_job(&world);
    world.kill_daemon();
    world.ok(&["daemon", "start"]);
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()),
        (Some(4), "done\n"),
        "{stderr}"
    );
}
