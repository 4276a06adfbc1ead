//! `lowtide import`: what other tools recorded becomes history.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::World;

/// Two epochs on four GPUs, as Carbontracker 2.4.7 logs them: 100 W is the mean of the four.
const LOG: &str = "2026-11-20 05:27:02 - carbontracker version 2.4.7\n\
    2026-11-20 05:27:02 - Only predicted and actual consumptions are multiplied by a PUE coefficient of 1.58 (x).\n\
    2026-11-20 05:27:02 - The following components were found: GPU with device(s) A, A, A, A.\n\
    2026-11-20 06:27:04 - Epoch 1:\n\
    2026-11-20 06:27:04 - Duration: 0:30:00.00\n\
    2026-11-20 06:27:04 - Average power usage (W) for gpu: 100.0\n\
    2026-11-20 07:27:14 - Epoch 2:\n\
    2026-11-20 07:27:14 - Duration: 0:30:00.00\n\
    2026-11-20 07:27:14 - Average power usage (W) for gpu: 100.0\n";
const NAME: &str = "resnet_25388.269031_2026-11-20T052645Z_carbontracker.log";

fn median(estimate: &Value) -> f64 {
    estimate["median"].as_f64().expect("an interval")
}

/// The first estimate of a job of that name, which is not run.
fn first_estimate(world: &World, flags: &[&str]) -> Value {
    let arguments = [&["submit", "--dry-run", "--json", "--name", "resnet"], flags, &["--", "python3", "t.py"]];
    world.json(&arguments.concat())["estimates"][0].clone()
}

