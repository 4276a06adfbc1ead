//! WattTime, version 3: <https://docs.watttime.org/>. Direct CO2 of the plants that respond to a change of load (`co2_moer`), or of
//! the mean of all (`co2_aoer`) where that is asked for and the plan has it: of what a region generates.
//!
//! Traps: values are pounds a megawatt-hour, and the addresses that tell percentiles look the same but for `meta.units`; the
//! token of a login lives for half an hour; a plan without the signal is refused by a text, not always JSON; both ends of the
//! past are told; a part of the past is imputed; without a plan CAISO_NORTH alone is told.

mod account;
mod answer;

use lowtide_region_sdk::{
    Accounting, Basis, Error, Info, Kind, Level, Plugin, Point, Query, Series, Signal, Timestamp, civil_time,
    each_zone, host,
};

use account::{Account, Told};

const FIVE_MINUTES: u32 = 300;
const HOUR: u64 = 3600;
/// The longest forecast, in hours.
const LONGEST_HORIZON: u64 = 72;
/// So much of the past together with the longest forecast are as many points as the host takes of a zone. The service
/// itself tells 32 days at once.
const LONGEST_PAST: u64 = 4 * 24 * HOUR;

struct WattTime;

impl Plugin for WattTime {
    fn describe() -> Result<Info, Error> {
        Ok(Info {
            zones: vec!["*".into()],
            // What is told where nobody says which is the first.
            signals: vec![Signal::Marginal, Signal::Average],
            resolution: FIVE_MINUTES,
            horizon: 72 * 3600,
            refresh_interval: FIVE_MINUTES,
            attribution: Some("WattTime, by the terms of your plan".into()),
        })
    }

    fn series(query: Query) -> Result<Vec<Series>, Error> {
        let account = Account::login()?;
        each_zone(&query, |zone| series_of(&Asked::of(zone, query.signal)?, &query, &account))
    }
}

/// What every request of a zone has.
pub(crate) struct Asked<'a> {
    zone: &'a str,
    pub(crate) region: String,
    pub(crate) signal: &'static str,
}

impl<'a> Asked<'a> {
    fn of(zone: &'a str, signal: Signal) -> Result<Self, Error> {
        let well_formed = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        };
        let region = match host::config_get("region") {
            Some(region) if !well_formed(&region) => {
                return Err(Error::InvalidConfig(format!("region: `{region}` is no name of a region")));
            }
            Some(region) => region,
            // The one region that every account may ask for.
            None if zone == "US-CAL-CISO" => "CAISO_NORTH".to_owned(),
            None if well_formed(zone) => zone.to_owned(),
            None => return Err(Error::InvalidRegion(format!("`{zone}` is no region of WattTime"))),
        };
        let signal = if signal == Signal::Marginal { "co2_moer" } else { "co2_aoer" };
        Ok(Self { zone, region, signal })
    }

    /// The address of a data set, without its other parameters.
    fn address(&self, data_set: &str) -> String {
        format!("/v3/{data_set}?region={}&signal_type={}", self.region, self.signal)
    }
}

fn series_of(asked: &Asked, query: &Query, account: &Account) -> Result<Series, Error> {
    let now = host::now();
    // The coming hours first: they matter more where a call has no requests left for the past.
    let ahead = (now < query.end).then(|| ahead(asked, query, now, account));
    let past = match &ahead {
        // A service that is not well, or asks to slow down, is not asked on.
        Some(Err(error)) if !is_refusal(error) => None,
        _ => (query.start < now).then(|| past(asked, query, now, account)),
    };
    let (ahead, past) = match (ahead, past) {
        (Some(Err(error)), None | Some(Err(_))) | (None, Some(Err(error))) => return Err(error),
        (Some(Err(refused)), Some(Ok(past))) => {
            host::log(Level::Warn, &format!("no forecast of {}: {refused:?}", asked.zone));
            (None, Some(past))
        }
        (Some(Ok(ahead)), Some(Err(error))) => {
            host::log(Level::Warn, &format!("no past values of {}: {error:?}", asked.zone));
            (Some(ahead), None)
        }
        (ahead, past) => (ahead.transpose()?, past.transpose()?),
    };
    let issued_at = ahead.as_ref().and_then(Told::issued_at);
    // What was measured goes before what was forecast of the same time.
    let mut points: Vec<Point> = Vec::new();
    for (told, kind) in [(past, Kind::Measured), (ahead, Kind::Forecast)] {
        let fresh = told.map_or(Ok(Vec::new()), |told| told.points(kind))?;
        let covered = points.last().map_or(0, |last| last.start + u64::from(last.duration));
        points.extend(fresh.into_iter().filter(|point| covered <= point.start));
    }
    Ok(Series {
        zone: asked.zone.to_owned(),
        signal: query.signal,
        basis: Basis::Direct,
        accounting: Accounting::Production,
        issued_at,
        points,
    })
}

/// Whether the plan or the service just has not this: the rest may be there.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Unauthorized(_) | Error::InvalidRegion(_))
}

fn ahead(asked: &Asked, query: &Query, now: Timestamp, account: &Account) -> Result<Told, Error> {
    let hours = (query.end - now).div_ceil(HOUR).min(LONGEST_HORIZON);
    account.ask(asked, &format!("{}&horizon_hours={hours}", asked.address("forecast")))
}

fn past(asked: &Asked, query: &Query, now: Timestamp, account: &Account) -> Result<Told, Error> {
    let end = now.min(query.end);
    let start = query.start.max(end.saturating_sub(LONGEST_PAST));
    let (start, end) = (civil_time(start), civil_time(end));
    account.ask(asked, &format!("{}&start={start}Z&end={end}Z", asked.address("historical")))
}

lowtide_region_sdk::export_plugin!(WattTime with_types_in lowtide_region_sdk);
