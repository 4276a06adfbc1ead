//! Orders for tests.

use lowtide_model::identity::{AttemptKey, AttemptNumber, JobId};
use lowtide_model::job::StartOrder;
use lowtide_model::quantity::Watts;
use lowtide_model::site::Resources;
use lowtide_model::timescale::TimeScale;

/// The first attempt of that job with that command, in the root directory.
pub(crate) fn order(job: u64, command: &[&str]) -> StartOrder {
    StartOrder {
        key: AttemptKey { job: JobId(job), attempt: AttemptNumber(1) },
        command: command.iter().map(ToString::to_string).collect(),
        directory: "/".into(),
        environment: [("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())].into(),
        resources: Resources { cpus: 1, gpus: 0 },
        devices: Vec::new(),
        power_cap: None,
        resume: false,
        checkpoint: None,
        epoch_pattern: None,
        epochs: None,
        declared_power: Some(Watts::saturating(100.0)),
        time: TimeScale::real(),
    }
}
