//! Policies read together: one may extend another, and every value knows which of them set it.

use std::collections::BTreeMap;

use lowtide_model::identity::PolicyId;
use lowtide_model::job::Urgency;
use lowtide_model::quantity::Seconds;

use crate::policy::file::{self, KEYS, PolicyError};
use crate::policy::timetable::Timetable;
use crate::policy::{CarbonLimit, LimitAction, Policy, Tier, Weights};

/// A chain longer than this is a mistake: nobody can say what such a policy does.
const LONGEST_CHAIN: usize = 8;

/// A policy with what it inherits.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownPolicy {
    /// What it says, its ancestors' words included.
    pub policy: Policy,
    /// The policies it extends, the nearest first.
    pub extends: Vec<PolicyId>,
    /// Which policy set a key; one that nobody set has its default.
    set_by: BTreeMap<&'static str, PolicyId>,
}

/// One key of a policy, as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// Its value, as a file spells it.
    pub value: String,
    /// The policy that set it; `None` for the default.
    pub from: Option<PolicyId>,
}

impl KnownPolicy {
    /// The keys in the order of the documentation, each with its value and where that comes from. What has no value, such as a
    /// deadline that nobody set, is left out.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let setting = |key: &&'static str| {
            let value = spelled(&self.policy, key)?;
            Some(Setting { key, value, from: self.set_by.get(key).cloned() })
        };
        KEYS.iter().filter(|key| **key != "extends").filter_map(setting).collect()
    }
}

/// Reads policies, each by its name. What is wrong with one is wrong with those that extend it, too, and is told with the place
/// in their own text.
#[must_use]
pub fn read_all<'t>(
    texts: impl IntoIterator<Item = (PolicyId, &'t str)>,
) -> BTreeMap<PolicyId, Result<KnownPolicy, PolicyError>> {
    let texts: BTreeMap<PolicyId, &str> = texts.into_iter().collect();
    texts.keys().map(|id| (id.clone(), read(id, &texts, &mut Vec::new()))).collect()
}

fn read(
    id: &PolicyId,
    texts: &BTreeMap<PolicyId, &str>,
    heirs: &mut Vec<PolicyId>,
) -> Result<KnownPolicy, PolicyError> {
    let text = texts.get(id).copied().unwrap_or_default();
    let ancestor = file::extends(text)?;
    let mut known = KnownPolicy { policy: Policy::neutral(id.clone()), extends: Vec::new(), set_by: BTreeMap::new() };
    if let Some(named) = ancestor {
        let ancestor = named.id.clone();
        heirs.push(id.clone());
        let inherited = if !texts.contains_key(&ancestor) {
            let names: Vec<&str> = texts.keys().map(PolicyId::as_str).collect();
            Err(named.fault(text, format!("there is no policy `{ancestor}`"), file::meant(ancestor.as_str(), &names)))
        } else if heirs.contains(&ancestor) || LONGEST_CHAIN < heirs.len() {
            let chain: Vec<&str> = heirs.iter().map(PolicyId::as_str).collect();
            Err(named.fault(text, format!("`{ancestor}` extends this one: {}", chain.join(" extends ")), None))
        } else {
            read(&ancestor, texts, heirs)
                .map_err(|error| named.fault(text, format!("`{ancestor}` cannot be used: {error}"), None))
        };
        heirs.pop();
        let inherited = inherited?;
        known.extends = std::iter::once(ancestor).chain(inherited.extends).collect();
        // What it is for is its own to say.
        known.policy = Policy { id: id.clone(), description: String::new(), ..inherited.policy };
        known.set_by = inherited.set_by;
        known.set_by.remove("description");
    }
    let (policy, keys) = file::parse_over(known.policy, text)?;
    known.policy = policy;
    known.set_by.extend(keys.into_iter().map(|key| (key, id.clone())));
    Ok(known)
}

/// A key's value as a file spells it.
fn spelled(policy: &Policy, key: &str) -> Option<String> {
    let switch = |on: bool| Some(on.to_string());
    match key {
        "description" => Some(quoted(&policy.description)),
        "objective" => Some(quoted(if policy.weights == Weights::CARBON { "carbon" } else { "weighted" })),
        "delay_grams_per_hour" => {
            let weights = policy.weights;
            (weights.ranks_by_footprint() && weights != Weights::CARBON).then(|| weights.grams_per_hour.to_string())
        }
        "weights" => (!policy.weights.ranks_by_footprint()).then(|| {
            let Weights { carbon, grams_per_money, grams_per_hour } = policy.weights;
            format!("{{ carbon = {carbon}, grams_per_money = {grams_per_money}, grams_per_hour = {grams_per_hour} }}")
        }),
        "deadline" => policy.deadline.map(duration),
        "max_delay" => policy.max_delay.map(duration),
        "sites" => list(policy.sites.iter().map(ToString::to_string)),
        "zones" => list(policy.zones.iter().map(ToString::to_string)),
        "windows" => timetables(&policy.windows),
        "blackouts" => timetables(&policy.blackouts),
        "delay" => switch(policy.delay),
        "route" => switch(policy.route),
        "pausable" => switch(policy.pausable),
        "minimum_saving" => Some(policy.minimum_saving.to_string()),
        "probe_epochs" => Some(policy.probe_epochs.to_string()),
        "limit" => policy.limit.map(|CarbonLimit { grams, action }| {
            let action = match action {
                LimitAction::Warn => "warn",
                LimitAction::Hold => "hold",
                LimitAction::Stop => "stop",
            };
            format!("{{ grams = {}, action = \"{action}\" }}", grams.get())
        }),
        "urgency" => {
            let tiers: Vec<String> = policy.urgency.iter().map(|(urgency, said)| tier(*urgency, said)).collect();
            (!tiers.is_empty()).then(|| format!("{{ {} }}", tiers.join(", ")))
        }
        _ => None,
    }
}

