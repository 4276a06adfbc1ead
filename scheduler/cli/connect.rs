//! Asking the daemon, and starting one where none runs.
//!
//! Whoever starts a daemon holds a lock on a file beside its database while doing so, so that ten commands at once
//! start one daemon. That a second one cannot use the same state is the daemon's own care.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lowtide_api::client::{Client, ClientError};
use lowtide_api::place::StateDirectory;

use crate::context::Context;
use crate::failure::{Failure, Kind};

/// How long a daemon may take to answer after its start. It opens its database and reads local forecasts before.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at a daemon that starts: short at first, because a start takes some tens of milliseconds.
const FIRST_LOOK: Duration = Duration::from_millis(3);
const LONGEST_LOOK: Duration = Duration::from_millis(20);
/// Lines of the log shown where a daemon ended without a word.
const LAST_WORDS: usize = 6;

/// How a daemon is to be started.
#[derive(Debug, Clone, Default)]
pub(crate) struct StartOptions {
    /// Virtual seconds in a real one.
    pub(crate) time_scale: Option<f64>,
    /// The virtual time to begin at.
    pub(crate) virtual_start: Option<jiff::Timestamp>,
}

impl Context {
    /// Asks the daemon; where none answers, that is the answer.
    pub(crate) async fn ask<T>(&self, question: impl AsyncFn(&Client) -> Result<T, ClientError>) -> Result<T, Failure> {
        question(&self.client()).await.map_err(Failure::from)
    }

    /// Asks the daemon; starts one where none answers, and asks again. The question may be asked twice.
    pub(crate) async fn ask_or_start<T>(
        &self,
        question: impl AsyncFn(&Client) -> Result<T, ClientError>,
    ) -> Result<T, Failure> {
        let client = self.client();
        let answer = match question(&client).await {
            Err(ClientError::Unreachable { .. }) => {
                start(&self.state, self.config.as_deref(), &StartOptions::default()).await?;
                return question(&client).await.map_err(Failure::from);
            }
            other => other.map_err(Failure::from),
        };
        self.compare_configurations(&client).await;
        answer
    }

    /// Asks the daemon about a job. One is started only where the state may hold jobs: where there never was a daemon
    /// there is nothing to ask about.
    pub(crate) async fn ask_about_job<T>(
        &self,
        question: impl AsyncFn(&Client) -> Result<T, ClientError>,
    ) -> Result<T, Failure> {
        if self.state.database().exists() { self.ask_or_start(question).await } else { self.ask(question).await }
    }

    /// A configuration that was named but is not the running daemon's has no effect: that must be said.
    async fn compare_configurations(&self, client: &Client) {
        let Some(named) = self.config.as_ref().filter(|_| self.config_is_named) else { return };
        let Ok(status) = client.status().await else { return };
        if status.config.as_deref() != Some(named.display().to_string().as_str()) {
            let runs_with = status.config.map_or_else(|| "none".to_owned(), |config| format!("`{config}`"));
            self.printer.warning(&format!(
                "the daemon already runs, with another configuration ({runs_with}): `{}` has no effect until `lowtide daemon stop`",
                named.display()
            ));
        }
    }
}

/// Starts a daemon of its own session and waits until it answers. Whether one was started: another may have been quicker.
pub(crate) async fn start(
    state: &StateDirectory,
    config: Option<&Path>,
    options: &StartOptions,
) -> Result<bool, Failure> {
    let client = Client::new(&state.socket(rustix::process::getuid().as_raw()));
    let _lock = starting_alone(state)?;
    if client.status().await.is_ok() {
        return Ok(false);
    }
    let mut log = open_log(state)?;
    let log_begin = log.seek(SeekFrom::End(0)).map_err(|error| Failure::io(log_name(state), &error))?;
    let mut daemon = spawn(state, config, options, &log)?;
    let begun = Instant::now();
    let mut pause = FIRST_LOOK;
    while begun.elapsed() < PATIENCE {
        if client.status().await.is_ok() {
            return Ok(true);
        }
        match daemon.try_wait() {
            Ok(None) => {}
            Ok(Some(_)) if client.status().await.is_ok() => return Ok(false),
            Ok(Some(_)) => return Err(not_started(state, &mut log, log_begin)),
            Err(error) => return Err(Failure::io("the daemon that was started cannot be watched", &error)),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_LOOK);
    }
    let message = format!("the daemon was started but did not answer within {} s", PATIENCE.as_secs());
    Err(Failure::new(Kind::Unreachable, message).hint(format!("its log is {}", state.log().display())))
}

