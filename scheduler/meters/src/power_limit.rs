//! Power limits of GPUs: what they are, to what they may be set, setting them and putting them back.
//!
//! A limit belongs to the GPU, not to a process: it stays until somebody sets another or the driver is loaded anew. So what was there
//! before is told before anything is set, for whoever has to put it back; and nothing is put back that somebody else has changed since.
//!
//! As all that asks the driver, it is done by a thread of its own, which is waited for only so long: see `nvml.rs`. A thread that comes
//! too late undoes what it did.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use lowtide_model::capping::PowerCap;
use lowtide_model::rundir::GpuLimit;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::config::{DeviceId, Devices};
use crate::nvml::{Handle, handles, start};

/// Why GPUs cannot be held to a power. None of them is then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// There is no driver to ask.
    #[error("{0}")]
    NoDriver(String),
    /// The job has no GPU that the driver knows.
    #[error("NVML knows no GPU of the job")]
    NoGpu,
    /// A slice of a GPU: the limit would hold those that have the others, too.
    #[error("{gpu} is shared with others by slices (MIG), and a limit would hold all of them")]
    Slice {
        /// Which.
        gpu: String,
    },
    /// Not a limit this GPU takes.
    #[error("{gpu} takes limits from {least} to {most} W, not {wanted}")]
    OutOfRange {
        /// Which.
        gpu: String,
        /// The least it takes, watts.
        least: u32,
        /// The most it takes, watts.
        most: u32,
        /// What was asked for.
        wanted: PowerCap,
    },
    /// The driver sets limits for root alone.
    #[error("the driver lets only root set the power limit of {gpu}")]
    NoPermission {
        /// Which.
        gpu: String,
    },
    /// This GPU has no limit to be set.
    #[error("{gpu} has no power limit that can be set")]
    NotSupported {
        /// Which.
        gpu: String,
    },
    /// Anything else the driver says.
    #[error("the driver does not set the power limit of {gpu} ({cause})")]
    Driver {
        /// Which.
        gpu: String,
        /// What it says.
        cause: String,
    },
    /// The driver does not answer.
    #[error("the NVIDIA driver did not answer within {0:?}")]
    Late(Duration),
    /// What was there before could not be kept, so nothing was set.
    #[error("the limits there were before could not be written down ({0})")]
    NotKept(String),
}

/// The limit of one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuPower {
    /// For people: `GPU 0 (NVIDIA A100-SXM4-40GB)`.
    pub gpu: String,
    /// What it is now, mW.
    pub limit_mw: u32,
    /// The least and the most it can be set to, mW; `None` where the driver does not tell.
    pub range_mw: Option<(u32, u32)>,
    /// Whether this process may set it, found out by setting what it is.
    pub may_set: Result<(), LimitError>,
}

/// Holds all these GPUs to a power, or none of them; waits for the driver no longer than `patience`, twice. `keep` is given what there
/// was before, and is called before anything is set.
pub fn set(
    library: Option<PathBuf>,
    devices: Devices,
    cap: PowerCap,
    patience: Duration,
    keep: impl FnOnce(&[GpuLimit]) -> std::io::Result<()>,
) -> Result<(), LimitError> {
    // Of no capacity: what nobody waits for any more is known to be so by who sends it.
    let (before_in, before) = sync_channel(0);
    let (go, told_to_go) = sync_channel::<()>(0);
    let (done_in, done) = sync_channel(0);
    in_thread(library, devices, move |found| {
        let (mut gpus, limits) = match found.and_then(|gpus| with_limits(gpus, cap)) {
            Ok(found) => found,
            Err(error) => return drop(before_in.send(Err(error))),
        };
        if before_in.send(Ok(limits.clone())).is_err() || told_to_go.recv().is_err() {
            return;
        }
        let set = set_all(&mut gpus, &limits);
        if done_in.send(set).is_err() {
            put_back_all(&mut gpus, &limits);
        }
    })?;
    let limits = answer(&before, patience)??;
    keep(&limits).map_err(|error| LimitError::NotKept(error.to_string()))?;
    go.send(()).map_err(|_| LimitError::Late(patience))?;
    answer(&done, patience)?
}

/// Puts limits back that were set, where they are still what was set. Says of each GPU that is left as it is why.
pub fn put_back(
    library: Option<PathBuf>,
    limits: Vec<GpuLimit>,
    patience: Duration,
) -> Result<Vec<String>, LimitError> {
    let (done_in, done) = sync_channel(0);
    let devices = limits.iter().map(|limit| DeviceId::Uuid(limit.gpu.clone())).collect();
    in_thread(library, Devices::Listed(devices), move |found| {
        let left = found.map(|mut gpus| put_back_all(&mut gpus, &limits));
        let _ = done_in.send(left);
    })?;
    answer(&done, patience)?
}

/// The limits of these GPUs, and whether they can be set here. Each is set to what it is, which changes nothing.
pub fn look(library: Option<PathBuf>, devices: Devices, patience: Duration) -> Result<Vec<GpuPower>, LimitError> {
    let (done_in, done) = sync_channel(0);
    in_thread(library, devices, move |found| {
        let _ = done_in.send(found.map(|gpus| gpus.into_iter().filter_map(looked_at).collect()));
    })?;
    answer(&done, patience)?
}

