//! The text of a policy: TOML, every key checked, unknown ones refused with a suggestion.
//!
//! The table is walked by hand rather than through `serde`, because a person who mistyped a key wants the line, the
//! column and the key they meant.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use lowtide_model::identity::{NotAName, PolicyId};
use lowtide_model::job::Urgency;
use lowtide_model::quantity::{GramsCo2e, Seconds};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::policy::reading::{self, Misread};
use crate::policy::timetable::Timetable;
use crate::policy::{CarbonLimit, LimitAction, Policy, Tier, Weights};

/// Keys of the file, of one of its `[[windows]]`, of its `[limit]`.
pub(crate) const KEYS: [&str; 19] = [
    "extends",
    "description",
    "objective",
    "delay_grams_per_hour",
    "weights",
    "deadline",
    "max_delay",
    "sites",
    "zones",
    "windows",
    "blackouts",
    "delay",
    "route",
    "pausable",
    "minimum_saving",
    "spread",
    "probe_epochs",
    "limit",
    "urgency",
];
pub(crate) const WINDOW_KEYS: [&str; 3] = ["cron", "duration", "zone"];
pub(crate) const WEIGHT_KEYS: [&str; 3] = ["carbon", "grams_per_money", "grams_per_hour"];
pub(crate) const TIER_KEYS: [&str; 4] = ["max_delay", "minimum_saving", "delay", "pausable"];
pub(crate) const LIMIT_KEYS: [&str; 2] = ["grams", "action"];

/// More probe epochs than this are no probe; it also keeps a slip of the finger from running the whole job at once.
const MOST_PROBE_EPOCHS: u32 = 100;
/// More of the footprint than this is not nearly the same.
const MOST_SPREAD: f64 = 0.05;
/// More timetables than this are a mistake, and would make every plan slow.
const MOST_WINDOWS: usize = 50;
/// A name this alike counts as meant, by Jaro-Winkler.
const ALIKE: f64 = 0.75;

/// What is wrong in the text of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct PolicyError {
    /// The line, from 1 on.
    pub line: usize,
    /// The column in characters, from 1 on.
    pub column: usize,
    /// What is wrong, for people.
    pub message: String,
    /// What to do about it, such as "did you mean `max_delay`?".
    pub suggestion: Option<String>,
}

/// Reads a policy that extends none: keys that are not set have the values of [`Policy::neutral`]. Those that do are read
/// together with what they extend, by [`read_all`](super::read_all).
pub fn parse(id: PolicyId, text: &str) -> Result<Policy, PolicyError> {
    if let Some(named) = extends(text)? {
        return Err(named.fault(text, format!("`{}` is not at hand here", named.id), None));
    }
    parse_over(Policy::neutral(id), text).map(|(policy, _)| policy)
}

/// The policy that a text extends, and where it says so.
pub(crate) struct Named {
    pub(crate) id: PolicyId,
    span: Range<usize>,
}

impl Named {
    /// What is wrong with it, at its place.
    pub(crate) fn fault(&self, text: &str, message: String, suggestion: Option<String>) -> PolicyError {
        Fault { span: self.span.clone(), message, suggestion }.in_text(text)
    }
}

pub(crate) fn extends(text: &str) -> Result<Option<Named>, PolicyError> {
    let root = table(text)?;
    let Some(value) = root.get_ref().get("extends") else { return Ok(None) };
    let named = self::text(value).and_then(|name| {
        let id = PolicyId::new(name).map_err(|error| Fault::at(value.span(), error.to_string()))?;
        Ok(Named { id, span: value.span() })
    });
    named.map(Some).map_err(|fault| fault.in_text(text))
}

/// What was probably meant by a name that is none.
pub(crate) fn meant(given: &str, known: &[&str]) -> Option<String> {
    closest(given, known).map(|meant| format!("did you mean `{meant}`?"))
}

/// Reads a text over what it inherits, and says which keys it sets, those of tables as `limit.grams`.
pub(crate) fn parse_over(base: Policy, text: &str) -> Result<(Policy, Vec<String>), PolicyError> {
    let root = table(text)?;
    let policy = policy_of(base, root.get_ref()).map_err(|fault| fault.in_text(text))?;
    let mut keys = Vec::new();
    set_keys("", root.get_ref(), &mut keys);
    Ok((policy, keys))
}

/// The keys of a table that hold no table.
fn set_keys(path: &str, table: &DeTable, keys: &mut Vec<String>) {
    for (key, value) in table {
        let key = format!("{path}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => set_keys(&format!("{key}."), inner, keys),
            _ => keys.push(same_as(&key).to_owned()),
        }
    }
}

