//! Jobs: submit, show, act, explain.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use jiff::Timestamp;
use lowtide_api::client::Action;
use lowtide_api::v1::act::ActRequest;
use lowtide_api::v1::explain::{AsOfView, ExplanationView};
use lowtide_api::v1::job::{AlternativeView, JobView, PlanView};
use lowtide_api::v1::problem::{Problem, ProblemKind};
use lowtide_api::v1::submit::SubmitRequest;
use lowtide_api::v1::summary::JobSummary;
use lowtide_engine::{Engine, Saying, UserAction};
use lowtide_model::identity::JobId;
use lowtide_model::job::Job;
use lowtide_model::plan::Plan;
use lowtide_model::priority::Priority;
use lowtide_planner::explain::{Explanation, explain as explain_plan};
use serde::Deserialize;

use super::Failed;
use super::spec::{priority_of, spec_of};
use crate::Shared;
use crate::past::Past;

/// How long a client that waits for a change is kept waiting before it gets the job as it is.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A reason is a line or two of a job's notes, not a document.
const LONGEST_REASON: usize = 1000;

pub(super) async fn submit(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<SubmitRequest>,
) -> Result<(StatusCode, Json<JobView>), Failed> {
    let (key, dry_run) = (request.idempotency_key.clone(), request.dry_run);
    let spec = spec_of(request, &shared.defaults, shared.clock.now())?;
    if dry_run {
        let job = shared.events.dry_run(spec).await?;
        return Ok((StatusCode::OK, Json(JobView { id: None, ..JobView::of(&job, 0) })));
    }
    let job = shared.events.submit(spec, key).await?;
    Ok((StatusCode::CREATED, Json(view(&shared, &job))))
}

#[derive(Deserialize)]
pub(super) struct ShowQuery {
    after: Option<u64>,
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(query): Query<ShowQuery>,
) -> Result<Json<JobView>, Failed> {
    let id = job_id(&id)?;
    if let Some(after) = query.after {
        let mut revisions = shared.events.revisions();
        // Whether it changed in time or not, the job is shown as it then is.
        let _ = tokio::time::timeout(LONGEST_WAIT, revisions.wait_for(|revisions| after < revisions.of(id))).await;
    }
    let job = read_job(&shared, id).await?;
    Ok(Json(view(&shared, &job)))
}

