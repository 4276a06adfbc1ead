//! Holding the GPUs of an attempt to less power as long as its command runs.
//!
//! A limit outlives the process that set it, so what was there before is written into the run directory first. It is put back when
//! [`Held`] is dropped, whatever way the attempt ends; after an agent that was killed by its executor ([`put_back`]).

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use lowtide_meters::MeterConfig;
use lowtide_meters::power_limit::{self, LimitError};
use lowtide_model::capping::PowerCap;
use lowtide_model::rundir::{GpuLimit, POWER_LIMITS, REPORT};

use crate::command;
use crate::log;
use crate::rundir::RunDir;

/// How long a start waits for the driver at most, twice. GPUs that sleep take about a second each to wake, which the command would have
/// waited for itself.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long an end does. Nobody waits for a restored limit but the next job of that GPU.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(5);

/// GPUs held to a power.
#[derive(Debug)]
pub(crate) struct Held<'d> {
    run_dir: &'d RunDir,
    library: Option<PathBuf>,
}

impl<'d> Held<'d> {
    /// Holds the GPUs of an attempt to a power, or none of them; why not is for people.
    pub(crate) fn to(cap: PowerCap, run_dir: &'d RunDir, meter: &MeterConfig) -> Result<Self, String> {
        let keep = |limits: &[GpuLimit]| run_dir.replace(POWER_LIMITS, &limits);
        let set = power_limit::set(meter.nvml_library.clone(), meter.devices.clone(), cap, PATIENCE, keep);
        let Err(error) = set else { return Ok(Self { run_dir, library: meter.nvml_library.clone() }) };
        // What comes too late undoes itself, unless this process is killed before.
        if !matches!(error, LimitError::Late(_)) {
            let _ = run_dir.remove(POWER_LIMITS);
        }
        let help = what_helps(&error);
        Err(format!(
            "its GPUs are not held to {cap}: {error}. It runs without a cap, and no plan counts on one here any more. {help}"
        ))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        put_back_of(self.run_dir, self.library.clone());
    }
}

fn what_helps(error: &LimitError) -> &'static str {
    match error {
        LimitError::NoPermission { .. } => {
            "Run the daemon as root if jobs shall be held to less, else take `power_caps` out of the site's configuration"
        }
        LimitError::OutOfRange { .. } => "`power_caps` of the site's configuration has to keep to that",
        LimitError::NoGpu | LimitError::NoDriver(_) | LimitError::Late(_) => {
            "`lowtide doctor` says what it finds of the GPUs"
        }
        LimitError::Slice { .. }
        | LimitError::NotSupported { .. }
        | LimitError::Driver { .. }
        | LimitError::NotKept(_) => "`power_caps` of the site's configuration says where caps are set",
    }
}

/// Puts back what the agent of this run directory set and could not put back itself: one that was killed.
pub fn put_back(run_dir: &Path) -> ExitCode {
    let run_dir = RunDir::new(run_dir.to_owned());
    let library = run_dir.order().ok().and_then(|order| {
        let environment = command::environment(&order, &run_dir.path(REPORT));
        command::meter_config(&order, &environment).nvml_library
    });
    put_back_of(&run_dir, library);
    ExitCode::SUCCESS
}

/// Puts back what the run directory says, once: what cannot be put back now is said, and left.
fn put_back_of(run_dir: &RunDir, library: Option<PathBuf>) {
    let limits: Vec<GpuLimit> = match run_dir.read(POWER_LIMITS) {
        Ok(limits) => limits,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return log::say(format_args!("reading which power limits to put back: {error}")),
    };
    match power_limit::put_back(library, limits, PATIENCE_AT_THE_END) {
        Ok(left) => left.iter().for_each(|why| log::say(format_args!("power limit: {why}"))),
        Err(error) => log::say(format_args!("power limits are not put back: {error}; `sudo nvidia-smi -pl` sets them")),
    }
    if let Err(error) = run_dir.remove(POWER_LIMITS) {
        log::say(format_args!("forgetting the power limits that were put back: {error}"));
    }
}
