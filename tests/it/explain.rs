//! `lowtide explain`.

use lowtide_store::{Batch, Decision, Store};

use crate::provider::{clean_every_second_hour, config_for};
use crate::world::{World, epochs};

#[test]
fn it_says_what_was_rejected_and_what_it_rests_on() {
    let world = World::new();
    let id = world.submit(&["--policy", "follow-the-tide", "--duration", "1h", "--power", "200W"], &["sleep", "30"]);
    let explanation = world.json(&["explain", &id.to_string(), "--json"]);
    assert!(explanation["headline"].as_str().is_some_and(|headline| !headline.is_empty()), "{explanation:#}");
    assert_eq!(
        explanation["chosen"]["segments"][0]["site"], "away",
        "the cleaner of two constant zones: {explanation:#}"
    );
    let text = world.ok(&["explain", &id.to_string()]);
    assert!(text.contains("chosen") && text.contains("away") && text.contains("It rests on"), "{text}");
}

/// Several jobs, forecasts from a provider, a daemon killed and another stopped: whatever was decided is decided again.
#[test]
fn as_of_any_moment_the_decision_is_the_one_that_was_in_force() {
    let world = World::empty();
    std::fs::write(world.config(), config_for(&clean_every_second_hour())).expect("written");
    let patient = ["--policy", "patient", "--duration", "1h"];
    let first = world.submit(&patient, &["sleep", "60"]);
    let second = world.submit(&["--policy", "run-now"], &["sh", "-c", &epochs(3)]);
    world.wait_for(second, |job| job["exit_code"].is_i64());
    world.kill_daemon();
    let third = world.submit(&patient, &["true"]);
    world.ok(&["daemon", "stop"]);
    let fourth = world.submit(&["--policy", "patient", "--duration", "30m", "--cpus", "2"], &["true"]);
    let submitted = |id: u64| {
        let text =
            world.json(&["show", &id.to_string(), "--json"])["submitted_at"].as_str().expect("a time").to_owned();
        text.parse::<jiff::Timestamp>().expect("a time")
    };
    let moments: Vec<jiff::Timestamp> = [first, second, third, fourth].map(submitted).into();
    let mut compared = 0;
    for id in [first, second, third, fourth] {
        for at in moments.iter().copied().chain([jiff::Timestamp::now()]) {
            if at < submitted(id) {
                continue;
            }
            let said = world.json(&["explain", &id.to_string(), "--as-of", &at.to_string(), "--json"]);
            assert_eq!(said["as_of"]["identical"], true, "job {id} at {at}: {said:#}");
            compared += 1;
        }
    }
    assert!(10 < compared);
    let text = world.ok(&["explain", &first.to_string(), "--as-of", "submit"]);
    assert!(text.contains("instead if the forecast of its hours rises by more than"), "{text}");
    assert!(text.contains("waits until") && text.contains("identical to what was in force"), "{text}");
    let early = world.run(&["explain", &fourth.to_string(), "--as-of", &moments[0].to_string()]);
    assert!(early.code == 1 && early.stderr.contains("was submitted at"), "{early:?}");
    let nonsense = world.run(&["explain", "1", "--as-of", "yesterday"]);
    assert!(nonsense.code == 2 && nonsense.stderr.contains("`submit`"), "{nonsense:?}");
}

/// A record of another decision is told as one.
#[test]
fn a_decision_that_was_another_one_is_not_passed_over() {
    let world = World::empty();
    std::fs::write(world.config(), config_for(&clean_every_second_hour())).expect("written");
    let id = world.submit(&["--policy", "patient", "--duration", "1h"], &["true"]);
    world.ok(&["daemon", "stop"]);
    let mut store = Store::open(&world.state().join("lowtide.db")).expect("the daemon has let go of it");
    let job = store.all_jobs().expect("it can be read").remove(0);
    let decisions = vec![Decision { job: job.id, at: job.submitted_at, plan: None }];
    store.commit(&Batch { decisions, ..Batch::default() }).expect("written");
    drop(store);
    world.ok(&["daemon", "start"]);
    let said = world.run(&["explain", &id.to_string(), "--as-of", "submit"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stdout.contains("NOT what was in force") && said.stderr.contains("decided otherwise"), "{said:?}");
}
