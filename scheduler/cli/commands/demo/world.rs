//! The demo's own world: a directory, a configuration, a daemon. All of it is gone when the demo ends, however it ends.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lowtide_api::client::{Action, Client};
use lowtide_api::place::StateDirectory;
use lowtide_api::v1::act::ActRequest;
use lowtide_api::v1::summary::JobsQuery;

use super::grid;
use crate::failure::{Failure, Kind};

/// Virtual seconds in a real one: a day in a minute.
pub(super) const TIME_SCALE: f64 = 1440.0;
/// When the demo's day begins: in the night of California, with its sun eight hours away and Germany's already up.
pub(super) const VIRTUAL_START: &str = "2021-08-16T08:00:00Z";

pub(super) const CONFIGURATION: &str = include_str!("../../../../examples/config/two-sites.toml");

/// How long the daemon may take to answer. Compiling a plugin on a slow machine takes most of it.
const STARTING: Duration = Duration::from_secs(30);
/// How long it may take to end, and jobs to be cancelled.
const ENDING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(25);
/// Lines of the daemon's log shown where it ended by itself.
const LAST_WORDS: usize = 6;

/// A directory and the daemon that lives in it.
#[derive(Debug)]
pub(super) struct World {
    directory: PathBuf,
    /// The directory is removed at the end.
    passing: bool,
    daemon: Option<Child>,
}

impl World {
    /// A new directory, that of the user's wish or a passing one, with the demo's files in it.
    pub(super) fn new(keep: Option<&Path>) -> Result<Self, Failure> {
        let directory = match keep {
            Some(path) => crate::context::absolute(path)?,
            None => std::env::temp_dir().join(format!("lowtide-demo-{}", std::process::id())),
        };
        let failed = |error: &io::Error| {
            Failure::io(format!("the demo's directory {} cannot be used", directory.display()), error)
                .hint("name an absent or empty directory with `--keep`")
        };
        // A passing directory must be new: what is there under its name is somebody else's.
        let made = DirBuilder::new().mode(0o700).recursive(keep.is_some()).create(&directory);
        made.map_err(|error| failed(&error))?;
        let world = Self { directory: directory.clone(), passing: keep.is_none(), daemon: None };
        if fs::read_dir(&world.directory).map_err(|error| failed(&error))?.next().is_some() {
            return Err(failed(&io::Error::from(io::ErrorKind::DirectoryNotEmpty)));
        }
        for (name, text) in [("config.toml", CONFIGURATION), ("grid-day.csv", grid::FILE)] {
            fs::write(world.directory.join(name), text).map_err(|error| failed(&error))?;
        }
        DirBuilder::new().mode(0o700).create(world.jobs_directory()).map_err(|error| failed(&error))?;
        Ok(world)
    }

    /// Where the demo keeps everything.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where its jobs run and leave their checkpoints.
    pub(super) fn jobs_directory(&self) -> PathBuf {
        self.directory.join("jobs")
    }

    fn state(&self) -> StateDirectory {
        StateDirectory::new(self.directory.join("state"))
    }

    /// A client of its daemon.
    pub(super) fn client(&self) -> Client {
        Client::new(&self.state().socket(rustix::process::getuid().as_raw()))
    }

    fn log(&self) -> PathBuf {
        self.directory.join("daemon.log")
    }

    /// Starts the daemon and waits until it answers.
    pub(super) async fn start(&mut self, program: &Path) -> Result<(), Failure> {
        let failed = |error: &io::Error| Failure::io("the demo's daemon cannot be started", error);
        let log = File::create(self.log()).map_err(|error| failed(&error))?;
        let mut command = Command::new(program);
        command.arg("--color=never").arg("--state-dir").arg(self.state().path());
        command.arg("--config").arg(self.directory.join("config.toml"));
        command.args(["daemon", "start", "--foreground"]);
        command.arg(format!("--time-scale={TIME_SCALE}")).arg(format!("--virtual-start={VIRTUAL_START}"));
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // Ctrl-C is for the demo, which then ends jobs and daemon in order.
        command.process_group(0);
        self.daemon = Some(command.spawn().map_err(|error| failed(&error))?);

        let client = self.client();
        let begun = Instant::now();
        while client.status().await.is_err() {
            self.check_daemon()?;
            if STARTING < begun.elapsed() {
                let message = format!("the demo's daemon did not answer within {} s", STARTING.as_secs());
                return Err(Failure::new(Kind::Unavailable, format!("{message}: {}", self.last_words())));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Whether the daemon still runs.
    pub(super) fn check_daemon(&mut self) -> Result<(), Failure> {
        let ended = self.daemon.as_mut().and_then(|daemon| daemon.try_wait().ok().flatten());
        ended.map_or(Ok(()), |status| {
            Err(Failure::new(Kind::Unavailable, format!("the demo's daemon ended ({status}): {}", self.last_words())))
        })
    }

    /// What the daemon said last.
    pub(super) fn last_words(&self) -> String {
        let said = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        if lines.is_empty() {
            return "its log is empty".to_owned();
        }
        format!("its log ends\n{}", lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n"))
    }

    /// Ends jobs that are not over, then the daemon. Best effort: dropping the world does the rest.
    pub(super) async fn stop(&mut self) {
        if self.daemon.is_none() {
            return;
        }
        let client = self.client();
        let begun = Instant::now();
        while begun.elapsed() < ENDING
            && let Ok(open) = client.jobs(&JobsQuery::default()).await
            && !open.jobs.is_empty()
        {
            for job in open.jobs {
                // A job that ends by itself meanwhile refuses to be cancelled, which is as good.
                let _ = client.act(job.id, Action::Cancel, &ActRequest::default()).await;
            }
            tokio::time::sleep(4 * LOOK).await;
        }
        let _ = client.stop().await;
        let begun = Instant::now();
        while begun.elapsed() < ENDING && self.check_daemon().is_ok() {
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            // Both say only that it has ended already.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if !self.passing {
            return;
        }
        // An agent may still write its last lines: once more, then.
        if fs::remove_dir_all(&self.directory).is_err() && self.directory.exists() {
            std::thread::sleep(4 * LOOK);
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passing_directory_goes_and_a_kept_one_stays() {
        let passing = World::new(None).expect("it can be made");
        let directory = passing.directory().to_path_buf();
        assert!(directory.join("config.toml").exists());
        drop(passing);
        assert!(!directory.exists());

        let parent = tempfile::tempdir().expect("a directory");
        let kept = parent.path().join("a/b");
        drop(World::new(Some(&kept)).expect("it can be made"));
        assert!(kept.join("grid-day.csv").exists());
        let refused = World::new(Some(&kept)).expect_err("it is not empty");
        assert!(refused.message().contains("cannot be used"), "{refused}");
    }

    #[test]
    fn the_configuration_is_one_the_daemon_takes() {
        let configuration = lowtide_daemon::config::Configuration::parse(CONFIGURATION, Path::new("/demo"));
        let configuration = configuration.expect("it is well-formed");
        let names: Vec<_> = configuration.sites.iter().map(|site| site.name.to_string()).collect();
        assert_eq!(names, ["home", "away"]);
        for zone in configuration.zones.values() {
            assert_eq!(zone.source.assets["grid"], Path::new("/demo/grid-day.csv"));
        }
        assert!(VIRTUAL_START.parse::<jiff::Timestamp>().is_ok());
    }
}