/// The key that says the same: one weight has two spellings.
pub(crate) fn same_as(key: &str) -> &str {
    if key == "delay_grams_per_hour" { "weights.grams_per_hour" } else { key }
}

fn table(text: &str) -> Result<Spanned<DeTable<'_>>, PolicyError> {
    DeTable::parse(text).map_err(|error| {
        let mut fault = Fault::at(error.span().unwrap_or(0..0), error.message().to_owned());
        fault.suggestion = Some("a policy is a TOML file of lines `key = value`".to_owned());
        fault.in_text(text)
    })
}

fn policy_of(mut policy: Policy, root: &DeTable) -> Result<Policy, Fault> {
    let (mut objective, mut delay_cost, mut weights) = (None, None, None);
    for (key, value) in root {
        match key.get_ref().as_ref() {
            "extends" => {}
            "description" => text(value)?.clone_into(&mut policy.description),
            "objective" => objective = Some((choice(value, &["carbon", "weighted"])?, value.span())),
            "delay_grams_per_hour" => delay_cost = Some((number(value, 0.0, 1e9)?, value.span())),
            "weights" => weights = Some((self::weights(value, policy.weights)?, key.span())),
            "deadline" => policy.deadline = Some(duration(value)?),
            "max_delay" => policy.max_delay = Some(duration(value)?),
            "sites" => policy.sites = names(value)?,
            "zones" => policy.zones = names(value)?,
            "windows" => policy.windows = timetables(value, "windows")?,
            "blackouts" => policy.blackouts = timetables(value, "blackouts")?,
            "delay" => policy.delay = switch(value)?,
            "route" => policy.route = switch(value)?,
            "pausable" => policy.pausable = switch(value)?,
            "minimum_saving" => policy.minimum_saving = number(value, 0.0, 0.99)?,
            "spread" => policy.spread = number(value, 0.0, MOST_SPREAD)?,
            "probe_epochs" => policy.probe_epochs = count(value, MOST_PROBE_EPOCHS)?,
            "limit" => policy.limit = Some(limit(value, policy.limit)?),
            "urgency" => tiers(value, &mut policy.urgency)?,
            unknown => return Err(unknown_key(unknown, key.span(), &KEYS)),
        }
    }
    policy.weights = match (objective, delay_cost, weights) {
        (None, None, None) => policy.weights,
        (None | Some((1, _)), None, Some((weights, _))) => weights,
        (_, _, Some((_, span))) => {
            return Err(Fault::at(span, "`weights` says what `objective` and `delay_grams_per_hour` say".into())
                .hint("leave those two out, or this one"));
        }
        (Some((1, _)), None, None) if policy.weights != Weights::CARBON => policy.weights,
        (Some((0, _)), None, None) => Weights::CARBON,
        (Some((0, _)), Some((_, span)), None) => {
            return Err(Fault::at(span, "`delay_grams_per_hour` has no meaning with the objective `carbon`".into())
                .hint("write `objective = \"weighted\"`, or leave this key out"));
        }
        (None | Some(_), Some((grams_per_hour, span)), None) => {
            preferring(Weights { grams_per_hour, ..policy.weights }, &span)?
        }
        (Some((_, span)), None, None) => {
            return Err(Fault::at(span, "the objective `weighted` needs a weight".into())
                .hint("add `delay_grams_per_hour`, the gCO2e that an hour of delay is worth, or a table `[weights]`"));
        }
    };
    Ok(policy)
}

/// What is said of tiers, over what is inherited, key by key.
fn tiers(value: &Spanned<DeValue>, tiers: &mut BTreeMap<Urgency, Tier>) -> Result<(), Fault> {
    let DeValue::Table(table) = value.get_ref() else {
        return Err(wrong(value, "tables such as `[urgency.high]`"));
    };
    for (name, value) in table {
        let names = Urgency::NAMES.map(|(name, _)| name);
        let urgency = Urgency::named(name.get_ref()).ok_or_else(|| unknown_key(name.get_ref(), name.span(), &names))?;
        let DeValue::Table(keys) = value.get_ref() else {
            return Err(wrong(value, "a table such as `{ max_delay = \"2h\" }`"));
        };
        let tier = tiers.entry(urgency).or_default();
        for (key, value) in keys {
            match key.get_ref().as_ref() {
                "max_delay" => tier.max_delay = Some(duration(value)?),
                "minimum_saving" => tier.minimum_saving = Some(number(value, 0.0, 0.99)?),
                "delay" => tier.delay = Some(switch(value)?),
                "pausable" => tier.pausable = Some(switch(value)?),
                unknown => return Err(unknown_key(unknown, key.span(), &TIER_KEYS)),
            }
        }
    }
    Ok(())
}

