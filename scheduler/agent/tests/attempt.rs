//! The agent as a process of its own, beside real commands.
//!
//! This test program is its own agent: started with a run directory as its last argument, it runs only the test
//! `agent_process`, which carries out that order.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use lowtide_model::event::AttemptReport;
use lowtide_model::identity::{AttemptKey, AttemptNumber, JobId};
use lowtide_model::job::{Checkpoint, Epoch, Exit, StartOrder};
use lowtide_model::quantity::{Joules, Seconds, Watts};
use lowtide_model::rundir::{
    AGENT, AgentRecord, EXIT, ExitRecord, LEAVE, LOCK, LeaveWish, ORDER, REVOKED, SPOOL, STDERR, STDOUT,
};
use lowtide_model::site::Resources;
use lowtide_model::timescale::TimeScale;

/// How long anything here may take before the test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
#[expect(clippy::exit, reason = "this process stands in for the agent's: its code is the agent's")]
fn agent_process() {
    let last = std::env::args().next_back().unwrap_or_default();
    if Path::new(&last).join(ORDER).exists() {
        let ok = lowtide_agent::run(Path::new(&last)) == ExitCode::SUCCESS;
        std::process::exit(i32::from(!ok));
    }
}

struct Attempt {
    directory: tempfile::TempDir,
}

impl Attempt {
    fn order(script: &str) -> StartOrder {
        StartOrder {
            key: AttemptKey { job: JobId(7), attempt: AttemptNumber(1) },
            command: vec!["sh".into(), "-c".into(), script.into()],
            directory: std::env::temp_dir(),
            environment: [
                ("PATH".to_owned(), std::env::var("PATH").expect("a PATH")),
                // No counters, whatever the machine has: the declared power makes numbers that can be checked.
                ("LOWTIDE_POWERCAP_ROOT".to_owned(), "/nowhere".to_owned()),
                ("CUDA_VISIBLE_DEVICES".to_owned(), String::new()),
            ]
            .into(),
            resources: Resources { cpus: 1, gpus: 0 },
            devices: Vec::new(),
            power_cap: None,
            resume: false,
            checkpoint: None,
            epoch_pattern: None,
            epochs: None,
            declared_power: Some(Watts::saturating(100.0)),
            time: TimeScale::real(),
        }
    }

