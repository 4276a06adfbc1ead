//! Any zone of Electricity Maps: <https://portal.electricitymaps.com/docs>. CO2 equivalents of what is consumed, imports traced to
//! their plants; life-cycle or, by a setting, direct. The past day, and a forecast where the token's plan has one.
//!
//! Traps: a request without a zone is answered for the caller's place, so each names its zone and each answer's zone is
//! checked; the newest hours are estimates, the newest one may lie ahead of its own making; single values are null; the
//! numbers of a sandbox token are made up; a plan may have the past without a forecast, or the newest hour alone.

mod answer;

use lowtide_region_sdk::{
    Accounting, Basis, Error, Info, Kind, Level, Plugin, Point, Query, Response, Series, Signal, Timestamp, basis_or,
    config_or, each_zone, host, is_success, parse_time, points, read_json, refusal, send,
};
use serde::de::DeserializeOwned;

use answer::{Forecast, History, Hour};

const HOUR: u32 = 3600;
/// The horizons the service has, in hours.
const HORIZONS: [u64; 4] = [6, 24, 48, 72];
const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;

/// Start, value and kind of an hour.
type Value = (Timestamp, Option<f64>, Kind);

struct ElectricityMaps;

impl Plugin for ElectricityMaps {
    fn describe() -> Result<Info, Error> {
        Ok(Info {
            zones: vec!["*".into()],
            signals: vec![Signal::Average],
            resolution: HOUR,
            horizon: 72 * HOUR,
            refresh_interval: HOUR,
            attribution: Some("Electricity Maps, by the terms of your plan".into()),
        })
    }

    fn series(query: Query) -> Result<Vec<Series>, Error> {
        if query.signal != Signal::Average {
            return Err(Error::Other("this source tells average intensity only".into()));
        }
        let basis = basis_or("emission-factor-type", Basis::Lifecycle)?;
        let longest = longest_horizon()?;
        each_zone(&query, |zone| series_of(&Asked { zone, basis }, &query, longest))
    }
}

/// What every request of a zone has.
struct Asked<'a> {
    zone: &'a str,
    basis: Basis,
}

fn series_of(asked: &Asked, query: &Query, longest: u64) -> Result<Series, Error> {
    let zone = asked.zone;
    if zone.is_empty() || !zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(Error::InvalidRegion(format!("`{zone}` is no zone of Electricity Maps")));
    }
    let now = host::now();
    let ahead = if now < query.end { Some(ahead(asked, query.end - now, longest)?) } else { None };
    let past = if query.start < now { past(asked).map(Some) } else { Ok(None) };
    let past = match past {
        // The past only settles accounts; the coming hours matter more. But a token of the sandbox is of no use.
        Err(error) if matches!(ahead, Some(Ok(_))) && !matches!(error, Error::Unauthorized(_)) => Some(Err(error)),
        past => past?,
    };
    let (past, ahead) = match (past, ahead) {
        (Some(Err(refused)), None | Some(Err(_))) | (None, Some(Err(refused))) => return Err(refused),
        (Some(Err(refused)), Some(Ok(forecast))) => {
            host::log(Level::Warn, &format!("no past values of {zone}: {refused:?}"));
            (Vec::new(), forecast)
        }
        (Some(Ok(past)), Some(Err(refused))) => {
            let hint = "a plan with a shorter one needs `horizon-hours`";
            host::log(Level::Warn, &format!("no forecast of {zone} in your plan ({hint}): {refused:?}"));
            (past, Forecast::default())
        }
        (past, ahead) => (past.transpose()?.unwrap_or_default(), ahead.transpose()?.unwrap_or_default()),
    };
    // An estimate of an hour to come is worth less than its forecast. The first of two of one hour is kept.
    let (known, early): (Vec<Value>, Vec<Value>) = values(&past)?.into_iter().partition(|(start, ..)| *start <= now);
    let forecast: Vec<Value> =
        values(&ahead.hours)?.into_iter().map(|(at, value, _)| (at, value, Kind::Forecast)).collect();
    Ok(Series {
        zone: zone.to_owned(),
        signal: Signal::Average,
        basis: asked.basis,
        accounting: Accounting::Consumption,
        issued_at: ahead.updated_at.as_deref().and_then(parse_time),
        points: apart(points(known.into_iter().chain(forecast).chain(early), HOUR)),
    })
}

