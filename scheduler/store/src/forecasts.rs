//! Forecasts as issued.

use jiff::Timestamp;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Signal, Tags};
use lowtide_model::identity::ZoneId;
use rusqlite::{Params, Transaction, params};

use crate::connection::Store;
use crate::error::StoreError;
use crate::row::milliseconds;

impl Store {
    /// The forecast of each zone that was fetched last.
    pub fn latest_forecasts(&self) -> Result<Vec<Forecast>, StoreError> {
        let sql = "SELECT record FROM forecasts AS f WHERE fetched_ms =
                       (SELECT max(fetched_ms) FROM forecasts WHERE zone = f.zone) GROUP BY zone ORDER BY zone";
        self.forecasts(sql, [])
    }

    /// The forecasts of a zone that were fetched from `start` on and before `end`, in that order.
    pub fn forecasts_fetched(
        &self,
        zone: &ZoneId,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Vec<Forecast>, StoreError> {
        let sql = "SELECT record FROM forecasts WHERE zone = ?1 AND ?2 <= fetched_ms AND fetched_ms < ?3
                   ORDER BY fetched_ms, id";
        self.forecasts(sql, params![zone.as_str(), milliseconds(start), milliseconds(end)])
    }

    fn forecasts(&self, sql: &str, parameters: impl Params) -> Result<Vec<Forecast>, StoreError> {
        let failed = self.failed();
        let mut statement = self.connection.prepare_cached(sql).map_err(&failed)?;
        let mut rows = statement.query(parameters).map_err(&failed)?;
        let mut forecasts = Vec::new();
        while let Some(row) = rows.next().map_err(&failed)? {
            let record: String = row.get(0).map_err(&failed)?;
            forecasts.push(serde_json::from_str(&record).map_err(|source| StoreError::BadRecord {
                path: self.path.clone(),
                what: "forecast".to_owned(),
                source,
            })?);
        }
        Ok(forecasts)
    }
}

pub(crate) fn keep(transaction: &Transaction<'_>, forecast: &Forecast, record: &str) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO forecasts
                   (zone, signal, basis, accounting, source, issued_ms, fetched_ms, record)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
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
    transaction.prepare_cached(sql)?.execute(params![
        forecast.zone.as_str(),
        signal,
        basis,
        accounting,
        forecast.source,
        milliseconds(forecast.issued_at),
        milliseconds(forecast.fetched_at),
        record,
    ])?;
    Ok(())
}
