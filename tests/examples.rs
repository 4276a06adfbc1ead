//! The examples that are not Rust, run as a user would: they say their epochs, and go on from their checkpoint. The
//! Rust ones are tested with `lowtide demo`, which is made of them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// The epochs that a run in `directory` says, without what stands behind them.
fn epochs(command: &mut Command, directory: &Path, resume: bool) -> Vec<String> {
    command.current_dir(directory).env_remove("LOWTIDE_RESUME");
    if resume {
        command.env("LOWTIDE_RESUME", "1");
    }
    let output = command.output().expect("it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .filter(|line| line.starts_with("Epoch "))
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

/// Runs two epochs, then asks for four, from the checkpoint and from the beginning.
fn pauses_and_goes_on(run: impl Fn(u32) -> Command) {
    let directory = tempfile::tempdir().expect("a directory");
    assert_eq!(epochs(&mut run(2), directory.path(), true), ["Epoch 1/2", "Epoch 2/2"], "there is no checkpoint yet");
    assert_eq!(epochs(&mut run(4), directory.path(), true), ["Epoch 3/4", "Epoch 4/4"]);
    assert_eq!(epochs(&mut run(1), directory.path(), false), ["Epoch 1/1"]);
}

#[test]
fn the_shell_example_pauses_and_goes_on() {
    pauses_and_goes_on(|epochs| {
        let mut command = Command::new(examples().join("shell/train.sh"));
        command.args([epochs.to_string().as_str(), "0"]);
        command
    });
}

#[test]
fn the_python_example_pauses_and_goes_on() {
    if Command::new("python3").arg("--version").output().is_err() {
        let _ = writeln!(std::io::stderr(), "skipped: there is no python3 here");
        return;
    }
    pauses_and_goes_on(|epochs| {
        let mut command = Command::new("python3");
        command.arg(examples().join("python/train.py"));
        command.args(["--epochs", epochs.to_string().as_str(), "--epoch-seconds", "0"]);
        command
    });
}

#[test]
fn the_configuration_is_one_that_the_daemon_takes() {
    let directory = examples().join("config");
    let text = std::fs::read_to_string(directory.join("two-sites.toml")).expect("it can be read");
    let configuration = lowtide_daemon::config::Configuration::parse(&text, &directory).expect("it is well-formed");
    assert_eq!(configuration.sites.len(), 2);
    for (zone, settings) in configuration.zones {
        for (name, path) in settings.source.assets {
            assert!(path.is_file(), "{zone} is granted {name}, but {} is no file", path.display());
        }
    }
}

/// The comparison itself fetches packages and takes minutes; this keeps its job and its counters working.
#[test]
fn the_job_of_the_cost_comparison_runs_and_accounts_for_itself() {
    if Command::new("python3").arg("--version").output().is_err() {
        let _ = writeln!(std::io::stderr(), "SKIPPED: there is no python3 here");
        return;
    }
    let folder = examples().join("tracker-cost");
    let directory = tempfile::tempdir().expect("a directory");
    let result = directory.path().join("result.json");
    let mut job = Command::new("python3");
    job.arg(folder.join("job.py")).args(["none", "3", "0.01", "/nowhere"]).arg(&result);
    assert_eq!(epochs(&mut job, directory.path(), false), ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]);
    let told: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&result).expect("written")).expect("JSON");
    for key in ["cpu_s", "wall_s", "peak_mb", "growth_mb", "python_start_s"] {
        assert!(told[key].is_f64(), "{key}: {told}");
    }
    let help = Command::new("python3").arg(folder.join("compare.py")).arg("--help").output().expect("it can be run");
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--seconds"), "{help:?}");
}

#[test]
fn the_tables_of_the_papers_are_not_printed_without_a_program_or_its_data() {
    let absent = Path::new("/nowhere");
    for (program, data, said) in [
        (absent.join("lowtide"), examples(), "there is no /nowhere/lowtide"),
        (PathBuf::from(env!("CARGO_BIN_EXE_lowtide")), absent.to_owned(), "cannot be read"),
    ] {
        let output = Command::new(examples().join("reproduce")).arg(data).env("LOWTIDE", program).output();
        let output = output.expect("it can be run");
        assert!(!output.status.success(), "{output:?}");
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(text.contains(said) && !text.contains("run-now"), "{text}");
    }
}
