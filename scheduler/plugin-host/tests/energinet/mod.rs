//! Energi Data Service as it is documented: `start` and `end` are Danish local time, 100 rows where no limit is given, newest
//! first whatever is asked for. A local time that does not exist is refused.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use lowtide_plugin_host::{FetchFailure, Fetched, Fetcher, HttpRequest};

/// How the service reads a local time that comes twice.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    Earlier,
    Later,
}

/// The service.
#[derive(Debug)]
pub(crate) struct Energinet {
    reading: Reading,
    asked: Mutex<Vec<String>>,
}

impl Energinet {
    pub(crate) fn reading(reading: Reading) -> Arc<Self> {
        Arc::new(Self { reading, asked: Mutex::default() })
    }

    /// The paths asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }

    fn answer(&self, request: &HttpRequest) -> Fetched {
        let url = &request.origin.url;
        self.asked.lock().expect("no panic").push(url.path().to_owned());
        let parameter =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let time = |name: &str| self.read(&parameter(name)?);
        let (Some(start), Some(end)) = (time("start"), time("end")) else {
            return Fetched { status: 400, headers: Vec::new(), body: b"bad start or end date".to_vec() };
        };
        let limit = parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(100);
        let filter = parameter("filter").unwrap_or_default();
        let areas = ["DK1", "DK2"].into_iter().filter(|area| filter.contains(&format!("\"{area}\"")));
        let first = start.as_second() + (-start.as_second()).rem_euclid(300);
        let mut times: Vec<i64> = (first..end.as_second()).step_by(300).collect();
        times.reverse();
        let rows = times.into_iter().flat_map(|second| areas.clone().map(move |area| row(second, area)));
        let rows: Vec<String> = rows.take(limit).collect();
        let body = format!("{{\"total\":1,\"limit\":{limit},\"records\":[{}]}}", rows.join(","));
        Fetched { status: 200, headers: Vec::new(), body: body.into_bytes() }
    }

    fn read(&self, text: &str) -> Option<Timestamp> {
        let local: DateTime = text.parse().ok()?;
        let ambiguous = copenhagen().to_ambiguous_timestamp(local);
        match (ambiguous.offset(), self.reading) {
            (AmbiguousOffset::Gap { .. }, _) => None,
            (_, Reading::Earlier) => ambiguous.earlier().ok(),
            (_, Reading::Later) => ambiguous.later().ok(),
        }
    }
}

impl Fetcher for Energinet {
    fn fetch<'a>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchFailure>> + Send + 'a>> {
        Box::pin(async move { Ok(self.answer(&request)) })
    }
}

/// The rules of Denmark's clocks, without a database of time zones.
pub(crate) fn copenhagen() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a rule")
}

/// The value that is told of a time.
pub(crate) fn value_at(start: Timestamp) -> f64 {
    f64::from(u32::try_from(start.as_second().div_euclid(300).rem_euclid(1000)).expect("below 1000"))
}

fn row(second: i64, area: &str) -> String {
    let at = Timestamp::from_second(second).expect("in range");
    let local = |zone: &TimeZone| at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    format!(
        "{{\"Minutes5UTC\":\"{}\",\"Minutes5DK\":\"{}\",\"PriceArea\":\"{area}\",\"CO2Emission\":{}}}",
        local(&TimeZone::UTC),
        local(&copenhagen()),
        value_at(at)
    )
}
