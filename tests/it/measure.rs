//! `lowtide measure`.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::provider;
use crate::world::{Said, World, epochs, said};

/// 100 W for some tenths of a second an epoch, a thousand epochs announced: 5.6 Wh in all.
const LONG: &str = "for i in 1 2 3 4 5 6 7 8; do sleep 0.2; echo \"Epoch $i/1000 loss=0.$i\"; done";

#[test]
fn it_measures_without_queue_and_daemon() {
    let world = World::new();
    let said = world.run(&["measure", "--zone", "TEST-A", "--", "sh", "-c", &epochs(3)]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.stdout, "Epoch 1/3 loss=0.1\nEpoch 2/3 loss=0.2\nEpoch 3/3 loss=0.3\n");
    let words =
        ["Epoch 1 of 3: ", "modelled", "in all", "energy", "at 400 g/kWh, annual mean of the configuration", "TEST-A"];
    for word in
        words.into_iter().chain(["km by car", "Danish home", "charges of a phone", "European Environment Agency, 2024"])
    {
        assert!(said.stderr.contains(word), "{word} is missing in {}", said.stderr);
    }
    assert!(!world.state().exists(), "no state is made");
}

#[test]
fn it_passes_the_commands_code_on() {
    let world = World::new();
    for (script, code) in [("exit 5", 5), ("kill -TERM $$", 143)] {
        assert_eq!(world.run(&["measure", "--offline", "--", "sh", "-c", script]).code, code, "{script}");
    }
    let absent = world.run(&["measure", "--offline", "--", "no-such-program"]);
    assert!(absent.code == 127 && absent.stderr.contains("no-such-program"), "{absent:?}");
}

#[test]
fn with_json_stdout_is_one_value() {
    let world = World::empty();
    let arguments = ["measure", "--offline", "--zone", "FR", "--json", "--power", "100W", "--pue", "1.5"];
    let script = epochs(2);
    let summary = world.json(&[&arguments[..], &["--", "sh", "-c", &script]].concat());
    assert_eq!(summary["epochs"].as_array().map(Vec::len), Some(2), "{summary:#}");
    assert_eq!(summary["exit_code"], 0);
    let actual = &summary["actual"];
    let (energy, grams) = (actual["energy_kwh"].as_f64(), actual["footprint_g"].as_f64());
    let (energy, grams) = energy.zip(grams).expect("both are known");
    let mean = summary["intensity"]["intensity_g_per_kwh"].as_f64().expect("a mean");
    assert!((grams / (energy * 1.5 * mean) - 1.0).abs() < 1e-9, "{summary:#}");
    assert_eq!(summary["intensity"]["kind"], "static");
    assert_eq!(summary["equivalents"][0]["unit"], "km by car");
}

#[test]
fn it_tells_the_intensity_now_and_ahead_and_weighs_each_epoch_by_its_own_hour() {
    let world = World::empty();
    let base = provider::clean_every_second_hour();
    fs::write(world.config(), provider::config_for(&base)).expect("written");
    let arguments = ["measure", "--json", "--power", "100W", "--", "sh", "-c"];
    let script = epochs(2);
    let said = world.run(&[&arguments[..], &[&script]].concat());
    let summary: Value = serde_json::from_str(&said.stdout).expect("one value");
    assert!(said.stderr.contains("GB: ") && said.stderr.contains(" g/kWh now; next 24 h "), "{}", said.stderr);
    let intensity = &summary["intensity"];
    assert_eq!(intensity["zone_origin"], "that of the site `home`; --zone names another");
    let now = intensity["coming"]["now_g_per_kwh"].as_f64().expect("now");
    assert!((now - 100.0).abs() < 1e-6 || (now - 300.0).abs() < 1e-6, "{summary:#}");
    let hours = intensity["coming"]["hours"].as_array().expect("hours").clone();
    assert_eq!(hours.len(), 24);
    // Two half hours at 300 and two at 100, in turn, from wherever the provider began.
    let steps: Vec<f64> = hours.iter().filter_map(|hour| hour["intensity_g_per_kwh"].as_f64()).collect();
    assert!(steps[1..].windows(2).all(|pair| (pair[0] + pair[1] - 400.0).abs() < 1e-6), "{hours:?}");
    let mean = intensity["intensity_g_per_kwh"].as_f64().expect("a mean");
    assert!((mean - now).abs() < 200.0 + 1e-6, "of this hour, or of two at their turn: {mean}");
    assert!(!world.state().exists(), "no state is made");
}

