//! A command measured in the foreground: no run directory, no daemon. Its output passes through to the terminal while
//! its epochs are recognised.
//!
//! The command keeps this process's standard input. With a terminal there it also stays in this process's group, so
//! that it may read from the terminal and the terminal's own signals reach it; otherwise it has a group of its own, and
//! interrupts are handed on.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::time::Duration;

use lowtide_model::event::AttemptReport;
use lowtide_model::job::{Exit, StartOrder};
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

/// Runs the order's command to its end and calls `on_report` with what happens, in order: `Started` first, `Exited`
/// last. Its output is passed on to this process's standard output and error as it comes. Interrupts end the command,
/// not this function. Returns how the command ended.
///
/// To be called once at a time in a process: it takes over the handling of interrupts.
pub fn measure(order: &StartOrder, mut on_report: impl FnMut(&AttemptReport)) -> Result<Exit, MeasureError> {
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
    let stopwatch = Stopwatch::start();
    let process = command::start(order, &environment, streams, !shares_terminal).map_err(|refusal| match refusal {
        NotStarted::Impossible { code, message } => MeasureError::NotStarted { code, message },
        NotStarted::Refused { message } => MeasureError::NotStarted { code: 126, message },
    })?;
    let child = Child::new(&process, !shares_terminal, false).expect("a started process has a number above 0");
    let meter = command::meter_config(order, &environment);
    let mut record = Record::begin(order, &meter, stopwatch.began(), stopwatch.elapsed());
    let mut tail = Tail::new(report.path());
    let changes = Changes::of(None, [report.path()]);

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
        if ended || now >= record.next_tick() {
            record.tick(now);
        }
        if ended {
            let exit = child.wait().unwrap_or(Exit::Code(1));
            record.exited(now, exit, false);
            record.take_reports().iter().for_each(on_report);
            return Ok(exit);
        }
        record.take_reports().iter().for_each(&mut on_report);

        let [out, err] = &pipes[..] else { unreachable!("two pipes were made") };
        let mut timeout = record.next_tick().saturating_sub(now);
        if child.end_fd().is_none() || changes.fd().is_none() {
            timeout = timeout.min(INTERVAL);
        }
        until_readable([child.end_fd(), Some(signals.fd()), out.fd(), err.fd(), changes.fd()], timeout);
        for signal in signals.take() {
            // The terminal has sent its interrupt to the command as well.
            if signal == SIGTERM || signal == SIGHUP || (signal == SIGINT && !shares_terminal) {
                child.signal(signal);
            }
        }
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
    fn fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
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
