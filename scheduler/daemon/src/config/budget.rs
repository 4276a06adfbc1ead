//! `[[budgets]]` of the configuration: carbon budgets, checked.

use jiff::tz::TimeZone;
use lowtide_model::budget::{Budget, BudgetAction, Period, Quantile, Scope};
use lowtide_model::identity::BudgetId;
use lowtide_model::quantity::GramsCo2e;
use serde::Deserialize;

use super::{ConfigError, at};

/// A budget as the file spells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetFile {
    name: String,
    grams: Option<f64>,
    kg: Option<f64>,
    period: Period,
    project: Option<String>,
    user: Option<String>,
    #[serde(default = "hold")]
    action: BudgetAction,
    #[serde(default = "median")]
    quantile: Quantile,
    zone: Option<String>,
    #[serde(default)]
    pause: bool,
}

const fn hold() -> BudgetAction {
    BudgetAction::Hold
}

const fn median() -> Quantile {
    Quantile::Median
}

/// The budgets of a file, in its order.
pub(super) fn budgets_of(files: Vec<BudgetFile>) -> Result<Vec<Budget>, ConfigError> {
    let mut budgets: Vec<Budget> = Vec::with_capacity(files.len());
    for file in files {
        let budget = budget_of(file)?;
        if budgets.iter().any(|known| known.name == budget.name) {
            return Err(ConfigError { message: format!("two budgets are called `{}`", budget.name) });
        }
        budgets.push(budget);
    }
    Ok(budgets)
}

fn budget_of(file: BudgetFile) -> Result<Budget, ConfigError> {
    let BudgetFile { name, grams, kg, period, project, user, action, quantile, zone, pause } = file;
    let name = BudgetId::new(name).map_err(|error| at("budgets.name", &error))?;
    let key = |key: &str| format!("budget `{name}`, key `{key}`");
    let (grams, named) = match (grams, kg) {
        (Some(grams), None) => (grams, "grams"),
        (None, Some(kg)) => (kg * 1000.0, "kg"),
        _ => return Err(ConfigError { message: format!("budget `{name}` needs one of the keys `grams` and `kg`") }),
    };
    let limit = GramsCo2e::new(grams).map_err(|error| at(&key(named), &error))?;
    if let Some(zone) = &zone {
        TimeZone::get(zone).map_err(|error| at(&key("zone"), &error))?;
    }
    if pause && action == BudgetAction::Warn {
        return Err(ConfigError { message: format!("{}: a budget that only warns pauses nothing", key("pause")) });
    }
    Ok(Budget { name, limit, period, zone, scope: Scope { project, user }, action, quantile, pause })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Configuration;
    use super::*;

    fn parse(text: &str) -> Result<Vec<Budget>, String> {
        let parsed = Configuration::parse(text, Path::new("/etc"));
        parsed.map(|configuration| configuration.budgets).map_err(|error| error.to_string())
    }

    #[test]
    fn a_budget_needs_a_name_an_amount_and_a_period() {
        let budgets =
            parse("[[budgets]]\nname = 'team'\nkg = 1.5\nperiod = 'month'\nproject = 'vision'").expect("good");
        assert_eq!(
            budgets,
            [Budget {
                name: BudgetId::new("team").expect("a name"),
                limit: GramsCo2e::saturating(1500.0),
                period: Period::Month,
                zone: None,
                scope: Scope { project: Some("vision".into()), user: None },
                action: BudgetAction::Hold,
                quantile: Quantile::Median,
                pause: false,
            }]
        );
    }

    #[test]
    fn a_bad_budget_says_which_and_why() {
        let refused = |rest: &str| parse(&format!("[[budgets]]\nname = 'team'\n{rest}")).expect_err(rest);
        assert!(refused("period = 'day'").contains("one of the keys"));
        assert!(refused("grams = 1\nkg = 1\nperiod = 'day'").contains("budget `team`"));
        assert!(refused("grams = -1\nperiod = 'day'").contains("budget `team`, key `grams`"));
        assert!(refused("grams = 1\nperiod = 'year'").contains("year"));
        assert!(refused("grams = 1\nperiod = 'day'\nzone = 'Mars/Olympus'").contains("budget `team`, key `zone`"));
        assert!(refused("grams = 1\nperiod = 'day'\naction = 'warn'\npause = true").contains("only warns"));
        let twice = "[[budgets]]\nname = 'a'\ngrams = 1\nperiod = 'day'\n".repeat(2);
        assert!(parse(&twice).expect_err("twice").contains("two budgets"));
    }
}
