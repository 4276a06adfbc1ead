//! Short listings: the daemon itself, sites, policies, plugins, forecasts, the report.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, RawQuery, State};
use axum::response::Json;
use jiff::Timestamp;
use lowtide_api::v1::forecast::{Series, SeriesList};
use lowtide_api::v1::job::kind_name;
use lowtide_api::v1::listing::{PluginView, Plugins, Policies, PolicyView, SettingView, SiteView, Sites, Status};
use lowtide_api::v1::problem::{Problem, ProblemKind};
use lowtide_api::v1::report::{ReportRow, ReportView};
use lowtide_api::v1::verify::{LeadView, RegretView, VerificationView, Verifications};
use lowtide_engine::Engine;
use lowtide_model::identity::{PolicyId, ZoneId};
use lowtide_model::job::Job;
use lowtide_model::quantity::{Joules, Seconds};
use lowtide_planner::calibrate::{LeadErrors, Regret, Verification};
use lowtide_planner::report::{GroupBy, Row, report as report_of};
use serde::Deserialize;

use super::Failed;
use crate::Shared;
use crate::refusal::did_you_mean;

/// How far `forecast` looks ahead where nobody says.
const DEFAULT_HOURS: u32 = 48;

pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Result<Json<Status>, Failed> {
    let counts = |engine: &mut Engine, _| (engine.open_count() as u64, engine.begun_count() as u64);
    let (jobs_open, jobs_running) = shared.events.read(counts).await?;
    let mut warnings = shared.warnings.clone();
    warnings.extend(shared.intensity.problems());
    Ok(Json(Status {
        pid: std::process::id(),
        socket: shared.socket.display().to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state_directory: shared.state.path().display().to_string(),
        config: shared.config_path.as_ref().map(|path| path.display().to_string()),
        now: shared.clock.now(),
        time_scale: shared.clock.time().scale(),
        started_at: shared.started_at,
        jobs_open,
        jobs_running,
        warnings,
    }))
}

pub(super) async fn sites(State(shared): State<Arc<Shared>>) -> Result<Json<Sites>, Failed> {
    let origins = shared.zone_origins.clone();
    let intensity = shared.intensity.clone();
    let views = move |engine: &mut Engine, now: Timestamp| {
        let view = |site: &lowtide_model::site::Site| {
            let used = engine.in_use(&site.id);
            let known = engine.outlook().known(&site.zone).and_then(|known| known.at(now)).copied();
            let (value, kind) = known
                .map_or((site.fallback_intensity.get(), "static"), |slot| (slot.intensity.get(), kind_name(slot.kind)));
            SiteView {
                id: site.id.to_string(),
                zone: site.zone.to_string(),
                zone_origin: origins.get(&site.id).cloned().unwrap_or_default(),
                executor: site.executor.clone(),
                cpus: site.capacity.cpus,
                gpus: site.capacity.gpus,
                cpus_used: used.cpus,
                gpus_used: used.gpus,
                pue: site.pue.get(),
                power_caps_w: site.power_caps.iter().copied().map(u32::from).collect(),
                plugin: intensity.plugin_of(&site.zone),
                intensity_g_per_kwh: Some(value),
                intensity_kind: Some(kind.to_owned()),
                problem: intensity.problem_of(&site.zone),
            }
        };
        engine.sites().iter().map(view).collect()
    };
    Ok(Json(Sites { sites: shared.events.read(views).await? }))
}

pub(super) async fn policies(State(shared): State<Arc<Shared>>) -> Json<Policies> {
    let view = |policy: &crate::policies::KnownPolicy| PolicyView {
        id: policy.policy.id.to_string(),
        description: policy.policy.description.clone(),
        origin: policy.origin.clone(),
        default: policy.policy.id == shared.defaults.policy,
        default_of_users: whose(&shared.defaults.of_users, &policy.policy.id),
        default_of_projects: whose(&shared.defaults.of_projects, &policy.policy.id),
        extends: policy.extends.iter().map(ToString::to_string).collect(),
        settings: policy
            .settings
            .iter()
            .map(|setting| SettingView {
                key: setting.key.clone(),
                value: setting.value.clone(),
                from: setting.from.as_ref().map(ToString::to_string),
            })
            .collect(),
    };
    Json(Policies { policies: shared.policies.iter().map(view).collect() })
}