/// The weights of a table; those it leaves out are inherited.
fn weights(value: &Spanned<DeValue>, mut weights: Weights) -> Result<Weights, Fault> {
    let DeValue::Table(table) = value.get_ref() else {
        return Err(wrong(value, "a table such as `{ carbon = 1, grams_per_money = 500 }`"));
    };
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "carbon" => weights.carbon = number(value, 0.0, 1e3)?,
            "grams_per_money" => weights.grams_per_money = number(value, 0.0, 1e9)?,
            "grams_per_hour" => weights.grams_per_hour = number(value, 0.0, 1e9)?,
            unknown => return Err(unknown_key(unknown, key.span(), &WEIGHT_KEYS)),
        }
    }
    preferring(weights, &value.span())
}

/// Weights that are not all 0.
fn preferring(weights: Weights, span: &Range<usize>) -> Result<Weights, Fault> {
    let Weights { carbon, grams_per_money, grams_per_hour } = weights;
    if carbon + grams_per_money + grams_per_hour <= 0.0 {
        return Err(Fault::at(span.clone(), "weights that are all 0 prefer nothing".into())
            .hint("`carbon = 1` is the weight of a gram of footprint"));
    }
    Ok(weights)
}

fn timetables(value: &Spanned<DeValue>, key: &str) -> Result<Vec<Timetable>, Fault> {
    let DeValue::Array(list) = value.get_ref() else {
        return Err(wrong(value, "a list of tables").hint(&format!("write `[[{key}]]` on a line of its own")));
    };
    if MOST_WINDOWS < list.len() {
        return Err(Fault::at(value.span(), format!("more than {MOST_WINDOWS} {key}")));
    }
    let one = key.trim_end_matches('s');
    list.iter().map(|value| timetable(value, one)).collect()
}

fn timetable(value: &Spanned<DeValue>, one: &str) -> Result<Timetable, Fault> {
    let DeValue::Table(table) = value.get_ref() else {
        return Err(wrong(value, "a table with `cron` and `duration`"));
    };
    let (mut cron, mut length, mut zone) = (None, None, None);
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "cron" => cron = Some((text(value)?, value.span())),
            "duration" => length = Some(duration(value)?),
            "zone" => zone = Some((text(value)?, value.span())),
            unknown => return Err(unknown_key(unknown, key.span(), &WINDOW_KEYS)),
        }
    }
    let missing = |key: &str, example: &str| {
        Fault::at(value.span(), format!("a {one} needs `{key}`")).hint(&format!("add `{key} = \"{example}\"`"))
    };
    let (cron, cron_span) = cron.ok_or_else(|| missing("cron", "0 22 * * MON-FRI"))?;
    let length = length.filter(|length| Seconds::ZERO < *length).ok_or_else(|| missing("duration", "8h"))?;
    let zone = match zone {
        None => None,
        Some((name, span)) => reading::clock(name).map_err(|misread| Fault::misread(span, misread))?,
    };
    Timetable::new(cron, length, zone).map_err(|error| {
        Fault::at(cron_span, error.to_string())
            .hint("five fields, as in crontab: minute, hour, day of month, month, day of week; `0 22 * * MON-FRI`")
    })
}

/// The limit of a table; what it leaves out is inherited.
fn limit(value: &Spanned<DeValue>, inherited: Option<CarbonLimit>) -> Result<CarbonLimit, Fault> {
    let DeValue::Table(table) = value.get_ref() else {
        return Err(wrong(value, "a table with `grams` and `action`").hint("write `[limit]` on a line of its own"));
    };
    let mut grams = inherited.map(|limit| limit.grams);
    let mut action = inherited.map_or(LimitAction::Warn, |limit| limit.action);
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "grams" => grams = Some(GramsCo2e::saturating(number(value, 0.0, 1e12)?)),
            "action" => {
                action = [LimitAction::Warn, LimitAction::Hold, LimitAction::Stop]
                    [choice(value, &["warn", "hold", "stop"])?];
            }
            unknown => return Err(unknown_key(unknown, key.span(), &LIMIT_KEYS)),
        }
    }
    let grams = grams.ok_or_else(|| {
        Fault::at(value.span(), "a limit needs `grams`".into()).hint("add `grams = 1000`, in gCO2e for one job")
    })?;
    Ok(CarbonLimit { grams, action })
}

