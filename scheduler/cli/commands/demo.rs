//! `lowtide demo`: a day of two grids in a minute, with jobs that really train. One is delayed, one routed, one paused
//! after an epoch and resumed from its checkpoint; at the end stands what was predicted beside what happened.
//!
//! It needs nothing but this program: the jobs are the examples of `examples/train`, compiled in behind the hidden verb
//! `lowtide demo train`. It touches neither the user's daemon nor his state, and leaves nothing behind.

mod account;
mod grid;
mod jobs;
mod live;
#[cfg(test)]
mod rehearsal;
#[path = "../../../examples/train/training/mod.rs"]
mod training;
mod world;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressFinish};
use lowtide_api::client::Client;
use lowtide_api::v1::job::JobView;
use lowtide_api::v1::summary::Jobs;
use lowtide_model::quantity::Seconds;
use tokio::signal::unix::{SignalKind, signal};

use self::grid::GridDay;
use self::jobs::JOBS;
use self::world::{TIME_SCALE, World};
use crate::failure::{Failure, Kind};
use crate::printer::{ColorWhen, Printer};

/// How long the jobs may take, from their submission on. They take some 35 s.
const JOBS_TAKE: Duration = Duration::from_secs(50);
/// How often the jobs are looked at.
const LOOK: Duration = Duration::from_millis(150);

/// Show how it works: three training jobs on two grids, a day in a minute
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example: lowtide demo\n\n\
        It runs a daemon of its own on a clock 1440 times faster than the wall's, needs no network, no key and no \
        configuration, and removes all it made."
)]
pub(crate) struct Args {
    /// Print the jobs as one JSON value when all is over
    #[arg(long)]
    json: bool,

    /// Keep state, logs and checkpoints in this directory, which must be absent or empty
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    #[command(subcommand)]
    hidden: Option<Hidden>,
}

#[derive(Debug, clap::Subcommand)]
enum Hidden {
    /// Be one of the demo's jobs
    #[command(hide = true)]
    Train {
        /// digits, spirals or text
        task: String,
        /// What the job is told
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Runs the demo. It fails where a job did not do what it was to show.
pub(crate) fn run(args: &Args, printer: Printer) -> Result<ExitCode, Failure> {
    let Args { json, keep, hidden } = args;
    // Programs that read JSON may read its errors, too: nothing else goes to stderr but to a terminal.
    let printer = if *json && !printer.may_animate() { Printer::new(ColorWhen::Never, true) } else { printer };
    if let Some(Hidden::Train { task, arguments }) = hidden {
        return Ok(training::run(task, arguments.iter().cloned()));
    }
    let cannot = |error: &io::Error| Failure::io("the demo cannot start", error);
    let program = std::env::current_exe().map_err(|error| cannot(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| cannot(&error))?;
    let mut world = World::new(keep.as_deref())?;
    let ended = runtime.block_on(async {
        let ended = tokio::select! {
            ended = show(&mut world, &program, *json, printer) => ended,
            failure = interrupted() => Err(failure),
        };
        world.stop().await;
        ended
    });
    if keep.is_some() {
        printer.note(&format!("Everything is kept in {}", world.directory().display()));
    }
    ended.map(|()| ExitCode::SUCCESS)
}

/// Waits for Ctrl-C or a request to end.
async fn interrupted() -> Failure {
    let failure = Failure::new(Kind::Unavailable, "the demo was interrupted; its jobs and its daemon are ended");
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    failure
}

async fn show(world: &mut World, program: &Path, json: bool, printer: Printer) -> Result<(), Failure> {
    printer.note(&format!(
        "A day of two grids in a minute: three jobs that really train, on a clock {TIME_SCALE} times faster than yours.\n"
    ));
    world.start(program).await?;
    let client = world.client();
    let user = std::env::var("USER").unwrap_or_else(|_| "demo".to_owned());
    let directory = world.jobs_directory();
    let mut ids = Vec::new();
    for job in &JOBS {
        let view = client.submit(&job.request(program, &directory, &user)).await?;
        ids.push(view.id.ok_or_else(|| Failure::new(Kind::Internal, "a job was queued without a number"))?);
    }
    let jobs = watch(world, &client, &ids, printer).await?;

    if json {
        printer.json(&Jobs::all(jobs.clone()))?;
    } else {
        printer.data(&in_words(&jobs, printer))?;
    }
    let missing: Vec<String> = JOBS.iter().zip(&jobs).filter_map(|(job, view)| job.story.missing(view)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Kind::Unavailable, format!("the demo did not go as it should: {}", missing.join("; ")))
        .hint("`lowtide demo --keep DIR` keeps the daemon's log and the jobs' output; a busy machine may be the cause"))
}

/// Shows what happens until all jobs are over.
async fn watch(world: &mut World, client: &Client, ids: &[u64], printer: Printer) -> Result<Vec<JobView>, Failure> {
    let status = client.status().await?;
    let asked_at = Instant::now();
    let sites = client.sites().await?.sites;
    let day = GridDay::built_in();
    let bar = printer.progress().with_finish(ProgressFinish::AndClear);
    let mut seen: Vec<Option<JobView>> = vec![None; ids.len()];
    loop {
        let elapsed = Seconds::saturating(asked_at.elapsed().as_secs_f64());
        let now = elapsed.times(status.time_scale).after(status.now);
        let mut jobs = Vec::with_capacity(ids.len());
        for id in ids {
            jobs.push(client.job(*id).await?);
        }
        for (before, job) in seen.iter_mut().zip(&jobs) {
            for event in live::events(before.as_ref(), job) {
                tell(&bar, printer, &format!("{}  {event}", live::hour(now)));
            }
            *before = Some(job.clone());
        }
        bar.set_message(live::board(now, &day, &sites, &jobs));
        if jobs.iter().all(is_over) {
            bar.finish_and_clear();
            return Ok(jobs);
        }
        if JOBS_TAKE < asked_at.elapsed() {
            bar.finish_and_clear();
            let late =
                jobs.iter().filter(|job| !is_over(job)).map(|job| format!("{} is still {}", job.name, job.state));
            let late: Vec<String> = late.collect();
            let message = format!("the demo's jobs took longer than {} s: {}", JOBS_TAKE.as_secs(), late.join(", "));
            return Err(Failure::new(Kind::Unavailable, format!("{message}; the daemon: {}", world.last_words()))
                .hint("is the machine very busy? `lowtide demo --keep DIR` keeps the logs"));
        }
        world.check_daemon()?;
        tokio::time::sleep(LOOK).await;
    }
}

/// A line that stays: above the board where there is one.
fn tell(bar: &ProgressBar, printer: Printer, line: &str) {
    if bar.is_hidden() {
        printer.note(line);
    } else {
        bar.println(line);
    }
}

/// Over, and settled as far as it will be.
fn is_over(job: &JobView) -> bool {
    job.exit_code.is_some() && (job.review.is_some() || job.state != "succeeded")
}

/// The end, for people.
fn in_words(jobs: &[JobView], printer: Printer) -> String {
    let look = crate::context::look(printer);
    let sentences: Vec<String> =
        JOBS.iter().zip(jobs).filter_map(|(job, view)| account::sentence(job.story, view)).collect();
    let list = |sentences: &[String]| crate::output::layout::bullets(sentences, look.width);
    let caveats = account::caveats(jobs, TIME_SCALE, grid::ORIGIN);
    format!(
        "\n{}\nWhat was done\n{}\nWhat the numbers are worth\n{}",
        account::table(jobs, look),
        list(&sentences),
        list(&caveats)
    )
}
