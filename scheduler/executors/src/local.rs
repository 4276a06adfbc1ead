//! This machine: one agent process per attempt, which outlives this one.
//!
//! All that is known of an attempt is in its run directory (`lowtide_model::rundir`), so an executor that is made anew
//! on the same directory knows all attempts of the one before. Whether an agent lives is told by its lock on the
//! directory, never by a process number alone: those come round again.
//!
//! An agent that was killed takes nothing with it but the account: the command runs on, is found alive, and can be
//! asked to leave: who follows it sends the signals, at once, as nobody sees its epochs any more. When it ends, its
//! exit code is known to nobody, and it is reported gone.

mod follow;
mod process;
mod run_dir;

use std::fs::{self, DirBuilder};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lowtide_model::event::ProbeFinding;
use lowtide_model::identity::AttemptKey;
use lowtide_model::job::StartOrder;
use lowtide_model::rundir::{STDERR, STDOUT};
use tokio::sync::mpsc;

use crate::executor::{BoxFuture, Executor, ExecutorError, Leave, Notice, StartError, Stream};
use run_dir::{Begun, RunDir};

/// How long a start waits for the agent to say that the command runs. A machine under load needs seconds to load a
/// program; an agent that is later than that still starts the command, once.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks, at first and at last.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(20);
/// The most output handed over at once, in bytes.
const MOST_OUTPUT: u64 = 16 << 20;

/// Runs attempts on this machine.
#[derive(Debug, Clone)]
pub struct LocalExecutor {
    attempts: PathBuf,
    program: PathBuf,
    arguments: Vec<String>,
    /// Agents started here, to be waited for when they have ended: else they stay zombies.
    agents: Arc<Mutex<Vec<Child>>>,
}

impl LocalExecutor {
    /// Keeps run directories in `attempts`, which is made if it is not there (mode 0700), and starts agents by
    /// `program arguments… RUN_DIR`.
    #[expect(clippy::needless_pass_by_value, reason = "an owned path, as the program's: both are kept")]
    pub fn new(attempts: PathBuf, program: PathBuf, arguments: Vec<String>) -> Result<Self, ExecutorError> {
        let failed = |source| ExecutorError::File { doing: "making", path: attempts.clone(), source };
        let attempts = std::path::absolute(&attempts).map_err(failed)?;
        make_directory(&attempts).map_err(failed)?;
        Ok(Self { attempts, program, arguments, agents: Arc::default() })
    }

    /// Where the files of an attempt are, whether it was started or not.
    #[must_use]
    pub fn run_dir(&self, key: AttemptKey) -> PathBuf {
        self.attempts.join(key.to_string())
    }

    fn begin(&self, order: &StartOrder) -> Result<(), StartError> {
        self.reap();
        let path = self.run_dir(order.key);
        let run_dir = RunDir::new(&path);
        if let Some(begun) = begun(&run_dir)? {
            return begun;
        }
        run_dir.write_order(order).map_err(|error| refused(&error))?;
        let log = run_dir.log().map_err(|error| refused(&error))?;
        let spawned = Command::new(&self.program)
            .args(&self.arguments)
            .arg(&path)
            .current_dir(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let mut agent = spawned.map_err(|error| StartError::Refused {
            message: format!("starting the agent {}: {error}; the job was not started", self.program.display()),
        })?;
        let outcome = await_agent(&run_dir, &mut agent);
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).push(agent);
        outcome
    }

    /// Has the power limits put back that a killed agent left behind, before anything else is started on its GPUs.
    fn put_back_limits(&self, run_dir: &RunDir) {
        let path = run_dir.path();
        let log = run_dir.log().map_or_else(|_| Stdio::null(), Stdio::from);
        let mut agent = Command::new(&self.program);
        agent.args(&self.arguments).arg("--put-back").arg(path).current_dir(path);
        // It waits for the driver for some seconds at most.
        if let Err(error) = agent.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).status() {
            tracing::warn!(directory = %path.display(), "power limits of GPUs are not put back: {error}");
        }
    }

    /// Waits for agents that have ended.
    fn reap(&self) {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        agents.retain_mut(|agent| matches!(agent.try_wait(), Ok(None)));
    }

    /// Does what may wait for a disk where it keeps nobody else waiting.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, ExecutorError>> {
        let executor = self.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || work(&executor)).await.map_err(|_| ExecutorError::Stopped)
        })
    }
}