fn text<'a>(value: &'a Spanned<DeValue>) -> Result<&'a str, Fault> {
    value.get_ref().as_str().ok_or_else(|| wrong(value, "a text in quotes"))
}

fn switch(value: &Spanned<DeValue>) -> Result<bool, Fault> {
    value.get_ref().as_bool().ok_or_else(|| wrong(value, "`true` or `false`"))
}

fn number(value: &Spanned<DeValue>, low: f64, high: f64) -> Result<f64, Fault> {
    let digits = match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        _ => return Err(wrong(value, "a number")),
    };
    let number: f64 = digits.replace('_', "").parse().map_err(|_| wrong(value, "a number"))?;
    if (low..=high).contains(&number) {
        Ok(number)
    } else {
        Err(Fault::at(value.span(), format!("{number} is out of range"))
            .hint(&format!("it must lie between {low} and {high}")))
    }
}

fn count(value: &Spanned<DeValue>, most: u32) -> Result<u32, Fault> {
    let DeValue::Integer(integer) = value.get_ref() else { return Err(wrong(value, "a whole number")) };
    u32::from_str_radix(&integer.as_str().replace('_', ""), integer.radix())
        .ok()
        .filter(|count| *count <= most)
        .ok_or_else(|| wrong(value, &format!("a whole number from 0 to {most}")))
}

fn choice(value: &Spanned<DeValue>, choices: &[&str]) -> Result<usize, Fault> {
    let given = text(value)?;
    choices.iter().position(|choice| *choice == given).ok_or_else(|| {
        let fault = Fault::at(value.span(), format!("`{given}` is none of {}", quoted(choices)));
        match closest(given, choices) {
            Some(meant) => fault.hint(&format!("did you mean `{meant}`?")),
            None => fault,
        }
    })
}

fn names<T: std::str::FromStr<Err = NotAName>>(value: &Spanned<DeValue>) -> Result<Vec<T>, Fault> {
    let DeValue::Array(list) = value.get_ref() else { return Err(wrong(value, "a list of names")) };
    list.iter()
        .map(|name| text(name)?.parse().map_err(|error: NotAName| Fault::at(name.span(), error.to_string())))
        .collect()
}

fn duration(value: &Spanned<DeValue>) -> Result<Seconds, Fault> {
    let text = value.get_ref().as_str().ok_or_else(|| wrong(value, "a duration").hint(reading::DURATION_HINT))?;
    reading::duration(text).map_err(|misread| Fault::misread(value.span(), misread))
}

fn wrong(value: &Spanned<DeValue>, expected: &str) -> Fault {
    Fault::at(value.span(), format!("expected {expected}, found {}", Shown(value.get_ref())))
}

fn unknown_key(key: &str, span: Range<usize>, known: &[&str]) -> Fault {
    let fault = Fault::at(span, format!("unknown key `{key}`"));
    match closest(key, known) {
        Some(meant) => fault.hint(&format!("did you mean `{meant}`?")),
        None => fault.hint(&format!("known keys are {}", quoted(known))),
    }
}

pub(super) fn closest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(&given.to_lowercase(), &name.to_lowercase());
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (ALIKE <= likeness(best)).then_some(*best)
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A value as an error shows it: short.
struct Shown<'a>(&'a DeValue<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DeValue::String(text) => write!(f, "`\"{}\"`", text.chars().take(40).collect::<String>()),
            DeValue::Integer(integer) => write!(f, "`{}`", integer.as_str()),
            DeValue::Float(float) => write!(f, "`{}`", float.as_str()),
            DeValue::Boolean(flag) => write!(f, "`{flag}`"),
            other => write!(f, "{} {}", if other.is_array() { "an" } else { "a" }, other.type_str()),
        }
    }
}

/// An error with its place in bytes, before the text is at hand.
struct Fault {
    span: Range<usize>,
    message: String,
    suggestion: Option<String>,
}

impl Fault {
    fn at(span: Range<usize>, message: String) -> Self {
        Self { span, message, suggestion: None }
    }

    fn misread(span: Range<usize>, misread: Misread) -> Self {
        Self { span, message: misread.message, suggestion: misread.hint }
    }

    fn hint(self, suggestion: &str) -> Self {
        Self { suggestion: Some(suggestion.to_owned()), ..self }
    }

    fn in_text(self, text: &str) -> PolicyError {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        PolicyError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: self.message,
            suggestion: self.suggestion,
        }
    }
}
