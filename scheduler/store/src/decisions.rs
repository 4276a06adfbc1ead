//! Decisions as they came into force.

use jiff::Timestamp;
use lowtide_model::identity::JobId;
use lowtide_model::plan::Plan;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::connection::Store;
use crate::error::StoreError;
use crate::row::milliseconds;

/// What came into force for a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The job.
    pub job: JobId,
    /// When; to the millisecond where it was read.
    pub at: Timestamp,
    /// Its plan; `None` where it has none from then on.
    pub plan: Option<Plan>,
}

impl Store {
    /// What was in force for a job at a moment, to the millisecond; `None` where nothing had been decided, or it is no longer kept.
    pub fn decision_as_of(&self, job: JobId, at: Timestamp) -> Result<Option<Decision>, StoreError> {
        let failed = self.failed();
        let sql = "SELECT at_ms, record FROM decisions WHERE job = ?1 AND at_ms <= ?2 ORDER BY id DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql).map_err(&failed)?;
        let found = statement.query_row(params![job.0.cast_signed(), milliseconds(at)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        });
        let Some((at, record)) = found.optional().map_err(&failed)? else { return Ok(None) };
        let plan = serde_json::from_str(&record).map_err(|source| StoreError::BadRecord {
            path: self.path.clone(),
            what: "decision".to_owned(),
            source,
        })?;
        Ok(Some(Decision { job, at: Timestamp::from_millisecond(at).unwrap_or(Timestamp::MIN), plan }))
    }
}

pub(crate) fn keep(transaction: &Transaction<'_>, decision: &Decision, record: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO decisions (job, at_ms, record) VALUES (?1, ?2, ?3)";
    let JobId(job) = decision.job;
    transaction.prepare_cached(sql)?.execute(params![job.cast_signed(), milliseconds(decision.at), record])?;
    Ok(())
}
