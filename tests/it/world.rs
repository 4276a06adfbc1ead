//! A user's world for one test: an empty home, a state directory, a configuration, and the daemon the verbs start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything in a test may take. Nothing does; a hang must end.
const PATIENCE: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(25);

/// Two sites in two zones whose intensity is known without asking anybody. The zone names exist nowhere, so that no
/// provider is asked for them.
const CONFIG: &str = r#"
[[sites]]
name = "home"
zone = "TEST-A"
cpus = 4

[[sites]]
name = "away"
zone = "TEST-B"
cpus = 2

[zones.TEST-A]
annual_g_per_kwh = 400.0

[zones.TEST-B]
annual_g_per_kwh = 100.0
"#;

/// A user's world. Dropping it ends its daemon and removes it all.
pub(crate) struct World {
    root: TempDir,
}

/// What a verb said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    /// An empty home and a configuration of two sites. No daemon runs yet.
    pub(crate) fn new() -> Self {
        let world = Self::empty();
        fs::write(world.config(), CONFIG).expect("a configuration can be written");
        world
    }

    /// An empty home.
    pub(crate) fn empty() -> Self {
        let root = TempDir::new().expect("a temporary directory can be made");
        for folder in ["home/.config/lowtide", "work"] {
            fs::create_dir_all(root.path().join(folder)).expect("a folder can be made");
        }
        Self { root }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.root.path().join("home/.config/lowtide/config.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.path().join("home/.local/state/lowtide")
    }

    /// Where jobs run.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// A file in that folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.work().join(name);
        fs::write(&path, text).expect("a file can be written");
        path
    }

    /// The binary, in this world and no other.
    pub(crate) fn lowtide(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root.path().join("home"))
            .env("USER", "ada")
            .env("TZ", "UTC")
            // No counter of this machine: its readings would differ from machine to machine.
            .env("LOWTIDE_POWERCAP_ROOT", self.root.path().join("no-powercap"))
            .env("LOWTIDE_HWMON_ROOT", self.root.path().join("no-hwmon"))
            .env("CUDA_VISIBLE_DEVICES", "")
            .current_dir(self.work())
            .stdin(Stdio::null())
            .args(arguments);
        command
    }

    /// Runs a verb to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        said(self.lowtide(arguments).output().expect("the binary can be run"))
    }

    /// Runs a verb that has to succeed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:#?}");
        said.stdout
    }

    /// Runs a verb that has to succeed and print JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(arguments);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// Queues a job and returns its number.
    pub(crate) fn submit(&self, flags: &[&str], command: &[&str]) -> u64 {
        let arguments: Vec<&str> = [&["submit", "--json"], flags, &["--"], command].concat();
        self.json(&arguments)["id"].as_u64().expect("a job has a number")
    }

    /// Looks at a job until it is as expected.
    pub(crate) fn wait_for(&self, id: u64, expected: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let job = self.json(&["show", "--json", &id.to_string()]);
            if expected(&job) {
                return job;
            }
            assert!(begun.elapsed() < PATIENCE, "job {id} is still not as expected: {job:#}");
            std::thread::sleep(LOOK);
        }
    }

    /// Looks at all jobs until they are as expected.
    pub(crate) fn wait_for_jobs(&self, expected: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let listed = self.json(&["jobs", "--all", "--json"]);
            let jobs = listed["jobs"].as_array().cloned().unwrap_or_default();
            if expected(&jobs) {
                return jobs;
            }
            assert!(begun.elapsed() < PATIENCE, "the jobs are still not as expected: {listed:#}");
            std::thread::sleep(LOOK);
        }
    }

    /// Looks at a job until it is in this state.
    pub(crate) fn wait_for_state(&self, id: u64, state: &str) -> Value {
        self.wait_for(id, |job| job["state"] == state)
    }

    /// Where the daemon listens, and its process.
    pub(crate) fn daemon(&self) -> Option<i32> {
        let said = self.run(&["daemon", "status", "--json"]);
        let status: Value = serde_json::from_str(&said.stdout).ok()?;
        i32::try_from(status["pid"].as_i64()?).ok()
    }

    /// Whether a process still runs. One that has ended and that nobody has looked at does not.
    pub(crate) fn runs(process: i32) -> bool {
        Pid::from_raw(process).is_some_and(|pid| test_kill_process(pid).is_ok() && !is_zombie(pid))
    }

    /// Ends the daemon as a power cut would, and waits until it is gone.
    pub(crate) fn kill_daemon(&self) {
        if let Some(pid) = self.daemon().and_then(Pid::from_raw) {
            kill_and_wait(pid, Signal::KILL);
        }
    }
}

impl World {
    /// The numbers of the jobs that are not over.
    fn open_jobs(&self) -> Vec<u64> {
        let listed = serde_json::from_str::<Value>(&self.run(&["jobs", "--json"]).stdout).unwrap_or_default();
        let jobs = listed["jobs"].as_array().cloned().unwrap_or_default();
        jobs.iter().filter_map(|job| job["id"].as_u64()).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let Some(daemon) = self.daemon() else { return };
        // Jobs first, to their end: nothing may be left running.
        for id in self.open_jobs() {
            self.run(&["cancel", &id.to_string()]);
        }
        let begun = Instant::now();
        while !self.open_jobs().is_empty() && begun.elapsed() < PATIENCE {
            std::thread::sleep(LOOK);
        }
        if let Some(pid) = Pid::from_raw(daemon) {
            kill_and_wait(pid, Signal::TERM);
        }
    }
}

fn kill_and_wait(pid: Pid, signal: Signal) {
    // One that has just ended by itself is what is wanted.
    let _ = kill_process(pid, signal);
    let begun = Instant::now();
    while World::runs(pid.as_raw_nonzero().get()) && begun.elapsed() < PATIENCE {
        std::thread::sleep(LOOK);
    }
}

/// Whether it has ended and only its parent, init, has not looked yet.
fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("stat"));
    stat.is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

pub(crate) fn said(output: Output) -> Said {
    let Output { status, stdout, stderr } = output;
    Said {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).expect("what lowtide prints is text"),
        stderr: String::from_utf8(stderr).expect("what lowtide prints is text"),
    }
}

/// A job that prints this many epochs, each of some tenths of a second.
pub(crate) fn epochs(count: u32) -> String {
    format!("for i in $(seq 1 {count}); do sleep 0.3; echo \"Epoch $i/{count} loss=0.$i\"; done")
}
