//! The local executor with real agents and real commands.
//!
//! This test program is its own agent: started with a run directory as its last argument, it runs only the test
//! `agent_process`, which carries out that order.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lowtide_executors::{Executor, Leave, LocalExecutor, Notice, StartError, Stream};
use lowtide_model::event::{AttemptReport, ProbeFinding};
use lowtide_model::identity::{AttemptKey, AttemptNumber, JobId};
use lowtide_model::job::{Checkpoint, Exit, StartOrder};
use lowtide_model::quantity::{Joules, Watts};
use lowtide_model::rundir::{AGENT, AgentRecord, LEAVE, ORDER};
use lowtide_model::site::Resources;
use lowtide_model::timescale::TimeScale;
use tokio::sync::mpsc;

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

struct World {
    directory: tempfile::TempDir,
    executor: LocalExecutor,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let executor = Self::executor(directory.path());
        Self { directory, executor }
    }

    fn executor(directory: &Path) -> LocalExecutor {
        let arguments = ["--exact", "agent_process", "--nocapture"].map(str::to_owned).to_vec();
        let program = std::env::current_exe().expect("this program");
        LocalExecutor::new(directory.join("attempts"), program, arguments).expect("a directory for attempts")
    }

    fn restart(&mut self) {
        self.executor = Self::executor(self.directory.path());
    }

    fn order(&self, job: u64, script: &str) -> StartOrder {
        StartOrder {
            key: key(job),
            command: vec!["sh".into(), "-c".into(), script.into()],
            directory: self.directory.path().to_owned(),
            environment: [
                ("PATH".to_owned(), std::env::var("PATH").expect("a PATH")),
                ("CUDA_VISIBLE_DEVICES".to_owned(), String::new()),
            ]
            .into(),
            resources: Resources { cpus: 1, gpus: 0 },
            devices: Vec::new(),
            power_cap: None,
            resume: false,
            checkpoint: Some(Checkpoint { signal: 15, grace_s: 30 }),
            epoch_pattern: None,
            epochs: None,
            declared_power: Some(Watts::saturating(100.0)),
            time: TimeScale::real(),
        }
    }

    /// Notices from number `from` on, to the last.
    async fn notices(&self, job: u64, from: u64) -> Vec<Notice> {
        let (sender, mut receiver) = mpsc::channel(4);
        let follower = self.executor.clone();
        let following = tokio::spawn(async move { follower.follow(key(job), from, sender).await });
        let mut notices = Vec::new();
        while let Some(notice) = tokio::time::timeout(PATIENCE, receiver.recv()).await.expect("it ends") {
            notices.push(notice);
        }
        following.await.expect("no panic").expect("it can be followed");
        notices
    }

    fn say(&self, name: &str) {
        std::fs::write(self.directory.path().join(name), "").expect("written");
    }

    fn agent(&self, job: u64) -> AgentRecord {
        let text = std::fs::read(self.executor.run_dir(key(job)).join(AGENT)).expect("an agent");
        serde_json::from_slice(&text).expect("a record")
    }

    async fn stdout(&self, job: u64) -> String {
        let bytes = self.executor.output(key(job), Stream::Stdout, 0, 1 << 20).await.expect("readable");
        String::from_utf8(bytes).expect("text")
    }

    async fn until_stdout(&self, job: u64, text: &str) {
        let begun = Instant::now();
        while !self.stdout(job).await.contains(text) {
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {text}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn probe(&self, job: u64) -> ProbeFinding {
        self.executor.probe(key(job)).await.expect("it can be probed")
    }
}

fn key(job: u64) -> AttemptKey {
    AttemptKey { job: JobId(job), attempt: AttemptNumber(1) }
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("above 0");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}

fn numbers(notices: &[Notice]) -> Vec<u64> {
    notices
        .iter()
        .map(|notice| match notice {
            Notice::Report { number, .. } => *number,
            Notice::Gone { key } => panic!("{key} is gone"),
        })
        .collect()
}

fn exit(notices: &[Notice]) -> (Exit, bool) {
    match notices.last() {
        Some(Notice::Report { report: AttemptReport::Exited { exit, asked_to_leave, .. }, .. }) => {
            (*exit, *asked_to_leave)
        }
        other => panic!("no exit: {other:?}"),
    }
}

#[tokio::test]
async fn a_job_runs_and_all_its_reports_come_once_in_order() {
    let world = World::new();
    let order = world.order(1, "for i in 1 2 3; do sleep 0.1; echo Epoch $i/3 loss=1; done; echo oops >&2; exit 5");
    world.executor.start(&order).await.expect("started");
    let notices = world.notices(1, 0).await;
    assert_eq!(numbers(&notices), [0, 1, 2, 3, 4]);
    assert_eq!(exit(&notices), (Exit::Code(5), false));
    let energies = notices.iter().filter_map(|notice| match notice {
        Notice::Report { report: AttemptReport::Epoch(epoch), .. } => Some(epoch.energy),
        _ => None,
    });
    assert!(energies.clone().count() == 3 && energies.clone().all(|energy| energy > Joules::ZERO));
    assert_eq!(numbers(&world.notices(1, 3).await), [3, 4], "from where one left off");
    assert_eq!(world.probe(1).await, ProbeFinding::Ended);

    let (executor, key) = (&world.executor, key(1));
    assert_eq!(world.stdout(1).await.lines().count(), 3);
    assert_eq!(executor.output(key, Stream::Stdout, 6, 3).await.expect("readable"), b"1/3");
    assert_eq!(executor.output_length(key, Stream::Stderr).await.expect("readable"), 5);
}

#[tokio::test]
async fn started_twice_it_runs_once() {
    let mut world = World::new();
    let order = world.order(1, "echo run >> runs; while [ ! -e go ]; do sleep 0.02; done");
    let (one, two) = tokio::join!(world.executor.start(&order), world.executor.start(&order));
    one.expect("started");
    two.expect("the same start");
    world.restart();
    world.executor.start(&order).await.expect("known");
    assert_eq!(world.probe(1).await, ProbeFinding::Alive);
    world.say("go");
    world.notices(1, 0).await;
    world.executor.start(&order).await.expect("known although it has ended");
    assert_eq!(std::fs::read_to_string(world.directory.path().join("runs")).expect("written"), "run\n");
}

#[tokio::test]
async fn after_a_restart_it_is_found_and_all_its_reports_come() {
    let mut world = World::new();
    let order =
        world.order(1, "echo Epoch 1 loss=1; while [ ! -e go ]; do sleep 0.02; done; echo Epoch 2 loss=1; exit 4");
    world.executor.start(&order).await.expect("started");
    world.restart();
    assert_eq!(world.probe(1).await, ProbeFinding::Alive);
    world.say("go");
    let notices = world.notices(1, 0).await;
    assert_eq!(numbers(&notices), [0, 1, 2, 3]);
    assert_eq!(exit(&notices), (Exit::Code(4), false));
}

#[tokio::test]
async fn what_never_started_stays_so_until_it_is_started_again() {
    let world = World::new();
    assert_eq!(world.probe(1).await, ProbeFinding::NeverStarted);
    // The executor fell between leaving the order and starting the agent, which comes late.
    let order = world.order(1, "echo run");
    let run_dir = world.executor.run_dir(key(1));
    std::fs::create_dir(&run_dir).expect("made");
    std::fs::write(run_dir.join(ORDER), serde_json::to_vec(&order).expect("plain data")).expect("written");
    assert_eq!(world.probe(1).await, ProbeFinding::NeverStarted);
    let late = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "agent_process", "--nocapture"])
        .arg(&run_dir)
        .output()
        .expect("it starts");
    assert!(!late.status.success());
    assert_eq!(world.stdout(1).await, "");
    world.executor.start(&order).await.expect("started");
    assert_eq!(exit(&world.notices(1, 0).await), (Exit::Code(0), false));
    assert_eq!(world.stdout(1).await, "run\n");
}

