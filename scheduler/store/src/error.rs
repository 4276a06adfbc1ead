//! Why the database cannot be used, in words that say what to do.

use std::path::PathBuf;

/// A failure of the store. None of them changes or removes anything that was stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file was written by a newer lowtide.
    #[error(
        "the database {} has schema version {found}, and this lowtide knows versions up to {known}; nothing was changed: \
         use a newer lowtide, or another --state-dir", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known.
        known: i64,
    },
    /// The file is no database, or a damaged one.
    #[error(
        "the database {} is damaged or is no database ({detail}); nothing was changed: keep a copy of it, then restore it from \
         a backup or move it away to begin with an empty queue", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Another process has the file.
    #[error(
        "the database {} is in use by another lowtide daemon; only one daemon may use a state directory: talk to that one, or \
         choose another --state-dir", path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened, read or written.
    #[error("the database {} cannot be {doing}: {source}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What was tried: `opened`, `read`, `written`.
        doing: &'static str,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// A stored record cannot be read back.
    #[error("in the database {} the {what} cannot be read back: {source}", path.display())]
    BadRecord {
        /// The file.
        path: PathBuf,
        /// Which record.
        what: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
}

impl StoreError {
    /// Sorts a failure of SQLite by what the user can do about it.
    pub(crate) fn of(path: &std::path::Path, doing: &'static str, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = path.to_path_buf();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Damaged { path, detail: source.to_string() }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { path },
            _ => Self::Unusable { path, doing, source },
        }
    }
}
