//! A command measured in the foreground: no run directory, no daemon. Its output passes through to the terminal while
//! its epochs are recognised.
//!
//! The command keeps this process's standard input. With a terminal there it also stays in this process's group, so
//! that it may read from the terminal and the terminal's own signals reach it; otherwise it has a group of its own, and
//! interrupts are handed on.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::time::Duration;

use lowtide_model::event::AttemptReport;
use lowtide_model::job::{Exit, StartOrder};
use lowtide_model::quantity::Joules;
use rustix::fs::OFlags;

use crate::child::Child;
use crate::clock::Stopwatch;
use crate::command::{self, NotStarted, Streams};
use crate::record::{Record, Stream};
use crate::rundir::Tail;
use crate::wait::{Changes, Signals, until_readable};

/// How often the end of the command is looked for where the kernel cannot tell it, and reports where it grants no watch.
const INTERVAL: Duration = Duration::from_millis(200);

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;

/// The terminal of this process, whatever its standard streams are.
const TERMINAL: &str = "/dev/tty";

/// How long a command that is ended has for it, before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// What happens to a measured command.
#[derive(Debug, Clone, Copy)]
pub enum Happening<'a> {
    /// As an agent reports it: `Started` first, `Exited` last.
    Report(&'a AttemptReport),
    /// The meter was read: what the command has used so far.
    Metered(Joules),
    /// The question was answered.
    Answered(bool),
}

/// What is to become of the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It runs on.
    GoOn,
    /// It is asked to end (TERM), and after 10 s made to.
    End,
    /// It is stopped until the question is answered on the terminal: `y` lets it run on, anything else ends it.
    Ask(String),
}

/// A command that was not measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// It was not started.
    #[error("{message}")]
    NotStarted {
        /// What a shell would exit with: 127 not found, 126 not executable.
        code: i32,
        /// For people.
        message: String,
    },
    /// Something is missing to watch it by; it was not started.
    #[error("{doing}: {source}; the command was not started")]
    Setup {
        /// What was tried.
        doing: &'static str,
        /// What came of it.
        source: io::Error,
    },
}

