//! `lowtide jobs`, and bare `lowtide`.

use lowtide_api::v1::summary::{JobSummary, Jobs};
use serde_json::Value;

use crate::world::World;

/// The numbers in the first column of a table.
fn listed(table: &str) -> Vec<u64> {
    table.lines().skip(1).filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// The numbers of a list.
fn ids(list: &Value) -> Vec<u64> {
    list["jobs"].as_array().expect("a list").iter().filter_map(|job| job["id"].as_u64()).collect()
}

/// A job that runs and fills its site, one that waits for it, one that runs elsewhere, one that is put aside.
fn four_jobs(world: &World) -> [u64; 4] {
    let flags = |site: &'static str, cpus: &'static str| ["--policy", "run-now", "--site", site, "--cpus", cpus];
    let first = world.submit(&flags("home", "4"), &["sleep", "60"]);
    let waits = world.submit(&flags("home", "4"), &["sleep", "60"]);
    let aside = world.submit(&flags("home", "4"), &["sleep", "60"]);
    world.ok(&["hold", &aside.to_string()]);
    let elsewhere = world.submit(&[&flags("away", "2")[..], &["--project", "vision"]].concat(), &["sleep", "60"]);
    world.wait_for_state(first, "running");
    world.wait_for_state(elsewhere, "running");
    [first, waits, aside, elsewhere]
}

#[test]
fn the_table_begins_with_what_runs_and_says_what_it_leaves_out() {
    let world = World::new();
    let [first, waits, aside, elsewhere] = four_jobs(&world);
    let all = world.run(&["jobs"]);
    assert_eq!((listed(&all.stdout), all.stderr.as_str()), (vec![first, elsewhere, waits, aside], ""));
    let some = world.run(&["jobs", "--limit", "2"]);
    assert_eq!(listed(&some.stdout), [first, elsewhere]);
    insta::assert_snapshot!(some.stderr, @"2 more jobs are not shown: `lowtide jobs --limit all` shows them too; `--state`, `--user` and `--project` choose");
    let all = world.run(&["jobs", "--limit", "all"]);
    assert_eq!((listed(&all.stdout).len(), all.stderr.as_str()), (4, ""));
    let json = world.json(&["jobs", "--json", "--limit", "2"]);
    assert_eq!((ids(&json), json["more"].as_u64()), (vec![first, waits], Some(2)), "oldest first: {json:#}");
}

#[test]
fn jobs_can_be_chosen_by_state_user_and_project() {
    let world = World::new();
    let [first, waits, aside, elsewhere] = four_jobs(&world);
    for (flags, expected) in [
        (&["--state", "running"][..], &[first, elsewhere][..]),
        (&["--state", "held,waiting"], &[waits, aside]),
        (&["--project", "vision"], &[elsewhere]),
        (&["--user", "ada", "--state", "held"], &[aside]),
        (&["--user", "bob"], &[]),
    ] {
        assert_eq!(ids(&world.json(&[&["jobs", "--json"], flags].concat())), expected, "{flags:?}");
        let mut table = listed(&world.ok(&[&["jobs"], flags].concat()));
        table.sort_unstable();
        assert_eq!(table, expected, "{flags:?}");
    }
    let left_out = world.run(&["jobs", "--state", "running", "--limit", "1"]).stderr;
    assert!(left_out.starts_with("1 more job is not shown"), "{left_out}");
    assert!(world.run(&["jobs", "--user", "bob"]).stderr.contains("No jobs are like that"));
    world.ok(&["cancel", &waits.to_string()]);
    assert_eq!(ids(&world.json(&["jobs", "--json", "--state", "cancelled"])), [waits], "what is over is meant, too");
}

#[test]
fn of_a_long_queue_people_see_its_beginning_and_programs_all() {
    const JOBS: usize = 53;
    let world = World::new();
    let numbers: Vec<u64> = (0..JOBS)
        .map(|_| world.submit(&["--policy", "run-now", "--site", "home", "--cpus", "4"], &["sleep", "60"]))
        .collect();
    let table = world.run(&[]);
    assert_eq!(listed(&table.stdout).len(), 50);
    assert!(table.stderr.starts_with("3 more jobs are not shown"), "{}", table.stderr);
    assert_eq!(world.ok(&["--quiet", "jobs"]).lines().count(), JOBS);
    let written = world.ok(&["jobs", "--json"]);
    let read: Jobs<JobSummary> = serde_json::from_str(&written).expect("a list of jobs");
    assert_eq!(read.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), numbers, "oldest first");
    assert_eq!(
        written,
        serde_json::to_string_pretty(&read).expect("it can be written") + "\n",
        "nothing else, indented"
    );
}

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
