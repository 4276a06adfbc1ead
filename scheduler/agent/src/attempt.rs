//! `lowtide agent RUN_DIR`: one process beside one command, from its start to its exit record.
//!
//! One thread, one `poll`: for the end of the command, for changes of its output or of the wish that it leave, for
//! signals, and for the next reading of the meter. The command's output goes straight to files and its reports to a
//! file, so the command does not notice when the agent is killed.

use std::io::Write;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use lowtide_model::event::AttemptReport;
use lowtide_model::job::{Exit, StartOrder};
use lowtide_model::quantity::Joules;
use lowtide_model::rundir::{
    AGENT, AgentRecord, EXIT, ExitRecord, LeaveWish, ProcessIdentity, REPORT, REVOKED, SPOOL, STDERR, STDOUT,
};

use crate::child::Child;
use crate::clock::Stopwatch;
use crate::command::{self, NotStarted, Streams};
use crate::cpu_time::Stat;
use crate::leave::Leaving;
use crate::log;
use crate::power_cap::Held;
use crate::record::{Record, Stream};
use crate::rundir::{RunDir, RunDirError, Tail, boot};
use crate::spool::Spool;
use crate::wait::{Changed, Changes, Signals, until_readable};

/// How often the end of the command is looked for where the kernel cannot tell it, and changes where it grants no
/// watch.
const INTERVAL: Duration = Duration::from_millis(200);
/// How soon a record that could not be written is tried again, at first and at last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Signals that a machine shutting down, or a batch system, sends: the job is to leave with its checkpoint. Hang-ups
/// are nothing to an agent. To listen for ended children undoes a parent's wish to ignore them, which would lose their
/// exit codes.
const SIGNALS: [i32; 4] = [SIGTERM, SIGINT, SIGHUP, SIGCHLD];
const SIGTERM: i32 = 15;
const SIGINT: i32 = 2;
const SIGHUP: i32 = 1;
const SIGCHLD: i32 = 17;

/// Carries out the order in that run directory (see `lowtide_model::rundir`) to its end: code 0 once the exit record is
/// written, 1 if nothing was started. What went wrong is said on standard error.
pub fn run(run_dir: &Path) -> ExitCode {
    match carry_out(run_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::say(error);
            ExitCode::FAILURE
        }
    }
}

