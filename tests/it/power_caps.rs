//! Jobs whose GPUs are held to less power, by a driver that is not the hardware's.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::metering::fake_driver;
use crate::world::World;

/// Two GPUs on a grid that is alike at every hour, so that only caps can save anything.
const SITE: &str = "[[sites]]\nname = \"home\"\nzone = \"TEST-A\"\ncpus = 4\ngpus = 2\npower_caps = [200, 150]\n\
                    [zones.TEST-A]\nannual_g_per_kwh = 400.0\n";
const CAPS: [&str; 8] = ["--gpus", "1", "--gpu-caps", "200:0.95:0.8", "--duration", "2h", "--power", "300W"];
const WAITS: [&str; 3] = ["sh", "-c", "trap 'exit 75' TERM; while [ ! -e go ]; do sleep 0.05; done; exit $(cat go)"];

/// A world whose driver lies in its work folder, and says what these files say.
fn with_driver(files: &[(&str, &str)]) -> World {
    let world = World::empty();
    // A job that can pause is measured first, without a cap; here it is not.
    let policies = world.work().join("policies");
    fs::create_dir(&policies).expect("made");
    fs::write(policies.join("unmeasured.toml"), "extends = \"patient\"\nprobe_epochs = 0\n").expect("written");
    let config = format!("{SITE}[policies]\ndirectory = \"{}\"\n", policies.display());
    fs::write(world.config(), config).expect("written");
    let library = fake_driver(&world.work());
    world.file("gpus", "2");
    for (name, text) in files {
        world.file(name, text);
    }
    let started = world.lowtide(&["daemon", "start"]).env("LOWTIDE_NVML_LIBRARY", library).output();
    let started = started.expect("the binary can be run");
    assert!(started.status.success(), "{started:?}");
    world
}

/// A GPU's limit in watts; 400 where nobody has set one.
fn limit(world: &World, gpu: u32) -> f64 {
    let text = fs::read_to_string(world.work().join(format!("{gpu}.limit_watts")));
    text.map_or(400.0, |text| text.trim().parse().expect("a number"))
}

fn running(world: &World, flags: &[&str]) -> (u64, Value) {
    let id = world.submit(&[&CAPS, flags].concat(), &WAITS);
    (id, world.wait_for_state(id, "running"))
}

/// What the job was told of caps that could not be set.
fn refusals(job: &Value) -> Vec<String> {
    let notes = job["notes"].as_array().cloned().unwrap_or_default();
    let texts = notes.iter().filter_map(|note| note["text"].as_str());
    texts.filter(|text| text.contains("not held")).map(str::to_owned).collect()
}

fn over(job: &Value) -> bool {
    job["exit_code"].is_i64()
}

#[track_caller]
fn limits(world: &World, watts: [f64; 2]) {
    assert_eq!([0, 1].map(|gpu| limit(world, gpu).round().to_string()), watts.map(|watts| watts.to_string()));
}

#[test]
fn a_gpu_is_held_as_long_as_its_job_runs_whatever_way_that_ends() {
    let world = with_driver(&[("0.limit_watts", "350")]);
    for (end, state) in [("0", "succeeded"), ("3", "failed"), ("cancel", "cancelled")] {
        let (id, job) = running(&world, &[]);
        limits(&world, [200.0, 400.0]);
        assert_eq!(job["attempts"][0]["power_cap_w"], 200, "{job}");
        assert_eq!(job["plan"]["segments"][0]["power_cap_w"], 200, "{job}");
        assert_eq!(job["gpu_caps"], "200:0.95:0.8", "{job}");
        if end == "cancel" {
            world.ok(&["cancel", &id.to_string()]);
        } else {
            world.file("go", end);
        }
        let job = world.wait_for_state(id, state);
        limits(&world, [350.0, 400.0]);
        assert_eq!(refusals(&job), [""; 0]);
        let _ = fs::remove_file(world.work().join("go"));
    }
}