/// The lock of those who start a daemon; freed when it is dropped.
fn starting_alone(state: &StateDirectory) -> Result<File, Failure> {
    let refused = |error: &std::io::Error| {
        Failure::io(format!("the state directory {} cannot be used", state.path().display()), error)
            .hint("name another with `--state-dir` or LOWTIDE_STATE_DIR")
            .unreachable()
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state.path()).map_err(|error| refused(&error))?;
    let path = state.path().join("starting.lock");
    let file = File::options().create(true).append(true).mode(0o600).open(path).map_err(|error| refused(&error))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).map_err(|error| refused(&error.into()))?;
    Ok(file)
}

fn open_log(state: &StateDirectory) -> Result<File, Failure> {
    File::options()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(state.log())
        .map_err(|error| Failure::io(log_name(state), &error).unreachable())
}

fn log_name(state: &StateDirectory) -> String {
    format!("the daemon's log {} cannot be written", state.log().display())
}

/// `lowtide daemon start --foreground` in a session of its own, so that no terminal's end is its end. All it says goes
/// to its log.
fn spawn(state: &StateDirectory, config: Option<&Path>, options: &StartOptions, log: &File) -> Result<Child, Failure> {
    let failed = |error: &std::io::Error| Failure::io("the daemon cannot be started", error).unreachable();
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut command = Command::new(program);
    command.arg("--color=never").arg("--state-dir").arg(state.path());
    // The child must not read a named file from the environment where we were told of another.
    command.env_remove("LOWTIDE_CONFIG").env_remove("LOWTIDE_STATE_DIR");
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    command.args(["daemon", "start", "--foreground", "--own-session"]);
    if let Some(scale) = options.time_scale {
        command.arg(format!("--time-scale={scale}"));
    }
    if let Some(at) = options.virtual_start {
        command.arg(format!("--virtual-start={at}"));
    }
    let log = log.try_clone().map_err(|error| failed(&error))?;
    // The directory of whoever happened to start it must stay removable.
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().map_err(|error| failed(&error))
}

/// Why a daemon ended as soon as it was started: in its own words, from its log.
fn not_started(state: &StateDirectory, log: &mut File, begin: u64) -> Failure {
    let mut said = Vec::new();
    let read = log.seek(SeekFrom::Start(begin)).and_then(|_| log.read_to_end(&mut said));
    let said = if read.is_ok() { String::from_utf8_lossy(&said).into_owned() } else { String::new() };
    let (why, hint) = last_words(&said);
    Failure::new(Kind::Unreachable, format!("the daemon could not start: {why}"))
        .hint(hint.unwrap_or_else(|| format!("its log is {}", state.log().display())))
}

/// Error and hint as `printer.rs` wrote them; where there are none, the last lines.
fn last_words(said: &str) -> (String, Option<String>) {
    let marked = said.rfind("error: ").filter(|at| *at == 0 || said[..*at].ends_with('\n'));
    if let Some(at) = marked {
        let error = said[at + "error: ".len()..].trim_end();
        return match error.split_once("\n\nhint: ") {
            Some((error, hint)) => (error.trim_end().to_owned(), Some(hint.to_owned())),
            None => (error.to_owned(), None),
        };
    }
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
    let why = if last.is_empty() { "it ended without a word".to_owned() } else { last.join("\n") };
    (why, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_found_among_the_lines_of_a_log() {
        let log = "INFO opening\nerror: the configuration x cannot be read: no such file\n\nhint: write it\n";
        assert_eq!(
            last_words(log),
            ("the configuration x cannot be read: no such file".to_owned(), Some("write it".to_owned()))
        );
        assert_eq!(last_words("thread 'main' panicked\n"), ("thread 'main' panicked".to_owned(), None));
        assert_eq!(last_words("").0, "it ended without a word");
    }
}
