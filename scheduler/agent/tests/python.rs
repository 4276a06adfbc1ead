//! The Python client: its own tests, its installation, and scripts that use it beside the real agent.
//!
//! Where there is no `python3` (3.8 or later) these tests say SKIPPED and check nothing.

#![expect(clippy::print_stdout, reason = "what is skipped is said")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use lowtide_model::event::AttemptReport;
use lowtide_model::identity::{AttemptKey, AttemptNumber, JobId};
use lowtide_model::job::{Checkpoint, Ending, Epoch, Exit, StartOrder};
use lowtide_model::quantity::Watts;
use lowtide_model::rundir::{EXIT, ExitRecord, LEAVE, LeaveWish, ORDER, SPOOL, STDERR, STDOUT};
use lowtide_model::site::Resources;
use lowtide_model::timescale::TimeScale;

/// How long anything here may take before the test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// This test program is its own agent, as in `attempt.rs`.
#[test]
#[expect(clippy::exit, reason = "this process stands in for the agent's: its code is the agent's")]
fn agent_process() {
    let last = std::env::args().next_back().unwrap_or_default();
    if Path::new(&last).join(ORDER).exists() {
        let ok = lowtide_agent::run(Path::new(&last)) == ExitCode::SUCCESS;
        std::process::exit(i32::from(!ok));
    }
}

fn client() -> PathBuf {
    let scheduler = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder above").to_owned();
    scheduler.join("python")
}

/// Whether there is a Python that can run the client; says so if not.
fn has_python() -> bool {
    let asked = ["-c", "import sys, signal, unittest; sys.exit(sys.version_info < (3, 8))"];
    let works = Command::new("python3").args(asked).status().is_ok_and(|status| status.success());
    if !works {
        println!("SKIPPED: there is no python3 of version 3.8 or later here, so the Python client is not tested");
    }
    works
}

