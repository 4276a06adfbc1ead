//! `[fair_share]` of the configuration: what accounts are to get of a full site, checked.

use std::collections::BTreeMap;

use lowtide_model::priority::{AccountBy, FairShare};
use lowtide_model::quantity::Seconds;
use serde::Deserialize;

use super::{ConfigError, between};

/// The longest half-life, days.
const LONGEST_DAYS: f64 = 365.0;
/// Shares are relative to one another, so these are bounds of taste.
const LEAST_SHARE: f64 = 0.001;
const MOST_SHARE: f64 = 1e6;

/// Fair share as the file spells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FairShareFile {
    #[serde(default)]
    by: AccountBy,
    half_life_days: Option<f64>,
    #[serde(default)]
    shares: BTreeMap<String, f64>,
}

/// What a file says.
pub(super) fn fair_share_of(file: FairShareFile) -> Result<FairShare, ConfigError> {
    let FairShareFile { by, half_life_days, shares } = file;
    let days = between("fair_share.half_life_days", half_life_days, 0.01, LONGEST_DAYS)?;
    for (account, share) in &shares {
        between(&format!("fair_share.shares.{account}"), Some(*share), LEAST_SHARE, MOST_SHARE)?;
    }
    let half_life = Seconds::from_hours(24.0 * days.unwrap_or(FairShare::HALF_LIFE_DAYS));
    Ok(FairShare { by, half_life, shares })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Configuration;
    use super::*;

    fn parse(text: &str) -> Result<Option<FairShare>, String> {
        let parsed = Configuration::parse(text, Path::new("/etc"));
        parsed.map(|configuration| configuration.fair_share).map_err(|error| error.to_string())
    }

    #[test]
    fn it_is_off_until_its_table_is_there_and_then_shares_are_equal() {
        assert_eq!(parse(""), Ok(None));
        let half_life = Seconds::from_hours(168.0);
        let equal = FairShare { by: AccountBy::User, half_life, shares: BTreeMap::new() };
        assert_eq!(parse("[fair_share]"), Ok(Some(equal.clone())));
        let text = "[fair_share]\nby = 'project'\nhalf_life_days = 1\n[fair_share.shares]\nvision = 2";
        let shares = BTreeMap::from([("vision".to_owned(), 2.0)]);
        let half_life = Seconds::from_hours(24.0);
        assert_eq!(parse(text), Ok(Some(FairShare { by: AccountBy::Project, half_life, shares })));
    }

    #[test]
    fn a_bad_share_says_whose() {
        let refused = |rest: &str| parse(&format!("[fair_share]\n{rest}")).expect_err(rest);
        assert!(refused("by = 'team'").contains("project"));
        assert!(refused("half_life_days = 0").contains("fair_share.half_life_days"));
        assert!(refused("shares = { ada = 0 }").contains("fair_share.shares.ada"));
        assert!(refused("shares = { ada = nan }").contains("fair_share.shares.ada"));
        assert!(refused("half_live_days = 1").contains("half_live_days"));
    }
}