    fn of(order: &StartOrder) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let text = serde_json::to_vec(order).expect("plain data");
        std::fs::write(directory.path().join(ORDER), text).expect("written");
        Self { directory }
    }

    /// One that runs in its run directory, so that files there can tell it to go on.
    fn at_home(script: &str) -> Self {
        let mut order = Self::order(script);
        let attempt = Self::of(&order);
        attempt.directory.path().clone_into(&mut order.directory);
        std::fs::write(attempt.path(ORDER), serde_json::to_vec(&order).expect("plain data")).expect("written");
        attempt
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start(&self) -> Child {
        Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "agent_process", "--nocapture"])
            .arg(self.directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts")
    }

    /// To its end: what the agent said, its code, the reports.
    fn run(&self) -> (String, bool, Vec<AttemptReport>) {
        let output = self.start().wait_with_output().expect("it ends");
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.success(), self.reports())
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn reports(&self) -> Vec<AttemptReport> {
        let spool = self.text(SPOOL);
        let whole = spool.rfind('\n').map_or("", |end| &spool[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a report")).collect()
    }

    fn exit(&self) -> ExitRecord {
        serde_json::from_str(&self.text(EXIT)).expect("an exit record")
    }

    fn agent(&self) -> Option<AgentRecord> {
        serde_json::from_str(&self.text(AGENT)).ok()
    }

    fn wish(&self, wish: LeaveWish) {
        let written = self.path("leave.new");
        std::fs::write(&written, wish.to_string()).expect("written");
        std::fs::rename(written, self.path(LEAVE)).expect("renamed");
    }

    fn until(&self, what: &str, met: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !met(self) {
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn epochs(reports: &[AttemptReport]) -> Vec<&Epoch> {
    reports
        .iter()
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

fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

#[test]
fn epochs_exit_and_energy_come_back() {
    let script = "echo $LOWTIDE_JOB_ID; for i in 1 2 3; do sleep 0.2; echo \"Epoch $i/3 loss=0.$i\"; done; exit 3";
    let attempt = Attempt::of(&Attempt::order(script));
    let (said, ok, reports) = attempt.run();
    assert!(ok, "{said}");
    assert!(matches!(reports[0], AttemptReport::Started { .. }), "{reports:?}");
    let epochs = epochs(&reports);
    assert_eq!(
        epochs.iter().map(|epoch| (epoch.index, epoch.total)).collect::<Vec<_>>(),
        [(1, Some(3)), (2, Some(3)), (3, Some(3))]
    );
    for epoch in &epochs {
        let seconds = epoch.window.duration().get();
        assert!((0.15..2.0).contains(&seconds), "{epoch:?}");
        assert!((epoch.energy.get() / seconds - 100.0).abs() < 15.0, "100 W as declared: {epoch:?}");
    }
    let Some(AttemptReport::Exited { exit, energy, asked_to_leave, .. }) = reports.last() else {
        panic!("no exit: {reports:?}")
    };
    assert_eq!((*exit, *asked_to_leave), (Exit::Code(3), false));
    let of_epochs: Joules = epochs.iter().map(|epoch| epoch.energy).sum();
    assert!(energy.get() > of_epochs.get() - 1e-6, "all of it is more than its parts: {energy:?}, {of_epochs:?}");
    assert_eq!(attempt.exit().exit, Exit::Code(3));
    assert!(attempt.text(STDOUT).starts_with("7\nEpoch 1/3"));
}

#[test]
fn a_script_that_prints_bare_headers_gets_all_its_epochs() {
    let attempt = Attempt::of(&Attempt::order("for i in 1 2 3; do printf 'Epoch %s/3\\r' $i; sleep 0.3; done"));
    let (_, _, reports) = attempt.run();
    let found: Vec<u32> = epochs(&reports).iter().map(|epoch| epoch.index).collect();
    assert_eq!(found, [1, 2, 3]);
    assert!(epochs(&reports).iter().all(|epoch| epoch.energy > Joules::ZERO && epoch.window.duration().get() > 0.2));
}

#[test]
fn what_the_job_reports_itself_goes_before_its_output() {
    let script = "for i in 1 2; do sleep 0.1; echo '{\"epoch\": '$i', \"epochs\": 2}' >> $LOWTIDE_REPORT; done; \
                  echo Epoch 9 loss=1";
    let (_, _, reports) = Attempt::of(&Attempt::order(script)).run();
    assert_eq!(epochs(&reports).iter().map(|epoch| epoch.index).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn virtual_time_stretches_epochs_and_energy_and_leaves_power() {
    let mut order = Attempt::order("sleep 0.3; echo Epoch 1 loss=1");
    let origin = jiff::Timestamp::now();
    order.time = TimeScale::new(origin, jiff::Timestamp::UNIX_EPOCH, 3600.0).expect("positive");
    let (_, _, reports) = Attempt::of(&order).run();
    let epoch = epochs(&reports)[0];
    let hours = epoch.window.duration().hours();
    assert!((0.25..2.0).contains(&hours), "{hours} h");
    let power = epoch.energy.over(epoch.window.duration()).expect("it took time");
    assert!((power.get() - 100.0).abs() < 15.0, "{power:?}");
    assert!(epoch.window.start() >= jiff::Timestamp::UNIX_EPOCH);
    assert!(Seconds::between(jiff::Timestamp::UNIX_EPOCH, epoch.window.end()).hours() < 24.0);
}

#[test]
fn an_order_is_begun_once() {
    let attempt = Attempt::of(&Attempt::order("echo once"));
    assert!(attempt.run().1);
    let (said, ok, _) = attempt.run();
    assert!(!ok && said.contains("begun before"), "{said}");
    assert_eq!(attempt.text(STDOUT), "once\n");
}

#[test]
fn while_one_agent_runs_a_second_one_starts_nothing() {
    let attempt = Attempt::at_home("echo once; while [ ! -e go ]; do sleep 0.02; done");
    let mut first = attempt.start();
    attempt.until("it runs", |attempt| attempt.text(STDOUT) == "once\n");
    let (said, ok, _) = attempt.run();
    assert!(!ok && said.contains("another agent holds"), "{said}");
    assert!(said.contains(LOCK));
    std::fs::write(attempt.path("go"), "").expect("written");
    assert!(first.wait().expect("it ends").success());
    assert_eq!(attempt.text(STDOUT), "once\n");
}

#[test]
fn an_order_that_was_given_up_or_cannot_be_read_is_not_begun() {
    let attempt = Attempt::of(&Attempt::order("echo no"));
    std::fs::write(attempt.path(REVOKED), "").expect("written");
    let (said, ok, _) = attempt.run();
    assert!(!ok && said.contains("given up"), "{said}");

    let attempt = Attempt::of(&Attempt::order("echo no"));
    std::fs::write(attempt.path(ORDER), "{").expect("written");
    let (said, ok, _) = attempt.run();
    assert!(!ok && said.contains("cannot be read"), "{said}");
    assert_eq!(attempt.text(STDOUT), "");
}

#[test]
fn an_absent_command_is_a_clear_failure() {
    let mut order = Attempt::order("");
    order.command = vec!["no-such-trainer".into()];
    let attempt = Attempt::of(&order);
    let (_, ok, reports) = attempt.run();
    assert!(ok);
    let exit = attempt.exit();
    assert_eq!(exit.exit, Exit::Code(127));
    assert!(exit.not_started.expect("a reason").contains("no-such-trainer"));
    assert!(attempt.text(STDERR).contains("no-such-trainer"), "the user sees it among the output");
    assert!(matches!(reports[..], [AttemptReport::Warning { .. }, AttemptReport::Exited { .. }]), "{reports:?}");
}

#[test]
fn asked_to_leave_it_leaves_at_the_end_of_an_epoch() {
    let script =
        "trap 'echo saved; exit 75' TERM; i=0; while true; do i=$((i+1)); sleep 0.2; echo Epoch $i loss=1; done";
    let mut order = Attempt::order(script);
    order.checkpoint = Some(Checkpoint { signal: 15, grace_s: 30 });
    let attempt = Attempt::of(&order);
    let mut agent = attempt.start();
    attempt.until("an epoch", |attempt| !epochs(&attempt.reports()).is_empty());
    attempt.wish(LeaveWish::EpochEnd);
    assert!(agent.wait().expect("it ends").success());
    let exit = attempt.exit();
    assert_eq!((exit.exit, exit.asked_to_leave), (Exit::Code(75), true));
    assert!(attempt.text(STDOUT).ends_with("saved\n"));
    let after = epochs(&attempt.reports()).len();
    assert!(after >= 2, "it had the time to end the epoch that ran: {after}");
}

#[test]
fn what_does_not_leave_within_the_grace_is_killed_with_all_it_started() {
    let script = "trap '' TERM; sleep 300 & echo $!; wait; sleep 300";
    let mut order = Attempt::order(script);
    order.checkpoint = Some(Checkpoint { signal: 15, grace_s: 1 });
    let attempt = Attempt::of(&order);
    let mut agent = attempt.start();
    attempt.until("it runs", |attempt| attempt.text(STDOUT).ends_with('\n'));
    attempt.wish(LeaveWish::EpochEnd);
    assert!(agent.wait().expect("it ends").success());
    let exit = attempt.exit();
    assert_eq!((exit.exit, exit.asked_to_leave), (Exit::Signal(9), true));
    let started: i32 = attempt.text(STDOUT).trim().parse().expect("a pid");
    attempt.until("its child is gone", |_| !is_alive(started));
}

#[test]
fn a_wish_that_came_before_the_start_is_met_without_a_start() {
    let mut order = Attempt::order("echo no");
    order.checkpoint = Some(Checkpoint { signal: 10, grace_s: 1 });
    let attempt = Attempt::of(&order);
    attempt.wish(LeaveWish::Kill);
    assert!(attempt.run().1);
    let exit = attempt.exit();
    assert_eq!((exit.exit, exit.asked_to_leave), (Exit::Signal(10), true));
    assert!(exit.not_started.is_none());
    assert_eq!(attempt.text(STDOUT), "");
}

#[test]
fn the_job_survives_the_agent() {
    let attempt = Attempt::at_home("echo begin; while [ ! -e go ]; do sleep 0.02; echo x; done; echo end > ended");
    let mut agent = attempt.start();
    attempt.until("it runs", |attempt| attempt.agent().is_some_and(|record| record.child.is_some()));
    attempt.until("it writes", |attempt| !attempt.text(STDOUT).is_empty());
    agent.kill().expect("killed");
    agent.wait().expect("gone");
    let child = attempt.agent().and_then(|record| record.child).expect("a child");
    assert!(is_alive(child.pid));
    std::fs::write(attempt.path("go"), "").expect("written");
    attempt.until("the job ends its work", |attempt| attempt.text("ended") == "end\n");
}

#[test]
fn interrupted_the_agent_lets_the_job_leave() {
    let mut order = Attempt::order("trap 'exit 75' USR1; echo up; while true; do sleep 0.05; done");
    order.checkpoint = Some(Checkpoint { signal: 10, grace_s: 30 });
    let attempt = Attempt::of(&order);
    let agent = attempt.start();
    attempt.until("it runs", |attempt| attempt.text(STDOUT) == "up\n");
    let pid = rustix::process::Pid::from_child(&agent);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("sent");
    let output = agent.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert_eq!((attempt.exit().exit, attempt.exit().asked_to_leave), (Exit::Code(75), true));
}

#[test]
fn an_energetic_shell_is_measured_by_its_processor_time_where_nothing_else_is_known() {
    let mut order = Attempt::order("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo Epoch 1 loss=1");
    order.declared_power = None;
    let (_, _, reports) = Attempt::of(&order).run();
    let epoch = epochs(&reports)[0];
    assert!(epoch.energy > Joules::ZERO, "{epoch:?}");
}
