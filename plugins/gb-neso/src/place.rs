//! What the service calls a place, and the paths to what it tells of it.

use lowtide_region_sdk::{Error, Timestamp, civil_time, host};

/// Regions 15 to 17 are England, Scotland and Wales.
const REGIONS: std::ops::RangeInclusive<u32> = 1..=17;
/// The longest time between two moments that is told at once.
const LONGEST_PAST: u64 = 14 * 86_400;

/// A place.
pub(crate) enum Place {
    Nation,
    Region(u32),
    Postcode(String),
}

impl Place {
    pub(crate) fn of(zone: &str) -> Result<Self, Error> {
        let unknown = || Error::InvalidRegion(format!("`{zone}` is neither GB nor GB-1 to GB-17"));
        if let Some(region) = zone.strip_prefix("GB-") {
            let region = region.parse().ok().filter(|region| REGIONS.contains(region)).ok_or_else(unknown)?;
            return Ok(Self::Region(region));
        }
        match host::config_get("postcode") {
            _ if zone != "GB" => Err(unknown()),
            None => Ok(Self::Nation),
            Some(code) if (2..=4).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                Ok(Self::Postcode(code))
            }
            Some(code) => Err(Error::InvalidConfig(format!("postcode: `{code}` is no outward one such as RG10"))),
        }
    }

    /// Two days from a time on.
    pub(crate) fn ahead(&self, from: Timestamp) -> String {
        match self {
            Self::Nation => format!("/intensity/{}Z/fw48h", civil_time(from)),
            Self::Region(id) => format!("{}/regionid/{id}", all_ahead(from)),
            Self::Postcode(code) => format!("{}/postcode/{code}", all_ahead(from)),
        }
    }

    /// What has gone by; of a region the last day of it.
    pub(crate) fn past(&self, from: Timestamp, to: Timestamp) -> String {
        let from = from.max(to.saturating_sub(LONGEST_PAST));
        match self {
            Self::Nation => format!("/intensity/{}Z/{}Z", civil_time(from), civil_time(to)),
            Self::Region(id) => format!("{}/regionid/{id}", all_past(to)),
            Self::Postcode(code) => format!("{}/postcode/{code}", all_past(to)),
        }
    }
}

/// Two days of all regions.
pub(crate) fn all_ahead(from: Timestamp) -> String {
    format!("/regional/intensity/{}Z/fw48h", civil_time(from))
}

/// The day before a time, of all regions.
pub(crate) fn all_past(to: Timestamp) -> String {
    format!("/regional/intensity/{}Z/pt24h", civil_time(to))
}
