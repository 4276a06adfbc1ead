//! Forecasts as issued.

use jiff::Timestamp;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Role, Signal, Tags};
use lowtide_model::identity::ZoneId;
use rusqlite::types::ValueRef;
use rusqlite::{Params, Transaction, params};

use crate::batch::Issued;
use crate::compact;
use crate::connection::Store;
use crate::error::StoreError;
use crate::row::milliseconds;

impl Store {
    /// What was told lately, to begin with after a restart: from `since` on the first forecast of each zone, role and
    /// hour, and the last of each, in the order they were fetched.
    pub fn recent_forecasts(&self, since: Timestamp) -> Result<Vec<Issued>, StoreError> {
        let sql = "SELECT role, record FROM archive WHERE id IN (
                       SELECT min(id) FROM archive WHERE ?1 <= fetched_ms GROUP BY zone, role, fetched_ms / 3600000
                       UNION SELECT max(id) FROM archive GROUP BY zone, role)
                   ORDER BY fetched_ms, id";
        let failed = self.failed();
        let mut statement = self.connection.prepare_cached(sql).map_err(&failed)?;
        let mut rows = statement.query([milliseconds(since)]).map_err(&failed)?;
        let mut told = Vec::new();
        while let Some(row) = rows.next().map_err(&failed)? {
            let role: String = row.get(0).map_err(&failed)?;
            let forecast = self.forecast_of(row.get_ref(1).map_err(&failed)?)?;
            told.push(Issued { role: role_of(&role), forecast });
        }
        Ok(told)
    }

    /// Lets go of forecasts that were fetched before `before`, but for the last of each zone and role, and of the decisions made
    /// before. Returns how many forecasts.
    pub fn forget_forecasts(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        let sql = "DELETE FROM archive WHERE fetched_ms < ?1
                   AND id NOT IN (SELECT max(id) FROM archive GROUP BY zone, role)";
        // They were made in the order of their numbers: looked for from the first on, not among all, which takes a while of many.
        let old = "DELETE FROM decisions WHERE id < ifnull(
                       (SELECT id FROM decisions WHERE ?1 <= at_ms ORDER BY id LIMIT 1), 9223372036854775807)";
        let decided = self.connection.execute(old, [milliseconds(before)]);
        let forgotten = decided.and_then(|_| self.connection.execute(sql, [milliseconds(before)]));
        forgotten.map_err(|source| StoreError::of(&self.path, "written", source))
    }

    /// The forecasts of a zone that were fetched from `start` on and before `end`, in that order.
    pub fn forecasts_fetched(
        &self,
        zone: &ZoneId,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Vec<Forecast>, StoreError> {
        let sql =
            "SELECT record FROM archive WHERE role = 'main' AND zone = ?1 AND ?2 <= fetched_ms AND fetched_ms < ?3
                   ORDER BY fetched_ms, id";
        self.forecasts(sql, params![zone.as_str(), milliseconds(start), milliseconds(end)])
    }

    fn forecasts(&self, sql: &str, parameters: impl Params) -> Result<Vec<Forecast>, StoreError> {
        let failed = self.failed();
        let mut statement = self.connection.prepare_cached(sql).map_err(&failed)?;
        let mut rows = statement.query(parameters).map_err(&failed)?;
        let mut forecasts = Vec::new();
        while let Some(row) = rows.next().map_err(&failed)? {
            forecasts.push(self.forecast_of(row.get_ref(0).map_err(&failed)?)?);
        }
        Ok(forecasts)
    }

    /// A forecast of either form of record.
    pub(crate) fn forecast_of(&self, record: ValueRef<'_>) -> Result<Forecast, StoreError> {
        let bad =
            |detail: String| StoreError::Damaged { path: self.path.clone(), detail: format!("a forecast: {detail}") };
        match record {
            ValueRef::Text(text) => serde_json::from_slice(text).map_err(|error| bad(error.to_string())),
            ValueRef::Blob(bytes) => compact::unpack(bytes).map_err(|error| bad(error.to_string())),
            _ => Err(bad("its record is neither text nor bytes".to_owned())),
        }
    }
}

pub(crate) fn role_of(name: &str) -> Role {
    if name == "beside" { Role::Beside } else { Role::Main }
}

/// Keeps a forecast, unless it is there. Returns its number.
pub(crate) fn keep(transaction: &Transaction<'_>, Issued { role, forecast }: &Issued) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO archive (zone, role, signal, basis, accounting, source, issued_ms, fetched_ms, record)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
               ON CONFLICT DO UPDATE SET zone = zone RETURNING id";
    let role = match role {
        Role::Main => "main",
        Role::Beside => "beside",
    };
    let Tags { signal, basis, accounting } = forecast.tags;
    let signal = match signal {
        Signal::Average => "average",
        Signal::Marginal => "marginal",
    };
    let basis = match basis {
        Basis::Direct => "direct",
        Basis::Lifecycle => "lifecycle",
    };
    let accounting = match accounting {
        Accounting::Production => "production",
        Accounting::Consumption => "consumption",
    };
    let values = params![
        forecast.zone.as_str(),
        role,
        signal,
        basis,
        accounting,
        forecast.source,
        milliseconds(forecast.issued_at),
        milliseconds(forecast.fetched_at),
        compact::pack(forecast),
    ];
    transaction.prepare_cached(sql)?.query_row(values, |row| row.get(0))
}