#[test]
fn a_job_says_at_what_power_it_runs_and_what_that_saves() {
    let world = with_driver(&[]);
    let (id, job) = running(&world, &["--policy", "patient"]);
    let id = id.to_string();
    let shown = world.ok(&["show", &id]);
    assert!(shown.contains("home at 200 W a GPU"), "{shown}");
    assert!(shown.contains("its GPUs can be held to less (watts, speed, power 200:0.95:0.8)"), "{shown}");
    let explained = world.ok(&["explain", &id]);
    assert!(explained.contains("at 200 W a GPU"), "{explained}");
    // 2 h at 300 W without, a twentieth longer at four fifths of the power with it.
    let kwh = job["estimates"][0]["energy_kwh"]["median"].as_f64().expect("a number");
    assert!((kwh - 0.6 * 0.8 / 0.95).abs() < 0.01, "{kwh} kWh");
    let sites = world.ok(&["site", "list"]);
    assert!(sites.contains("power caps  200, 150 W a GPU"), "{sites}");
    world.file("go", "0");
    world.wait_for_state(id.parse().expect("a number"), "succeeded");
}

#[test]
fn a_paused_job_leaves_its_gpu_as_it_was() {
    let world = with_driver(&[]);
    let (id, _) = running(&world, &["--checkpoint", "--policy", "unmeasured"]);
    limits(&world, [200.0, 400.0]);
    world.ok(&["pause", &id.to_string()]);
    world.wait_for_state(id, "paused");
    limits(&world, [400.0, 400.0]);
}

#[test]
fn a_driver_that_refuses_costs_no_job_anything_and_is_asked_once() {
    let world = with_driver(&[("0.set_error", "4"), ("1.set_error", "4")]);
    let (id, _) = running(&world, &[]);
    let job = world.wait_for(id, |job| !refusals(job).is_empty());
    let note = &refusals(&job)[0];
    assert!(note.contains("its GPUs are not held to 200 W") && note.contains("only root"), "{note}");
    assert!(note.contains("It runs without a cap") && note.contains("`power_caps`"), "{note}");
    assert!(job["attempts"][0].get("power_cap_w").is_none(), "what is told is what is: {job}");
    let (next, _) = running(&world, &[]);
    world.file("go", "0");
    world.wait_for_state(id, "succeeded");
    let next = world.wait_for_state(next, "succeeded");
    assert_eq!(refusals(&next), [""; 0], "it was not asked again");
    assert!(next["attempts"][0].get("power_cap_w").is_none(), "{next}");
    assert!(!world.ok(&["site", "list"]).contains("power caps"), "no plan counts on them");
    limits(&world, [400.0, 400.0]);
}

#[test]
fn a_driver_that_hangs_does_not_keep_a_job() {
    let world = with_driver(&[("set_delay_ms", "60000")]);
    let begun = Instant::now();
    let (id, _) = running(&world, &[]);
    assert!(begun.elapsed() < Duration::from_secs(30), "it hangs with its driver");
    let job = world.wait_for(id, |job| !refusals(job).is_empty());
    assert!(refusals(&job)[0].contains("did not answer"), "{job}");
    world.file("go", "0");
    world.wait_for_state(id, "succeeded");
}

#[test]
fn a_killed_agent_leaves_no_gpu_held_for_ever() {
    let world = with_driver(&[]);
    let (id, _) = running(&world, &[]);
    limits(&world, [200.0, 400.0]);
    let record = world.state().join(format!("attempts/{id}-1/agent.json"));
    let agent: Value = serde_json::from_str(&read(&record)).expect("JSON");
    let agent = agent["agent"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a process");
    let agent = rustix::process::Pid::from_raw(agent).expect("above 0");
    rustix::process::kill_process(agent, rustix::process::Signal::KILL).expect("it runs");
    limits(&world, [200.0, 400.0]);
    world.file("go", "0");
    world.wait_for(id, |job| over(job) || job["state"] == "lost" || job["state"] == "failed");
    limits(&world, [400.0, 400.0]);
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_cannot_be_a_profile_is_refused_with_the_reason() {
    let world = with_driver(&[]);
    for (flags, said) in [
        (["--gpus", "1", "--gpu-caps", "200"], "`200` is not a cap in watts"),
        (["--gpus", "1", "--gpu-caps", "200:0.8:0.9"], "has to be lower and slower"),
        (["--gpus", "0", "--gpu-caps", "200:0.9:0.8"], "the job asks for no GPUs"),
    ] {
        let refused = world.run(&[&["submit"], &flags[..], &["--", "true"]].concat());
        assert_ne!(refused.code, 0);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    let without = world.run(&["submit", "--gpu-caps", "200:0.9:0.8", "--", "true"]);
    assert!(without.stderr.contains("--gpus"), "{}", without.stderr);
}
