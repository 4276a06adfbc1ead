//! What has run, and what was known of the grid meanwhile.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Json;
use jiff::Timestamp;
use lowtide_api::v1::past::{PastIssue, PastJob, PastRun, PastView, PastZone};
use lowtide_api::v1::problem::{Problem, ProblemKind};
use lowtide_engine::Engine;
use lowtide_model::forecast::{Forecast, Kind};
use lowtide_model::identity::ZoneId;
use lowtide_model::job::Job;
use lowtide_model::quantity::{Joules, Seconds};
use lowtide_model::state::JobState;
use serde::Deserialize;

use super::Failed;
use crate::Shared;

/// The step in which intensity is told: that of most forecasts.
const STEP_S: i64 = 1800;
const STEP_H: f64 = 0.5;
/// Forecasts are told so far ahead.
const LONGEST_LEAD_STEPS: i64 = 192;
/// The archive is read by days, so that nothing waits long for it.
const READ_HOURS: f64 = 24.0;
/// What ran shorter than this, seconds, has no power worth the name.
const SHORTEST_S: f64 = 1.0;

#[derive(Deserialize)]
pub(super) struct PastQuery {
    since_s: f64,
    project: Option<String>,
}

pub(super) async fn past(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<PastQuery>,
) -> Result<Json<PastView>, Failed> {
    let since = Seconds::new(query.since_s);
    let since = since.map_err(|error| Problem::new(ProblemKind::Invalid, format!("since: {error}")))?;
    let now = shared.clock.now();
    let found =
        shared.events.read(move |engine, now| found(engine, since.before(now), query.project.as_deref())).await?;
    let Found { zones, jobs, cpus, left_out } = found;
    let first = jobs.iter().map(|job| job.submitted_at).min().unwrap_or(now);
    let start = Timestamp::from_second(first.as_second().div_euclid(STEP_S) * STEP_S).unwrap_or(first);
    let mut told = Vec::with_capacity(zones.len());
    for (zone, _) in &zones {
        told.push(zone_of(&shared, zone, start, now).await?);
    }
    let sites = zones.iter().enumerate().flat_map(|(at, (_, sites))| sites.iter().map(move |site| (site.as_str(), at)));
    let sites: Vec<(&str, usize)> = sites.collect();
    let zone_at = |site: &str| sites.iter().find(|(name, _)| *name == site).map(|(_, at)| *at);
    let jobs = jobs.iter().map(|job| past_job(job, start, zone_at)).collect();
    Ok(Json(PastView { start, step_h: STEP_H, zones: told, jobs, cpus, left_out }))
}

/// What the engine has of it.
struct Found {
    /// Zones with the names of their sites.
    zones: Vec<(ZoneId, Vec<String>)>,
    jobs: Vec<Job>,
    cpus: u32,
    left_out: Vec<String>,
}

fn found(engine: &Engine, from: Timestamp, project: Option<&str>) -> Found {
    let mut zones: Vec<(ZoneId, Vec<String>)> = Vec::new();
    for site in engine.sites() {
        match zones.iter_mut().find(|(zone, _)| *zone == site.zone) {
            Some((_, sites)) => sites.push(site.id.to_string()),
            None => zones.push((site.zone.clone(), vec![site.id.to_string()])),
        }
    }
    let (mut jobs, mut left_out) = (Vec::new(), Vec::new());
    let asked = |job: &&Job| project.is_none_or(|project| job.spec.project.as_deref() == Some(project));
    for job in engine.jobs().filter(|job| from <= job.submitted_at && job.state.is_final()).filter(asked) {
        let why = if job.state != JobState::Succeeded {
            Some(format!("it {}", job.state.name()))
        } else if job.ran(job.state_since).get() < SHORTEST_S || job.energy_so_far() <= Joules::ZERO {
            Some("it ran too shortly to have been measured".to_owned())
        } else if job.attempts.iter().any(|attempt| engine.sites().iter().all(|site| site.id != attempt.site)) {
            Some("it ran at a site that is no longer configured".to_owned())
        } else {
            None
        };
        match why {
            Some(why) => left_out.push(format!("job {}: {why}", job.id)),
            None => jobs.push(job.clone()),
        }
    }
    let cpus = engine.sites().iter().map(|site| site.capacity.cpus).fold(0, u32::saturating_add);
    Found { zones, jobs, cpus, left_out }
}