impl Executor for LocalExecutor {
    fn start<'a>(&'a self, order: &'a StartOrder) -> BoxFuture<'a, Result<(), StartError>> {
        let order = order.clone();
        let started = self.blocking(move |executor| executor.begin(&order));
        Box::pin(async move { started.await.unwrap_or_else(|error| Err(refused(&error))) })
    }

    fn ask_to_leave(&self, key: AttemptKey, leave: Leave) -> BoxFuture<'_, Result<(), ExecutorError>> {
        let wished = self.blocking(move |executor| RunDir::new(&executor.run_dir(key)).wish(leave.into()));
        Box::pin(async move { wished.await? })
    }

    fn probe(&self, key: AttemptKey) -> BoxFuture<'_, Result<ProbeFinding, ExecutorError>> {
        let found = self.blocking(move |executor| {
            executor.reap();
            let run_dir = RunDir::new(&executor.run_dir(key));
            let finding = run_dir.probe()?;
            if finding == ProbeFinding::Gone && run_dir.has_power_limits() {
                executor.put_back_limits(&run_dir);
            }
            Ok(finding)
        });
        Box::pin(async move { found.await? })
    }

    fn follow(
        &self,
        key: AttemptKey,
        from: u64,
        notices: mpsc::Sender<Notice>,
    ) -> BoxFuture<'_, Result<(), ExecutorError>> {
        Box::pin(follow::follow(self, key, from, notices))
    }

    fn output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        limit: u64,
    ) -> BoxFuture<'_, Result<Vec<u8>, ExecutorError>> {
        let read = self.blocking(move |executor| {
            let path = executor.run_dir(key).join(name(stream));
            let read = fs::File::open(&path).and_then(|mut file| {
                file.seek(SeekFrom::Start(offset))?;
                let mut bytes = Vec::new();
                file.take(limit.min(MOST_OUTPUT)).read_to_end(&mut bytes)?;
                Ok(bytes)
            });
            run_dir::unless_absent(read, "reading", &path).map(Option::unwrap_or_default)
        });
        Box::pin(async move { read.await? })
    }

    fn output_length(&self, key: AttemptKey, stream: Stream) -> BoxFuture<'_, Result<u64, ExecutorError>> {
        let length = self.blocking(move |executor| {
            let path = executor.run_dir(key).join(name(stream));
            let length = fs::metadata(&path).map(|metadata| metadata.len());
            run_dir::unless_absent(length, "reading", &path).map(Option::unwrap_or_default)
        });
        Box::pin(async move { length.await? })
    }
}

const fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => STDOUT,
        Stream::Stderr => STDERR,
    }
}

fn make_directory(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn refused(error: &ExecutorError) -> StartError {
    StartError::Refused { message: format!("{error}; the job was not started") }
}

/// What came of the start of this directory's attempt, if its command was started or cannot be.
fn begun(run_dir: &RunDir) -> Result<Option<Result<(), StartError>>, StartError> {
    Ok(match run_dir.begun().map_err(|error| refused(&error))? {
        Begun::Not | Begun::Starting => None,
        Begun::Runs => Some(Ok(())),
        Begun::Ended(record) => match record.not_started {
            Some(message) => Some(Err(StartError::Impossible { message })),
            None => Some(Ok(())),
        },
    })
}

/// Waits until the agent has started the command, or will not.
fn await_agent(run_dir: &RunDir, agent: &mut Child) -> Result<(), StartError> {
    let since = Instant::now();
    let mut pause = FIRST_LOOK;
    loop {
        // In this order: what an agent did, it did before it ended.
        let ended = agent.try_wait().ok().flatten().is_some();
        if let Some(begun) = begun(run_dir)? {
            return begun;
        }
        if ended && !run_dir.is_locked().map_err(|error| refused(&error))? {
            return match run_dir.begun().map_err(|error| refused(&error))? {
                Begun::Not => Err(StartError::Refused { message: run_dir.last_words() }),
                // Killed in the middle of the start: a probe tells what became of it.
                Begun::Starting | Begun::Runs | Begun::Ended(_) => Ok(()),
            };
        }
        if since.elapsed() > START_PATIENCE {
            tracing::warn!(directory = %run_dir.path().display(), "the agent takes long to start; following it all the same");
            return Ok(());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LAST_LOOK);
    }
}
