//! Runs of other tools, on their way into the history.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Json;
use lowtide_api::v1::import::{ImportAnswer, ImportRequest, ImportedEpochView, ImportedRunView};
use lowtide_api::v1::problem::{Problem, ProblemKind};
use lowtide_model::course::Course;
use lowtide_model::history::{ImportedRun, PastRun};
use lowtide_model::quantity::{Joules, Seconds};

use super::Failed;
use crate::Shared;

pub(super) async fn import(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<ImportRequest>,
) -> Result<Json<ImportAnswer>, Failed> {
    let runs: Vec<ImportedRun> = request.runs.into_iter().map(run_of).collect::<Result<_, _>>()?;
    let count = runs.len();
    let taken = shared.events.import(runs).await?;
    Ok(Json(ImportAnswer { taken, known: count - taken }))
}

fn run_of(run: ImportedRunView) -> Result<ImportedRun, Problem> {
    let ImportedRunView { origin, project, name, duration_s, energy_kwh, epochs, epochs_planned, per_epoch } = run;
    let invalid = |what: String| {
        Problem::new(ProblemKind::Invalid, format!("the run `{origin}` cannot be kept: {what}"))
            .hint("none of the runs of this request was kept")
    };
    if name.trim().is_empty() || origin.trim().is_empty() {
        return Err(invalid("it has no name".to_owned()));
    }
    let duration = Seconds::new(duration_s).map_err(|error| invalid(error.to_string()))?;
    let energy = Joules::from_kwh(energy_kwh).map_err(|error| invalid(error.to_string()))?;
    if duration == Seconds::ZERO || epochs == Some(0) {
        return Err(invalid("it ran for no time, or for no epoch".to_owned()));
    }
    let measured = |epoch: ImportedEpochView| {
        let duration = Seconds::new(epoch.duration_s).map_err(|error| invalid(error.to_string()))?;
        let energy = Joules::from_kwh(epoch.energy_kwh).map_err(|error| invalid(error.to_string()))?;
        Ok((duration, energy))
    };
    let per_epoch = per_epoch.into_iter().map(measured).collect::<Result<Vec<_>, Problem>>()?;
    let course = Course::of(epochs_planned, &per_epoch);
    Ok(ImportedRun { run: PastRun { duration, energy, epochs, course }, origin, project, name })
}
