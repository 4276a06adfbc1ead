//! The client of the daemon's socket.

use std::path::{Path, PathBuf};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::http::response::Parts;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use lowtide_model::recurring::RecurringId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use crate::v1::act::ActRequest;
use crate::v1::budget::Budgets;
use crate::v1::explain::ExplanationView;
use crate::v1::forecast::SeriesList;
use crate::v1::import::{ImportAnswer, ImportRequest};
use crate::v1::job::JobView;
use crate::v1::listing::{Plugins, Policies, Sites, Status};
use crate::v1::past::PastView;
use crate::v1::problem::Problem;
use crate::v1::recurring::{RecurringJobs, RecurringRequest, RecurringView};
use crate::v1::report::ReportView;
use crate::v1::submit::SubmitRequest;
use crate::v1::summary::{JobSummary, Jobs, JobsQuery};
use crate::v1::verify::Verifications;

/// Header of an output answer: the offset to ask from next.
pub const NEXT_OFFSET_HEADER: &str = "lowtide-next-offset";
/// Header of an output answer: `true` once the attempts are over and nothing can follow.
pub const COMPLETE_HEADER: &str = "lowtide-complete";

/// The query of a request that has none.
const NOTHING_ASKED: &[(&str, &str)] = &[];

/// A connection to the daemon of one state directory.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

/// Why a request brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon listens there.
    #[error("no lowtide daemon answers at {}", socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The daemon refused.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// The daemon's answer was not understood.
    #[error("the daemon at {} answered something this version of lowtide does not understand", socket.display())]
    NotUnderstood {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What may be asked of a job, beside looking at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// End it.
    Cancel,
    /// Put it aside.
    Hold,
    /// Let a held job go, or approve one over its limit.
    Release,
    /// Leave a checkpoint and stay away.
    Pause,
    /// Go on.
    Resume,
    /// Run at once, whatever the plan.
    RunNow,
    /// Have the priority that the request names.
    Prioritise,
}

impl Action {
    /// The verb, as the command line and the address spell it.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::RunNow => "run-now",
            Self::Prioritise => "priority",
        }
    }

    /// The action of that verb.
    #[must_use]
    pub fn of_verb(verb: &str) -> Option<Self> {
        [Self::Cancel, Self::Hold, Self::Release, Self::Pause, Self::Resume, Self::RunNow, Self::Prioritise]
            .into_iter()
            .find(|action| action.verb() == verb)
    }
}

/// Which of a job's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of a job's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The bytes, as the job wrote them.
    pub bytes: Vec<u8>,
    /// The offset to ask from next.
    pub next_offset: u64,
    /// Whether nothing can follow.
    pub complete: bool,
}

