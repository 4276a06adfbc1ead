//! What `lowtide submit` sends.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A job to be queued. What is left out takes its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitRequest {
    /// A key of the client's own making: a request that comes twice with the same key makes one job.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Plan it and say what would happen, but queue nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// A name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// The project it counts for.
    #[serde(default)]
    pub project: Option<String>,
    /// Who submits it.
    pub user: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The directory it runs in, absolute.
    pub directory: PathBuf,
    /// Its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Processors; 1 by default.
    #[serde(default)]
    pub cpus: Option<u32>,
    /// GPUs; none by default.
    #[serde(default)]
    pub gpus: Option<u32>,
    /// With how many workers it can run and the throughput of each count, as `1:1,2:1.9,4:3.5`; CPUs and GPUs are those of one worker
    /// then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<String>,
    /// To what power its GPUs can be held, with its speed and power then beside those without a cap, as `200:0.96:0.82,150:0.85:0.66`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_caps: Option<String>,
    /// How many epochs it runs.
    #[serde(default)]
    pub epochs: Option<u32>,
    /// Whether it may end before the last of them.
    #[serde(default)]
    pub may_stop_early: bool,
    /// The policy it runs under; the configured default where left out.
    #[serde(default)]
    pub policy: Option<String>,
    /// How much it may be put off: `low`, `normal`, `high` or `now`; `normal` where left out.
    #[serde(default)]
    pub urgency: Option<String>,
    /// From -100 to 100: where there is not room for all, the higher goes first; 0 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// When it has to be done.
    #[serde(default)]
    pub deadline: Option<Deadline>,
    /// The longest wait in seconds, all waiting together.
    #[serde(default)]
    pub max_delay_s: Option<f64>,
    /// Sites it may run at; all where empty.
    #[serde(default)]
    pub sites: Vec<String>,
    /// The site its data lie at: to run elsewhere takes a transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_at: Option<String>,
    /// How long it will run, in seconds.
    #[serde(default)]
    pub duration_s: Option<f64>,
    /// The power it will draw, in watts.
    #[serde(default)]
    pub power_w: Option<f64>,
    /// How it is asked to leave a checkpoint, if it can.
    #[serde(default)]
    pub checkpoint: Option<CheckpointRequest>,
    /// A regular expression with the groups `epoch` and, optionally, `total`.
    #[serde(default)]
    pub epoch_pattern: Option<String>,
    /// Jobs that must have succeeded before it starts.
    #[serde(default)]
    pub after: Vec<u64>,
}

/// When a job has to be done. Relative deadlines are resolved by the daemon, whose clock may be virtual.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deadline {
    /// At a moment.
    At(Timestamp),
    /// This many seconds after submission.
    InSeconds(f64),
}

/// How a job is asked to leave a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointRequest {
    /// The signal's number; 15 (TERM) by default.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Seconds before it is killed; 60 by default.
    #[serde(default)]
    pub grace_s: Option<u32>,
}