#[test]
fn the_clients_own_tests_pass() {
    if !has_python() {
        return;
    }
    let output = Command::new("python3")
        .args(["-m", "unittest", "discover", "tests"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(client())
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("OK"), "{said}");
    println!("{said}");
}

#[test]
fn pip_installs_the_client_without_a_network() {
    if !has_python() {
        return;
    }
    // Since 70.1 setuptools builds wheels by itself.
    let needed = "import setuptools, pip\ntry: import wheel\nexcept ImportError: import setuptools.command.bdist_wheel";
    let tools = Command::new("python3").args(["-c", needed]).stderr(Stdio::null()).status();
    if !tools.is_ok_and(|status| status.success()) {
        println!("SKIPPED: pip, setuptools or wheel is missing here, so the installation is not tested");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    // Of a copy: setuptools leaves what it built beside the source.
    let copy = directory.path().join("python");
    let copied = Command::new("cp").arg("-R").arg(client()).arg(&copy).status().expect("it starts");
    assert!(copied.success());
    let target = directory.path().join("installed");
    let output = Command::new("python3")
        .args(["-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--target"])
        .args([&target, &copy])
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new("python3")
        .args(["-c", "import lowtide, lowtide.carbontracker; print(list(lowtide.epochs(2)), lowtide.__file__)"])
        .env("PYTHONPATH", &target)
        .current_dir(directory.path())
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("[0, 1]") && said.contains("installed"), "{said}");
}

struct Attempt {
    directory: tempfile::TempDir,
    order: StartOrder,
}

impl Attempt {
    /// Of that script, in a folder of its own that it may leave checkpoints in.
    fn of(script: &str, home: &Path, resume: bool, checkpoint: Option<Checkpoint>) -> Self {
        let order = StartOrder {
            key: AttemptKey { job: JobId(7), attempt: AttemptNumber(1) },
            command: vec!["python3".into(), "-c".into(), script.into()],
            directory: home.to_owned(),
            environment: [
                ("PATH".to_owned(), std::env::var("PATH").expect("a PATH")),
                ("PYTHONPATH".to_owned(), client().join("src").display().to_string()),
                ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
                ("LOWTIDE_POWERCAP_ROOT".to_owned(), "/nowhere".to_owned()),
                ("CUDA_VISIBLE_DEVICES".to_owned(), String::new()),
            ]
            .into(),
            resources: Resources { cpus: 1, gpus: 0 },
            devices: Vec::new(),
            power_cap: None,
            resume,
            checkpoint,
            epoch_pattern: None,
            epochs: None,
            declared_power: Some(Watts::saturating(100.0)),
            time: TimeScale::real(),
        };
        let directory = tempfile::tempdir().expect("a directory");
        let text = serde_json::to_vec(&order).expect("plain data");
        std::fs::write(directory.path().join(ORDER), text).expect("written");
        Self { directory, order }
    }

    fn start(&self) -> std::process::Child {
        Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "agent_process", "--nocapture"])
            .arg(self.directory.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts")
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }

    fn epochs(&self) -> Vec<Epoch> {
        let spool = self.text(SPOOL);
        let whole = spool.rfind('\n').map_or("", |end| &spool[..end]);
        let reports = whole.lines().map(|line| serde_json::from_str(line).expect("a report"));
        reports
            .filter_map(|report| match report {
                AttemptReport::Epoch(epoch) => Some(epoch),
                AttemptReport::Started { .. }
                | AttemptReport::Progress(_)
                | AttemptReport::Warning { .. }
                | AttemptReport::PowerCapRefused { .. }
                | AttemptReport::Exited { .. } => None,
            })
            .collect()
    }

    fn numbers(&self) -> Vec<(u32, Option<u32>)> {
        self.epochs().iter().map(|epoch| (epoch.index, epoch.total)).collect()
    }

    fn exit(&self) -> (Exit, Ending) {
        let record: ExitRecord = serde_json::from_str(&self.text(EXIT)).expect("an exit record");
        let ending = Ending::of(record.exit, self.order.checkpoint.as_ref(), record.asked_to_leave);
        (record.exit, ending)
    }

    fn wish(&self, wish: LeaveWish) {
        let written = self.directory.path().join("leave.new");
        std::fs::write(&written, wish.to_string()).expect("written");
        std::fs::rename(written, self.directory.path().join(LEAVE)).expect("renamed");
    }

    fn until(&self, what: &str, met: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !met(self) {
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}: {}", self.text(STDERR));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Trains until the file `enough` is there, and leaves its checkpoint in `done`.
const TRAINING: &str = r#"
import lowtide, os, time
def save(epoch):
    with open("done", "w") as file:
        file.write(str(epoch + 1))
start = int(open("done").read()) if lowtide.resuming() else 0
print("begins at", start, flush=True)
for epoch in lowtide.epochs(1000 if start == 0 else start + 2, start=start, save=save):
    print("this line names Epoch 77 loss=1, which is none", flush=True)
    time.sleep(0.05)
print("trained")
"#;

#[test]
fn a_training_is_paused_at_the_end_of_an_epoch_and_goes_on_where_it_was() {
    if !has_python() {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    let checkpoint = Some(Checkpoint { signal: 15, grace_s: 30 });
    let first = Attempt::of(TRAINING, home.path(), false, checkpoint);
    let mut agent = first.start();
    first.until("two epochs", |attempt| attempt.epochs().len() >= 2);
    first.wish(LeaveWish::EpochEnd);
    assert!(agent.wait().expect("it ends").success());
    assert_eq!(first.exit(), (Exit::Code(75), Ending::Paused), "{}", first.text(STDERR));
    let numbers = first.numbers();
    let done: u32 = std::fs::read_to_string(home.path().join("done")).expect("saved").parse().expect("a number");
    assert_eq!(numbers.last(), Some(&(done, Some(1000))), "the checkpoint is of the last epoch that was told");
    assert!(numbers.iter().zip(1..).all(|((index, _), expected)| *index == expected), "{numbers:?}");

    let second = Attempt::of(TRAINING, home.path(), true, checkpoint);
    assert!(second.start().wait().expect("it ends").success());
    assert_eq!(second.exit(), (Exit::Code(0), Ending::Succeeded));
    assert_eq!(second.numbers(), [(done + 1, Some(done + 2)), (done + 2, Some(done + 2))]);
    assert!(second.text(STDOUT).ends_with("trained\n"));
}

#[test]
fn a_signal_in_the_middle_of_an_epoch_is_an_answer_to_a_script_that_asks() {
    if !has_python() {
        return;
    }
    let script = "import lowtide, time\n\
                  while not lowtide.should_pause():\n    print('up', flush=True); time.sleep(0.02)\n\
                  print('saved', flush=True)\nlowtide.pause()";
    let home = tempfile::tempdir().expect("a directory");
    let attempt = Attempt::of(script, home.path(), false, Some(Checkpoint { signal: 10, grace_s: 30 }));
    let agent = attempt.start();
    attempt.until("it runs", |attempt| attempt.text(STDOUT).contains("up"));
    // The agent itself is asked to leave, as by a machine that shuts down: there is no wish in a file, only the signal.
    let pid = rustix::process::Pid::from_child(&agent);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("sent");
    assert!(agent.wait_with_output().expect("it ends").status.success());
    assert_eq!(attempt.exit(), (Exit::Code(75), Ending::Paused), "{}", attempt.text(STDERR));
    assert!(attempt.text(STDOUT).ends_with("saved\n"));
}

#[test]
fn a_script_written_for_carbontracker_gives_its_epochs() {
    if !has_python() {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    let script = "from carbontracker.tracker import CarbonTracker\nimport time\ntracker = CarbonTracker(epochs=3)\n\
                  for _ in range(3):\n    tracker.epoch_start(); time.sleep(0.1); tracker.epoch_end()\ntracker.stop()\n";
    std::fs::write(home.path().join("train.py"), script).expect("written");
    let run = "import sys, runpy; sys.argv = ['lowtide.carbontracker', 'train.py']\n\
               runpy.run_module('lowtide.carbontracker', run_name='__main__')";
    let attempt = Attempt::of(run, home.path(), false, None);
    assert!(attempt.start().wait().expect("it ends").success());
    assert_eq!(attempt.exit().0, Exit::Code(0), "{}", attempt.text(STDERR));
    assert_eq!(attempt.numbers(), [(1, Some(3)), (2, Some(3)), (3, Some(3))]);
    for epoch in attempt.epochs() {
        let seconds = epoch.window.duration().get();
        assert!((0.05..2.0).contains(&seconds), "{epoch:?}");
    }
}
