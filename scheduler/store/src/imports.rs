//! Runs that other tools recorded.

use lowtide_model::history::ImportedRun;
use rusqlite::Transaction;

use crate::connection::Store;
use crate::error::StoreError;

impl Store {
    /// All of them, by where they come from.
    pub fn imports(&self) -> Result<Vec<ImportedRun>, StoreError> {
        let failed = self.failed();
        let sql = "SELECT record FROM imports ORDER BY origin";
        let mut statement = self.connection.prepare_cached(sql).map_err(&failed)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(&failed)?;
        rows.map(|record| {
            serde_json::from_str(&record.map_err(&failed)?).map_err(|source| StoreError::BadRecord {
                path: self.path.clone(),
                what: "imported run".to_owned(),
                source,
            })
        })
        .collect()
    }
}

pub(crate) fn keep(transaction: &Transaction<'_>, run: &ImportedRun, record: &str) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO imports (origin, record) VALUES (?1, ?2)";
    transaction.prepare_cached(sql)?.execute([run.origin.as_str(), record])?;
    Ok(())
}
