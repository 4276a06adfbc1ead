//! `lowtide show`.

use crate::world::{World, epochs};

#[test]
fn a_finished_job_has_epochs_and_a_review() {
    let world = World::new();
    let id = world.submit(&["--policy", "run-now", "--power", "100W"], &["sh", "-c", &epochs(3)]);
    let job = world.wait_for_state(id, "succeeded");
    let epochs = job["epochs"].as_array().expect("a list");
    assert_eq!(epochs.len(), 3, "{job:#}");
    for epoch in epochs {
        assert!(epoch["energy_kwh"].as_f64().is_some_and(|energy| 0.0 < energy), "{epoch}");
        assert!(epoch["duration_s"].as_f64().is_some_and(|time| 0.2 < time), "{epoch}");
        assert_eq!(epoch["energy_source"], "modelled");
    }
    let review = &job["review"];
    assert!(review["actual"]["footprint_g"].as_f64().is_some_and(|grams| 0.0 < grams), "{review:#}");
    assert!(review["run_at_once_g"].is_number() && review["predicted_after_first_epoch"].is_object(), "{review:#}");
    let text = world.ok(&["show", &id.to_string()]);
    for word in ["Job 1: sh, succeeded today", "3 of 3 epochs done", "Epochs", "modelled", "Review", "exit code  0"] {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
}

#[test]
fn a_job_that_does_not_exist_is_said() {
    let world = World::new();
    world.ok(&["daemon", "start"]);
    let said = world.run(&["show", "99"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(said.stderr.contains("there is no job 99") && said.stderr.contains("hint: "), "{}", said.stderr);
}
