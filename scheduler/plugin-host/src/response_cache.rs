//! Answers of providers, kept in a private folder across restarts: to be given again while they are fresh, and to be asked
//! about afterwards ("has it changed?"). Names are digests; no address and no key stands in a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lowtide_model::quantity::Seconds;
use serde::{Deserialize, Serialize};

use crate::fetch::{Fetched, HttpRequest};
use crate::host::sha256_of;
use crate::private::PrivateFolder;

/// Answers older than this are removed at a start.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// So much is kept at a start; the oldest go first.
const KEPT_BYTES: u64 = 64 << 20;
/// However long a provider says that its answer holds, it is asked again after this many seconds.
const LONGEST_FRESH: f64 = 3600.0;

/// The kept answers. Without a folder they are kept in memory only.
#[derive(Debug)]
pub(crate) struct ResponseCache {
    folder: Option<PrivateFolder>,
    memory: BTreeMap<String, Kept>,
}

/// A kept answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    head: Head,
    body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// When the provider last said that this is its answer.
    confirmed_at: Timestamp,
    /// For how many seconds from then the provider says that it holds.
    holds_seconds: u32,
    status: u16,
    headers: Vec<(String, String)>,
}

impl ResponseCache {
    pub(crate) fn open(folder: Option<PathBuf>) -> Self {
        let folder = folder.and_then(PrivateFolder::open);
        if let Some(folder) = &folder {
            prune(folder);
        }
        Self { folder, memory: BTreeMap::new() }
    }

    /// The name of a request's answer.
    pub(crate) fn key(request: &HttpRequest) -> String {
        let secrets = request.secret_digest.as_deref().unwrap_or_default();
        let headers = request.headers.iter().map(|(name, value)| format!("{}: {value}\n", name.to_ascii_lowercase()));
        let text = format!("{}\n{secrets}\n{}", request.origin.url, headers.collect::<String>());
        sha256_of(text.as_bytes())
    }

    pub(crate) fn get(&mut self, key: &str) -> Option<Kept> {
        if let Some(kept) = self.memory.get(key) {
            return Some(kept.clone());
        }
        let folder = self.folder.as_ref().filter(|folder| folder.is_private())?;
        let bytes = fs::read(folder.path().join(format!("{key}.answer"))).ok()?;
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        // A file that cannot be read is as one that is not there: the provider is asked.
        let head = serde_json::from_slice(&bytes[..end]).ok()?;
        let kept = Kept { head, body: bytes[end + 1..].to_vec() };
        self.memory.insert(key.to_owned(), kept.clone());
        Some(kept)
    }

    /// Keeps an answer, unless the provider forbids it.
    pub(crate) fn put(&mut self, key: &str, fetched: &Fetched, now: Timestamp) {
        let control = header(&fetched.headers, "cache-control").unwrap_or_default().to_ascii_lowercase();
        if fetched.status != 200 || control.contains("no-store") {
            return;
        }
        let holds = control.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok()).unwrap_or(0);
        let head =
            Head { confirmed_at: now, holds_seconds: holds, status: fetched.status, headers: fetched.headers.clone() };
        self.write(key, Kept { head, body: fetched.body.clone() });
    }

    /// The provider says that a kept answer is still its answer.
    pub(crate) fn confirm(&mut self, key: &str, mut kept: Kept, now: Timestamp) -> Fetched {
        kept.head.confirmed_at = now;
        let fetched = kept.answer();
        self.write(key, kept);
        fetched
    }

    fn write(&mut self, key: &str, kept: Kept) {
        if let Some(folder) = self.folder.as_ref().filter(|folder| folder.is_private()) {
            let mut bytes = serde_json::to_vec(&kept.head).expect("a head can be written down");
            bytes.push(b'\n');
            bytes.extend_from_slice(&kept.body);
            if let Err(error) = folder.keep(&format!("{key}.answer"), &bytes) {
                // A full disk costs a fetch after the next start, no more.
                tracing::warn!("a provider's answer cannot be kept in {}: {error}", folder.path().display());
            }
        }
        self.memory.retain(|_, other| Seconds::between(other.head.confirmed_at, kept.head.confirmed_at).hours() < 24.0);
        self.memory.insert(key.to_owned(), kept);
    }
}

impl Kept {
    /// Whether it need not be asked for again: the plugin's rules or the provider say so.
    pub(crate) fn is_fresh(&self, fresh_seconds: u32, now: Timestamp) -> bool {
        let said = f64::from(self.head.holds_seconds).min(LONGEST_FRESH);
        let holds = Seconds::saturating(f64::from(fresh_seconds).max(said));
        self.head.confirmed_at <= now && now < holds.after(self.head.confirmed_at)
    }

    /// Headers that ask whether it has changed.
    pub(crate) fn conditions(&self) -> Vec<(String, String)> {
        [("etag", "if-none-match"), ("last-modified", "if-modified-since")]
            .iter()
            .filter_map(|(told, asked)| Some(((*asked).to_owned(), header(&self.head.headers, told)?.to_owned())))
            .collect()
    }

    pub(crate) fn answer(&self) -> Fetched {
        Fetched { status: self.head.status, headers: self.head.headers.clone(), body: self.body.clone() }
    }
}

/// A header by its name.
pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Removes what is old, and the oldest of what is too much. Whatever fails here is left for the next start.
fn prune(folder: &PrivateFolder) {
    let Ok(entries) = fs::read_dir(folder.path()) else { return };
    let now = SystemTime::now();
    let mut files: Vec<(Duration, u64, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            let age = metadata.modified().ok().and_then(|at| now.duration_since(at).ok()).unwrap_or_default();
            Some((age, metadata.len(), entry.path()))
        })
        .collect();
    files.sort();
    let mut total = 0;
    for (age, length, path) in files {
        total += length;
        if KEPT < age || KEPT_BYTES < total {
            let _ = fs::remove_file(path);
        }
    }
}
