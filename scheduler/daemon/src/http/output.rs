//! A job's output: the files of its attempts, one after the other, as one stream.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use lowtide_api::client::{COMPLETE_HEADER, NEXT_OFFSET_HEADER};
use lowtide_api::v1::problem::{Problem, ProblemKind};
use lowtide_model::identity::AttemptKey;
use serde::Deserialize;

use super::Failed;
use super::jobs::{job_id, read_job};
use crate::Shared;

/// The most of an output that one answer holds.
const LONGEST_PIECE: u64 = 1 << 20;

#[derive(Deserialize)]
pub(super) struct OutputQuery {
    #[serde(default)]
    stream: OutputStream,
    #[serde(default)]
    offset: u64,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum OutputStream {
    #[default]
    Stdout,
    Stderr,
}

pub(super) async fn read(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(query): Query<OutputQuery>,
) -> Result<(HeaderMap, Vec<u8>), Failed> {
    let job = read_job(&shared, job_id(&id)?).await?;
    let stream = match query.stream {
        OutputStream::Stdout => lowtide_executors::Stream::Stdout,
        OutputStream::Stderr => lowtide_executors::Stream::Stderr,
    };
    let mut skip = query.offset;
    let mut bytes = Vec::new();
    for attempt in &job.attempts {
        let Some(executor) = shared.executors.of(&attempt.site) else { continue };
        let key = AttemptKey { job: job.id, attempt: attempt.number };
        let unreadable = |error: &dyn std::fmt::Display| {
            Problem::new(ProblemKind::Unavailable, format!("the output of job {} cannot be read: {error}", job.id))
        };
        let length = executor.output_length(key, stream).await.map_err(|error| unreadable(&error))?;
        if skip < length {
            let room = LONGEST_PIECE - bytes.len() as u64;
            let piece = executor.output(key, stream, skip, room).await.map_err(|error| unreadable(&error))?;
            bytes.extend(piece);
            if LONGEST_PIECE <= bytes.len() as u64 {
                break;
            }
        }
        skip = skip.saturating_sub(length);
    }
    let next_offset = query.offset + bytes.len() as u64;
    let complete = job.state.is_final() && bytes.is_empty();
    let mut headers = HeaderMap::new();
    headers.insert(NEXT_OFFSET_HEADER, next_offset.into());
    headers.insert(COMPLETE_HEADER, axum::http::HeaderValue::from_static(if complete { "true" } else { "false" }));
    Ok((headers, bytes))
}
