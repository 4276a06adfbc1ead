//! `lowtide simulate`: what a policy would have done with a trace of jobs, on intensities that came, without a daemon.
//!
//! Everything is decided in `lowtide-simulator`; here files are read, the clock that tells how long it took, and the progress
//! bar.

mod inputs;
mod lines;

use std::path::PathBuf;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use lowtide_planner::baseline::flexibility::Flexibility;
use lowtide_simulator::jobs::Unit;
use lowtide_simulator::outcome::{Done, Outcome};
use lowtide_simulator::picture::Picture;
use lowtide_simulator::planned;
use lowtide_simulator::replay::{ReplayError, World, replay};
use lowtide_simulator::setting::Queue;
use serde::Serialize;

use crate::context;
use crate::failure::{Failure, Kind};
use crate::output::simulation;
use crate::printer::Printer;
use crate::value;

use self::inputs::{Inputs, Judge};

/// Jobs between two looks at the progress bar.
const BETWEEN_LOOKS: u64 = 256;

/// Replay a trace of jobs on intensities that came, under any policy, and tell what was saved
///
/// The jobs run on a virtual clock. Job files are read by their head (arrival, length, cpus, power, deadline), intensity files as
/// `time,lifecycle,…` or `time,intensity`. A job draws 1 kW for each processor unless a power column says otherwise.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide simulate --jobs jobs.csv --carbon DE=DE_2023.csv --start 2023-07-02 \
    --queues 2h:6h,*:24h --policy patient\n\n\
    Policies: the built-in ones, a file of yours, or one of the field's baselines: run-now, lwa-contiguous, lwa-interruptible, \
    gaia-lowest-slot, gaia-lowest-window, gaia-carbon-time, gaia-ecovisor, gaia-wait-awhile, carbonscaler, dtpr, k-min, oracle. \
    `lwa-contiguous:published` (and -interruptible, and run-now) has the extra slot that the tables of Let's Wait Awhile rest on.")]
pub(crate) struct Args {
    /// The jobs
    #[arg(long, value_name = "FILE")]
    jobs: PathBuf,

    /// The intensity that came, of one zone or several; the first is home. A zone may have several files
    #[arg(long, required = true, num_args = 1.., value_name = "ZONE=FILE", value_parser = inputs::zone_file)]
    carbon: Vec<(String, PathBuf)>,

    /// What was known beforehand: everything, everything with white noise of a share of the mean, or forecasts as issued
    #[arg(long, num_args = 1.., default_value = "perfect", value_name = "perfect|noise:SHARE|ZONE=FILE", value_parser = inputs::belief)]
    forecast: Vec<inputs::Belief>,

    /// A built-in policy, a policy file, or a baseline
    #[arg(long, value_name = "NAME|FILE")]
    policy: String,

    /// How finely plans are made; a step of the intensity by default
    #[arg(long, value_name = "TIME", value_parser = inputs::slot)]
    slot: Option<f64>,

    /// Processors there are, in each zone; as many as it takes by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    capacity: Option<u32>,

    /// The longest wait by job length, where the file has no deadlines: up to 2 h 6 h, others 24 h; 24 h for all by default
    #[arg(long, value_name = "2h:6h,*:24h", value_parser = inputs::queues)]
    queues: Option<Queues>,

    /// The deadlines of Let's Wait Awhile, where the file has none
    #[arg(long, value_name = "next-workday|semi-weekly", value_parser = inputs::flexibility, conflicts_with = "queues")]
    flexibility: Option<Flexibility>,

    /// When the replay begins, which is hour 0 of the jobs; when the intensity begins by default
    #[arg(long, value_name = "TIME", value_parser = inputs::moment)]
    start: Option<Timestamp>,

    /// When it ends; when the intensity ends by default
    #[arg(long, value_name = "TIME", value_parser = inputs::moment)]
    end: Option<Timestamp>,

    /// What columns of the job file count in that do not say it: s, min or h; guessed by the lengths by default
    #[arg(long, value_name = "UNIT", value_parser = inputs::unit)]
    time_unit: Option<Unit>,

    /// What each start and each stop costs, as a share of an hour at the mean intensity
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = inputs::share)]
    switching: f64,

    /// How far predicted lengths are off when a job arrives, less by the work done: the standard deviation of their logarithm. They
    /// are known by default; for lowtide's own policies
    #[arg(long, default_value_t = 0.0, value_name = "0 to 1", value_parser = inputs::length_spread)]
    length_error: f64,

    /// How jobs scale, for carbonscaler: a file with nodes,throughput,power
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,

    /// The seed of the noise, and of the errors of lengths
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,

    /// Jobs cannot be paused; for lowtide's own policies
    #[arg(long)]
    no_checkpoints: bool,

    /// Write one line for each job
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Write a page with plots: cumulative carbon, waiting, and jobs over the intensity
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Print one JSON value
    #[arg(long)]
    json: bool,
}

