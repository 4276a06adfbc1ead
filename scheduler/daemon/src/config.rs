//! The configuration file: what it may say and what its absence means. Reading the file is `lib.rs`'s work; here its
//! text becomes values.

mod budget;
mod fair_share;
mod prices;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lowtide_model::budget::Budget;
use lowtide_model::capping::PowerCap;
use lowtide_model::identity::{PluginId, PolicyId, SiteId, ZoneId};
use lowtide_model::priority::FairShare;
use lowtide_model::quantity::{GramsPerKwh, Joules, Pue, Seconds};
use lowtide_model::site::{Resources, Transfer};
use serde::Deserialize;

use crate::defaults::Defaults;

pub use prices::PricesConfig;

/// The policy of jobs that name none, where the configuration names none either.
pub const DEFAULT_POLICY: &str = "patient";

/// What a configuration file says, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The policies of jobs that name none.
    pub defaults: Defaults,
    /// Sites in order; empty where the file names none.
    pub sites: Vec<SiteConfig>,
    /// What is said of zones.
    pub zones: BTreeMap<ZoneId, ZoneConfig>,
    /// The directory of the user's policies, if named.
    pub policies: Option<PathBuf>,
    /// Whether zones with different tags may be ranked against each other.
    pub comparable: bool,
    /// The number by which jobs spread over starts, instead of the installation's own.
    pub seed: Option<u64>,
    /// How far ahead windows are looked for.
    pub horizon: Option<Seconds>,
    /// How finely.
    pub slot: Option<Seconds>,
    /// Time lost by leaving.
    pub stop_overhead: Option<Seconds>,
    /// Time lost by coming back.
    pub start_overhead: Option<Seconds>,
    /// Carbon budgets, in order.
    pub budgets: Vec<Budget>,
    /// How accounts share what there is; first come is first served where it is left out.
    pub fair_share: Option<FairShare>,
}

/// A site as configured.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteConfig {
    /// Its name.
    pub name: SiteId,
    /// Its zone; that of the system's time zone where left out.
    pub zone: Option<ZoneId>,
    /// Capacity; the machine's own where left out.
    pub cpus: Option<u32>,
    /// Likewise.
    pub gpus: Option<u32>,
    /// Overhead of its building.
    pub pue: Pue,
    /// Relative speed.
    pub speed: f64,
    /// Relative power.
    pub power: f64,
    /// Cost of bringing a job there.
    pub transfer: Transfer,
    /// To what its GPUs may be held.
    pub power_caps: Vec<PowerCap>,
}

/// What is said of a zone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ZoneConfig {
    /// Who tells its intensity.
    pub source: SourceConfig,
    /// Who tells its marginal intensity beside that, to look at a decision from the other side.
    pub marginal: Option<SourceConfig>,
    /// The annual mean to fall back on.
    pub annual: Option<GramsPerKwh>,
    /// Who tells its electricity prices.
    pub prices: Option<PricesConfig>,
}

/// A plugin and what it is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceConfig {
    /// The plugin; where left out an installed one that names the zone, else the keyless built-in for it.
    pub plugin: Option<PluginId>,
    /// Settings of the plugin.
    pub config: BTreeMap<String, Setting>,
    /// Hosts it may reach beyond those of its manifest, such as a loopback server.
    pub hosts: Vec<String>,
    /// Files it may read, by the names it knows them by.
    pub assets: BTreeMap<String, PathBuf>,
}

