//! Opening the database, and committing to it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::batch::Batch;
use crate::error::StoreError;
use crate::{decisions, effects, imports, jobs, journal, migrate, recurring};

/// How long another process that has the database is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// The database of one daemon. Locked against every other process while it is open.
#[derive(Debug)]
pub struct Store {
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
}

impl Store {
    /// Opens the database at `path`, making it if there is none, readable by its owner alone, and brings its schema up
    /// to date. A file that is damaged, newer or in use is left as it is.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        create_private(path);
        let failed = |source| StoreError::of(path, "opened", source);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        // A daemon that ends lets go at once; one that runs never does.
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        // The lock is taken by the first access and held until the end: a second daemon is refused, not served half.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        // An acknowledged submit survives a power cut, not only a crash of ours.
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", "ON").map_err(failed)?;
        connection.execute_batch("BEGIN EXCLUSIVE; COMMIT").map_err(failed)?;
        migrate::migrate(&mut connection, path)?;
        let store = Self { path: path.to_path_buf(), connection };
        store.check()?;
        Ok(store)
    }

    /// Writes a batch in one transaction. It is on disk when this returns; after an error nothing of it is.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let path = self.path.clone();
        let failed = |source| StoreError::of(&path, "written", source);
        let bad = |what: &str, source| StoreError::BadRecord { path: path.clone(), what: what.to_owned(), source };
        let transaction = self.connection.transaction().map_err(failed)?;
        journal::append(&transaction, &batch.events).map_err(failed)?;
        for job in &batch.jobs {
            let record = serde_json::to_string(job).map_err(|source| bad("job", source))?;
            jobs::put(&transaction, job, &record).map_err(failed)?;
        }
        for run in &batch.imports {
            let record = serde_json::to_string(run).map_err(|source| bad("imported run", source))?;
            imports::keep(&transaction, run, &record).map_err(failed)?;
        }
        for one in &batch.recurring {
            let record = serde_json::to_string(one).map_err(|source| bad("recurring job", source))?;
            recurring::keep(&transaction, one.id, &record).map_err(failed)?;
        }
        for decision in &batch.decisions {
            let record = serde_json::to_string(&decision.plan).map_err(|source| bad("decision", source))?;
            decisions::keep(&transaction, decision, &record).map_err(failed)?;
        }
        effects::intend(&transaction, &batch.effects).map_err(failed)?;
        effects::confirm(&transaction, &batch.confirmed).map_err(failed)?;
        jobs::remember_submissions(&transaction, &batch.submissions).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    /// A quick look at the tables that everything hangs on. Reading each page would take seconds on a large database;
    /// what this does not see shows as an error when it is read.
    fn check(&self) -> Result<(), StoreError> {
        let look = "SELECT (SELECT count(*) FROM jobs WHERE final_ms IS NULL), (SELECT max(seq) FROM journal)";
        self.connection.query_row(look, [], |_| Ok(())).map_err(|source| StoreError::of(&self.path, "read", source))
    }

    pub(crate) fn failed(&self) -> impl Fn(rusqlite::Error) -> StoreError + '_ {
        |source| StoreError::of(&self.path, "read", source)
    }
}

/// SQLite makes files by the process's mask; this one holds environments of jobs and is nobody else's business. A file
/// that cannot be made shows when SQLite opens it.
fn create_private(path: &Path) {
    let _ = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
}