#[tokio::test]
async fn a_killed_agent_leaves_the_job_running_until_it_is_gone() {
    let world = World::new();
    let order = world.order(1, "echo up; while [ ! -e go ]; do sleep 0.02; done");
    world.executor.start(&order).await.expect("started");
    world.until_stdout(1, "up").await;
    kill(world.agent(1).agent.pid);
    assert_eq!(world.probe(1).await, ProbeFinding::Alive);
    world.executor.start(&order).await.expect("known: not started again");
    world.say("go");
    let notices = world.notices(1, 0).await;
    assert_eq!(notices.last(), Some(&Notice::Gone { key: key(1) }));
    assert_eq!(world.probe(1).await, ProbeFinding::Gone);
    assert_eq!(world.stdout(1).await, "up\n");
}

#[tokio::test]
async fn a_job_whose_agent_was_killed_can_still_be_cancelled() {
    let world = World::new();
    let mut order = world.order(1, "trap '' TERM; echo up; while true; do sleep 0.02; done");
    order.checkpoint = Some(Checkpoint { signal: 10, grace_s: 1 });
    world.executor.start(&order).await.expect("started");
    world.until_stdout(1, "up").await;
    kill(world.agent(1).agent.pid);
    world.executor.ask_to_leave(key(1), Leave::Kill).await.expect("asked");
    assert_eq!(world.notices(1, 0).await.last(), Some(&Notice::Gone { key: key(1) }));
}