/// A setting of a plugin, or where it is to be found: keys need not stand in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// The value itself.
    Text(String),
    /// The environment variable that holds it.
    Variable(String),
    /// The file that holds it, and nothing else.
    File(PathBuf),
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// What is wrong and where, for people.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default_policy: Option<String>,
    #[serde(default)]
    defaults: DefaultsFile,
    #[serde(default)]
    comparable: bool,
    seed: Option<u64>,
    horizon_hours: Option<f64>,
    slot_minutes: Option<f64>,
    stop_overhead_seconds: Option<f64>,
    start_overhead_seconds: Option<f64>,
    #[serde(default)]
    sites: Vec<SiteFile>,
    #[serde(default)]
    zones: BTreeMap<String, ZoneFile>,
    policies: Option<PoliciesFile>,
    #[serde(default)]
    budgets: Vec<budget::BudgetFile>,
    fair_share: Option<fair_share::FairShareFile>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct DefaultsFile {
    #[serde(default)]
    user: BTreeMap<String, DefaultFile>,
    #[serde(default)]
    project: BTreeMap<String, DefaultFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultFile {
    policy: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoliciesFile {
    directory: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteFile {
    name: String,
    zone: Option<String>,
    cpus: Option<u32>,
    gpus: Option<u32>,
    pue: Option<f64>,
    speed: Option<f64>,
    power: Option<f64>,
    transfer: Option<TransferFile>,
    #[serde(default)]
    power_caps: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferFile {
    #[serde(default)]
    minutes: f64,
    #[serde(default)]
    kwh: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneFile {
    plugin: Option<String>,
    #[serde(default)]
    config: BTreeMap<String, toml::Value>,
    #[serde(default)]
    grants: GrantsFile,
    marginal: Option<SourceFile>,
    annual_g_per_kwh: Option<f64>,
    prices: Option<prices::PricesFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    plugin: String,
    #[serde(default)]
    config: BTreeMap<String, toml::Value>,
    #[serde(default)]
    grants: GrantsFile,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct GrantsFile {
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    assets: BTreeMap<String, PathBuf>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            defaults: Defaults {
                policy: PolicyId::new(DEFAULT_POLICY).expect("the default policy has a good name"),
                of_users: BTreeMap::new(),
                of_projects: BTreeMap::new(),
            },
            sites: Vec::new(),
            zones: BTreeMap::new(),
            policies: None,
            comparable: false,
            seed: None,
            horizon: None,
            slot: None,
            stop_overhead: None,
            start_overhead: None,
            budgets: Vec::new(),
            fair_share: None,
        }
    }
}

impl Configuration {
    /// What the text of a file says. Relative paths in it count from `directory`, that of the file.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, ConfigError> {
        // The message of the parser holds line, column and the line itself.
        let file: File = toml::from_str(text).map_err(|error| ConfigError { message: error.to_string() })?;
        let File {
            default_policy,
            defaults,
            comparable,
            seed,
            horizon_hours,
            slot_minutes,
            stop_overhead_seconds,
            start_overhead_seconds,
            sites,
            zones,
            policies,
            budgets,
            fair_share,
        } = file;
        let mut configuration = Self {
            comparable,
            seed,
            horizon: between("horizon_hours", horizon_hours, 1.0, 14.0 * 24.0)?.map(Seconds::from_hours),
            slot: between("slot_minutes", slot_minutes, 1.0, 360.0)?.map(|minutes| Seconds::from_hours(minutes / 60.0)),
            stop_overhead: between("stop_overhead_seconds", stop_overhead_seconds, 0.0, 86_400.0)?
                .map(Seconds::saturating),
            start_overhead: between("start_overhead_seconds", start_overhead_seconds, 0.0, 86_400.0)?
                .map(Seconds::saturating),
            budgets: budget::budgets_of(budgets)?,
            fair_share: fair_share.map(fair_share::fair_share_of).transpose()?,
            policies: policies.map(|policies| directory.join(policies.directory)),
            ..Self::default()
        };
        if let Some(name) = default_policy {
            configuration.defaults.policy = PolicyId::new(name).map_err(|error| at("default_policy", &error))?;
        }
        configuration.defaults.of_users = policies_of("user", defaults.user)?;
        configuration.defaults.of_projects = policies_of("project", defaults.project)?;
        for site in sites {
            let site = site_of(site)?;
            if configuration.sites.iter().any(|known| known.name == site.name) {
                return Err(ConfigError { message: format!("two sites are called `{}`", site.name) });
            }
            configuration.sites.push(site);
        }
        for (zone, file) in zones {
            let zone = ZoneId::new(zone).map_err(|error| at("zones", &error))?;
            let config = zone_of(&zone, file, directory)?;
            configuration.zones.insert(zone, config);
        }
        Ok(configuration)
    }

    /// The sites as they stand in this machine: with no site configured, one called `local`.
    #[must_use]
    pub fn sites_or_local(&self) -> Vec<SiteConfig> {
        if !self.sites.is_empty() {
            return self.sites.clone();
        }
        vec![SiteConfig {
            name: SiteId::new("local").expect("the name of the only site is good"),
            zone: None,
            cpus: None,
            gpus: None,
            pue: Pue::NONE,
            speed: 1.0,
            power: 1.0,
            transfer: Transfer::default(),
            power_caps: Vec::new(),
        }]
    }
}

impl SiteConfig {
    /// Its capacity, where it names none that of `machine`.
    #[must_use]
    pub fn capacity(&self, machine: Resources) -> Resources {
        Resources { cpus: self.cpus.unwrap_or(machine.cpus), gpus: self.gpus.unwrap_or(machine.gpus) }
    }
}

fn policies_of(whose: &str, files: BTreeMap<String, DefaultFile>) -> Result<BTreeMap<String, PolicyId>, ConfigError> {
    let policy = |(name, file): (String, DefaultFile)| {
        let policy = PolicyId::new(file.policy).map_err(|error| at(&format!("defaults.{whose}.{name}"), &error))?;
        Ok((name, policy))
    };
    files.into_iter().map(policy).collect()
}

fn site_of(file: SiteFile) -> Result<SiteConfig, ConfigError> {
    let SiteFile { name, zone, cpus, gpus, pue, speed, power, transfer, power_caps } = file;
    let name = SiteId::new(name).map_err(|error| at("sites.name", &error))?;
    let key = |key: &str| format!("site `{name}`, key `{key}`");
    let zone = zone.map(|zone| ZoneId::new(zone).map_err(|error| at(&key("zone"), &error))).transpose()?;
    let pue = Pue::new(pue.unwrap_or(1.0)).map_err(|error| at(&key("pue"), &error))?;
    let transfer = match transfer {
        None => Transfer::default(),
        Some(TransferFile { minutes, kwh }) => Transfer {
            time: Seconds::new(minutes * 60.0).map_err(|error| at(&key("transfer.minutes"), &error))?,
            energy: Joules::from_kwh(kwh).map_err(|error| at(&key("transfer.kwh"), &error))?,
        },
    };
    let cap = |watts| PowerCap::new(watts).map_err(|error| at(&key("power_caps"), &error));
    let power_caps = power_caps.into_iter().map(cap).collect::<Result<_, _>>()?;
    if cpus == Some(0) {
        return Err(ConfigError { message: format!("{}: a site has at least one cpu", key("cpus")) });
    }
    Ok(SiteConfig {
        zone,
        cpus,
        gpus,
        pue,
        speed: between(&key("speed"), speed, 0.01, 100.0)?.unwrap_or(1.0),
        power: between(&key("power"), power, 0.01, 100.0)?.unwrap_or(1.0),
        transfer,
        power_caps,
        name,
    })
}

fn zone_of(zone: &ZoneId, file: ZoneFile, directory: &Path) -> Result<ZoneConfig, ConfigError> {
    let ZoneFile { plugin, config, grants, marginal, annual_g_per_kwh, prices } = file;
    let place = format!("zone `{zone}`");
    let beside = |SourceFile { plugin, config, grants }| {
        source_of(&format!("{place}, `marginal`"), Some(plugin), config, grants, directory)
    };
    let annual = GramsPerKwh::new;
    Ok(ZoneConfig {
        source: source_of(&place, plugin, config, grants, directory)?,
        marginal: marginal.map(beside).transpose()?,
        prices: prices.map(|prices| prices.in_directory(directory)),
        annual: annual_g_per_kwh
            .map(|value| annual(value).map_err(|error| at(&format!("{place}, key `annual_g_per_kwh`"), &error)))
            .transpose()?,
    })
}

fn source_of(
    place: &str,
    plugin: Option<String>,
    config: BTreeMap<String, toml::Value>,
    grants: GrantsFile,
    directory: &Path,
) -> Result<SourceConfig, ConfigError> {
    let GrantsFile { hosts, assets } = grants;
    let plugin =
        plugin.map(|plugin| PluginId::new(plugin).map_err(|error| at(&format!("{place}, key `plugin`"), &error)));
    let setting = |(name, value)| {
        let key = format!("{place}, key `config.{name}`");
        Ok::<_, ConfigError>((name, setting_of(value, directory, &key)?))
    };
    Ok(SourceConfig {
        plugin: plugin.transpose()?,
        config: config.into_iter().map(setting).collect::<Result<_, _>>()?,
        hosts,
        assets: assets.into_iter().map(|(name, path)| (name, directory.join(path))).collect(),
    })
}

/// A setting as the plugin sees it, text without quotes, or where it is to be found.
fn setting_of(value: toml::Value, directory: &Path, place: &str) -> Result<Setting, ConfigError> {
    let table = match value {
        toml::Value::String(text) => return Ok(Setting::Text(text)),
        toml::Value::Table(table) => table,
        other => return Ok(Setting::Text(other.to_string())),
    };
    let mut entries = table.into_iter();
    match (entries.next(), entries.next()) {
        (Some((key, toml::Value::String(name))), None) if key == "env" => Ok(Setting::Variable(name)),
        (Some((key, toml::Value::String(path))), None) if key == "file" => Ok(Setting::File(directory.join(path))),
        _ => Err(ConfigError {
            message: format!("{place}: a setting is a value, or {{ env = \"NAME\" }}, or {{ file = \"PATH\" }}"),
        }),
    }
}

fn at(place: &str, error: &dyn std::error::Error) -> ConfigError {
    ConfigError { message: format!("{place}: {error}") }
}

fn between(place: &str, value: Option<f64>, low: f64, high: f64) -> Result<Option<f64>, ConfigError> {
    match value {
        Some(value) if !(low..=high).contains(&value) => {
            Err(ConfigError { message: format!("{place}: {value} is not between {low} and {high}") })
        }
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Configuration::parse(text, Path::new("/etc")).expect_err(text).to_string()
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Configuration::parse("", Path::new("/etc")), Ok(Configuration::default()));
    }

    #[test]
    fn paths_count_from_the_file() {
        let text = r#"
            [zones.GB]
            plugin = "csv"
            config = { file = "grid", hours = 24, loop = true }
            grants = { assets = { grid = "day.csv", far = "/data/far.csv" } }
        "#;
        let configuration = Configuration::parse(text, Path::new("/etc/lowtide")).expect("well-formed");
        let zone = &configuration.zones[&ZoneId::new("GB").expect("a name")];
        assert_eq!(zone.source.assets["grid"], Path::new("/etc/lowtide/day.csv"));
        assert_eq!(zone.source.assets["far"], Path::new("/data/far.csv"));
        let text = |value: &str| Setting::Text(value.to_owned());
        assert_eq!((&zone.source.config["hours"], &zone.source.config["loop"]), (&text("24"), &text("true")));
    }

    #[test]
    fn keys_may_stand_elsewhere_and_a_second_source_beside_the_first() {
        let text = r#"
            [zones.US-CAL-CISO]
            plugin = "eia"
            config = { api-key = { env = "EIA_KEY" } }
            [zones.US-CAL-CISO.marginal]
            plugin = "watttime"
            config = { username = "ada", password = { file = "watttime.key" } }
        "#;
        let configuration = Configuration::parse(text, Path::new("/etc/lowtide")).expect("well-formed");
        let zone = &configuration.zones[&ZoneId::new("US-CAL-CISO").expect("a name")];
        assert_eq!(zone.source.config["api-key"], Setting::Variable("EIA_KEY".into()));
        let marginal = zone.marginal.as_ref().expect("configured");
        assert_eq!(marginal.config["password"], Setting::File("/etc/lowtide/watttime.key".into()));
        assert!(refused("[zones.GB]\nconfig = { key = { evn = 'X' } }").contains("config.key"));
    }

    #[test]
    fn what_cannot_be_says_where_and_why() {
        assert!(refused("defautl_policy = 'x'").contains("default_policy"));
        assert!(refused("[[sites]]\nname = 'a'\npue = 0.5").contains("site `a`, key `pue`"));
        assert!(refused("[[sites]]\nname = 'a b'").contains("a b"));
        assert!(refused("[[sites]]\nname = 'a'\n[[sites]]\nname = 'a'").contains("two sites"));
        assert!(refused("[defaults.user.ada]\npolicy = 'a b'").contains("defaults.user.ada"));
        assert!(refused("[defaults.user.ada]\npolcy = 'x'").contains("polcy"));
        assert!(refused("slot_minutes = -3").contains("slot_minutes"));
        assert!(refused("[[sites]\n").contains("line 1"));
    }
}
