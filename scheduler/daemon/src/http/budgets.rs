//! Budgets: list them as they stand.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Json;
use jiff::Timestamp;
use lowtide_api::v1::budget::{BudgetView, Budgets};
use lowtide_api::v1::summary::JobSummary;
use lowtide_engine::{BudgetStatus, Engine};
use lowtide_model::budget::{Budget, Quantile, Scope};
use lowtide_model::identity::JobId;

use super::Failed;
use crate::Shared;

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Json<Budgets>, Failed> {
    let views = |engine: &mut Engine, now: Timestamp| {
        let statuses = engine.budgets(now);
        statuses.into_iter().map(|status| view(engine, status)).collect()
    };
    Ok(Json(Budgets { budgets: shared.events.read(views).await? }))
}

fn view(engine: &Engine, status: BudgetStatus) -> BudgetView {
    let BudgetStatus { budget, zone, period, renews, usage, held, deferred } = status;
    let Budget { name, limit, period: length, zone: _, scope: Scope { project, user }, action, quantile, pause } =
        budget;
    let summaries = |ids: Vec<JobId>| ids.into_iter().filter_map(|id| engine.job(id)).map(JobSummary::of).collect();
    BudgetView {
        name: name.to_string(),
        limit_g: limit.get(),
        period: length.name().to_owned(),
        zone,
        project,
        user,
        action: action.name().to_owned(),
        quantile: match quantile {
            Quantile::Median => "median",
            Quantile::High => "high",
        }
        .to_owned(),
        pause,
        period_start: Some(period.start()).filter(|start| Timestamp::MIN < *start),
        period_end: renews,
        used_g: usage.settled.get(),
        running_so_far_g: usage.so_far.get(),
        running_predicted_g: usage.running.get(),
        planned_g: usage.planned.get(),
        left_g: limit.minus(usage.taken()).get(),
        held: summaries(held),
        deferred: summaries(deferred),
    }
}
