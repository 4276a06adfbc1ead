//! The command line of a training job.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// An epoch longer than a day is a slip of the finger.
const LONGEST_EPOCH_SECONDS: f64 = 86_400.0;

const USAGE: &str = "usage: --epochs N [--epoch-seconds S] [--checkpoint FILE] [--resume]";

/// What a training job is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arguments {
    pub(super) epochs: u32,
    pub(super) epoch_length: Duration,
    pub(super) checkpoint: Option<PathBuf>,
    pub(super) resume: bool,
}

/// Reads the arguments; `resume` is whether the environment asks to go on from a checkpoint.
pub(super) fn parse(mut arguments: impl Iterator<Item = String>, resume: bool) -> Result<Arguments, String> {
    let mut parsed = Arguments { epochs: 0, epoch_length: Duration::from_secs(1), checkpoint: None, resume };
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--epochs" => parsed.epochs = number(&flag, arguments.next())?,
            "--epoch-seconds" => {
                let seconds: f64 = number(&flag, arguments.next())?;
                if !(0.0..=LONGEST_EPOCH_SECONDS).contains(&seconds) {
                    return Err(format!("{flag} {seconds} is not between 0 and {LONGEST_EPOCH_SECONDS}"));
                }
                parsed.epoch_length = Duration::from_secs_f64(seconds);
            }
            "--checkpoint" => {
                let file = arguments.next().ok_or_else(|| format!("{flag} needs a file; {USAGE}"))?;
                parsed.checkpoint = Some(PathBuf::from(file));
            }
            "--resume" => parsed.resume = true,
            other => return Err(format!("`{other}` is not known; {USAGE}")),
        }
    }
    if parsed.epochs == 0 {
        return Err(format!("--epochs is at least 1; {USAGE}"));
    }
    Ok(parsed)
}

fn number<T: FromStr>(flag: &str, value: Option<String>) -> Result<T, String> {
    let value = value.ok_or_else(|| format!("{flag} needs a number; {USAGE}"))?;
    value.parse().map_err(|_| format!("{flag} {value} is not a number; {USAGE}"))
}
