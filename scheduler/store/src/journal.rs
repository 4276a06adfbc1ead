//! The journal: every event, in order.

use lowtide_model::identity::JobId;
use rusqlite::{Transaction, params};

use crate::batch::{Issued, JournalEntry};
use crate::connection::Store;
use crate::error::StoreError;
use crate::forecasts::{self, role_of};
use crate::row::exact;

impl Store {
    /// Every event from number `from` on (the first has number 1), in order, one at a time. A forecast that is older than
    /// the retention is gone: its entry tells none.
    pub fn journal(&self, from: i64, take: impl FnMut(i64, JournalEntry)) -> Result<(), StoreError> {
        self.journal_part(from, -1, take)
    }

    /// The same, no more than `most` of them; all where that is below 0.
    pub fn journal_part(
        &self,
        from: i64,
        most: i64,
        mut take: impl FnMut(i64, JournalEntry),
    ) -> Result<(), StoreError> {
        let failed = self.failed();
        let sql = "SELECT seq, at, kind, job, payload, role, record FROM journal
                       LEFT JOIN archive ON archive.id = journal.forecast WHERE ?1 <= seq ORDER BY seq LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql).map_err(&failed)?;
        let mut rows = statement.query([from, most]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let at: String = row.get(1).map_err(&failed)?;
            let at = at.parse().map_err(|error: jiff::Error| StoreError::Damaged {
                path: self.path.clone(),
                detail: format!("an event of the journal happened at `{at}`: {error}"),
            })?;
            let job: Option<i64> = row.get(3).map_err(&failed)?;
            let role: Option<String> = row.get(5).map_err(&failed)?;
            let told = match role {
                None => None,
                Some(role) => {
                    let record = row.get_ref(6).map_err(&failed)?;
                    let forecast = self.forecast_of(record)?;
                    Some(Box::new(Issued { role: role_of(&role), forecast }))
                }
            };
            let entry = JournalEntry {
                at,
                kind: row.get(2).map_err(&failed)?,
                job: job.map(|id| JobId(id.cast_unsigned())),
                payload: row.get(4).map_err(&failed)?,
                told,
            };
            take(row.get(0).map_err(&failed)?, entry);
        }
        Ok(())
    }
}

pub(crate) fn append(transaction: &Transaction<'_>, events: &[JournalEntry]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO journal (at, kind, job, payload, forecast) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = transaction.prepare_cached(sql)?;
    for JournalEntry { at, kind, job, payload, told } in events {
        let forecast = told.as_ref().map(|issued| forecasts::keep(transaction, issued)).transpose()?;
        statement.execute(params![exact(*at), kind, job.map(|JobId(id)| id.cast_signed()), payload, forecast])?;
    }
    Ok(())
}
