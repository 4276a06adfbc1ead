//! Jobs, whole, and the keys of their submissions.

use std::path::Path;

use lowtide_model::identity::JobId;
use lowtide_model::job::Job;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::connection::Store;
use crate::error::StoreError;
use crate::records::read_all;
use crate::row::milliseconds;

impl Store {
    /// All jobs, oldest first.
    pub fn all_jobs(&self) -> Result<Vec<Job>, StoreError> {
        let failed = self.failed();
        let mut statement =
            self.connection.prepare_cached("SELECT id, record FROM jobs ORDER BY id").map_err(&failed)?;
        let mut rows = statement.query([]).map_err(&failed)?;
        let fetch = || {
            let row = rows.next().and_then(|row| row.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose());
            row.map_err(&failed)
        };
        let path = self.path.as_path();
        read_all(fetch, |(id, record)| job_of(path, id, &record))
    }

    /// The job of that number.
    pub fn job(&self, JobId(id): JobId) -> Result<Option<Job>, StoreError> {
        let found: Option<String> = self
            .connection
            .query_row("SELECT record FROM jobs WHERE id = ?1", [id.cast_signed()], |row| row.get(0))
            .optional()
            .map_err(self.failed())?;
        found.map(|record| job_of(&self.path, id.cast_signed(), &record)).transpose()
    }

    /// The highest number given to a job.
    pub fn highest_job_id(&self) -> Result<Option<JobId>, StoreError> {
        let highest: Option<i64> =
            self.connection.query_row("SELECT max(id) FROM jobs", [], |row| row.get(0)).map_err(self.failed())?;
        Ok(highest.map(|id| JobId(id.cast_unsigned())))
    }

    /// The job that was submitted with this key.
    pub fn submission(&self, key: &str) -> Result<Option<JobId>, StoreError> {
        let found: Option<i64> = self
            .connection
            .query_row("SELECT job FROM submissions WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(self.failed())?;
        Ok(found.map(|id| JobId(id.cast_unsigned())))
    }
}

fn job_of(path: &Path, id: i64, record: &str) -> Result<Job, StoreError> {
    serde_json::from_str(record).map_err(|source| StoreError::BadRecord {
        path: path.to_path_buf(),
        what: format!("job {id}"),
        source,
    })
}

pub(crate) fn put(transaction: &Transaction<'_>, job: &Job, record: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO jobs (id, name, project, user, state, submitted_ms, final_ms, record)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
               ON CONFLICT (id) DO UPDATE SET
                   state = excluded.state, final_ms = excluded.final_ms, record = excluded.record";
    let final_ms = job.state.is_final().then(|| milliseconds(job.state_since));
    transaction.prepare_cached(sql)?.execute(params![
        job.id.0.cast_signed(),
        job.spec.name,
        job.spec.project,
        job.spec.user,
        job.state.name(),
        milliseconds(job.submitted_at),
        final_ms,
        record,
    ])?;
    Ok(())
}

pub(crate) fn remember_submissions(
    transaction: &Transaction<'_>,
    submissions: &[(String, JobId)],
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("INSERT OR IGNORE INTO submissions (key, job) VALUES (?1, ?2)")?;
    for (key, JobId(id)) in submissions {
        statement.execute(params![key, id.cast_signed()])?;
    }
    Ok(())
}