#[test]
fn a_limit_ends_the_command_by_what_is_predicted() {
    let world = World::new();
    let flags = ["measure", "--offline", "--json", "--power", "100W", "--max-energy", "1Wh", "--", "sh", "-c", LONG];
    let said = world.run(&flags);
    assert_eq!(said.code, 143, "{said:?}");
    assert!(said.stderr.contains("would come to") && said.stderr.contains("1 Wh is the most it may"), "{said:?}");
    let summary: Value = serde_json::from_str(&said.stdout).expect("one value");
    assert_eq!(summary["ended_by"], "limit");
    assert!(summary["epochs"].as_array().is_some_and(|epochs| epochs.len() < 8), "{summary:#}");

    // A command without epochs is ended by what it has emitted; the meter is read every ten seconds at least.
    let enough = world.run(&["measure", "--offline", "--max-footprint", "1kg", "--", "sh", "-c", &epochs(2)]);
    assert_eq!(enough.code, 0, "{enough:?}");
    let refused = world.run(&["measure", "--max-energy", "lots", "--", "true"]);
    assert!(refused.code == 2 && refused.stderr.contains("write 800Wh or 2kWh"), "{refused:?}");
}

/// On a terminal of its own, on which `answer` is typed as soon as something is asked.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn on_a_terminal(world: &World, arguments: &[&str], answer: &str) -> Option<Said> {
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: no `script` (util-linux) to make a terminal with");
        return None;
    }
    let lowtide = world.lowtide(arguments);
    let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_string_lossy());
    let line: Vec<String> = std::iter::once(lowtide.get_program()).chain(lowtide.get_args()).map(quoted).collect();
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line.join(" "), "/dev/null"]).current_dir(world.work()).env_clear();
    terminal.envs(lowtide.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut terminal = terminal.expect("`script` runs");
    // Typed ahead: the terminal keeps it until it is asked for.
    let mut keys = terminal.stdin.take().expect("piped");
    keys.write_all(answer.as_bytes()).expect("typed");
    let output = terminal.wait_with_output().expect("it ends");
    drop(keys);
    Some(said(output))
}

#[test]
fn after_the_first_epoch_the_user_is_asked_and_the_answer_obeyed() {
    let world = World::new();
    let script = "for i in 1 2 3; do sleep 0.2; echo \"Epoch $i/3 loss=0.$i\"; done";
    let arguments = ["measure", "--offline", "--power", "100W", "--confirm", "--", "sh", "-c", script];
    let Some(yes) = on_a_terminal(&world, &arguments, "y\n") else { return };
    assert_eq!(yes.code, 0, "{yes:?}");
    assert!(yes.stdout.contains("Go on? [y/N]") && yes.stdout.contains("Epoch 3 of 3: "), "{yes:?}");
    let Some(no) = on_a_terminal(&world, &arguments, "n\n") else { return };
    assert_eq!(no.code, 143, "{no:?}");
    assert!(no.stdout.contains("Ended, as you said") && !no.stdout.contains("Epoch 3 of 3: "), "{no:?}");
}

#[test]
fn without_a_terminal_nobody_can_be_asked() {
    let world = World::new();
    let mut command = Command::new("setsid");
    let lowtide = world.lowtide(&["measure", "--confirm", "--", "true"]);
    command.arg("--wait").arg(lowtide.get_program()).args(lowtide.get_args()).env_clear().stdin(Stdio::null());
    command.envs(lowtide.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let said = said(command.output().expect("setsid runs"));
    assert!(said.code == 2 && said.stderr.contains("--confirm asks on a terminal, and there is none"), "{said:?}");
}

#[test]
fn a_log_and_the_account_are_kept_side_by_side() {
    let world = World::new();
    let script = epochs(2);
    world.ok(&["measure", "--offline", "--log-dir", "logs", "--", "sh", "-c", &script]);
    let mut files: Vec<_> =
        fs::read_dir(world.work().join("logs")).expect("made").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let [json, log] = &files[..] else { panic!("two files: {files:?}") };
    let account: Value = serde_json::from_str(&fs::read_to_string(json).expect("text")).expect("JSON");
    assert_eq!((&account["exit_code"], account["epochs"].as_array().map(Vec::len)), (&Value::from(0), Some(2)));
    let log = fs::read_to_string(log).expect("text");
    assert!(log.contains(" - Epoch 1 of 2: ") && log.contains(" - Exit code 0"), "{log}");

    let impossible = world.run(&["measure", "--log-dir", "/proc/none", "--", "true"]);
    assert!(impossible.code == 1 && impossible.stderr.contains("no log can be kept in /proc/none"), "{impossible:?}");
}
