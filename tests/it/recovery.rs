//! The daemon is killed with no warning: what runs goes on, is found again, and ends as if nothing had been. And what was
//! written down adds up to what is shown.

use std::fs;

use lowtide_engine::{Engine, Event};
use lowtide_store::Store;
use serde_json::Value;

use crate::world::{World, epochs};

/// Counts how often it was started, prints bare headers and ends with a code of its own.
const TRAINING: &str = "echo started >> starts; for i in 1 2 3 4; do echo \"Epoch $i/4\"; sleep 0.7; done; exit 9";

fn over(job: &Value) -> bool {
    job["exit_code"].is_i64()
}

#[test]
fn a_running_job_survives_the_kill_of_its_daemon() {
    let world = World::new();
    let id = world.submit(&["--policy", "run-now"], &["sh", "-c", TRAINING]);
    let before = world.wait_for(id, |job| job["epochs"].as_array().is_some_and(|epochs| !epochs.is_empty()));
    world.kill_daemon();

    let after = world.wait_for(id, over);
    assert_eq!((&after["state"], &after["exit_code"]), (&"failed".into(), &9.into()));
    assert_eq!(after["attempts"].as_array().map(Vec::len), Some(1), "{}", after["attempts"]);
    let epochs = after["epochs"].as_array().expect("epochs");
    let indices: Vec<u64> = epochs.iter().filter_map(|epoch| epoch["index"].as_u64()).collect();
    assert_eq!(indices, [1, 2, 3, 4]);
    assert_eq!(epochs[0], before["epochs"][0], "what was reported before is not told otherwise");
    assert!(epochs.iter().all(|epoch| epoch["energy_kwh"].as_f64().is_some_and(|energy| 0.0 < energy)));
    let starts = fs::read_to_string(world.work().join("starts")).expect("the job ran");
    assert_eq!(starts.lines().count(), 1, "no second process");
}

#[test]
fn a_job_that_ends_while_no_daemon_runs_is_settled_by_the_next() {
    let world = World::new();
    let script = "echo 'Epoch 1/1 loss=0.1'; sleep 1; touch done; exit 3";
    let id = world.submit(&["--policy", "run-now"], &["sh", "-c", script]);
    world.wait_for_state(id, "running");
    world.kill_daemon();
    while !world.work().join("done").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let after = world.wait_for(id, over);
    assert_eq!((&after["state"], &after["exit_code"]), (&"failed".into(), &3.into()));
    assert!(after["review"].is_object());
}

#[test]
fn the_journal_adds_up_to_the_jobs() {
    let world = World::new();
    let first = world.submit(&["--policy", "run-now"], &["sh", "-c", &epochs(3)]);
    let second = world.submit(&["--policy", "patient", "--after", &first.to_string()], &["sh", "-c", "exit 2"]);
    world.wait_for(second, over);
    world.ok(&["daemon", "stop"]);

    let store = Store::open(&world.state().join("lowtide.db")).expect("the daemon has let go of it");
    let mut events = Vec::new();
    let take = |_, entry: lowtide_store::JournalEntry| {
        let event = match entry.told {
            Some(issued) => Event::told(issued.role, issued.forecast),
            None => serde_json::from_str(&entry.payload).expect("an event can be read"),
        };
        events.push((entry.at, event));
    };
    store.journal(1, take).expect("the journal can be read");
    let replayed = Engine::replay(events);
    let stored = store.all_jobs().expect("the jobs can be read");
    assert_eq!(stored.len(), 2);
    for job in &stored {
        assert_eq!(replayed.job(job.id), Some(job));
    }
}
