//! `lowtide policy try FILE`: what a policy would have done with the jobs that have run.

use std::path::PathBuf;

use lowtide_api::v1::past::{PastJob, PastView, PastZone};
use lowtide_model::quantity::Seconds;
use lowtide_planner::baseline::Series;
use lowtide_planner::baseline::awhile::Semantics;
use lowtide_planner::policy::Policy;
use lowtide_simulator::forecast::{Believed, Issue, Issues};
use lowtide_simulator::jobs::TraceJob;
use lowtide_simulator::planned;
use lowtide_simulator::replay::World;
use lowtide_simulator::setting::{Queue, Setting};
use serde::Serialize;

use super::policy;
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::output;
use crate::value;

/// The longest wait of a job whose policy names none, hours: as far as the planner looks ahead.
const LONGEST_WAIT_H: f64 = 96.0;
/// An end is late from so many hours after the deadline on: less is rounding.
const LATE_H: f64 = 1e-6;

/// Try a policy on the jobs that have run
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide policy try mine.toml --since 30d

Jobs that have succeeded are replayed with their true lengths and powers on the intensity that came, planned on the forecasts as they
were told; nothing is run. What happened, running at once and the policy are counted alike: mean power of each job times the intensity
of the hours it runs in. Sites are told apart by their zones; their speeds, powers and PUE are not.")]
pub(crate) struct Args {
    /// The file; it may extend a built-in policy or one that lies beside it
    file: PathBuf,

    /// How far back
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = value::duration)]
    since: Seconds,

    /// Only jobs of this project
    #[arg(long)]
    project: Option<String>,

    /// Print one JSON value
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Trial {
    pub(crate) policy: String,
    pub(crate) jobs: usize,
    pub(crate) happened: Side,
    pub(crate) at_once_g: f64,
    pub(crate) tried: Side,
    pub(crate) notes: Vec<String>,
}

/// One way to run the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Side {
    pub(crate) footprint_g: f64,
    pub(crate) mean_wait_h: f64,
    pub(crate) deadline_misses: usize,
    pub(crate) starts: usize,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let policy = policy::read_file(&args.file)?;
    let past =
        context.ask_or_start(async |client| client.past(args.since.get(), args.project.as_deref()).await).await?;
    let trial = trial(&policy, &past)?;
    if args.json {
        return context.printer.json(&trial);
    }
    context.printer.data(&output::trial::text(&trial, context.look()))
}

fn trial(policy: &Policy, past: &PastView) -> Result<Trial, Failure> {
    let mut notes = past.left_out.clone();
    let mut zones = Vec::new();
    let mut known_from = 0.0_f64;
    for zone in &past.zones {
        let Some((series, from)) = series(zone, past.step_h) else {
            notes.push(format!("nothing is known of {}: jobs cannot go there", zone.zone));
            continue;
        };
        known_from = known_from.max(from);
        zones.push((zone, series));
    }
    let place = |at: usize| zones.iter().position(|(zone, _)| past.zones.get(at).is_some_and(|other| *zone == other));
    let (replayed, blind): (Vec<&PastJob>, Vec<&PastJob>) = past.jobs.iter().partition(|job| {
        known_from <= job.arrival_h && !job.runs.is_empty() && job.runs.iter().all(|run| place(run.zone).is_some())
    });
    notes.extend(blind.iter().map(|job| format!("job {}: the intensity of its hours is not known", job.id)));
    if replayed.is_empty() {
        return Err(Failure::new(Kind::NotFound, "there is no job of that time that can be replayed".to_owned())
            .hint("`--since` goes further back; `lowtide jobs --all` lists what has run"));
    }
    let setting = Setting {
        start: past.start,
        slot_h: past.step_h,
        queues: vec![Queue { up_to_h: f64::INFINITY, wait_h: policy.max_delay.map_or(LONGEST_WAIT_H, Seconds::hours) }],
        flexibility: None,
        semantics: Semantics::Honest,
        capacity: (0 < past.cpus).then_some(past.cpus),
        switching: 0.0,
        profile: None,
        length_error: None,
    };
    let deadline = |job: &PastJob| {
        let asked = job.max_delay_h.map(|longest| job.arrival_h + job.length_h + longest);
        let ruled = policy.deadline.map(|longest| job.arrival_h + longest.hours());
        [job.deadline_h, asked, ruled].into_iter().flatten().min_by(f64::total_cmp)
    };
    let jobs: Vec<TraceJob> = replayed
        .iter()
        .map(|job| TraceJob {
            name: job.id.to_string(),
            arrival: job.arrival_h,
            length: job.length_h,
            deadline: deadline(job),
            cpus: f64::from(job.cpus),
            kilowatts: job.kilowatts,
        })
        .collect();
    let believed: Vec<Believed> = zones.iter().map(|(zone, _)| believed(zone, past.step_h)).collect();
    let series: Vec<Series> = zones.iter().map(|(_, series)| series.clone()).collect();
    let world = World { setting: &setting, zones: &series, believed: &believed };
    let pausable = |job: &TraceJob| replayed.iter().any(|past| past.pausable && past.id.to_string() == job.name);
    let outcome =
        planned::replay(policy, world, &jobs, pausable, |_| {}).map_err(|error| Failure::invalid(error.to_string()))?;
    let at_once = |job: &PastJob| {
        let home = job.runs.first().and_then(|run| place(run.zone)).unwrap_or(0);
        job.kilowatts * series[home].integral(job.arrival_h, job.arrival_h + job.length_h)
    };
    let ran = |job: &PastJob| -> f64 {
        let grams = job.runs.iter().filter_map(|run| Some(series[place(run.zone)?].integral(run.start_h, run.end_h)));
        job.kilowatts * grams.sum::<f64>()
    };
    let end = |job: &PastJob| job.runs.last().map_or(job.arrival_h, |run| run.end_h);
    let waited: f64 = replayed.iter().map(|job| (end(job) - job.arrival_h - job.length_h).max(0.0)).sum();
    let late = |job: &&&PastJob| job.deadline_h.is_some_and(|deadline| deadline + LATE_H < end(job));
    Ok(Trial {
        policy: policy.id.to_string(),
        jobs: replayed.len(),
        happened: Side {
            footprint_g: replayed.iter().map(|job| ran(job)).sum(),
            mean_wait_h: waited / replayed.len() as f64,
            deadline_misses: replayed.iter().filter(late).count(),
            starts: replayed.iter().map(|job| job.runs.len()).sum(),
        },
        at_once_g: replayed.iter().map(|job| at_once(job)).sum(),
        tried: Side {
            footprint_g: outcome.policy_g,
            mean_wait_h: outcome.mean_wait_h(),
            deadline_misses: outcome.deadline_misses,
            starts: outcome.starts,
        },
        notes,
    })
}

/// A zone's intensity with its gaps filled by the value before them, and from which hour on it is known.
fn series(zone: &PastZone, step_h: f64) -> Option<(Series, f64)> {
    let first = zone.settled.iter().position(Option::is_some)?;
    let mut last = zone.settled[first]?;
    let values = zone.settled.iter().map(|known| {
        last = known.unwrap_or(last);
        last
    });
    Some((Series::new(step_h, values.collect())?, first as f64 * step_h))
}

fn believed(zone: &PastZone, step_h: f64) -> Believed {
    if zone.issues.is_empty() {
        return Believed::Perfect;
    }
    let issues = zone.issues.iter().map(|issue| Issue { at: issue.at_h, values: issue.values.clone() }).collect();
    Believed::Issued(Issues { issues, step_h })
}
