//! Counters behind the real interfaces: a `libnvidia-ml.so` and a tree of powercap files that are not the hardware's.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{World, epochs};

const FOUR_GPUS: &str =
    "[[sites]]\nname = \"home\"\nzone = \"TEST-A\"\ncpus = 4\ngpus = 4\n[zones.TEST-A]\nannual_g_per_kwh = 400.0\n";

/// Compiles the fake driver of the meters' own tests.
pub(crate) fn fake_driver(folder: &Path) -> PathBuf {
    let library = folder.join("libnvidia-ml.so.1");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("scheduler/meters/tests/fake-nvml/nvml.rs");
    let compiled = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "cdylib", "-o"])
        .args([&library, &source])
        .status()
        .expect("rustc can be run");
    assert!(compiled.success());
    library
}

fn over(job: &Value) -> bool {
    job["exit_code"].is_i64()
}

/// The mean power of a job's epochs, in watts.
fn watts(job: &Value) -> f64 {
    let epochs = job["epochs"].as_array().expect("epochs");
    assert!(!epochs.is_empty(), "{job:#}");
    let sum = |key: &str| epochs.iter().map(|epoch| epoch[key].as_f64().expect("a number")).sum::<f64>();
    sum("energy_kwh") * 3.6e6 / sum("duration_s")
}

/// Where a job's agent looks for RAPL.
fn counted_in(root: &Path) -> String {
    format!("LOWTIDE_POWERCAP_ROOT={}", root.display())
}

#[test]
fn four_gpus_use_four_times_what_one_uses() {
    let world = World::empty();
    fs::write(world.config(), FOUR_GPUS).expect("written");
    let library = fake_driver(&world.work());
    let started = world
        .lowtide(&["daemon", "start"])
        .env("LOWTIDE_NVML_LIBRARY", &library)
        .env("FAKE_NVML_GPUS", "4")
        .env("FAKE_NVML_WATTS", "100")
        .output()
        .expect("the binary can be run");
    assert!(started.status.success(), "{started:?}");
    let run = |gpus: &str| {
        let script = format!("echo gpus=$CUDA_VISIBLE_DEVICES; {}", epochs(4));
        let id = world.submit(&["--policy", "run-now", "--gpus", gpus], &["sh", "-c", &script]);
        let job = world.wait_for(id, over);
        (watts(&job), world.ok(&["logs", &id.to_string()]), job)
    };
    let (one, said_by_one, _) = run("1");
    let (four, said_by_four, job) = run("4");
    assert!(said_by_one.contains("gpus=0\n"), "{said_by_one}");
    assert!(said_by_four.contains("gpus=0,1,2,3\n"), "{said_by_four}");
    // Processors are modelled here, the same for both: what is left is three more GPUs.
    let three = four - one;
    assert!((285.0..315.0).contains(&three), "one draws {one} W, four {four} W");
    assert!((95.0..125.0).contains(&one), "{one} W");
    assert_eq!(job["epochs"][0]["energy_source"], "mixed", "GPUs are counted, processors modelled");
}

#[test]
fn a_counter_that_wraps_changes_nothing() {
    const RANGE_UJ: u64 = 65_532_610_987;
    const WATTS: u64 = 50;
    let world = World::new();
    let root = world.work().join("powercap");
    let zone = root.join("intel-rapl:0");
    fs::create_dir_all(&zone).expect("a folder");
    fs::write(zone.join("name"), "package-0\n").expect("written");
    fs::write(zone.join("max_energy_range_uj"), format!("{RANGE_UJ}\n")).expect("written");
    let counter = zone.join("energy_uj");
    // Wraps after a second or so of the job.
    let first = RANGE_UJ - 60 * 1_000_000;
    fs::write(&counter, format!("{first:0>12}\n")).expect("written");
    let done = AtomicBool::new(false);
    let job = std::thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            let file = fs::OpenOptions::new().write(true).open(&counter).expect("the counter");
            while !done.load(Ordering::Relaxed) {
                let used = u64::try_from(begun.elapsed().as_micros()).expect("not that long") * WATTS;
                // In place and of one length, as the kernel's file changes: a reader never finds it empty.
                let text = format!("{:0>12}\n", (first + used) % RANGE_UJ);
                file.write_all_at(text.as_bytes(), 0).expect("written");
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let id = world.submit(
                // The counter's watts, whatever else this machine does.
                &["--policy", "run-now", "--env", &counted_in(&root), "--env", "LOWTIDE_ATTRIBUTION=whole"],
                &["sh", "-c", &epochs(8)],
            );
            world.wait_for(id, over)
        }));
        done.store(true, Ordering::Relaxed);
        ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let watts = watts(&job);
    // A wrap that were not seen as one would read as nothing, or as tens of kilowatts.
    assert!((42.0..58.0).contains(&watts), "{watts} W of {WATTS}");
    let sources: Vec<&str> =
        job["epochs"].as_array().expect("epochs").iter().filter_map(|epoch| epoch["energy_source"].as_str()).collect();
    assert!(sources.iter().all(|source| *source == "measured"), "{sources:?}");
}

#[test]
fn a_counter_that_vanishes_costs_one_warning_and_no_job() {
    let world = World::new();
    let root = world.work().join("powercap");
    let zone = root.join("intel-rapl:0");
    fs::create_dir_all(&zone).expect("a folder");
    for (name, text) in [("name", "package-0\n"), ("max_energy_range_uj", "65532610987\n"), ("energy_uj", "1000000\n")]
    {
        fs::write(zone.join(name), text).expect("written");
    }
    let script = format!("sleep 0.5; rm -r powercap; {}", epochs(3));
    let id = world.submit(&["--policy", "run-now", "--env", &counted_in(&root)], &["sh", "-c", &script]);
    let job = world.wait_for(id, over);
    assert_eq!(job["state"], "succeeded");
    let epochs = job["epochs"].as_array().expect("epochs");
    assert_eq!(epochs.len(), 3);
    assert!(epochs.iter().all(|epoch| epoch["energy_kwh"].as_f64().is_some_and(|energy| 0.0 < energy)), "{epochs:#?}");
    let notes = job["notes"].as_array().expect("notes");
    assert!(notes.len() == 1 && notes[0].to_string().contains("package-0"), "{notes:?}");
}