/// Queues as one flag has them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Queues(pub(crate) Vec<Queue>);

/// What is printed with `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) policy: String,
    pub(crate) jobs: usize,
    pub(crate) baseline_g: f64,
    pub(crate) policy_g: f64,
    pub(crate) oracle_g: Option<f64>,
    pub(crate) saving: f64,
    pub(crate) mean_wait_h: f64,
    pub(crate) deadline_misses: usize,
    pub(crate) starts: usize,
    pub(crate) elapsed_s: f64,
    pub(crate) notes: Vec<String>,
}

pub(crate) fn run(args: &Args, printer: Printer) -> Result<(), Failure> {
    let inputs = Inputs::read(args)?;
    let world = World { setting: &inputs.setting, zones: &inputs.zones, believed: &inputs.believed };
    let bar = bar(printer, inputs.jobs.len());
    let mut seen = 0_u64;
    let begun = Instant::now();
    let mut picture = args.html.as_ref().map(|_| Picture::new(&inputs.zones));
    let mut lines = args.csv.as_deref().map(lines::Lines::create).transpose()?;
    let mut each = |done: &Done| {
        seen += 1;
        if let Some(picture) = &mut picture {
            picture.add(done);
        }
        if let Some(lines) = &mut lines {
            lines.add(done, &inputs.setting);
        }
        if seen.is_multiple_of(BETWEEN_LOOKS) {
            bar.set_position(seen);
        }
    };
    let outcome = match &inputs.judge {
        Judge::Rule(rule) => replay(*rule, world, &inputs.jobs, &mut each),
        Judge::Policy(policy) => planned::replay(policy, world, &inputs.jobs, |_| !args.no_checkpoints, &mut each),
    };
    let elapsed_s = begun.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let outcome = outcome.map_err(|error| refused(&error))?;
    let summary = summary(args, &outcome, elapsed_s, inputs.notes.clone());
    if let Some(lines) = lines {
        lines.finish()?;
    }
    if let (Some(picture), Some(path)) = (picture, &args.html) {
        let page = picture.page(&format!("lowtide simulate: {}", args.policy), &simulation::facts(&summary));
        std::fs::write(path, page)
            .map_err(|error| Failure::io(format!("the page {} cannot be written", path.display()), &error))?;
    }
    if args.json {
        return printer.json(&summary);
    }
    printer.data(&simulation::text(&summary, context::look(printer)))
}

fn summary(args: &Args, outcome: &Outcome, elapsed_s: f64, mut notes: Vec<String>) -> Summary {
    let jobs = |count: usize| if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") };
    if 0 < outcome.outside {
        notes.push(format!("{} outside the time replayed are left out", jobs(outcome.outside)));
    }
    if 0 < outcome.cut {
        notes.push(format!("{} cut where the intensity ends", jobs(outcome.cut)));
    }
    if outcome.oracle_g.is_none() {
        notes.push(
            "the optimum is not known: with so few processors some deadline is missed, or there is too much to compute"
                .to_owned(),
        );
    }
    Summary {
        policy: args.policy.clone(),
        jobs: outcome.jobs,
        baseline_g: outcome.baseline_g,
        policy_g: outcome.policy_g,
        oracle_g: outcome.oracle_g,
        saving: outcome.saving(),
        mean_wait_h: outcome.mean_wait_h(),
        deadline_misses: outcome.deadline_misses,
        starts: outcome.starts,
        elapsed_s,
        notes,
    }
}

fn refused(error: &ReplayError) -> Failure {
    let failure = Failure::invalid(error.to_string());
    match error {
        ReplayError::TooWide { .. } | ReplayError::Infeasible { .. } => failure.hint("give more with `--capacity`"),
        ReplayError::OutOfReach(_) => failure.hint("replay fewer jobs, or leave out `--capacity`"),
        ReplayError::NoJob => failure.hint("hour 0 of the job file is `--start`"),
    }
}

fn bar(printer: Printer, jobs: usize) -> ProgressBar {
    let bar = printer.progress();
    bar.set_length(jobs as u64);
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} jobs, {eta} to go");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// A duration as flags have it, in hours.
pub(crate) fn hours(text: &str) -> Result<f64, String> {
    value::duration(text).map(lowtide_model::quantity::Seconds::hours)
}

/// A file that cannot be read.
pub(crate) fn unread(what: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::io(format!("the {what} {} cannot be read", path.display()), error)
}

/// What a file says and cannot be.
pub(crate) fn wrong(path: &std::path::Path, error: &impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Invalid, format!("{}: {error}", path.display()))
}
