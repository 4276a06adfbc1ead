//! The HTTP interface on the user's own socket: each verb a handler, each handler one request to the loop.

mod budgets;
mod imports;
mod jobs;
mod list;
mod listings;
mod output;
mod past;
mod recurring;
mod spec;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use lowtide_api::v1::problem::{Problem, ProblemKind};

use crate::Shared;

/// The routes over what the daemon shares.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/status", get(listings::status))
        .route("/v1/stop", post(stop))
        .route("/v1/jobs", get(list::list).post(jobs::submit))
        .route("/v1/jobs/{id}", get(jobs::show))
        .route("/v1/jobs/{id}/explain", get(jobs::explain))
        .route("/v1/jobs/{id}/output", get(output::read))
        .route("/v1/jobs/{id}/{action}", post(jobs::act))
        .route("/v1/recurring", get(recurring::list).post(recurring::submit))
        .route("/v1/recurring/{id}", get(recurring::show))
        .route("/v1/recurring/{id}/cancel", post(recurring::cancel))
        .route("/v1/forecasts", get(listings::forecasts))
        .route("/v1/forecasts/verified", get(listings::verifications))
        .route("/v1/report", get(listings::report))
        .route("/v1/imports", post(imports::import))
        .route("/v1/budgets", get(budgets::list))
        .route("/v1/past", get(past::past))
        .route("/v1/policies", get(listings::policies))
        .route("/v1/plugins", get(listings::plugins))
        .route("/v1/plugins/changed", post(listings::plugins_changed))
        .route("/v1/sites", get(listings::sites))
        .fallback(|| async {
            Failed(Problem::new(ProblemKind::NotFound, "there is no such address").hint(
                "is the client newer than the daemon? `lowtide daemon stop` lets the next command start the new one",
            ))
        })
        .with_state(shared)
}

async fn stop(State(shared): State<Arc<Shared>>) -> Json<serde_json::Value> {
    shared.stopping.notify_waiters();
    shared.stopping.notify_one();
    Json(serde_json::json!({ "stopping": true }))
}

/// A problem as an answer.
pub(crate) struct Failed(pub(crate) Problem);

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = match self.0.kind {
            ProblemKind::NotFound => StatusCode::NOT_FOUND,
            ProblemKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            ProblemKind::Conflict => StatusCode::CONFLICT,
            ProblemKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ProblemKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(self.0)).into_response()
    }
}
