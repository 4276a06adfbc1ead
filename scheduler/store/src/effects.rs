//! Intended effects, until they are confirmed.

use jiff::Timestamp;
use lowtide_model::identity::JobId;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::batch::EffectRow;
use crate::connection::Store;
use crate::error::StoreError;
use crate::row::milliseconds;

impl Store {
    /// The effects of which it is not known whether they were carried out, in order.
    pub fn unconfirmed_effects(&self) -> Result<Vec<EffectRow>, StoreError> {
        let failed = self.failed();
        let sql = "SELECT id, at_ms, job, kind, payload FROM effects ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql).map_err(&failed)?;
        let rows = statement
            .query_map([], |row| {
                Ok(EffectRow {
                    id: row.get(0)?,
                    at: Timestamp::from_millisecond(row.get(1)?).unwrap_or(Timestamp::UNIX_EPOCH),
                    job: JobId(row.get::<_, i64>(2)?.cast_unsigned()),
                    kind: row.get(3)?,
                    payload: row.get(4)?,
                })
            })
            .map_err(&failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(&failed)
    }

    /// The highest number ever given to an effect.
    pub fn highest_effect_id(&self) -> Result<Option<i64>, StoreError> {
        self.connection
            .query_row("SELECT value FROM counters WHERE name = 'effect'", [], |row| row.get(0))
            .optional()
            .map_err(self.failed())
    }
}

pub(crate) fn intend(transaction: &Transaction<'_>, effects: &[EffectRow]) -> rusqlite::Result<()> {
    let Some(highest) = effects.iter().map(|effect| effect.id).max() else { return Ok(()) };
    let sql = "INSERT INTO effects (id, at_ms, job, kind, payload) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = transaction.prepare_cached(sql)?;
    for EffectRow { id, at, job, kind, payload } in effects {
        statement.execute(params![id, milliseconds(*at), job.0.cast_signed(), kind, payload])?;
    }
    let sql = "INSERT INTO counters (name, value) VALUES ('effect', ?1)
               ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)";
    transaction.prepare_cached(sql)?.execute([highest])?;
    Ok(())
}

pub(crate) fn confirm(transaction: &Transaction<'_>, confirmed: &[i64]) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("DELETE FROM effects WHERE id = ?1")?;
    for id in confirmed {
        statement.execute([id])?;
    }
    Ok(())
}