/// Who has that policy.
fn whose(policies: &BTreeMap<String, PolicyId>, policy: &PolicyId) -> Vec<String> {
    policies.iter().filter(|(_, theirs)| *theirs == policy).map(|(who, _)| who.clone()).collect()
}

pub(super) async fn plugins(State(shared): State<Arc<Shared>>) -> Json<Plugins> {
    let plugins = shared.intensity.plugins();
    Json(Plugins {
        plugins: plugins
            .into_iter()
            .map(|(facts, serves)| PluginView {
                id: facts.manifest.id,
                version: facts.manifest.version,
                description: facts.problem.unwrap_or(facts.manifest.description),
                origin: facts.origin,
                hosts: facts.manifest.hosts,
                serves,
                sha256: facts.sha256,
            })
            .collect(),
    })
}

/// Plugins were installed or removed: the zones are watched anew.
pub(super) async fn plugins_changed(State(shared): State<Arc<Shared>>) -> Json<serde_json::Value> {
    shared.plugins_changed.notify_one();
    Json(serde_json::json!({}))
}

pub(super) async fn forecasts(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Json<SeriesList>, Failed> {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&query)
        .map_err(|error| Problem::new(ProblemKind::Invalid, format!("the query `{query}` makes no sense: {error}")))?;
    let mut zones = Vec::new();
    let mut hours = DEFAULT_HOURS;
    for (key, value) in pairs {
        match key.as_str() {
            "zone" => zones.push(value),
            "hours" => hours = value.parse().unwrap_or(DEFAULT_HOURS),
            _ => {}
        }
    }
    let known: Vec<ZoneId> = shared.zones.clone();
    let wanted = if zones.is_empty() { known.clone() } else { wanted_zones(&zones, &known)? };
    let ahead = Seconds::from_hours(f64::from(hours));
    let intensity = shared.intensity.clone();
    let series = move |engine: &mut Engine, now: Timestamp| {
        wanted.iter().filter_map(|zone| series_of(engine, &intensity, zone, now, ahead)).collect()
    };
    Ok(Json(SeriesList { series: shared.events.read(series).await? }))
}

#[derive(Deserialize)]
pub(super) struct VerifyQuery {
    /// Names of zones, between commas; all without.
    #[serde(default)]
    zones: String,
}

pub(super) async fn verifications(
    State(shared): State<Arc<Shared>>,
    Query(VerifyQuery { zones }): Query<VerifyQuery>,
) -> Result<Json<Verifications>, Failed> {
    let asked: Vec<String> = zones.split(',').filter(|zone| !zone.is_empty()).map(str::to_owned).collect();
    let wanted = if asked.is_empty() { shared.zones.clone() } else { wanted_zones(&asked, &shared.zones)? };
    let verified = move |engine: &mut Engine, now: Timestamp| {
        wanted.iter().map(|zone| verification_view(zone, &engine.outlook().verification(zone, now))).collect()
    };
    Ok(Json(Verifications { zones: shared.events.read(verified).await? }))
}

/// A verification as users see it.
fn verification_view(zone: &ZoneId, verification: &Verification) -> VerificationView {
    let Verification { issues, between, leads, regret } = verification;
    let lead = |lead: &LeadErrors| LeadView {
        from_h: lead.from,
        to_h: lead.to,
        hours: lead.hours,
        bias_g_per_kwh: lead.bias,
        absolute_error_g_per_kwh: lead.absolute,
        relative_error: lead.relative,
        corrected_error_g_per_kwh: lead.corrected,
        covered: lead.covered,
    };
    let regret_view = |regret: &Regret| RegretView {
        of: regret.of.to_owned(),
        jobs: regret.jobs,
        contiguous: regret.contiguous,
        contiguous_kept: regret.contiguous_kept,
        interruptible: regret.interruptible,
        interruptible_kept: regret.interruptible_kept,
    };
    VerificationView {
        zone: zone.to_string(),
        issues: *issues,
        first: between.map(|(first, _)| first),
        last: between.map(|(_, last)| last),
        leads: leads.iter().map(lead).collect(),
        regret: regret.iter().map(regret_view).collect(),
    }
}

