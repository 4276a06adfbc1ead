//! The agent's log: standard error, which its executor has put into the run directory. A line each, the time first.

use std::fmt::Display;
use std::io::Write;

use jiff::Timestamp;

/// Writes a line. A log that cannot be written is no reason to do anything.
pub(crate) fn say(message: impl Display) {
    let line = format!("{} {message}\n", Timestamp::now());
    let _ = std::io::stderr().write_all(line.as_bytes());
}
