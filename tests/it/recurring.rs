//! `submit --cron`, `jobs --recurring`, `show r1`, `cancel r1`: jobs that come again and again, also after the daemon was
//! killed, and a journal that adds up to them.

use std::collections::BTreeSet;

use lowtide_engine::{Engine, Event};
use lowtide_store::Store;
use serde_json::Value;

use crate::world::World;

fn hour_of(job: &Value) -> String {
    job["submitted_at"].as_str().expect("a moment")[..13].to_owned()
}

/// A world in which an hour passes in a second, and the number of a job that comes every hour.
fn hourly() -> (World, String) {
    let world = World::new();
    world.ok(&["daemon", "start", "--time-scale", "3600", "--virtual-start", "2026-06-01T00:30:00Z"]);
    let submit = ["submit", "--json", "--cron", "0 * * * *", "--zone", "UTC", "--policy", "run-now", "--", "true"];
    let recurring = world.json(&submit);
    assert!(recurring["next"][0].as_str().is_some_and(|next| next.ends_with(":00:00Z")), "{recurring:#}");
    assert_eq!(recurring["next"].as_array().map(Vec::len), Some(3));
    let id = recurring["id"].as_str().expect("a number").to_owned();
    (world, id)
}

#[test]
fn each_occurrence_is_a_job_of_its_own_and_comes_once_also_after_a_kill() {
    let (world, id) = hourly();
    world.wait_for_jobs(|jobs| 2 <= jobs.len());
    world.kill_daemon();
    world.wait_for_jobs(|jobs| 4 <= jobs.iter().filter(|job| job["state"] == "succeeded").count());

    world.ok(&["cancel", &id]);
    let jobs = world.wait_for_jobs(|jobs| jobs.iter().all(|job| job["state"] == "succeeded"));
    let hours: BTreeSet<String> = jobs.iter().map(hour_of).collect();
    assert_eq!(hours.len(), jobs.len(), "no hour has two: {jobs:#?}");
    let numbers: BTreeSet<u64> = jobs.iter().filter_map(|job| job["id"].as_u64()).collect();
    assert_eq!(numbers.len(), jobs.len());

    let shown = world.json(&["show", &id, "--json"]);
    assert_eq!(shown["next"], Value::Array(vec![]));
    assert_eq!(shown["occurrences"].as_u64(), u64::try_from(jobs.len()).ok());
    assert!(shown["notes"].to_string().contains("cancelled by ada"), "{shown:#}");
    let said = world.run(&["cancel", &id]);
    assert!(said.code == 1 && said.stderr.contains("recurs no more"), "{said:?}");
    assert!(world.ok(&["jobs", "--recurring"]).contains("no more"));

    // What the daemon did by itself is in its journal: it adds up to the same jobs.
    world.ok(&["daemon", "stop"]);
    let store = Store::open(&world.state().join("lowtide.db")).expect("the daemon has let go of it");
    let mut events = Vec::new();
    let take = |_, entry: lowtide_store::JournalEntry| {
        let event: Event = serde_json::from_str(&entry.payload).expect("an event can be read");
        events.push((entry.at, event));
    };
    store.journal(1, take).expect("the journal can be read");
    let replayed = Engine::replay(events);
    let stored = store.recurring().expect("they can be read");
    assert!(replayed.recurring().eq(stored.iter()), "{stored:#?}");
    let numbers =
        |jobs: &[lowtide_model::job::Job]| jobs.iter().map(|job| (job.id, job.submitted_at)).collect::<Vec<_>>();
    let jobs = store.all_jobs().expect("they can be read");
    assert_eq!(numbers(&replayed.jobs().cloned().collect::<Vec<_>>()), numbers(&jobs));
}

#[test]
fn jobs_of_others_take_numbers_between_the_occurrences() {
    let (world, _) = hourly();
    world.wait_for_jobs(|jobs| !jobs.is_empty());
    let own = world.submit(&["--policy", "run-now", "--name", "mine"], &["true"]);
    let before = world.wait_for_jobs(|jobs| own < jobs.iter().filter_map(|job| job["id"].as_u64()).max().unwrap_or(0));
    let mine: Vec<&Value> = before.iter().filter(|job| job["id"] == own).collect();
    assert_eq!((mine.len(), &mine[0]["name"]), (1, &Value::from("mine")));
}

#[test]
fn what_cannot_recur_is_refused() {
    let world = World::new();
    let refused = |flags: &[&str]| world.run(&[&["submit"], flags, &["--", "true"]].concat());
    let said = refused(&["--cron", "0 2 * *"]);
    assert!(said.code == 1 && said.stderr.contains("five fields") && said.stderr.contains("hint: "), "{said:?}");
    let said = refused(&["--cron", "0 2 * * *", "--zone", "Mars/Olympus"]);
    assert!(said.code == 1 && said.stderr.contains("Mars/Olympus"), "{said:?}");
    assert_eq!(refused(&["--slack", "4h"]).code, 2, "slack is for jobs that recur");
    assert_eq!(refused(&["--cron", "0 2 * * *", "--deadline", "4h"]).code, 2);
    assert_eq!(world.run(&["show", "r7"]).code, 1);
    assert_eq!(world.json(&["jobs", "--recurring", "--json"])["recurring"], Value::Array(vec![]));
}