impl Client {
    /// A client of the daemon that listens on `socket`. Connects only when asked something, anew each time.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_path_buf() }
    }

    /// The daemon itself.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status", NOTHING_ASKED).await
    }

    /// The process that listens, as the system knows it: its number in our own namespace of processes. `None` where it is in another.
    pub async fn process(&self) -> Result<Option<i32>, ClientError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|cause| self.unreachable(cause))?;
        Ok(stream.peer_cred().map_err(|cause| self.unreachable(cause))?.pid().filter(|pid| 0 < *pid))
    }

    /// Asks the daemon to end, which it does after it has answered. Running jobs go on.
    pub async fn stop(&self) -> Result<(), ClientError> {
        let _: serde_json::Value = self.post("/v1/stop", &()).await?;
        Ok(())
    }

    /// Says that plugins were installed or removed: zones are watched anew.
    pub async fn plugins_changed(&self) -> Result<(), ClientError> {
        let _: serde_json::Value = self.post("/v1/plugins/changed", &()).await?;
        Ok(())
    }

    /// Queues a job, or plans it only where the request is a dry run. Durable when this returns.
    pub async fn submit(&self, request: &SubmitRequest) -> Result<JobView, ClientError> {
        self.post("/v1/jobs", request).await
    }

    /// Queues a job again and again. Durable when this returns.
    pub async fn schedule(&self, request: &RecurringRequest) -> Result<RecurringView, ClientError> {
        self.post("/v1/recurring", request).await
    }

    /// The jobs that recur, oldest first, those that recur no more among them.
    pub async fn recurring_jobs(&self) -> Result<RecurringJobs, ClientError> {
        self.get("/v1/recurring", NOTHING_ASKED).await
    }

    /// A job that recurs.
    pub async fn recurring_job(&self, id: RecurringId) -> Result<RecurringView, ClientError> {
        self.get(&format!("/v1/recurring/{id}"), NOTHING_ASKED).await
    }

    /// Ends the recurring of a job. Jobs it has made go on.
    pub async fn unschedule(&self, id: RecurringId, request: &ActRequest) -> Result<RecurringView, ClientError> {
        self.post(&format!("/v1/recurring/{id}/cancel"), request).await
    }

    /// Keeps runs of other tools as history. Durable when this returns.
    pub async fn import(&self, request: &ImportRequest) -> Result<ImportAnswer, ClientError> {
        self.post("/v1/imports", request).await
    }

    /// The jobs that are asked for.
    pub async fn jobs(&self, query: &JobsQuery) -> Result<Jobs<JobSummary>, ClientError> {
        self.get("/v1/jobs", query).await
    }

    /// Their numbers alone.
    pub async fn job_numbers(&self, query: &JobsQuery) -> Result<Vec<u64>, ClientError> {
        #[derive(Deserialize)]
        struct Numbered {
            id: u64,
        }
        let listed: Jobs<Numbered> = self.get("/v1/jobs", query).await?;
        Ok(listed.jobs.into_iter().map(|job| job.id).collect())
    }

    /// The same jobs as the daemon writes them, [`Jobs`] of [`JobSummary`] as JSON, given away piece by piece as they come: a long list
    /// need not be read to be handed on.
    pub async fn jobs_as_written(&self, query: &JobsQuery, mut take: impl FnMut(&[u8])) -> Result<(), ClientError> {
        let (parts, mut body) = self.request(Method::GET, "/v1/jobs", query, None::<&()>).await?;
        if !parts.status.is_success() {
            return Err(self.refused(parts.status, &self.whole(body).await?));
        }
        while let Some(frame) = body.frame().await {
            if let Some(piece) = frame.map_err(|cause| self.unreachable(cause))?.data_ref() {
                take(piece);
            }
        }
        Ok(())
    }

    /// A job, whole.
    pub async fn job(&self, id: u64) -> Result<JobView, ClientError> {
        self.get(&format!("/v1/jobs/{id}"), NOTHING_ASKED).await
    }

    /// A job, as soon as its revision is above `revision`; after half a minute as it then is.
    pub async fn job_after(&self, id: u64, revision: u64) -> Result<JobView, ClientError> {
        self.get(&format!("/v1/jobs/{id}"), &[("after", revision.to_string())]).await
    }

    /// Asks something of a job.
    pub async fn act(&self, id: u64, action: Action, request: &ActRequest) -> Result<JobSummary, ClientError> {
        self.post(&format!("/v1/jobs/{id}/{}", action.verb()), request).await
    }

    /// What has run in the last so many seconds, and what was known of the grid meanwhile.
    pub async fn past(&self, since_s: f64, project: Option<&str>) -> Result<PastView, ClientError> {
        let mut query = vec![("since_s", since_s.to_string())];
        query.extend(project.map(|project| ("project", project.to_owned())));
        self.get("/v1/past", &query).await
    }

    /// Why it runs where and when it does.
    pub async fn explain(&self, id: u64) -> Result<ExplanationView, ClientError> {
        self.get(&format!("/v1/jobs/{id}/explain"), NOTHING_ASKED).await
    }

    /// The same at a moment of the past, decided again with what was known then.
    pub async fn explain_as_of(&self, id: u64, at: Timestamp) -> Result<ExplanationView, ClientError> {
        self.get(&format!("/v1/jobs/{id}/explain"), &[("as_of", at.to_string())]).await
    }

    /// A job's output from `offset` on, all attempts in order; at most about a megabyte at a time.
    pub async fn output(&self, id: u64, stream: Stream, offset: u64) -> Result<Output, ClientError> {
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let query = [("stream", stream.to_owned()), ("offset", offset.to_string())];
        let (parts, bytes) =
            self.send(Method::GET, &format!("/v1/jobs/{id}/output"), &query, None::<&()>).await?.into_parts();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let next_offset = header(NEXT_OFFSET_HEADER).and_then(|value| value.parse().ok()).unwrap_or(offset);
        let complete = header(COMPLETE_HEADER) == Some("true");
        Ok(Output { bytes: bytes.to_vec(), next_offset, complete })
    }

    /// Intensity of these zones, or of all sites' zones, for the coming hours.
    pub async fn forecast(&self, zones: &[String], hours: u32) -> Result<SeriesList, ClientError> {
        let mut query = vec![("hours", hours.to_string())];
        query.extend(zones.iter().map(|zone| ("zone", zone.clone())));
        self.get("/v1/forecasts", &query).await
    }

    /// How the forecasts of these zones came true, or of all.
    pub async fn verified(&self, zones: &[String]) -> Result<Verifications, ClientError> {
        self.get("/v1/forecasts/verified", &[("zones", zones.join(","))]).await
    }

    /// Predicted against actual of the jobs that ended in the last `since_s` seconds, or of all.
    pub async fn report(&self, since_s: Option<f64>, by: &str) -> Result<ReportView, ClientError> {
        let mut query = vec![("by", by.to_owned())];
        query.extend(since_s.map(|seconds| ("since_s", seconds.to_string())));
        self.get("/v1/report", &query).await
    }

    /// The policies known.
    pub async fn policies(&self) -> Result<Policies, ClientError> {
        self.get("/v1/policies", NOTHING_ASKED).await
    }

    /// The carbon budgets as they stand.
    pub async fn budgets(&self) -> Result<Budgets, ClientError> {
        self.get("/v1/budgets", NOTHING_ASKED).await
    }

    /// The region plugins known.
    pub async fn plugins(&self) -> Result<Plugins, ClientError> {
        self.get("/v1/plugins", NOTHING_ASKED).await
    }

    /// The sites configured.
    pub async fn sites(&self) -> Result<Sites, ClientError> {
        self.get("/v1/sites", NOTHING_ASKED).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &(impl Serialize + ?Sized)) -> Result<T, ClientError> {
        let answer = self.send(Method::GET, path, query, None::<&()>).await?;
        serde_json::from_slice(answer.body()).map_err(|cause| self.not_understood(cause))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let answer = self.send(Method::POST, path, NOTHING_ASKED, Some(body)).await?;
        serde_json::from_slice(answer.body()).map_err(|cause| self.not_understood(cause))
    }

    /// A request and its whole answer.
    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &(impl Serialize + ?Sized),
        body: Option<&impl Serialize>,
    ) -> Result<Response<Bytes>, ClientError> {
        let (parts, incoming) = self.request(method, path, query, body).await?;
        let bytes = self.whole(incoming).await?;
        if parts.status.is_success() {
            return Ok(Response::from_parts(parts, bytes));
        }
        Err(self.refused(parts.status, &bytes))
    }

    async fn whole(&self, incoming: Incoming) -> Result<Bytes, ClientError> {
        Ok(incoming.collect().await.map_err(|cause| self.unreachable(cause))?.to_bytes())
    }

    /// What an answer that is no success says.
    fn refused(&self, status: StatusCode, bytes: &Bytes) -> ClientError {
        match serde_json::from_slice::<Problem>(bytes) {
            Ok(problem) => ClientError::Refused(problem),
            Err(_) => {
                let text = String::from_utf8_lossy(bytes);
                self.not_understood(format!("HTTP status {status}: {text}"))
            }
        }
    }

    /// One request on a connection of its own: over a unix socket that costs microseconds, and nothing is kept open.
    async fn request(
        &self,
        method: Method,
        path: &str,
        query: &(impl Serialize + ?Sized),
        body: Option<&impl Serialize>,
    ) -> Result<(Parts, Incoming), ClientError> {
        let query = serde_urlencoded::to_string(query).map_err(|cause| self.not_understood(cause))?;
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let body = body.map(serde_json::to_vec).transpose().map_err(|cause| self.not_understood(cause))?;
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, "lowtide")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|cause| self.not_understood(cause))?;

        let stream = UnixStream::connect(&self.socket).await.map_err(|cause| self.unreachable(cause))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|cause| self.unreachable(cause))?;
        // The connection ends with the request; an error of its own shows in the answer.
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|cause| self.unreachable(cause))?;
        Ok(answer.into_parts())
    }

    fn unreachable(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
        ClientError::Unreachable { socket: self.socket.clone(), cause: cause.into() }
    }

    fn not_understood(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
        ClientError::NotUnderstood { socket: self.socket.clone(), cause: cause.into() }
    }
}
