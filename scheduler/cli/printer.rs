//! The only place that writes to the terminal: data to stdout, talk to stderr.
//!
//! Colour is used on a terminal only, and not where `NO_COLOR` is set. Whoever closes our output (`| head`) ends the
//! verb quietly; a full disk behind it is an error like any other.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::failure::{Failure, Kind};

/// Columns where no terminal says how many it has.
const WIDTH_WITHOUT_TERMINAL: usize = 100;
/// Lines longer than this are hard to read, however wide the terminal.
const WIDEST: usize = 120;
/// Tables break below this; a terminal this narrow wraps them itself.
const NARROWEST: usize = 40;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Hands out what a verb writes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    color: ColorWhen,
    quiet: bool,
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

impl Printer {
    /// A printer; a quiet one says on stderr only what went wrong.
    #[must_use]
    pub(crate) const fn new(color: ColorWhen, quiet: bool) -> Self {
        Self { color, quiet }
    }

    /// Whether the user wants only what scripts need.
    #[must_use]
    pub(crate) const fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Whether stderr is a terminal that may show something moving.
    #[must_use]
    pub(crate) fn may_animate(self) -> bool {
        !self.quiet && stderr().is_terminal()
    }

    /// Whether text for stdout may carry colour.
    #[must_use]
    pub(crate) fn colors_stdout(self) -> bool {
        !matches!(AutoStream::choice(&stdout()), ColorChoice::Never) && self.color == ColorWhen::Auto
            || self.color == ColorWhen::Always
    }

    /// How many columns a line on stdout may have.
    #[must_use]
    #[expect(clippy::unused_self, reason = "whoever prints asks the printer, and may one day be told a width")]
    pub(crate) fn width(self) -> usize {
        terminal_size::terminal_size_of(stdout())
            .map_or(WIDTH_WITHOUT_TERMINAL, |(terminal_size::Width(columns), _)| usize::from(columns))
            .clamp(NARROWEST, WIDEST)
    }

    /// Data, with a line end of its own where it has none.
    pub(crate) fn data(self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        let mut out = AutoStream::new(stdout().lock(), self.choice(&stdout()));
        let end = if text.ends_with('\n') { "" } else { "\n" };
        written(write!(out, "{text}{end}").and_then(|()| out.flush()))
    }

    /// Data for programs: one value, indented, so that people can read it too.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::new(Kind::Internal, format!("the answer cannot be written as JSON: {error}")))?;
        self.data(&text)
    }

    /// The same where it is written already. No escape sequence can stand in JSON, so that none has to be looked for.
    #[expect(clippy::unused_self, reason = "whoever prints asks the printer")]
    pub(crate) fn written_json(self, text: &[u8]) -> Result<(), Failure> {
        let mut out = stdout().lock();
        written(out.write_all(text).and_then(|()| out.flush()))
    }

    /// A job's own standard output, byte for byte.
    #[expect(clippy::unused_self, reason = "whoever prints asks the printer")]
    pub(crate) fn job_stdout(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = stdout().lock();
        written(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// A job's own standard error, byte for byte.
    #[expect(clippy::unused_self, reason = "whoever prints asks the printer")]
    pub(crate) fn job_stderr(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = stderr().lock();
        written(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Talk: what happens, for people. Not for the quiet.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// What the user should know although it stops nothing.
    pub(crate) fn warning(self, text: &str) {
        self.say(&format!("{WARNING}warning:{WARNING:#} {text}"));
    }

    /// What to do next, after a blank line.
    pub(crate) fn hint(self, text: &str) {
        if !self.quiet {
            self.say(&format!("\n{HINT}hint:{HINT:#} {text}"));
        }
    }

    /// Why the verb ends.
    pub(crate) fn failure(self, failure: &Failure, json: bool) {
        if failure.kind() == Kind::OutputClosed {
            return;
        }
        if json {
            self.say(&failure.to_json().to_string());
            return;
        }
        let mut text = format!("{ERROR}error:{ERROR:#} {}", failure.message());
        if let Some(hint) = failure.hint_text() {
            let _ = write!(text, "\n\n{HINT}hint:{HINT:#} {hint}");
        }
        self.say(&text);
    }

    /// A line that moves on stderr while something is waited for; nothing where stderr is no terminal.
    #[must_use]
    pub(crate) fn progress(self) -> ProgressBar {
        if !self.may_animate() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style =
            ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// What cannot be written to stderr cannot be told to anybody: such an error is dropped.
    fn say(self, text: &str) {
        let mut out = AutoStream::new(stderr().lock(), self.choice(&stderr()));
        let _ = writeln!(out, "{text}");
    }

    fn choice(self, stream: &impl anstream::stream::RawStream) -> ColorChoice {
        match self.color {
            ColorWhen::Auto => AutoStream::choice(stream),
            ColorWhen::Always => ColorChoice::Always,
            ColorWhen::Never => ColorChoice::Never,
        }
    }
}

fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Kind::OutputClosed, "the output was closed"))
        }
        Err(error) => Err(Failure::io("the output cannot be written", &error)),
    }
}