fn tier(urgency: Urgency, said: &Tier) -> String {
    let Tier { max_delay, minimum_saving, delay, pausable } = said;
    let keys = [
        max_delay.map(|longest| format!("max_delay = {}", duration(longest))),
        minimum_saving.map(|share| format!("minimum_saving = {share}")),
        delay.map(|on| format!("delay = {on}")),
        pausable.map(|on| format!("pausable = {on}")),
    ];
    let keys: Vec<String> = keys.into_iter().flatten().collect();
    format!("{} = {{ {} }}", urgency.name(), keys.join(", "))
}

fn timetables(timetables: &[Timetable]) -> Option<String> {
    let spelled: Vec<String> = timetables.iter().map(window).collect();
    (!spelled.is_empty()).then(|| format!("[{}]", spelled.join(", ")))
}

fn window(timetable: &Timetable) -> String {
    let (cron, zone) = (timetable.expression(), timetable.zone_name());
    format!("{{ cron = \"{cron}\", duration = {}, zone = \"{zone}\" }}", duration(timetable.duration()))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_default())
}

fn list(names: impl Iterator<Item = String>) -> Option<String> {
    let names: Vec<String> = names.map(|name| quoted(&name)).collect();
    (!names.is_empty()).then(|| format!("[{}]", names.join(", ")))
}

/// In the largest unit that needs no fraction.
fn duration(length: Seconds) -> String {
    let seconds = length.get();
    let (scale, unit) = [(3600.0, "h"), (60.0, "min")]
        .into_iter()
        .find(|(scale, _)| (seconds / scale).fract() == 0.0)
        .unwrap_or((1.0, "s"));
    format!("\"{}{unit}\"", seconds / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> PolicyId {
        PolicyId::new(name).expect("a name")
    }

    fn read(texts: &[(&str, &str)]) -> BTreeMap<PolicyId, Result<KnownPolicy, PolicyError>> {
        read_all(texts.iter().map(|(name, text)| (id(name), *text)))
    }

    #[test]
    fn a_policy_says_only_what_differs_from_the_one_it_extends() {
        let known = read(&[
            ("group", "max_delay = \"12h\"\nroute = true\nobjective = \"weighted\"\ndelay_grams_per_hour = 5\n"),
            ("mine", "extends = \"group\"\nmax_delay = \"90min\"\n"),
            ("hers", "extends = \"mine\"\ndelay_grams_per_hour = 7.5\n[limit]\ngrams = 500\naction = \"hold\"\n"),
        ]);
        let hers = known[&id("hers")].as_ref().expect("it can be used");
        assert_eq!((hers.policy.id.as_str(), hers.policy.route), ("hers", true));
        assert_eq!(hers.policy.max_delay, Some(Seconds::from_hours(1.5)));
        assert_eq!(hers.policy.weights, Weights { grams_per_hour: 7.5, ..Weights::CARBON });
        assert_eq!(hers.extends, [id("mine"), id("group")]);
        let told: Vec<String> = hers
            .settings()
            .into_iter()
            .map(|Setting { key, value, from }| {
                format!("{key} = {value} # {}", from.map_or("default".to_owned(), |from| from.to_string()))
            })
            .collect();
        for expected in [
            "max_delay = \"90min\" # mine",
            "route = true # group",
            "delay_grams_per_hour = 7.5 # hers",
            "limit = { grams = 500, action = \"hold\" } # hers",
            "pausable = true # default",
        ] {
            assert!(told.iter().any(|line| line == expected), "{expected} is not in {told:#?}");
        }
    }

    #[test]
    fn what_is_told_can_be_read_again() {
        for (policy_id, text) in crate::policy::builtin_texts() {
            let known = read_all([(policy_id.clone(), text)]);
            let known = known[&policy_id].as_ref().expect("built in");
            let spelled: Vec<String> =
                known.settings().into_iter().map(|Setting { key, value, .. }| format!("{key} = {value}")).collect();
            let again = file::parse(policy_id, &spelled.join("\n")).expect("as a file spells it");
            assert_eq!(again, known.policy);
        }
    }

    #[test]
    fn who_extends_nothing_or_itself_is_told_where() {
        let known = read(&[
            ("a", "description = \"x\"\nextends = \"b\"\n"),
            ("b", "extends = \"a\"\n"),
            ("c", "extends = \"patiant\"\n"),
            ("patient", ""),
            ("d", "extends = \"broken\"\n"),
            ("broken", "dely = true\n"),
        ]);
        let error = |name: &str| known[&id(name)].as_ref().expect_err("it cannot be used").clone();
        assert_eq!((error("a").line, error("a").column), (2, 11));
        assert!(
            error("a").message.contains("`b` cannot be used") && error("a").message.contains("a extends b"),
            "{}",
            error("a")
        );
        assert!(error("c").suggestion.is_some_and(|meant| meant.contains("`patient`")));
        assert!(
            error("d").message.contains("`broken` cannot be used: line 1, column 1: unknown key"),
            "{}",
            error("d")
        );
    }
}
