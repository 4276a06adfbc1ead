//! What a region plugin written in Rust builds on: the types of the contract, a trait to implement, and the few things
//! every provider needs (fetch JSON, sort HTTP failures, read times).
//!
//! ```ignore
//! struct Constant;
//! impl Plugin for Constant {
//!     fn describe() -> Result<Info, Error> { … }
//!     fn series(query: Query) -> Result<Vec<Series>, Error> { … }
//! }
//! lowtide_region_sdk::export_plugin!(Constant with_types_in lowtide_region_sdk);
//! ```

mod bindings {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated from the contract")]
    wit_bindgen::generate!({
        path: "../wit/region-0.1",
        world: "region-plugin",
        pub_export_macro: true,
        export_macro_name: "export_plugin",
    });
}
pub mod mix;
mod time;

pub use bindings::exports::lowtide::region::region::Guest as Plugin;
pub use bindings::lowtide::region::host::{self, FetchError, Level, Method, Request, Response};
pub use bindings::lowtide::region::types::{
    Accounting, Band, Basis, Error, Info, Kind, Point, Query, Signal, Timestamp, ZoneSeries as Series,
};
pub use bindings::*;
pub use time::{civil_time, parse_time};

/// An HTTP status that says the client is asking too much.
const TOO_MANY_REQUESTS: u16 = 429;

/// Asks for a JSON document. Failures of the network and of the service become the contract's errors; the query part of
/// an address, where keys may be, is never repeated in one.
pub fn fetch_json<T: serde::de::DeserializeOwned>(url: &str, headers: &[(&str, &str)]) -> Result<T, Error> {
    read_json(url, &fetch(url, headers)?)
}

/// Reads the JSON document of an answer.
pub fn read_json<T: serde::de::DeserializeOwned>(url: &str, response: &Response) -> Result<T, Error> {
    serde_json::from_slice(&response.body)
        .map_err(|error| Error::Malformed(format!("{} answered something else than expected: {error}", place(url))))
}

/// Asks for a document of any kind, JSON where no header `accept` says otherwise; anything but a success is an error.
pub fn fetch(url: &str, headers: &[(&str, &str)]) -> Result<Response, Error> {
    let response = send(url, headers)?;
    if is_success(&response) { Ok(response) } else { Err(refusal(url, &response)) }
}

/// Asks for a document and hands back what the service answered, refusals too: for sources whose statuses mean something
/// of their own. Only where nothing came back it is an error.
pub fn send(url: &str, headers: &[(&str, &str)]) -> Result<Response, Error> {
    let mut all = Vec::new();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
        all.push(("accept".to_owned(), "application/json".to_owned()));
    }
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let request = Request { method: Method::Get, url: url.to_owned(), headers: all, body: None };
    let place = place(url);
    host::fetch(&request).map_err(|error| match error {
        FetchError::Denied(why) => Error::Unavailable(format!("{place} is not granted: {why}")),
        FetchError::TooLarge(limit) => Error::Malformed(format!("{place} answered more than {limit} bytes")),
        FetchError::Timeout => Error::Unavailable(format!("{place} did not answer in time")),
        FetchError::Network(why) => Error::Unavailable(format!("{place} cannot be reached: {why}")),
        FetchError::InvalidRequest(why) => Error::Other(format!("a request to {place} was refused: {why}")),
        FetchError::BudgetExhausted => Error::Other("too many requests in one call".to_owned()),
    })
}

/// Whether a service did what it was asked.
#[must_use]
pub fn is_success(response: &Response) -> bool {
    (200..=299).contains(&response.status)
}

/// What a refusal means where the source says nothing of its own about the status.
#[must_use]
pub fn refusal(url: &str, response: &Response) -> Error {
    let (place, status, said) = (place(url), response.status, excerpt(&response.body));
    match status {
        TOO_MANY_REQUESTS => Error::RateLimited(retry_after(response)),
        401 => Error::Unauthorized(format!("{place} refused the credentials (HTTP {status})")),
        403 => Error::Unauthorized(format!("{place} forbids this (HTTP {status}): {said}")),
        _ => Error::Unavailable(format!("{place} answered HTTP {status}: {said}")),
    }
}

/// A setting, or its default.
#[must_use]
pub fn config_or(key: &str, default: &str) -> String {
    host::config_get(key).unwrap_or_else(|| default.to_owned())
}

/// The start of a body, for an error: one line of plain text.
#[must_use]
pub fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(160)]);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Turns `(start, value)` pairs of a known step into points, dropping what is no value: an absent one is no 0.
pub fn points(values: impl IntoIterator<Item = (Timestamp, Option<f64>, Kind)>, duration: u32) -> Vec<Point> {
    in_order(values.into_iter().filter_map(|(start, value, kind)| point(start, duration, value, kind)))
}

/// A point, if there is a value: an absent one is no 0.
#[must_use]
pub fn point(start: Timestamp, duration: u32, value: Option<f64>, kind: Kind) -> Option<Point> {
    let intensity = value.filter(|value| value.is_finite())?;
    Some(Point { start, duration, intensity, uncertainty: None, kind })
}

/// Points in the order of their starts; of several with one start the first is kept.
pub fn in_order(points: impl IntoIterator<Item = Point>) -> Vec<Point> {
    let mut points: Vec<Point> = points.into_iter().collect();
    points.sort_by_key(|point| point.start);
    points.dedup_by_key(|point| point.start);
    points
}

/// The series of each zone, asked one by one. A zone without an answer or without a point does not silence the others: the
/// failure of one is that of the call only where all failed. A source that asks to slow down is not asked on.
pub fn each_zone(query: &Query, ask: impl Fn(&str) -> Result<Series, Error>) -> Result<Vec<Series>, Error> {
    let mut told = Vec::new();
    let mut failed = None;
    for zone in &query.zones {
        let error = match ask(zone) {
            Ok(series) if series.points.is_empty() => Error::OutOfRange,
            Ok(series) => {
                told.push(series);
                continue;
            }
            Err(error) => error,
        };
        host::log(Level::Warn, &format!("nothing of {zone}: {error:?}"));
        let slow_down = matches!(error, Error::RateLimited(_));
        failed = Some(error);
        if slow_down {
            break;
        }
    }
    match failed {
        Some(error) if told.is_empty() => Err(error),
        _ => Ok(told),
    }
}

/// Whether a point or a row of this length touches the time asked for.
#[must_use]
pub fn is_asked(query: &Query, start: Timestamp, duration: u32) -> bool {
    start < query.end && query.start < start.saturating_add(u64::from(duration))
}

/// The basis a setting asks for: `direct`, or `lifecycle`.
pub fn basis_or(key: &str, default: Basis) -> Result<Basis, Error> {
    match host::config_get(key).as_deref() {
        None => Ok(default),
        Some("direct") => Ok(Basis::Direct),
        Some("lifecycle") => Ok(Basis::Lifecycle),
        Some(_) => Err(Error::InvalidConfig(format!("{key}: neither direct nor lifecycle"))),
    }
}

/// Scheme, host and path of an address: what may be shown.
fn place(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

fn retry_after(response: &Response) -> Option<u32> {
    let header = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    header.and_then(|(_, value)| value.trim().parse().ok())
}
