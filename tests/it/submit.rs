//! `lowtide submit`.

use crate::world::World;

#[test]
fn a_job_runs_to_its_end_with_its_environment_and_directory() {
    let world = World::new();
    let directory = world.work();
    let id = world.submit(
        &["--policy", "run-now", "--env", "GREETING=hello there", "--name", "greeter", "--project", "vision"],
        &["sh", "-c", "echo $GREETING; pwd; exit 0"],
    );
    let job = world.wait_for_state(id, "succeeded");
    assert_eq!(
        (job["name"].as_str(), job["project"].as_str(), job["user"].as_str()),
        (Some("greeter"), Some("vision"), Some("ada"))
    );
    assert_eq!(world.ok(&["logs", &id.to_string()]), format!("hello there\n{}\n", directory.display()));
}

#[test]
fn the_answer_says_how_much_when_and_how_sure() {
    let world = World::new();
    let said = world.run(&["submit", "--duration", "2h", "--power", "300W", "--", "sleep", "30"]);
    assert_eq!(said.code, 0, "{said:?}");
    for word in ["Job 1 queued: sleep", "footprint", "CO2e", "Wh", "2 h", "from what you declared", "plan"] {
        assert!(said.stdout.contains(word), "{word} is missing in {}", said.stdout);
    }
    assert!(said.stderr.contains("hint: `lowtide explain 1`"), "{}", said.stderr);
    let quiet = world.run(&["--quiet", "submit", "--", "sleep", "30"]);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("2\n", ""));
}

#[test]
fn a_dry_run_queues_nothing() {
    let world = World::new();
    let said = world.ok(&["submit", "--dry-run", "--", "true"]);
    assert!(said.contains("would be queued"), "{said}");
    let job = world.json(&["submit", "--dry-run", "--json", "--", "true"]);
    assert!(job["id"].is_null() && job["plan"].is_object(), "{job}");
    assert_eq!(world.json(&["jobs", "--all", "--json"])["jobs"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_job_waits_for_the_one_before_it() {
    let world = World::new();
    let first = world.submit(&["--policy", "run-now"], &["sh", "-c", "sleep 0.5; echo one >> order"]);
    let second =
        world.submit(&["--policy", "run-now", "--after", &first.to_string()], &["sh", "-c", "echo two >> order"]);
    world.wait_for_state(second, "succeeded");
    assert_eq!(std::fs::read_to_string(world.work().join("order")).expect("written"), "one\ntwo\n");
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let world = World::new();
    for (flags, fact, hint) in [
        (&["--policy", "patiant"][..], "patiant", "did you mean `patient`?"),
        (&["--site", "hme"], "hme", "did you mean `home`?"),
        (&["--deadline", "2020-01-01T00:00:00Z"], "2020", "--deadline 36h"),
        (&["--cpus", "400"], "400", "lowtide site list"),
        (&["--after", "77"], "77", ""),
        (&["--dir", "/does/not/exist"], "/does/not/exist", "--dir"),
    ] {
        let arguments: Vec<&str> = [&["submit"], flags, &["--", "true"]].concat();
        let said = world.run(&arguments);
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{arguments:?}: {said:?}");
        assert!(said.stderr.starts_with("error: ") && said.stderr.contains(fact), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(hint), "{arguments:?}: {}", said.stderr);
    }
    assert_eq!(world.json(&["jobs", "--all", "--json"])["jobs"].as_array().map(Vec::len), Some(0));
}

#[test]
fn an_acknowledged_job_outlives_the_daemon() {
    let world = World::new();
    let id = world.submit(&["--policy", "run-now"], &["sh", "-c", "sleep 1; echo done"]);
    world.wait_for_state(id, "running");
    world.kill_daemon();
    let job = world.wait_for(id, |job| job["exit_code"].is_number());
    assert_eq!(
        (job["state"].as_str(), job["attempts"].as_array().map(Vec::len)),
        (Some("succeeded"), Some(1)),
        "{job:#}"
    );
    assert_eq!(world.ok(&["logs", &id.to_string()]), "done\n", "run once");
}