#[tokio::test]
async fn asked_at_the_end_of_an_epoch_it_leaves_its_checkpoint() {
    let world = World::new();
    let script =
        "trap 'echo saved; exit 75' TERM; i=0; while true; do i=$((i+1)); sleep 0.1; echo Epoch $i loss=1; done";
    world.executor.start(&world.order(1, script)).await.expect("started");
    world.until_stdout(1, "Epoch 1").await;
    for _ in 0..2 {
        world.executor.ask_to_leave(key(1), Leave::AtEpochEnd).await.expect("asked");
    }
    assert_eq!(exit(&world.notices(1, 0).await), (Exit::Code(75), true));
    assert!(world.stdout(1).await.ends_with("saved\n"));
    world.executor.ask_to_leave(key(1), Leave::Kill).await.expect("it has left already");
}

#[tokio::test]
async fn a_milder_wish_takes_back_no_harder_one() {
    let world = World::new();
    let read = || std::fs::read_to_string(world.executor.run_dir(key(1)).join(LEAVE)).expect("a wish");
    for (leave, wish) in [(Leave::Now, "now"), (Leave::AtEpochEnd, "now"), (Leave::Kill, "kill"), (Leave::Now, "kill")]
    {
        world.executor.ask_to_leave(key(1), leave).await.expect("asked");
        assert_eq!(read(), wish);
    }
    world.executor.start(&world.order(1, "echo run")).await.expect("a start that is met by the wish");
    assert_eq!(exit(&world.notices(1, 0).await), (Exit::Signal(15), true));
    assert_eq!(world.stdout(1).await, "");
}

#[tokio::test]
async fn a_command_that_cannot_start_is_impossible_however_often_it_is_tried() {
    let world = World::new();
    let mut absent = world.order(1, "");
    absent.command = vec!["no-such-trainer".into()];
    for _ in 0..2 {
        match world.executor.start(&absent).await {
            Err(StartError::Impossible { message }) => assert!(message.contains("no-such-trainer"), "{message}"),
            other => panic!("{other:?}"),
        }
    }
    let mut nowhere = world.order(2, "true");
    nowhere.directory = "/no/such/directory".into();
    let refusal = world.executor.start(&nowhere).await.expect_err("impossible");
    assert!(matches!(&refusal, StartError::Impossible { message } if message.contains("/no/such/directory")));
}

#[tokio::test]
async fn an_agent_that_does_not_start_is_a_refusal_and_nothing_runs() {
    let world = World::new();
    let attempts = world.directory.path().join("attempts");
    let absent = LocalExecutor::new(attempts.clone(), "/no/such/lowtide".into(), Vec::new()).expect("made");
    let refusal = absent.start(&world.order(1, "true")).await.expect_err("refused");
    assert!(matches!(&refusal, StartError::Refused { message } if message.contains("/no/such/lowtide")));
    let broken = ["-c".to_owned(), "echo it broke >&2; exit 1".to_owned()].to_vec();
    let broken = LocalExecutor::new(attempts, "/bin/sh".into(), broken).expect("made");
    let refusal = broken.start(&world.order(2, "true")).await.expect_err("refused");
    assert!(matches!(&refusal, StartError::Refused { message } if message.contains("it broke")), "{refusal:?}");
    assert_eq!(world.probe(1).await, ProbeFinding::NeverStarted);
    assert_eq!(world.probe(2).await, ProbeFinding::NeverStarted);
}

#[tokio::test]
async fn attempts_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.executor.start(&world.order(1, "true")).await.expect("started");
    world.notices(1, 0).await;
    for path in [world.directory.path().join("attempts"), world.executor.run_dir(key(1))] {
        let mode = std::fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[tokio::test]
async fn nobody_listening_ends_the_following_and_not_the_job() {
    let world = World::new();
    world.executor.start(&world.order(1, "while [ ! -e go ]; do sleep 0.02; done")).await.expect("started");
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    let ended = tokio::time::timeout(PATIENCE, world.executor.follow(key(1), 0, sender)).await;
    ended.expect("it ends").expect("well");
    assert_eq!(world.probe(1).await, ProbeFinding::Alive);
    world.say("go");
    assert_eq!(exit(&world.notices(1, 0).await), (Exit::Code(0), false));
}
