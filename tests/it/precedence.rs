//! Who goes first at a site with room for one: priorities, fair share, and what is refused.

use std::fs;

use crate::world::World;

/// One site with one processor, and whatever else the configuration says.
fn narrow(more: &str) -> World {
    let world = World::new();
    let site = "[[sites]]\nname = \"home\"\nzone = \"TEST-A\"\ncpus = 1\n[zones.TEST-A]\nannual_g_per_kwh = 400.0\n";
    fs::write(world.config(), format!("{site}{more}")).expect("written");
    world
}

/// A job that occupies the site until [`let_go`].
fn occupy(world: &World, flags: &[&str]) -> u64 {
    let flags = [&["--policy", "run-now"], flags].concat();
    let id = world.submit(&flags, &["sh", "-c", "while [ ! -e go ]; do sleep 0.05; done"]);
    world.wait_for_state(id, "running");
    id
}

/// A job that writes its name down when it runs.
fn queue(world: &World, name: &str, flags: &[&str]) -> u64 {
    let flags = [&["--policy", "run-now", "--name", name], flags].concat();
    world.submit(&flags, &["sh", "-c", &format!("echo {name} >> order")])
}

/// Frees the site and waits until all have run. The order in which they did.
fn let_go(world: &World) -> Vec<String> {
    world.file("go", "");
    world.wait_for_jobs(|jobs| jobs.iter().all(|job| job["state"] == "succeeded"));
    let order = fs::read_to_string(world.work().join("order")).expect("they ran");
    order.lines().map(str::to_owned).collect()
}

#[test]
fn the_higher_priority_starts_first_and_can_be_changed_while_it_waits() {
    let world = narrow("");
    let running = occupy(&world, &[]);
    queue(&world, "plain", &[]);
    queue(&world, "later", &["--priority", "-10"]);
    let high = queue(&world, "high", &["--priority", "10"]);
    let raised = queue(&world, "raised", &[]);
    let said = world.run(&["priority", &raised.to_string(), "50", "--reason", "the paper is due"]);
    assert!(said.code == 0 && said.stderr.contains("with priority 50"), "{said:?}");

    let shown = world.ok(&["show", &high.to_string()]);
    assert!(shown.lines().any(|line| line.contains("priority") && line.ends_with("10")), "{shown}");
    let explained = world.json(&["explain", "--json", &high.to_string()])["rests_on"].to_string();
    assert!(explained.contains("it goes by its priority of 10"), "{explained}");
    let listed = world.json(&["jobs", "--json"]);
    let priority = |id: u64| {
        let mut jobs = listed["jobs"].as_array().into_iter().flatten();
        jobs.find(|job| job["id"] == id).map(|job| job["priority"].clone())
    };
    assert_eq!((priority(high), priority(raised)), (Some(10.into()), Some(50.into())));
    let notes = world.json(&["show", "--json", &raised.to_string()])["notes"].to_string();
    assert!(notes.contains("the paper is due") && notes.contains("has priority 50"), "{notes}");

    assert_eq!(let_go(&world), ["raised", "high", "plain", "later"]);
    let attempts = world.json(&["show", "--json", &running.to_string()])["attempts"].clone();
    assert_eq!(attempts.as_array().map(Vec::len), Some(1), "what ran was left alone: {attempts}");
}

#[test]
fn the_project_that_has_used_less_goes_first() {
    let world = narrow("[fair_share]\nby = \"project\"\n[fair_share.shares]\nvision = 1\nspeech = 1\n");
    occupy(&world, &["--project", "vision"]);
    queue(&world, "vision-1", &["--project", "vision"]);
    queue(&world, "vision-2", &["--project", "vision"]);
    let speech = queue(&world, "speech-1", &["--project", "speech"]);
    queue(&world, "above", &["--project", "vision", "--priority", "1"]);
    let explained = world.json(&["explain", "--json", &speech.to_string()])["rests_on"].to_string();
    assert!(explained.contains("factor of `speech` is 1.00"), "{explained}");
    assert_eq!(let_go(&world), ["above", "speech-1", "vision-1", "vision-2"]);
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let world = narrow("");
    for arguments in [&["submit", "--priority", "101", "--", "true"][..], &["priority", "1", "-101"]] {
        let said = world.run(arguments);
        assert!(said.code == 2 && said.stderr.contains("100"), "{said:?}");
    }
    let done = world.submit(&["--policy", "run-now"], &["true"]);
    world.wait_for_state(done, "succeeded");
    let said = world.run(&["priority", &done.to_string(), "5"]);
    assert!(said.code != 0 && said.stderr.contains("it is over"), "{said:?}");
    let said = world.run(&["priority", "99", "5"]);
    assert!(said.code != 0 && said.stderr.contains("no job 99"), "{said:?}");
}

#[test]
fn the_number_by_which_jobs_spread_is_made_once_and_kept() {
    let world = narrow("");
    world.ok(&["jobs"]);
    let kept = || fs::read_to_string(world.state().join("seed")).expect("it is kept");
    let made = kept();
    assert!(made.trim().parse::<u64>().is_ok(), "{made}");
    world.kill_daemon();
    world.ok(&["jobs"]);
    assert_eq!(kept(), made);
    let other = narrow("");
    other.ok(&["jobs"]);
    assert_ne!(fs::read_to_string(other.state().join("seed")).ok(), Some(made), "each installation has its own");
}

#[test]
fn a_share_that_cannot_be_is_told_when_the_daemon_starts() {
    let world = narrow("[fair_share]\nshares = { ada = -1 }\n");
    let said = world.run(&["submit", "--", "true"]);
    assert!(said.code != 0 && said.stderr.contains("fair_share.shares.ada"), "{said:?}");
}