pub(super) async fn act(
    State(shared): State<Arc<Shared>>,
    Path((id, verb)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<JobSummary>, Failed> {
    let id = job_id(&id)?;
    let action = match Action::of_verb(&verb) {
        Some(Action::Cancel) => UserAction::Cancel,
        Some(Action::Hold) => UserAction::Hold,
        Some(Action::Release) => UserAction::Release,
        Some(Action::Pause) => UserAction::Pause,
        Some(Action::Resume) => UserAction::Resume,
        Some(Action::RunNow) => UserAction::RunNow,
        Some(Action::Prioritise) => UserAction::Prioritise(wished_priority(&body)?),
        None => return Err(Problem::new(ProblemKind::NotFound, format!("a job cannot be asked to `{verb}`")).into()),
    };
    let job = shared.events.act(id, action, saying_of(&body)?).await?;
    Ok(Json(JobSummary::of(&job)))
}

/// The priority that a request names.
fn wished_priority(body: &Bytes) -> Result<Priority, Problem> {
    let refused = |error| Problem::new(ProblemKind::Invalid, format!("the request cannot be read: {error}"));
    let ActRequest { priority, .. } = serde_json::from_slice(body).map_err(refused)?;
    let missing =
        || Problem::new(ProblemKind::Invalid, "the request names no priority").hint("`lowtide priority ID N`");
    priority_of(priority.ok_or_else(missing)?)
}

/// Who asks and why. A client that says nothing, or `null`, may.
pub(super) fn saying_of(body: &Bytes) -> Result<Saying, Problem> {
    if body.is_empty() {
        return Ok(Saying::default());
    }
    let refused = |error| Problem::new(ProblemKind::Invalid, format!("the request cannot be read: {error}"));
    let request: Option<ActRequest> = serde_json::from_slice(body).map_err(refused)?;
    let ActRequest { by, reason, priority: _ } = request.unwrap_or_default();
    let too_long = |text: &Option<String>| text.as_ref().is_some_and(|text| LONGEST_REASON < text.chars().count());
    if too_long(&by) || too_long(&reason) {
        let message = format!("a reason has {LONGEST_REASON} characters at most");
        return Err(Problem::new(ProblemKind::Invalid, message));
    }
    Ok(Saying { by, reason })
}

#[derive(Deserialize)]
pub(super) struct ExplainQuery {
    as_of: Option<Timestamp>,
}

pub(super) async fn explain(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(query): Query<ExplainQuery>,
) -> Result<Json<ExplanationView>, Failed> {
    let id = job_id(&id)?;
    if let Some(at) = query.as_of {
        return Ok(Json(explain_as_of(&shared, id, at).await?));
    }
    let explained = move |engine: &mut Engine, now| explanation(engine, id, now);
    Ok(Json(shared.events.read(explained).await?.ok_or_else(|| no_such_job(id))?))
}

/// The decision of a moment of the past, made again with what was known then, beside the one that was in force.
async fn explain_as_of(shared: &Shared, id: JobId, at: Timestamp) -> Result<ExplanationView, Problem> {
    if shared.clock.now() < at {
        return Err(Problem::new(ProblemKind::Invalid, format!("{at} is yet to come")));
    }
    // A job that there is not has no past.
    let job = read_job(shared, id).await?;
    if at < job.submitted_at {
        let message = format!("job {id} was submitted at {}, after {at}", job.submitted_at);
        return Err(
            Problem::new(ProblemKind::Invalid, message).hint("`--as-of submit` is the moment of its submission")
        );
    }
    let Past { replay, events, forgotten, in_force } = Past::of(&shared.events, id, at).await?;
    let again = replay.engine().job(id).and_then(|job| job.plan.clone());
    let same = |plan: &Option<Plan>| match (plan, &again) {
        (Some(then), Some(again)) if then.made_at == again.made_at => then == again,
        // Made anew without another outcome, a plan is not recorded again.
        (Some(then), Some(again)) => (&then.segments, then.reason) == (&again.segments, again.reason),
        (None, None) => true,
        _ => false,
    };
    let identical = in_force.as_ref().map(|decision| same(&decision.plan));
    let then = in_force.and_then(|decision| decision.plan).as_ref().map(PlanView::of);
    let missing = || Problem::new(ProblemKind::Internal, format!("the journal does not know job {id}"));
    let explanation = explanation(replay.engine(), id, at).ok_or_else(missing)?;
    Ok(ExplanationView { as_of: Some(AsOfView { at, events, forgotten, identical, in_force: then }), ..explanation })
}

/// Why a job runs where and when it does, as an engine has it.
fn explanation(engine: &Engine, id: JobId, now: Timestamp) -> Option<ExplanationView> {
    let job = engine.job(id)?;
    let policy = engine.policy_in_force(&job.spec);
    let unplanned = ExplanationView {
        id: id.0,
        name: job.spec.name.clone(),
        state: job.state.name().to_owned(),
        headline: format!("Job {id} is {} and has no plan", job.state.name()),
        chosen: None,
        run_now: None,
        rejected: Vec::new(),
        would_change: Vec::new(),
        rests_on: Vec::new(),
        as_of: None,
    };
    let Some(plan) = &job.plan else { return Some(unplanned) };
    let Explanation { headline, chosen, run_now, rejected, would_change, rests_on } =
        explain_plan(job, plan, now, &policy, &engine.what_would_change(now, id));
    let headline = if job.state.is_final() {
        format!("Job {id} is over ({}); what follows is the last plan it had", job.state.name())
    } else {
        headline
    };
    let rests_on = rests_on.into_iter().chain(engine.turn_in_words(now, job)).collect();
    Some(ExplanationView {
        headline,
        chosen: Some(PlanView::of(&chosen)),
        run_now: run_now.as_ref().map(AlternativeView::of),
        rejected: rejected.iter().map(AlternativeView::of).collect(),
        would_change,
        rests_on,
        ..unplanned
    })
}

/// The job of that number, as it is now.
pub(super) async fn read_job(shared: &Shared, id: JobId) -> Result<Job, Problem> {
    let job = shared.events.read(move |engine, _| engine.job(id).cloned()).await?;
    job.ok_or_else(|| no_such_job(id))
}

/// The number in an address.
pub(super) fn job_id(text: &str) -> Result<JobId, Problem> {
    let refused = || Problem::new(ProblemKind::NotFound, format!("`{text}` is not the number of a job"));
    text.parse().map(JobId).map_err(|_| refused().hint("`lowtide jobs --all` lists them"))
}

fn no_such_job(id: JobId) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("there is no job {id}")).hint("`lowtide jobs --all` lists them")
}

fn view(shared: &Shared, job: &Job) -> JobView {
    JobView::of(job, shared.events.revisions().borrow().of(job.id))
}
