//! Making a recording of a live service: each answer becomes a file, named in `replay.json`. Secrets are in neither: addresses
//! are those the guest gave, bodies are cleared of them, and what a login answers is not kept.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::fetch::{FetchFailure, Fetched, Fetcher, HttpRequest};
use crate::response_cache::header;

/// Headers worth keeping.
const KEPT_HEADERS: [&str; 4] = ["content-type", "etag", "last-modified", "retry-after"];
/// What stands in a recording where a secret stood.
const REDACTED: &str = "redacted";
/// Texts of a login's answer that are longer than this are taken for tokens.
const LONGEST_PLAIN: usize = 12;

/// Passes requests on and keeps what comes back.
#[derive(Debug)]
pub struct RecordingFetcher {
    network: Arc<dyn Fetcher>,
    folder: PathBuf,
    secrets: Vec<String>,
    recorded: Mutex<Vec<Value>>,
}

impl RecordingFetcher {
    /// Records into a new folder. No text of `secrets` gets into it.
    pub fn new(network: Arc<dyn Fetcher>, folder: &Path, secrets: Vec<String>) -> std::io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { network, folder: folder.to_path_buf(), secrets, recorded: Mutex::default() })
    }

    /// How many answers were kept so far.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.recorded.lock().expect("no holder panics").len()
    }

    fn keep(&self, request: &HttpRequest, fetched: &Fetched) -> std::io::Result<()> {
        let mut recorded = self.recorded.lock().expect("no holder panics");
        let is_login = header(&request.headers, "authorization").is_some_and(|value| value.starts_with("Basic "));
        let body = if is_login { without_tokens(&fetched.body) } else { fetched.body.clone() };
        let ending = match header(&fetched.headers, "content-type").unwrap_or_default() {
            kind if kind.contains("json") => "json",
            kind if kind.contains("xml") => "xml",
            kind if kind.contains("csv") => "csv",
            _ => "txt",
        };
        let file = format!("{}.{ending}", recorded.len() + 1);
        fs::write(self.folder.join(&file), self.clear(&body))?;
        let headers: serde_json::Map<String, Value> = KEPT_HEADERS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), Value::from(header(&fetched.headers, name)?))))
            .collect();
        let url = String::from_utf8_lossy(&self.clear(request.asked.as_str().as_bytes())).into_owned();
        recorded.push(json!({ "url": url, "status": fetched.status, "headers": headers, "body": file }));
        let list = serde_json::to_vec_pretty(&*recorded).expect("a list can be written down");
        fs::write(self.folder.join("replay.json"), list)
    }

    fn clear(&self, bytes: &[u8]) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(bytes) else { return bytes.to_vec() };
        let secrets = self.secrets.iter().filter(|secret| 4 <= secret.len());
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, REDACTED)).into_bytes()
    }
}

impl Fetcher for RecordingFetcher {
    fn fetch<'a>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchFailure>> + Send + 'a>> {
        Box::pin(async move {
            let fetched = self.network.fetch(request.clone()).await?;
            self.keep(&request, &fetched).map_err(|error| {
                FetchFailure::Network(format!("the recording in {} cannot be written: {error}", self.folder.display()))
            })?;
            Ok(fetched)
        })
    }
}

/// A login's answer without what it is for.
fn without_tokens(body: &[u8]) -> Vec<u8> {
    fn clear(value: &mut Value) {
        match value {
            Value::String(text) if LONGEST_PLAIN < text.len() => REDACTED.clone_into(text),
            Value::Array(values) => values.iter_mut().for_each(clear),
            Value::Object(entries) => entries.values_mut().for_each(clear),
            _ => {}
        }
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            clear(&mut value);
            value.to_string().into_bytes()
        }
        Err(_) => REDACTED.as_bytes().to_vec(),
    }
}
