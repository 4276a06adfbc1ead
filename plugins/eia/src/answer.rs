//! The rows of the EIA's answers.

use std::collections::BTreeMap;

use lowtide_region_sdk::{Error, Timestamp, parse_time};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(crate) struct Answer {
    response: Page,
    /// There where the answer was cut, or in the page.
    #[serde(alias = "warnings")]
    warning: Option<Value>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Row>,
    /// A number or, since 2.1.6, text.
    total: Option<Value>,
    #[serde(alias = "warnings")]
    warning: Option<Value>,
}

#[derive(Deserialize)]
struct Row {
    period: String,
    respondent: Option<String>,
    fueltype: Option<String>,
    value: Option<Value>,
}

/// Respondent, period and fuel: what a row is told by.
type Key = (String, String, String);

/// What one fuel gave in one hour.
pub(crate) struct Generation {
    pub(crate) respondent: String,
    /// The END of the hour.
    pub(crate) end: Timestamp,
    pub(crate) fuel: String,
    /// MWh.
    pub(crate) amount: Option<f64>,
}

/// The rows of all pages. New ones come in at the front while pages are asked for, so a row may come twice.
#[derive(Default)]
pub(crate) struct Rows {
    /// How many came.
    pub(crate) received: usize,
    rows: BTreeMap<Key, Option<f64>>,
}

impl Rows {
    /// Takes a page of at most `most` rows; whether there are more.
    pub(crate) fn take(&mut self, answer: Answer, most: usize) -> Result<bool, Error> {
        let Answer { response: Page { data, total, warning: of_page }, warning } = answer;
        let told = data.len();
        self.received += told;
        for Row { period, respondent, fueltype, value } in data {
            let (Some(respondent), Some(fuel)) = (respondent, fueltype) else {
                return Err(Error::Malformed("the EIA answered rows that are not of generation by fuel".into()));
            };
            self.rows.entry((respondent, period, fuel)).or_insert(amount(value)?);
        }
        let all = total.and_then(|total| amount(Some(total)).ok().flatten());
        let cut = most <= told || warning.is_some() || of_page.is_some();
        Ok(cut && 0 < told && all.is_none_or(|all| (self.received as f64) < all))
    }

    /// Drops the oldest period: the end of the last page may have cut it.
    pub(crate) fn drop_oldest(&mut self) {
        let oldest = self.rows.keys().map(|(_, period, _)| period).min().cloned();
        self.rows.retain(|(_, period, _), _| Some(period) != oldest.as_ref());
    }

    /// What came, in order.
    pub(crate) fn into_amounts(self) -> Result<Vec<Generation>, Error> {
        let row = |((respondent, period, fuel), amount): (Key, Option<f64>)| {
            // `2026-01-01T00`
            let end = parse_time(&format!("{period}:00"))
                .ok_or_else(|| Error::Malformed(format!("the EIA answered a row of the time `{period}`")))?;
            Ok(Generation { respondent, end, fuel, amount })
        };
        self.rows.into_iter().map(row).collect()
    }
}

/// A number, or text that holds one; nothing is nothing.
fn amount(value: Option<Value>) -> Result<Option<f64>, Error> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => match text.trim().parse::<f64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Error::Malformed(format!("the EIA answered `{text}` for an amount"))),
        },
        Some(_) => Err(Error::Malformed("the EIA answered something else than a number for an amount".into())),
    }
}
