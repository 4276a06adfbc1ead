//! Policies read together: one may extend another, and every value knows which of them set it.

use std::collections::BTreeMap;

use lowtide_model::identity::PolicyId;

use crate::policy::file::{self, PolicyError};
use crate::policy::{Policy, Weights, spelling};

/// A chain longer than this is a mistake: nobody can say what such a policy does.
const LONGEST_CHAIN: usize = 8;

/// A policy with what it inherits.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownPolicy {
    /// What it says, its ancestors' words included.
    pub policy: Policy,
    /// The policies it extends, the nearest first.
    pub extends: Vec<PolicyId>,
    /// Which policy set a key, those of tables as `limit.grams`; one that nobody set has its default.
    set_by: BTreeMap<String, PolicyId>,
}

/// One key of a policy, as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key; one of a table with its table, as `limit.grams`, which a file may write, too.
    pub key: String,
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
        let setting = |(key, value): (String, String)| {
            let from = self.set_by.get(file::same_as(&key)).cloned();
            Setting { key, value, from }
        };
        spelling::spelled(&self.policy).into_iter().map(setting).collect()
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
    let weighted_before = known.policy.weights != Weights::CARBON;
    let (policy, keys) = file::parse_over(known.policy, text)?;
    let weighted = policy.weights != Weights::CARBON;
    if !weighted {
        // Who takes all weights back leaves none of them to those that set them before.
        known.set_by.retain(|key, _| !key.starts_with("weights."));
    }
    if weighted != weighted_before {
        known.set_by.insert("objective".to_owned(), id.clone());
    }
    known.policy = policy;
    known.set_by.extend(keys.into_iter().map(|key| (key, id.clone())));
    Ok(known)
}

#[cfg(test)]
mod tests {
    use lowtide_model::quantity::Seconds;

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
            "limit.grams = 500 # hers",
            "limit.action = \"hold\" # hers",
            "pausable = true # default",
        ] {
            assert!(told.iter().any(|line| line == expected), "{expected} is not in {told:#?}");
        }
    }

    #[test]
    fn tables_are_inherited_key_by_key_and_each_key_says_who_set_it() {
        let known = read(&[
            (
                "group",
                "[weights]\ngrams_per_money = 800\n[limit]\ngrams = 500\naction = \"hold\"\n\
                 [urgency.high]\nmax_delay = \"2h\"\n",
            ),
            (
                "mine",
                "extends = \"group\"\ndelay_grams_per_hour = 5\n[limit]\ngrams = 900\n\
                 [urgency.high]\nminimum_saving = 0.2\n",
            ),
            ("plain", "extends = \"group\"\nobjective = \"carbon\"\n"),
            ("hasty", "[weights]\ngrams_per_hour = 7\n"),
        ]);
        let told = |name: &str| -> Vec<String> {
            let known = known[&id(name)].as_ref().expect("it can be used");
            let line = |setting: Setting| {
                let from = setting.from.map_or("default".to_owned(), |from| from.to_string());
                format!("{} = {} # {from}", setting.key, setting.value)
            };
            known.settings().into_iter().map(line).collect()
        };
        for (name, expected) in [
            ("mine", "objective = \"weighted\" # group"),
            ("mine", "weights.carbon = 1 # default"),
            ("mine", "weights.grams_per_money = 800 # group"),
            ("mine", "weights.grams_per_hour = 5 # mine"),
            ("mine", "limit.grams = 900 # mine"),
            ("mine", "limit.action = \"hold\" # group"),
            ("mine", "urgency.high.max_delay = \"2h\" # group"),
            ("mine", "urgency.high.minimum_saving = 0.2 # mine"),
            ("plain", "objective = \"carbon\" # plain"),
            ("hasty", "objective = \"weighted\" # hasty"),
            ("hasty", "delay_grams_per_hour = 7 # hasty"),
        ] {
            assert!(told(name).iter().any(|line| line == expected), "{expected} is not in {:#?}", told(name));
        }
        assert!(!told("plain").iter().any(|line| line.starts_with("weights")), "{:#?}", told("plain"));
    }

    #[test]
    fn what_is_told_can_be_read_again() {
        let every_table = "pausable = false\n[weights]\ncarbon = 0.5\ngrams_per_money = 8\n[limit]\ngrams = 5\n\
            [urgency.high]\nmax_delay = \"90min\"\ndelay = true\n[urgency.low]\nminimum_saving = 0\n\
            [[blackouts]]\ncron = \"0 9 * * *\"\nduration = \"2h\"\nzone = \"UTC\"\n";
        for (policy_id, text) in crate::policy::builtin_texts().into_iter().chain([(id("every-table"), every_table)]) {
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