fn wanted_zones(asked: &[String], known: &[ZoneId]) -> Result<Vec<ZoneId>, Problem> {
    let find = |name: &String| {
        known.iter().find(|zone| zone.as_str().eq_ignore_ascii_case(name)).cloned().ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, format!("no site of this daemon lies in a zone `{name}`"))
                .hint(did_you_mean(name, known.iter().map(ZoneId::as_str), "zones"))
        })
    };
    asked.iter().map(find).collect()
}

/// The coming hours of a zone: what its plugin told, completed by the same ladder the planner uses.
fn series_of(
    engine: &Engine,
    intensity: &crate::intensity::Intensity,
    zone: &ZoneId,
    now: Timestamp,
    ahead: Seconds,
) -> Option<Series> {
    let end = ahead.after(now);
    let known = engine.outlook().known(zone).map(|known| (known, None));
    let believed = engine.outlook().believed(zone).map(|(believed, label)| (believed, Some(label.to_string())));
    let mut series = match believed.or(known) {
        Some((known, calibration)) => {
            let mut series = Series { calibration, ..Series::of(known) };
            series.points.retain(|point| now < point.end && point.start < end);
            series
        }
        None => {
            let site = engine.sites().iter().find(|site| site.zone == *zone)?;
            crate::intensity::fallback_series(site, now, end)
        }
    };
    series.problem = intensity.problem_of(zone);
    series.stale = intensity.is_stale(zone);
    Some(series)
}

#[derive(Deserialize)]
pub(super) struct ReportQuery {
    since_s: Option<f64>,
    #[serde(default = "by_job")]
    by: String,
}

fn by_job() -> String {
    "job".to_owned()
}

pub(super) async fn report(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<ReportQuery>,
) -> Result<Json<ReportView>, Failed> {
    let by = match query.by.as_str() {
        "job" => GroupBy::Job,
        "project" => GroupBy::Project,
        "site" => GroupBy::Site,
        "policy" => GroupBy::Policy,
        "user" => GroupBy::User,
        other => {
            let problem = Problem::new(ProblemKind::Invalid, format!("a report cannot be grouped by `{other}`"));
            return Err(problem.hint("group by job, project, site, policy or user").into());
        }
    };
    let since = query.since_s.map(Seconds::new).transpose();
    let since = since.map_err(|error| Problem::new(ProblemKind::Invalid, format!("since: {error}")))?;
    let made = move |engine: &mut Engine, now: Timestamp| {
        let from = since.map_or(Timestamp::MIN, |since| since.before(now));
        let ended: fn(&&Job) -> bool = |job| job.review.is_some();
        report_of(engine.jobs().filter(ended).filter(|job| from <= job.state_since), by)
    };
    let made = shared.events.read(made).await?;
    Ok(Json(ReportView { by: query.by, rows: made.rows.iter().map(row).collect(), total: row(&made.total) }))
}

fn row(row: &Row) -> ReportRow {
    ReportRow {
        key: row.key.clone(),
        jobs: row.jobs,
        energy_kwh: Joules::kwh(row.energy),
        footprint_g: row.footprint.get(),
        predicted_g: row.predicted.get(),
        run_at_once_g: row.run_at_once.get(),
        saving_g: row.saving_g,
        footprint_error: row.footprint_error,
        energy_error: row.energy_error,
        duration_error: row.duration_error,
        intensity_error: row.intensity_error,
    }
}