#[test]
fn the_first_prediction_of_the_job_knows_what_was_imported() {
    let world = World::new();
    assert_eq!(first_estimate(&world, &[])["source"], "default");
    world.file(NAME, LOG);
    let told = world.json(&["import", "carbontracker", "--json", "."]);
    assert_eq!((&told["imported"], &told["runs"][0]["name"]), (&Value::from(1), &Value::from("resnet")));
    let note = told["runs"][0]["notes"][0].as_str().expect("a note");
    assert!(note.contains("the mean of 4 devices; its power is multiplied by 4"), "{note}");

    let estimate = first_estimate(&world, &[]);
    assert_eq!(estimate["source"], "history", "{estimate:#}");
    assert!((median(&estimate["energy_kwh"]) - 0.4).abs() < 1e-6, "four GPUs of 100 W for an hour: {estimate:#}");
    let ten = first_estimate(&world, &["--epochs", "20"]);
    assert!((median(&ten["energy_kwh"]) - 4.0).abs() < 1e-6, "ten times the epochs: {ten:#}");
    assert_eq!(first_estimate(&world, &["--project", "other"])["source"], "default", "of another project");

    // Another daemon on the same state knows it too.
    world.ok(&["daemon", "stop"]);
    assert_eq!(first_estimate(&world, &[])["source"], "history");
    let again = world.json(&["import", "carbontracker", "--json", "."]);
    assert_eq!(
        (&again["imported"], &again["known"]),
        (&Value::from(0), &Value::from(1)),
        "the same file is the same run"
    );
    // Read otherwise it takes the place of what was known.
    world.ok(&["import", "carbontracker", "--as-told", "."]);
    assert!((median(&first_estimate(&world, &[])["energy_kwh"]) - 0.1).abs() < 1e-6);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_reason_and_the_rest_is_imported() {
    let world = World::new();
    world.file(NAME, LOG);
    world.file("notes.txt", "nothing of the kind");
    let said = world.run(&["import", "carbontracker", "--dry-run", "."]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stderr.contains("notes.txt is left out: "), "{said:?}");
    assert!(said.stderr.contains("1 could be imported; 1 left out; nothing was"), "{said:?}");
    assert!(!world.state().exists(), "a dry run needs no daemon");

    let said = world.run(&["import", "codecarbon", "notes.txt"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("no column `duration`") && said.stderr.contains("holds no run"), "{said:?}");
    let absent = world.run(&["import", "codecarbon", "absent.csv"]);
    assert!(absent.code == 1 && absent.stderr.contains("absent.csv"), "{absent:?}");
}

#[test]
fn rows_of_codecarbon_belong_to_their_project_name() {
    let world = World::new();
    let csv = "timestamp,project_name,experiment_id,duration,emissions,energy_consumed,pue\n\
        2026-11-20T10:00:00,resnet,x,3600,0.2,2.0,1.25\n2026-11-21T10:00:00,resnet,x,3600,0.2,,1.25\n";
    world.file("emissions.csv", csv);
    let told = world.json(&["import", "codecarbon", "--json", "emissions.csv"]);
    assert_eq!(told["imported"], 1);
    assert!(told["refused"][0]["reason"].as_str().is_some_and(|reason| reason.contains("`energy_consumed` is empty")));
    let estimate = first_estimate(&world, &[]);
    assert!((median(&estimate["energy_kwh"]) - 1.6).abs() < 1e-6, "without its PUE: {estimate:#}");
}

/// The folder of recordings, which is not part of the repository.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn recordings() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.join("shared/data/trackers");
    if !folder.is_dir() {
        eprintln!("SKIPPED: no recordings in {}", folder.display());
        return None;
    }
    Some(folder)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn every_recorded_file_is_imported_or_refused_with_its_reason() {
    let Some(folder) = recordings() else { return };
    let world = World::empty();
    for (tool, runs) in [("carbontracker", 26), ("codecarbon", 234)] {
        let folder = folder.join(tool);
        let told = world.json(&["import", tool, "--dry-run", "--json", &folder.display().to_string()]);
        let entries = |kind: &str| told[kind].as_array().expect("a list").clone();
        assert_eq!(entries("runs").len(), runs, "{tool}");
        assert!(entries("refused").iter().all(|refused| refused["reason"].as_str().is_some_and(|why| !why.is_empty())));
        let told: BTreeSet<PathBuf> = entries("runs")
            .into_iter()
            .chain(entries("refused"))
            .map(|entry| PathBuf::from(entry["file"].as_str().expect("a path")))
            .collect();
        // Of one run's files the standard log stands for all.
        let expected: BTreeSet<PathBuf> = files_below(&folder)
            .into_iter()
            .filter(|path| {
                let name = path.to_string_lossy();
                !name.ends_with("_carbontracker_err.log") && !name.ends_with("_carbontracker_output.log")
            })
            .collect();
        assert_eq!(told, expected, "{tool}");
    }
}

/// The sensors behind the logs were simulated: GPU i of N drew (1 + 0.17 i) times what the first did, about 120 W in the first
/// epoch and 180 W + 1.5 W per epoch after it.
#[test]
fn the_energy_of_several_gpus_is_right_whatever_version_wrote_the_log() {
    let Some(folder) = recordings() else { return };
    let world = World::empty();
    for (log, gpus) in [("1.1.6-gpu4-gpuonly", 4), ("2.0.1-gpu4-gpuonly", 4), ("2.4.7-gpu4-gpuonly", 4)] {
        let folder = folder.join("carbontracker/written-by-release").join(log);
        let told = world.json(&["import", "carbontracker", "--dry-run", "--json", &folder.display().to_string()]);
        let epochs = told["runs"][0]["per_epoch"].as_array().expect("epochs").clone();
        assert_eq!(epochs.len(), 10, "{log}");
        for (number, epoch) in (1..).zip(&epochs) {
            let watts =
                epoch["energy_kwh"].as_f64().expect("measured") * 3.6e6 / epoch["duration_s"].as_f64().expect("long");
            let first = if number == 1 { 120.0 } else { 180.0 + 1.5 * f64::from(number) };
            let truth: f64 = (0..gpus).map(|gpu| first * (1.0 + 0.17 * f64::from(gpu))).sum();
            assert!((watts / truth - 1.0).abs() < 0.06, "{log}, epoch {number}: {watts} W, truth {truth} W");
        }
    }
}