fn past_job(job: &Job, start: Timestamp, zone_at: impl Fn(&str) -> Option<usize>) -> PastJob {
    let hours = |at: Timestamp| at.duration_since(start).as_secs_f64() / 3600.0;
    let ran = job.ran(job.state_since);
    let run = |attempt: &lowtide_model::job::Attempt| {
        let (begun, ended) = (attempt.started_at?, attempt.ended_at?);
        Some(PastRun { zone: zone_at(attempt.site.as_str())?, start_h: hours(begun), end_h: hours(ended) })
    };
    // An elastic job is replayed at its widest, as the past knows one width for all of a job.
    let widest = job.attempts.iter().map(|attempt| job.spec.resources.of(attempt.point.workers).cpus).max();
    PastJob {
        id: job.id.0,
        name: job.spec.name.clone(),
        arrival_h: hours(job.submitted_at),
        length_h: ran.hours(),
        deadline_h: job.spec.deadline.map(hours),
        max_delay_h: job.spec.max_delay.map(Seconds::hours),
        cpus: widest.unwrap_or(job.spec.resources.cpus),
        kilowatts: job.energy_so_far().kwh() / ran.hours(),
        pausable: job.spec.checkpoint.is_some(),
        runs: job.attempts.iter().filter_map(run).collect(),
    }
}

/// A zone's intensity as it was told: what was told last of each step, and measured rather than forecast; and every issue.
async fn zone_of(shared: &Shared, zone: &ZoneId, start: Timestamp, now: Timestamp) -> Result<PastZone, Problem> {
    let step_of = |at: Timestamp| at.duration_since(start).as_secs().div_euclid(STEP_S);
    // A job that ran lately might have waited into hours that are yet to come: they count as forecast.
    let steps = usize::try_from(step_of(now) + 1 + LONGEST_LEAD_STEPS).unwrap_or(0);
    let mut settled: Vec<Option<(f64, bool)>> = vec![None; steps];
    let mut issues: Vec<PastIssue> = Vec::new();
    // A forecast told shortly before the first job counts for it.
    let mut from = Seconds::from_hours(READ_HOURS).before(start);
    while from < now {
        let to = Seconds::from_hours(READ_HOURS).after(from);
        let zone = zone.clone();
        let read = shared.events.look(move |store| store.forecasts_fetched(&zone, from, to)).await?;
        for forecast in read {
            overlay(&forecast, start, &mut settled);
            let at = step_of(forecast.fetched_at);
            let at_h = at as f64 * STEP_H;
            // Of several in one step the first, so that no more is known early than it has to be.
            if issues.last().is_some_and(|last| at_h < last.at_h + STEP_H / 2.0) {
                continue;
            }
            let values = sampled(&forecast, start, at);
            if !values.is_empty() {
                issues.push(PastIssue { at_h, values });
            }
        }
        from = to;
    }
    while settled.pop_if(|last| last.is_none()).is_some() {}
    let settled = settled.into_iter().map(|known| known.map(|(value, _)| value)).collect();
    Ok(PastZone { zone: zone.to_string(), settled, issues })
}

fn middle(start: Timestamp, step: i64) -> Timestamp {
    Seconds::saturating((step * STEP_S + STEP_S / 2) as f64).after(start)
}

fn overlay(forecast: &Forecast, start: Timestamp, settled: &mut [Option<(f64, bool)>]) {
    let window = forecast.window();
    let step_of = |at: Timestamp| at.duration_since(start).as_secs().div_euclid(STEP_S);
    let first = step_of(window.start()).max(0);
    let skipped = usize::try_from(first).unwrap_or(usize::MAX);
    for (step, known) in (first..=step_of(window.end())).zip(settled.iter_mut().skip(skipped)) {
        let Some(slot) = forecast.at(middle(start, step)) else { continue };
        let measured = slot.kind == Kind::Measured;
        if measured || !known.is_some_and(|(_, measured)| measured) {
            *known = Some((slot.intensity.get(), measured));
        }
    }
}

/// The values of the steps from one on, as far as it tells them without a gap.
fn sampled(forecast: &Forecast, start: Timestamp, from: i64) -> Vec<f64> {
    let steps = from..from + LONGEST_LEAD_STEPS;
    let values = steps.map_while(|step| {
        let at = Seconds::saturating(((step - from) * STEP_S + STEP_S / 2) as f64);
        let begin = if from < 0 {
            Seconds::saturating((-from * STEP_S) as f64).before(start)
        } else {
            Seconds::saturating((from * STEP_S) as f64).after(start)
        };
        forecast.at(at.after(begin)).map(|slot| slot.intensity.get())
    });
    values.collect()
}