/// Runs the order's command to its end and calls `judge` with what happens, in order; it may end the command or have the
/// user asked. Its output is passed on to this process's standard output and error as it comes. Interrupts end the
/// command, not this function. Returns how the command ended.
///
/// To be called once at a time in a process: it takes over the handling of interrupts.
pub fn measure(order: &StartOrder, mut judge: impl FnMut(Happening<'_>) -> Verdict) -> Result<Exit, MeasureError> {
    let setup = |doing: &'static str| move |source: io::Error| MeasureError::Setup { doing, source };
    let report =
        tempfile::NamedTempFile::with_prefix("lowtide-report-").map_err(setup("making a file for $LOWTIDE_REPORT"))?;
    let signals = Signals::listen(&[SIGHUP, SIGINT, SIGTERM, SIGCHLD]).map_err(setup("listening for interrupts"))?;
    let mut pipes = Vec::new();
    let mut ends = Vec::new();
    for stream in [Stream::Stdout, Stream::Stderr] {
        let (reader, writer) = io::pipe().map_err(setup("making a pipe"))?;
        let reader = OwnedFd::from(reader);
        rustix::fs::fcntl_setfl(&reader, OFlags::NONBLOCK).map_err(|error| setup("making a pipe")(error.into()))?;
        pipes.push(Pipe { reader: Some(reader), stream, passes_on: true });
        ends.push(Stdio::from(writer));
    }
    let shares_terminal = io::stdin().is_terminal();
    let environment = command::environment(order, report.path());
    let (stderr, stdout) = (ends.pop().expect("two pipes"), ends.pop().expect("two pipes"));
    let streams = Streams { stdin: Stdio::inherit(), stdout, stderr };
    // Daemons that the command leaves behind fall to this process: what they use is the command's.
    let adopts = rustix::process::set_child_subreaper(Some(rustix::process::getpid())).is_ok();
    let stopwatch = Stopwatch::start();
    let process = command::start(order, &environment, streams, !shares_terminal).map_err(|refusal| match refusal {
        NotStarted::Impossible { code, message } => MeasureError::NotStarted { code, message },
        NotStarted::Refused { message } => MeasureError::NotStarted { code: 126, message },
    })?;
    let child = Child::new(&process, !shares_terminal, adopts).expect("a started process has a number above 0");
    let meter = command::meter_config(order, &environment);
    let mut record = Record::begin(order, &meter, stopwatch.began(), stopwatch.elapsed());
    let mut tail = Tail::new(report.path());
    let changes = Changes::of(None, [report.path()]);
    let mut control = Control::default();

    loop {
        let ended = child.has_ended();
        for pipe in &mut pipes {
            pipe.pass_on(&mut record);
        }
        changes.take();
        tail.read(|piece| match piece {
            Some(piece) => record.output(Stream::Report, piece),
            None => record.skipped(Stream::Report),
        });
        let now = stopwatch.elapsed();
        record.settle(now);
        let ticks = ended || now >= record.next_tick();
        if ticks {
            record.tick(now);
        }
        if ended {
            let exit = child.wait().unwrap_or(Exit::Code(1));
            record.exited(now, exit, false);
            for report in record.take_reports() {
                judge(Happening::Report(&report));
            }
            return Ok(exit);
        }
        for report in record.take_reports() {
            control.obey(judge(Happening::Report(&report)), now, &child);
        }
        if ticks {
            control.obey(judge(Happening::Metered(record.energy())), now, &child);
        }
        if let Some(answer) = control.answer() {
            // The wait is nobody's epoch.
            record.restarted(now);
            let verdict = judge(Happening::Answered(answer));
            if answer {
                child.thaw();
            }
            control.obey(verdict, now, &child);
        }
        control.insist(now, &child);

        let [out, err] = &pipes[..] else { unreachable!("two pipes were made") };
        let mut timeout = record.next_tick().min(control.deadline()).saturating_sub(now);
        if child.end_fd().is_none() || changes.fd().is_none() {
            timeout = timeout.min(INTERVAL);
        }
        until_readable(
            [child.end_fd(), Some(signals.fd()), out.fd(), err.fd(), changes.fd(), control.terminal()],
            timeout,
        );
        for signal in signals.take() {
            // The terminal has sent its interrupt to the command as well.
            if signal == SIGTERM || signal == SIGHUP || (signal == SIGINT && !shares_terminal) {
                child.signal(signal);
            }
        }
    }
}

/// What was decided of the command.
#[derive(Debug, Default)]
struct Control {
    /// The terminal on which a question waits for its answer.
    asking: Option<File>,
    /// When the command was asked to end.
    ending: Option<Duration>,
}

impl Control {
    fn obey(&mut self, verdict: Verdict, now: Duration, child: &Child) {
        match verdict {
            Verdict::GoOn => {}
            Verdict::End => self.end(now, child),
            Verdict::Ask(question) if self.asking.is_none() && self.ending.is_none() => {
                // Without a terminal there is nobody to ask; the caller has made sure that there is one.
                let terminal = File::options().read(true).write(true).open(TERMINAL);
                let asked = terminal.and_then(|mut terminal| {
                    child.freeze();
                    write!(terminal, "{question} [y/N] ").map(|()| terminal)
                });
                match asked {
                    Ok(terminal) => self.asking = Some(terminal),
                    Err(_) => child.thaw(),
                }
            }
            Verdict::Ask(_) => {}
        }
    }

    fn end(&mut self, now: Duration, child: &Child) {
        if self.ending.is_none() {
            self.ending = Some(now);
            child.terminate();
        }
    }

    /// Makes a command end that was asked to long enough ago.
    fn insist(&mut self, now: Duration, child: &Child) {
        if self.deadline() <= now {
            child.kill();
            self.ending = Some(now);
        }
    }

    fn deadline(&self) -> Duration {
        self.ending.map_or(Duration::MAX, |since| since + GRACE)
    }

    fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.asking.as_ref().map(AsFd::as_fd)
    }

    /// What was answered, if anything was. A terminal that is gone says no.
    fn answer(&mut self) -> Option<bool> {
        let [readable] = until_readable([self.terminal()], Duration::ZERO);
        if !readable {
            return None;
        }
        let mut answer = [0; 256];
        let read = self.asking.take()?.read(&mut answer).unwrap_or(0);
        let said = String::from_utf8_lossy(&answer[..read]).trim().to_ascii_lowercase();
        Some(matches!(said.as_str(), "y" | "yes"))
    }
}

/// A stream of the command on its way to the user.
#[derive(Debug)]
struct Pipe {
    reader: Option<OwnedFd>,
    stream: Stream,
    passes_on: bool,
}

impl Pipe {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.reader.as_ref().map(AsFd::as_fd)
    }

    /// Passes on what there is.
    fn pass_on(&mut self, record: &mut Record) {
        /// Pieces at a time: the other stream and the command's end get their turn.
        const PIECES: usize = 16;
        let mut buffer = [0; 16 << 10];
        for _ in 0..PIECES {
            let Some(reader) = &self.reader else { return };
            match rustix::io::read(reader, &mut buffer) {
                Ok(0) => self.reader = None,
                Ok(count) => {
                    let piece = &buffer[..count];
                    // Nobody reads it any more: the command goes on, and is measured to its end.
                    self.passes_on = self.passes_on && show(self.stream, piece).is_ok();
                    record.output(self.stream, piece);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.reader = None,
            }
        }
    }
}

fn show(stream: Stream, piece: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Stderr => io::stderr().write_all(piece),
        Stream::Stdout | Stream::Report => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(piece)?;
            stdout.flush()
        }
    }
}
