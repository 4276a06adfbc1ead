//! The schema and its versions. Migrations are only ever added to: a released one is never edited.

use std::path::Path;

use rusqlite::Connection;

use crate::error::StoreError;

/// Each brings the schema from the version of its index to the next.
const MIGRATIONS: [&str; 5] = [
    include_str!("../migrations/0001_start.sql"),
    include_str!("../migrations/0002_archive.sql"),
    include_str!("../migrations/0003_imports.sql"),
    include_str!("../migrations/0004_recurring.sql"),
    include_str!("../migrations/0005_decisions.sql"),
];

/// The version of the schema that this program writes: how many migrations there are.
pub const SCHEMA_VERSION: i64 = 5;

/// Brings a database up to date, or refuses one that is newer.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |doing| move |source| StoreError::of(path, doing, source);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed("read"))?;
    if SCHEMA_VERSION < found {
        return Err(StoreError::Newer { path: path.to_path_buf(), found, known: SCHEMA_VERSION });
    }
    for (version, migration) in (0..).zip(MIGRATIONS).filter(|(version, _)| found <= *version) {
        let transaction = connection.transaction().map_err(failed("written"))?;
        transaction.execute_batch(migration).map_err(failed("written"))?;
        transaction.pragma_update(None, "user_version", version + 1).map_err(failed("written"))?;
        transaction.commit().map_err(failed("written"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_counts_the_migrations() {
        assert_eq!(i64::try_from(MIGRATIONS.len()), Ok(SCHEMA_VERSION));
    }
}
