//! Jobs that recur: submit, list, show, cancel.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use lowtide_api::v1::problem::{Problem, ProblemKind};
use lowtide_api::v1::recurring::{RecurringJobs, RecurringRequest, RecurringView};
use lowtide_engine::Engine;
use lowtide_model::quantity::Seconds;
use lowtide_model::recurring::{Overlap, Recurrence, Recurring, RecurringId};

use super::Failed;
use super::jobs::saying_of;
use super::spec::spec_of;
use crate::Shared;

/// How many coming times are told.
const NEXT_TOLD: usize = 3;

pub(super) async fn submit(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<RecurringRequest>,
) -> Result<(StatusCode, Json<RecurringView>), Failed> {
    let RecurringRequest { job, cron, zone, slack_s, early_s, queue } = request;
    let refused = |what: &str| Problem::new(ProblemKind::Invalid, what.to_owned());
    if job.deadline.is_some() || !job.after.is_empty() || job.dry_run {
        let message = "a recurring job takes no deadline, no `after` and no dry run";
        return Err(refused(message).hint("each occurrence is to be done when the next one comes").into());
    }
    let key = job.idempotency_key.clone();
    let spec = spec_of(job, &shared.defaults, shared.clock.now())?;
    let seconds = |what: &str, value: Option<f64>| {
        value.map(|value| Seconds::new(value).map_err(|error| refused(&format!("{what}: {error}")))).transpose()
    };
    let recurrence = Recurrence {
        cron,
        zone: zone.filter(|zone| zone != "local"),
        early: seconds("early", early_s)?.unwrap_or(Seconds::ZERO),
        slack: seconds("slack", slack_s)?,
        overlap: if queue { Overlap::Queue } else { Overlap::Skip },
    };
    let id = shared.events.schedule(spec, recurrence, key).await?;
    Ok((StatusCode::CREATED, Json(read(&shared, id).await?)))
}

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Json<RecurringJobs>, Failed> {
    let views = |engine: &mut Engine, _| engine.recurring().map(|recurring| view(engine, recurring)).collect();
    Ok(Json(RecurringJobs { recurring: shared.events.read(views).await? }))
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<RecurringView>, Failed> {
    Ok(Json(read(&shared, recurring_id(&id)?).await?))
}

pub(super) async fn cancel(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<RecurringView>, Failed> {
    let id = recurring_id(&id)?;
    shared.events.unschedule(id, saying_of(&body)?).await?;
    Ok(Json(read(&shared, id).await?))
}

async fn read(shared: &Shared, id: RecurringId) -> Result<RecurringView, Problem> {
    let find = move |engine: &mut Engine, _| {
        engine.recurring().find(|recurring| recurring.id == id).map(|recurring| view(engine, recurring))
    };
    let found = shared.events.read(find).await?;
    found.ok_or_else(|| Problem::new(ProblemKind::NotFound, format!("there is no recurring job {id}")).hint(LISTS))
}

const LISTS: &str = "`lowtide jobs --recurring` lists them";

fn view(engine: &Engine, recurring: &Recurring) -> RecurringView {
    RecurringView::of(recurring, engine.next_occurrences(recurring.id, NEXT_TOLD))
}

fn recurring_id(text: &str) -> Result<RecurringId, Problem> {
    text.parse().map_err(|error: lowtide_model::identity::NotAName| {
        Problem::new(ProblemKind::NotFound, error.to_string()).hint(LISTS)
    })
}