fn carry_out(run_dir: &Path) -> Result<(), RunDirError> {
    let path = std::path::absolute(run_dir).map_err(|source| RunDirError::Open { path: run_dir.to_owned(), source })?;
    let run_dir = RunDir::new(path);
    let _lock = run_dir.lock()?;
    for begun in [AGENT, EXIT] {
        if run_dir.has(begun) {
            return Err(RunDirError::BegunBefore { path: run_dir.path(begun) });
        }
    }
    if run_dir.has(REVOKED) {
        return Err(RunDirError::Revoked { path: run_dir.path(REVOKED) });
    }
    let order = run_dir.order()?;
    // The executor's end must not be this process's end. It fails where this is a session of its own already.
    let _ = rustix::process::setsid();
    let own = rustix::process::getpid();
    let adopts = rustix::process::set_child_subreaper(Some(own)).is_ok();
    let signals = Signals::listen(&SIGNALS)
        .map_err(|error| RunDirError::Refused(format!("listening for signals: {error}; nothing was started")))?;

    let stopwatch = Stopwatch::start();
    let mut spool = Spool::new(run_dir.path(SPOOL));
    if run_dir.leave_wish().is_some() {
        let message = "asked to leave before it began: nothing was started".to_owned();
        let signal = Leaving::new(order.checkpoint.as_ref()).signal();
        end_unstarted(&run_dir, &order, &mut spool, message, Exit::Signal(signal), None);
        return Ok(());
    }
    let open =
        |name: &str| run_dir.output(name).map_err(|source| RunDirError::Write { path: run_dir.path(name), source });
    let (stdout, stderr) = (open(STDOUT)?, open(STDERR)?);
    let mut to_user = open(STDERR)?;
    open(REPORT)?;
    let mut begun = AgentRecord { agent: identity_of(own.as_raw_nonzero().get()), child: None, boot: boot() };
    let record = |begun: &AgentRecord| {
        run_dir.replace(AGENT, begun).map_err(|source| RunDirError::Write { path: run_dir.path(AGENT), source })
    };
    // Before the command starts, so that whatever happens next it is not started again.
    record(&begun)?;

    let environment = command::environment(&order, &run_dir.path(REPORT));
    let meter = command::meter_config(&order, &environment);
    let (held, cap_refused) = match order.power_cap.map(|cap| Held::to(cap, &run_dir, &meter)).transpose() {
        Ok(held) => (held, None),
        Err(why) => (None, Some(why)),
    };
    let streams = Streams { stdin: Stdio::null(), stdout: stdout.into(), stderr: stderr.into() };
    let started = command::start(&order, &environment, streams, true);
    let child = match started {
        Ok(process) => Child::new(&process, true, adopts),
        Err(NotStarted::Impossible { code, message }) => {
            drop(held);
            let _ = writeln!(to_user, "lowtide: {message}");
            let why = Some(message.clone());
            end_unstarted(&run_dir, &order, &mut spool, message, Exit::Code(code), why);
            return Ok(());
        }
        Err(NotStarted::Refused { message }) => {
            run_dir.remove(AGENT).map_err(|source| RunDirError::Write { path: run_dir.path(AGENT), source })?;
            return Err(RunDirError::Refused(message));
        }
    };
    let child = child.expect("a started process has a number above 0");
    begun.child = Some(child.identity());
    if let Err(error) = record(&begun) {
        // The job runs; nobody will find it by this record, but the lock shows that it is looked after.
        log::say(error);
    }
    let mut record = Record::begin(&order, &meter, stopwatch.began(), stopwatch.elapsed());
    if let Some(why) = cap_refused {
        record.power_cap_refused(stopwatch.elapsed(), why);
    }
    let leaving = Leaving::new(order.checkpoint.as_ref());
    let mut agent = Agent { run_dir: &run_dir, stopwatch, child, record, leaving, spool, signals };
    let ended = agent.watch();
    // Before anybody learns that it has ended: the next job of these GPUs finds them as they were.
    drop(held);
    agent.spool.add(&agent.record.take_reports());
    close(&run_dir, &mut agent.spool, &ended);
    Ok(())
}

/// Why the agent woke.
#[derive(Debug, Clone, Copy)]
struct Woken {
    /// The command has ended.
    ended: bool,
    /// Files were written to, or a wish was left.
    changed: Changed<3>,
}

/// A running attempt.
struct Agent<'d> {
    run_dir: &'d RunDir,
    stopwatch: Stopwatch,
    child: Child,
    record: Record,
    leaving: Leaving,
    spool: Spool,
    signals: Signals,
}

