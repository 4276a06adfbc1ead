//! Recorded answers instead of the network: `replay.json` is a list of `{url, status, headers, body}` where `url` is the
//! beginning of an address (of several that fit the longest counts) and `body` a file beside it.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use serde::Deserialize;

use crate::fetch::{FetchFailure, Fetched, Fetcher, HttpRequest};
use crate::manifest::origin_of;

/// A folder of recorded answers.
#[derive(Debug)]
pub struct ReplayFetcher {
    folder: PathBuf,
    recorded: Vec<Recorded>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    url: String,
    #[serde(default = "success")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<PathBuf>,
}

const fn success() -> u16 {
    200
}

/// A recording that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no recording.
    #[error("{}: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
}

impl ReplayFetcher {
    /// The recording in a folder.
    pub fn open(folder: &Path) -> Result<Self, ReplayError> {
        let path = folder.join("replay.json");
        let text = std::fs::read(&path).map_err(|source| ReplayError::Unreadable { path: path.clone(), source })?;
        let recorded = serde_json::from_slice(&text).map_err(|source| ReplayError::Malformed { path, source })?;
        Ok(Self { folder: folder.to_path_buf(), recorded })
    }

    /// The origins it answers for: a test of a recording needs no other grant.
    #[must_use]
    pub fn origins(&self) -> Vec<String> {
        self.recorded.iter().filter_map(|recorded| origin_of(&recorded.url)).collect()
    }

    fn answer(&self, address: &str) -> Result<Fetched, FetchFailure> {
        let fitting = self.recorded.iter().filter(|recorded| address.starts_with(&recorded.url));
        let Some(recorded) = fitting.max_by_key(|recorded| recorded.url.len()) else {
            let place = address.split('?').next().unwrap_or_default();
            return Err(FetchFailure::Network(format!("nothing is recorded for {place}")));
        };
        let body = match &recorded.body {
            None => Vec::new(),
            Some(file) => std::fs::read(self.folder.join(file))
                .map_err(|error| FetchFailure::Network(format!("{}: {error}", file.display())))?,
        };
        let headers = recorded.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Fetched { status: recorded.status, headers, body })
    }
}

impl Fetcher for ReplayFetcher {
    fn fetch<'a>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchFailure>> + Send + 'a>> {
        Box::pin(async move { self.answer(request.asked.as_str()) })
    }
}