/// A GPU the driver lets us have.
struct Gpu<'nvml> {
    label: String,
    share: f64,
    device: Device<'nvml>,
}

/// Opens the driver in a thread of its own and lets `then` do its work there.
fn in_thread(
    library: Option<PathBuf>,
    devices: Devices,
    then: impl FnOnce(Result<Vec<Gpu<'_>>, LimitError>) + Send + 'static,
) -> Result<(), LimitError> {
    let thread = std::thread::Builder::new().name("nvml-limits".to_owned());
    let work = move || {
        let nvml: Nvml = match start(library.as_deref()) {
            Ok(nvml) => nvml,
            Err(error) => return then(Err(LimitError::NoDriver(error.to_string()))),
        };
        let (handles, absent) = handles(&nvml, &devices);
        let gpu = |Handle { label, share, device, .. }| match device {
            Ok(device) => Ok(Gpu { label, share, device }),
            Err(cause) => Err(LimitError::Driver { gpu: label, cause }),
        };
        let gpus: Result<Vec<Gpu<'_>>, LimitError> = handles.into_iter().map(gpu).collect();
        then(match gpus {
            Ok(gpus) if gpus.is_empty() || !absent.is_empty() => Err(LimitError::NoGpu),
            other => other,
        });
    };
    thread.spawn(work).map(drop).map_err(|error| LimitError::NoDriver(format!("no thread for NVML ({error})")))
}

fn answer<T>(from: &Receiver<T>, patience: Duration) -> Result<T, LimitError> {
    from.recv_timeout(patience).map_err(|_| LimitError::Late(patience))
}

/// The GPUs with what they have now, if the cap is one for all of them.
fn with_limits(gpus: Vec<Gpu<'_>>, cap: PowerCap) -> Result<(Vec<Gpu<'_>>, Vec<GpuLimit>), LimitError> {
    let limit = |gpu: &Gpu<'_>| {
        let label = || gpu.label.clone();
        if gpu.share < 1.0 {
            return Err(LimitError::Slice { gpu: label() });
        }
        let before_mw = gpu.device.power_management_limit().map_err(|error| refused(label(), error))?;
        if let Ok(range) = gpu.device.power_management_limit_constraints()
            && !(range.min_limit..=range.max_limit).contains(&cap.milliwatts())
        {
            let (least, most) = (range.min_limit.div_ceil(1_000), range.max_limit / 1_000);
            return Err(LimitError::OutOfRange { gpu: label(), least, most, wanted: cap });
        }
        let uuid = gpu.device.uuid().map_err(|error| refused(label(), error))?;
        Ok(GpuLimit { gpu: uuid, before_mw, set_mw: cap.milliwatts() })
    };
    let limits: Vec<GpuLimit> = gpus.iter().map(limit).collect::<Result<_, _>>()?;
    Ok((gpus, limits))
}

/// Sets all, or puts back those that were set.
fn set_all(gpus: &mut [Gpu<'_>], limits: &[GpuLimit]) -> Result<(), LimitError> {
    for at in 0..gpus.len() {
        let gpu = &mut gpus[at];
        if let Err(error) = gpu.device.set_power_management_limit(limits[at].set_mw) {
            let error = refused(gpu.label.clone(), error);
            put_back_all(&mut gpus[..at], &limits[..at]);
            return Err(error);
        }
    }
    Ok(())
}

/// Puts back what is still as it was set; says why the rest is not.
fn put_back_all(gpus: &mut [Gpu<'_>], limits: &[GpuLimit]) -> Vec<String> {
    let mut left = Vec::new();
    for gpu in gpus {
        let uuid = gpu.device.uuid().unwrap_or_default();
        let Some(limit) = limits.iter().find(|limit| limit.gpu == uuid) else { continue };
        match gpu.device.power_management_limit() {
            Ok(now) if now != limit.set_mw => {
                left.push(format!("{} is left at {} W: somebody has set that since", gpu.label, now / 1_000));
            }
            Ok(_) => {
                if let Err(error) = gpu.device.set_power_management_limit(limit.before_mw) {
                    left.push(format!(
                        "{}, so it stays at {} W (it was {} W; `sudo nvidia-smi -pl` sets it)",
                        refused(gpu.label.clone(), error),
                        limit.set_mw / 1_000,
                        limit.before_mw / 1_000
                    ));
                }
            }
            Err(error) => left.push(refused(gpu.label.clone(), error).to_string()),
        }
    }
    left
}

fn looked_at(mut gpu: Gpu<'_>) -> Option<GpuPower> {
    let limit_mw = gpu.device.power_management_limit().ok()?;
    let range = gpu.device.power_management_limit_constraints().ok();
    let set = gpu.device.set_power_management_limit(limit_mw);
    Some(GpuPower {
        limit_mw,
        range_mw: range.map(|range| (range.min_limit, range.max_limit)),
        may_set: set.map_err(|error| refused(gpu.label.clone(), error)),
        gpu: gpu.label,
    })
}

fn refused(gpu: String, error: NvmlError) -> LimitError {
    match error {
        NvmlError::NoPermission => LimitError::NoPermission { gpu },
        NvmlError::NotSupported => LimitError::NotSupported { gpu },
        other => LimitError::Driver { gpu, cause: other.to_string() },
    }
}
