//! `lowtide measure`.

use crate::world::{World, epochs};

#[test]
fn it_measures_without_queue_and_daemon() {
    let world = World::empty();
    let said = world.run(&["measure", "--zone", "FR", "--", "sh", "-c", &epochs(3)]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.stdout, "Epoch 1/3 loss=0.1\nEpoch 2/3 loss=0.2\nEpoch 3/3 loss=0.3\n");
    for word in ["Epoch 1 of 3: ", "modelled", "in all", "energy", "time", "FR"] {
        assert!(said.stderr.contains(word), "{word} is missing in {}", said.stderr);
    }
    assert!(!world.state().exists(), "no state is made");
}

#[test]
fn it_passes_the_commands_code_on() {
    let world = World::empty();
    for (script, code) in [("exit 5", 5), ("kill -TERM $$", 143)] {
        assert_eq!(world.run(&["measure", "--", "sh", "-c", script]).code, code, "{script}");
    }
    let absent = world.run(&["measure", "--", "no-such-program"]);
    assert!(absent.code == 127 && absent.stderr.contains("no-such-program"), "{absent:?}");
}

#[test]
fn with_json_stdout_is_one_value() {
    let world = World::empty();
    let summary = world.json(&["measure", "--json", "--power", "100W", "--", "sh", "-c", &epochs(2)]);
    assert_eq!(summary["epochs"].as_array().map(Vec::len), Some(2), "{summary:#}");
    assert_eq!(summary["exit_code"], 0);
    assert!(summary["actual"]["energy_kwh"].as_f64().is_some_and(|energy| 0.0 < energy), "{summary:#}");
    assert!(summary["actual"]["footprint_g"].as_f64().is_some_and(|grams| 0.0 < grams), "{summary:#}");
}