/// What a plan may refuse: an answer, or the refusal. Anything else that fails is an error of the call, so that what was
/// told before stays in force until the service is well again.
type InPlan<T> = Result<T, Error>;

/// The past day; of a plan that has not even that, the newest hour.
fn past(asked: &Asked) -> Result<InPlan<Vec<Hour>>, Error> {
    let response = ask(asked, "history", "")?;
    if is_success(&response) {
        let told: History = read(asked, &response)?;
        told.check(asked.zone, asked.basis)?;
        return Ok(Ok(told.history));
    }
    let refused = in_plan(asked, "history", &response)?;
    // A token that is refused is not tried again.
    if !matches!(response.status, FORBIDDEN | NOT_FOUND) {
        return Ok(Err(refused));
    }
    let response = ask(asked, "latest", "")?;
    if !is_success(&response) {
        in_plan(asked, "latest", &response)?;
        return Ok(Err(refused));
    }
    let hour: Hour = read(asked, &response)?;
    hour.check(asked.zone, asked.basis)?;
    Ok(Ok(vec![hour]))
}

fn ahead(asked: &Asked, seconds: u64, longest: u64) -> Result<InPlan<Forecast>, Error> {
    let hours = seconds.div_ceil(u64::from(HOUR));
    let horizon = HORIZONS.into_iter().find(|horizon| hours <= *horizon).unwrap_or(longest).min(longest);
    let response = ask(asked, "forecast", &format!("&horizonHours={horizon}"))?;
    if !is_success(&response) {
        return Ok(Err(in_plan(asked, "forecast", &response)?));
    }
    let told: Forecast = read(asked, &response)?;
    told.check(asked.zone)?;
    Ok(Ok(told))
}

/// The refusal of what the plan or the service does not have; of anything else the error.
fn in_plan(asked: &Asked, what: &str, response: &Response) -> Result<Error, Error> {
    let refused = refusal(&address(what), response);
    match response.status {
        401 | FORBIDDEN => Ok(refused),
        NOT_FOUND => Ok(Error::InvalidRegion(format!("Electricity Maps has no {what} of `{}`", asked.zone))),
        _ => Err(refused),
    }
}

fn ask(asked: &Asked, what: &str, more: &str) -> Result<Response, Error> {
    let factors = if asked.basis == Basis::Direct { "direct" } else { "lifecycle" };
    send(&format!("{}?zone={}&emissionFactorType={factors}{more}", address(what), asked.zone), &[])
}

fn address(what: &str) -> String {
    let base = config_or("base-url", "https://api.electricitymaps.com");
    format!("{}/v3/carbon-intensity/{what}", base.trim_end_matches('/'))
}

fn read<T: DeserializeOwned>(asked: &Asked, response: &Response) -> Result<T, Error> {
    let says = |text: &[u8]| String::from_utf8_lossy(text).to_ascii_lowercase().contains("sandbox");
    // The word is also one of browsers' own, in the header of a page's security policy.
    let told =
        |name: &str, value: &str| says(value.as_bytes()) && !name.to_ascii_lowercase().contains("security-policy");
    let header = response.headers.iter().any(|(name, value)| says(name.as_bytes()) || told(name, value));
    if header || says(&response.body) {
        let why = "the token is one of the sandbox, whose numbers are made up: nothing can be planned by them";
        return Err(Error::Unauthorized(why.into()));
    }
    read_json(&format!("Electricity Maps, asked for `{}`,", asked.zone), response)
}

fn values(hours: &[Hour]) -> Result<Vec<Value>, Error> {
    hours.iter().map(Hour::value).collect()
}

/// Hours that come closer than an hour, as of a finer granularity, end where the next begins.
fn apart(mut points: Vec<Point>) -> Vec<Point> {
    for index in 1..points.len() {
        let distance = u32::try_from(points[index].start - points[index - 1].start).unwrap_or(HOUR);
        points[index - 1].duration = distance.min(HOUR);
    }
    points
}

/// The longest horizon of the plan, in hours.
fn longest_horizon() -> Result<u64, Error> {
    let text = config_or("horizon-hours", "72");
    let known = text.parse().ok().filter(|hours| HORIZONS.contains(hours));
    known.ok_or_else(|| Error::InvalidConfig(format!("horizon-hours: `{text}` is none of 6, 24, 48 and 72")))
}

lowtide_region_sdk::export_plugin!(ElectricityMaps with_types_in lowtide_region_sdk);
