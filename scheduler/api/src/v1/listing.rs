//! Short listings: policies, plugins, sites, the daemon itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `{"policies": […]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policies {
    /// The policies, by name.
    pub policies: Vec<PolicyView>,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyView {
    /// Its name.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// `built-in`, or the file it comes from.
    pub origin: String,
    /// Whether jobs get it that name none.
    pub default: bool,
    /// Users whose jobs get it that name none.
    #[serde(default)]
    pub default_of_users: Vec<String>,
    /// Projects whose jobs get it that name none, unless their user has another.
    #[serde(default)]
    pub default_of_projects: Vec<String>,
    /// The policies it extends, the nearest first.
    #[serde(default)]
    pub extends: Vec<String>,
    /// Its keys as they are in force.
    pub settings: Vec<SettingView>,
}

/// A key of a policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingView {
    /// The key.
    pub key: String,
    /// Its value, in the words of the file.
    pub value: String,
    /// The policy that set it; nobody did where it has its default.
    pub from: Option<String>,
}

/// `{"plugins": […]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plugins {
    /// The plugins, by name.
    pub plugins: Vec<PluginView>,
}

/// A region plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginView {
    /// Its name.
    pub id: String,
    /// Its version.
    pub version: String,
    /// What it is.
    pub description: String,
    /// `built-in`, or the file it comes from.
    pub origin: String,
    /// Hosts it may reach.
    pub hosts: Vec<String>,
    /// Zones of this daemon's sites it serves.
    pub serves: Vec<String>,
    /// The hash of its component.
    pub sha256: String,
}

/// `{"sites": […]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sites {
    /// The sites, in the order of the configuration.
    pub sites: Vec<SiteView>,
}

/// A site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteView {
    /// Its name.
    pub id: String,
    /// Its grid zone.
    pub zone: String,
    /// How the zone is known, for people.
    pub zone_origin: String,
    /// What runs jobs there.
    pub executor: String,
    /// Processors.
    pub cpus: u32,
    /// GPUs.
    pub gpus: u32,
    /// Processors in use.
    pub cpus_used: u32,
    /// GPUs in use.
    pub gpus_used: u32,
    /// Power usage effectiveness.
    pub pue: f64,
    /// To what power its GPUs may be held, watts; none where they are left alone, or where their driver has refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub power_caps_w: Vec<u32>,
    /// The plugin that tells its zone's intensity.
    pub plugin: Option<String>,
    /// The intensity now.
    pub intensity_g_per_kwh: Option<f64>,
    /// Where that comes from: a kind of intensity.
    pub intensity_kind: Option<String>,
    /// What is wrong, if anything.
    pub problem: Option<String>,
}

/// The answer of `daemon status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's process.
    pub pid: u32,
    /// The socket it listens on.
    pub socket: String,
    /// Its version.
    pub version: String,
    /// Its state directory.
    pub state_directory: String,
    /// The configuration file it read, if any.
    pub config: Option<String>,
    /// Its clock now, which may be virtual.
    pub now: Timestamp,
    /// Virtual seconds in a real one.
    pub time_scale: f64,
    /// When it started, by that clock.
    pub started_at: Timestamp,
    /// Jobs not yet over.
    pub jobs_open: u64,
    /// Jobs that run.
    pub jobs_running: u64,
    /// What the user should know: problems with configuration, providers or meters.
    pub warnings: Vec<String>,
}
