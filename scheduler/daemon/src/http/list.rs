//! The list of jobs. It may be a hundred thousand jobs long: it is read from the loop in pieces, so that nobody waits behind the whole
//! of it, and sent piece by piece, so that nobody has to hold it.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use futures_util::stream;
use lowtide_api::v1::problem::{Problem, ProblemKind};
use lowtide_api::v1::summary::{JobSummary, Jobs, JobsQuery, Order};
use lowtide_engine::Engine;
use lowtide_model::identity::JobId;
use lowtide_model::job::Job;
use lowtide_model::state::JobState;

use super::Failed;
use crate::Shared;
use crate::event_loop::Handle;
use crate::refusal::did_you_mean;

/// So many jobs are looked at in one turn of the loop: some milliseconds, as long as a tick that makes plans.
const LOOKED_AT_ONCE: usize = 8_192;
/// What a job in one line takes as JSON, roughly.
const BYTES_A_JOB: usize = 512;

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<JobsQuery>,
) -> Result<Response, Failed> {
    let limit = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let order = query.order;
    let wanted = Wanted::of(query)?;
    match order {
        Order::Start => {
            let jobs = shared.events.read(move |engine, _| by_start(engine, &wanted, limit)).await?;
            Ok(Json(jobs).into_response())
        }
        Order::Oldest => {
            let pieces =
                Pieces { events: shared.events.clone(), wanted: Arc::new(wanted), place: Some(Place::first(limit)) };
            let body = Body::from_stream(stream::try_unfold(pieces, Pieces::next));
            Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
        }
    }
}

/// Which jobs are listed.
struct Wanted {
    all: bool,
    states: Vec<String>,
    user: Option<String>,
    project: Option<String>,
}

impl Wanted {
    fn of(query: JobsQuery) -> Result<Self, Problem> {
        let JobsQuery { all, order: _, limit: _, state, user, project } = query;
        let states: Vec<String> = state.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let known = || JobState::OPEN_NAMES.into_iter().chain(JobState::FINAL_NAMES);
        if let Some(unknown) = states.iter().find(|name| known().all(|known| known != name.as_str())) {
            let problem = Problem::new(ProblemKind::Invalid, format!("no job can be `{unknown}`"));
            return Err(problem.hint(did_you_mean(unknown, known(), "states")));
        }
        let over = states.iter().any(|name| JobState::FINAL_NAMES.contains(&name.as_str()));
        Ok(Self { all: all || over, states, user, project })
    }

    fn holds(&self, job: &Job) -> bool {
        let Self { all: _, states, user, project } = self;
        (states.is_empty() || states.iter().any(|name| name == job.state.name()))
            && user.as_ref().is_none_or(|user| *user == job.spec.user)
            && project.as_ref().is_none_or(|project| Some(project) == job.spec.project.as_ref())
    }

    /// Whether it holds every job that is not over, or every job: then none has to be looked at to count them.
    const fn is_everything(&self) -> bool {
        self.states.is_empty() && self.user.is_none() && self.project.is_none()
    }
}

fn by_start(engine: &Engine, wanted: &Wanted, limit: usize) -> Jobs<JobSummary> {
    let mut jobs = engine.jobs_by_start(wanted.all).filter(|job| wanted.holds(job));
    let listed: Vec<JobSummary> = jobs.by_ref().take(limit).map(JobSummary::of).collect();
    let more = if wanted.is_everything() {
        let count = if wanted.all { engine.count() } else { engine.open_count() };
        count - listed.len()
    } else {
        jobs.count()
    };
    Jobs { jobs: listed, more: more as u64 }
}

/// A list that is being sent, oldest first. A job that ends or comes meanwhile is in it or not; none is in it twice.
struct Pieces {
    events: Handle,
    wanted: Arc<Wanted>,
    /// Nothing when it has come to its end.
    place: Option<Place>,
}

/// How far a list has come.
#[derive(Clone, Copy)]
struct Place {
    after: JobId,
    listed: usize,
    /// So many may still be listed.
    left: usize,
    more: u64,
}

/// The jobs of one piece, and where the next one begins.
struct Piece {
    jobs: Vec<JobSummary>,
    place: Place,
    last: bool,
}

impl Place {
    const fn first(limit: usize) -> Self {
        Self { after: JobId(0), listed: 0, left: limit, more: 0 }
    }
}

impl Pieces {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Problem> {
        let Some(before) = self.place else { return Ok(None) };
        let wanted = self.wanted.clone();
        let Piece { jobs, place, last } = self.events.read(move |engine, _| piece(engine, &wanted, before)).await?;
        let mut text = Vec::with_capacity(jobs.len() * BYTES_A_JOB);
        if before.after == JobId(0) {
            text.extend_from_slice(b"{\"jobs\":[");
        }
        for (number, job) in jobs.iter().enumerate() {
            if 0 < before.listed + number {
                text.push(b',');
            }
            let unwritten = |error| Problem::new(ProblemKind::Internal, format!("a job cannot be written: {error}"));
            serde_json::to_writer(&mut text, job).map_err(unwritten)?;
        }
        if last {
            text.push(b']');
            if 0 < place.more {
                text.extend_from_slice(format!(",\"more\":{}", place.more).as_bytes());
            }
            text.push(b'}');
        }
        self.place = (!last).then_some(place);
        Ok(Some((Bytes::from(text), self)))
    }
}

/// The next jobs of a list.
fn piece(engine: &Engine, wanted: &Wanted, before: Place) -> Piece {
    let Place { mut after, mut listed, mut left, mut more } = before;
    let mut jobs = Vec::with_capacity(left.min(LOOKED_AT_ONCE));
    let mut looked_at = 0;
    for job in engine.jobs_after(after, wanted.all).take(LOOKED_AT_ONCE) {
        looked_at += 1;
        after = job.id;
        if !wanted.holds(job) {
            continue;
        }
        if left == 0 {
            more += 1;
            continue;
        }
        (listed, left) = (listed + 1, left - 1);
        jobs.push(JobSummary::of(job));
    }
    Piece { jobs, place: Place { after, listed, left, more }, last: looked_at < LOOKED_AT_ONCE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_can_be_asked_for_and_a_final_one_is_a_wish_for_jobs_that_are_over() {
        let of = |state: &str| Wanted::of(JobsQuery { state: state.to_owned(), ..JobsQuery::default() });
        assert!(of("").is_ok_and(|wanted| wanted.is_everything() && !wanted.all));
        assert!(of("running,held").is_ok_and(|wanted| wanted.states.len() == 2 && !wanted.all));
        assert!(of("waiting,failed").is_ok_and(|wanted| wanted.all));
        let hint = of("runing").err().and_then(|problem| problem.hint);
        assert_eq!(hint.as_deref(), Some("did you mean `running`?"));
    }
}