impl Agent<'_> {
    /// Looks after the command until it has ended.
    fn watch(&mut self) -> ExitRecord {
        let paths = [STDOUT, STDERR, REPORT].map(|name| self.run_dir.path(name));
        let mut tails = paths.each_ref().map(|path| Tail::new(path));
        let changes = Changes::of(Some(&self.run_dir.path("")), paths.each_ref().map(AsRef::as_ref));
        // Output is looked at from then on.
        let mut rested = Duration::ZERO;
        let mut woken = Woken { ended: false, changed: Changed::ANY };
        loop {
            let now = self.stopwatch.elapsed();
            let Woken { ended, changed } = woken;
            let mut epoch_ended = false;
            if ended || changed.files.contains(&true) {
                self.read(&mut tails, if ended { [true; 3] } else { changed.files });
                epoch_ended = self.record.settle(now);
                rested = now + self.record.pause(now);
            }
            if changed.directory
                && let Some(wish) = self.run_dir.leave_wish()
            {
                self.leaving.wish(wish);
            }
            if now >= self.record.next_tick() || ended {
                self.record.tick(now);
            }
            if ended {
                if self.leaving.was_asked() {
                    self.child.kill_group();
                }
                return self.ended(now);
            }
            if let Some(signal) = self.leaving.due(now, epoch_ended, self.record.any_epoch()) {
                self.child.signal(signal);
            }
            self.spool.add(&self.record.take_reports());
            if let Some(error) = self.spool.write(now) {
                log::say(format_args!("writing reports: {error}; they are kept and tried again, the job goes on"));
            }
            woken = self.wait(&changes, rested);
        }
    }

    /// Waits until there is something to do.
    fn wait(&mut self, changes: &Changes<3>, rested: Duration) -> Woken {
        let now = self.stopwatch.elapsed();
        let rests = now < rested;
        let mut until = self.record.next_tick();
        for deadline in [self.leaving.deadline(), self.spool.deadline()].into_iter().flatten() {
            until = until.min(deadline);
        }
        if rests {
            until = until.min(rested);
        }
        if self.child.end_fd().is_none() || (changes.fd().is_none() && !rests) {
            until = until.min(now + INTERVAL);
        }
        let looked = if rests { None } else { changes.fd() };
        // Rounded up, so that a deadline has passed when it wakes.
        let timeout = until.saturating_sub(now) + Duration::from_micros(50);
        let [ended, interrupted, changed] =
            until_readable([self.child.end_fd(), Some(self.signals.fd()), looked], timeout);
        if interrupted && self.signals.take().iter().any(|signal| matches!(*signal, SIGTERM | SIGINT)) {
            self.leaving.wish(LeaveWish::Now);
        }
        let ended = ended || (self.child.end_fd().is_none() && self.child.has_ended());
        let nothing = Changed { directory: false, files: [false; 3] };
        let changed = if changed || (changes.fd().is_none() && !rests) { changes.take() } else { nothing };
        Woken { ended, changed }
    }

    fn read(&mut self, tails: &mut [Tail; 3], changed: [bool; 3]) {
        let streams = [Stream::Stdout, Stream::Stderr, Stream::Report];
        for ((tail, stream), _) in tails.iter_mut().zip(streams).zip(changed).filter(|(_, changed)| *changed) {
            tail.read(|piece| match piece {
                Some(piece) => self.record.output(stream, piece),
                None => self.record.skipped(stream),
            });
        }
    }

    fn ended(&mut self, now: Duration) -> ExitRecord {
        let asked_to_leave = self.leaving.was_asked();
        // It has ended, so this does not wait; and nobody else waits for it.
        let exit = self.child.wait().unwrap_or_else(|| {
            log::say("the command has ended, but the system does not say how: taken for a failure");
            Exit::Code(1)
        });
        let (at, energy) = self.record.exited(now, exit, asked_to_leave);
        ExitRecord { at, exit, energy, asked_to_leave, not_started: None }
    }
}

fn identity_of(pid: i32) -> ProcessIdentity {
    ProcessIdentity { pid, start_ticks: Stat::of(pid).map_or(0, |stat| stat.start_ticks) }
}

/// Ends an attempt whose command was not started.
fn end_unstarted(
    run_dir: &RunDir,
    order: &StartOrder,
    spool: &mut Spool,
    message: String,
    exit: Exit,
    not_started: Option<String>,
) {
    let at = order.time.at(Timestamp::now());
    let asked_to_leave = not_started.is_none();
    spool.add(&[
        AttemptReport::Warning { at, message },
        AttemptReport::Exited { at, exit, energy: Joules::ZERO, asked_to_leave },
    ]);
    close(run_dir, spool, &ExitRecord { at, exit, energy: Joules::ZERO, asked_to_leave, not_started });
}

/// Leaves the last reports and the exit record on disk, however long the disk takes. Only a directory that was removed
/// is given up.
fn close(run_dir: &RunDir, spool: &mut Spool, ended: &ExitRecord) {
    let mut pause = FIRST_RETRY;
    while let Err(error) = spool.close().and_then(|()| run_dir.replace(EXIT, ended)) {
        if !run_dir.has("") {
            log::say(format_args!("the run directory is gone ({error}): the exit is recorded nowhere"));
            return;
        }
        if pause == FIRST_RETRY {
            log::say(format_args!("recording the exit: {error}; it is tried again until it succeeds"));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LAST_RETRY);
    }
}
