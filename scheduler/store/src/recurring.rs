//! Jobs that recur.

use lowtide_model::recurring::{Recurring, RecurringId};
use rusqlite::{Transaction, params};

use crate::connection::Store;
use crate::error::StoreError;

impl Store {
    /// All of them, oldest first, those that recur no more among them.
    pub fn recurring(&self) -> Result<Vec<Recurring>, StoreError> {
        let failed = self.failed();
        let mut statement =
            self.connection.prepare_cached("SELECT record FROM recurring ORDER BY id").map_err(&failed)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(&failed)?;
        rows.map(|record| {
            serde_json::from_str(&record.map_err(&failed)?).map_err(|source| StoreError::BadRecord {
                path: self.path.clone(),
                what: "recurring job".to_owned(),
                source,
            })
        })
        .collect()
    }
}

pub(crate) fn keep(transaction: &Transaction<'_>, RecurringId(id): RecurringId, record: &str) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO recurring (id, record) VALUES (?1, ?2)";
    transaction.prepare_cached(sql)?.execute(params![id.cast_signed(), record])?;
    Ok(())
}
