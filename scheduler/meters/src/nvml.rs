//! NVML: asks the driver about GPUs, in a thread of its own.
//!
//! A driver may take seconds to wake its GPUs, and a broken one may never answer. So all calls are made by one
//! thread, which holds the handles, and whoever asks waits only as long as it likes ([`Link`]). A thread that hangs in
//! the driver cannot be ended; it is left behind and harms nobody.
//!
//! A tick costs one call per GPU. The list of processes is never asked for: it holds the driver's lock for
//! milliseconds. What the answers add up to is `gpu.rs`'s business.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use lowtide_model::quantity::{Joules, Watts};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::config::{DeviceId, Devices};

/// What one GPU said at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sample {
    /// Its total energy counter in mJ, since the driver was loaded.
    pub(crate) energy_mj: Option<u64>,
    /// Its power; asked for only where the counter does not help.
    pub(crate) power: Option<Watts>,
    /// Why there is neither.
    pub(crate) fault: Option<String>,
}

/// One GPU as found at the opening.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// For people: `GPU 0 (NVIDIA A100-SXM4-40GB)`.
    pub(crate) label: String,
    /// The job's part of it, 0 to 1: less than 1 for slices of it (MIG).
    pub(crate) share: f64,
    /// Its power limit, if it says so.
    pub(crate) limit: Option<Watts>,
    /// The first sample.
    pub(crate) first: Sample,
}

/// Why there is no driver to ask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// Not a machine with NVIDIA GPUs, or a wrong path.
    #[error("the NVML library {library} cannot be loaded ({cause})")]
    NoLibrary { library: String, cause: String },
    /// The library is there and refuses.
    #[error("NVML does not start ({0})")]
    Refused(String),
}

/// What the opening found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Opened {
    pub(crate) devices: Vec<Found>,
    /// GPUs asked for that do not exist, and what the driver says.
    pub(crate) absent: Vec<(DeviceId, String)>,
}

/// An answer of the thread.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// The first: what was found.
    Opened(Result<Opened, OpenError>),
    /// Each later one: a sample for each GPU found, in their order.
    Samples(Vec<Sample>),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// Not in time.
    Late,
    /// The thread has ended.
    Gone,
}

/// The asking end: at most one question is under way.
pub(crate) struct Link {
    questions: SyncSender<()>,
    answers: Receiver<Answer>,
    /// Whether an answer is still to come; at first that of the opening.
    asked: bool,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("asked", &self.asked).finish_non_exhaustive()
    }
}

/// The thread's end of a [`Link`].
pub(crate) struct Respondent {
    pub(crate) questions: Receiver<()>,
    pub(crate) answers: SyncSender<Answer>,
}

impl Link {
    /// Both ends.
    pub(crate) fn pair() -> (Self, Respondent) {
        let (questions, asked) = sync_channel(1);
        // Room for the opening and one tick: the thread never waits to be heard.
        let (answers, heard) = sync_channel(2);
        (Self { questions, answers: heard, asked: true }, Respondent { questions: asked, answers })
    }

    /// Starts the thread that asks the driver about these GPUs. Does not wait for it.
    pub(crate) fn open(library: Option<PathBuf>, devices: Devices) -> Self {
        let (link, respondent) = Self::pair();
        let thread = std::thread::Builder::new().name("nvml".to_owned());
        if let Err(error) = thread.spawn(move || serve(library.as_deref(), &devices, &respondent)) {
            // The respondent was dropped with the closure, so the first read finds the link gone.
            tracing::warn!(%error, "no thread for NVML");
        }
        link
    }

    /// The next answer, or why there is none within `patience`. An answer that is late is that of the next call; only
    /// the first call waits for it, so that a stuck driver delays nobody twice.
    pub(crate) fn answer(&mut self, patience: Duration, first_wait: bool) -> Result<Answer, NoAnswer> {
        let wait = if self.asked {
            if first_wait { patience } else { Duration::ZERO }
        } else {
            self.questions.try_send(()).map_err(|_| NoAnswer::Gone)?;
            self.asked = true;
            patience
        };
        let answer = if wait.is_zero() {
            self.answers.try_recv().map_err(|error| match error {
                TryRecvError::Empty => NoAnswer::Late,
                TryRecvError::Disconnected => NoAnswer::Gone,
            })
        } else {
            self.answers.recv_timeout(wait).map_err(|error| match error {
                RecvTimeoutError::Timeout => NoAnswer::Late,
                RecvTimeoutError::Disconnected => NoAnswer::Gone,
            })
        }?;
        self.asked = false;
        Ok(answer)
    }
}

/// Serves one [`Link`] until its asking end is dropped.
fn serve(library: Option<&Path>, devices: &Devices, respondent: &Respondent) {
    let nvml = match start(library) {
        Ok(nvml) => nvml,
        Err(error) => return drop(respondent.answers.send(Answer::Opened(Err(error)))),
    };
    let (mut handles, absent) = handles(&nvml, devices);
    let devices = handles.iter_mut().map(Handle::found).collect();
    if respondent.answers.send(Answer::Opened(Ok(Opened { devices, absent }))).is_err() {
        return;
    }
    while respondent.questions.recv().is_ok() {
        let samples = handles.iter_mut().map(Handle::sample).collect();
        if respondent.answers.send(Answer::Samples(samples)).is_err() {
            return;
        }
    }
}

/// Loads the driver's library, that of the loader where none is named, and starts it.
pub(crate) fn start(library: Option<&Path>) -> Result<Nvml, OpenError> {
    let mut builder = Nvml::builder();
    if let Some(library) = library {
        builder.lib_path(library.as_os_str());
    }
    let name = library.map_or(OsStr::new("libnvidia-ml.so.1"), Path::as_os_str);
    builder.init().map_err(|error| open_error(name, &error))
}

fn open_error(library: &OsStr, error: &NvmlError) -> OpenError {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::FailedToLoadSymbol(_) => {
            OpenError::NoLibrary { library: library.to_string_lossy().into_owned(), cause: error.to_string() }
        }
        _ => OpenError::Refused(error.to_string()),
    }
}

/// One GPU, held. Without a device it is one that the driver does not let us have.
pub(crate) struct Handle<'nvml> {
    pub(crate) label: String,
    pub(crate) share: f64,
    pub(crate) device: Result<Device<'nvml>, String>,
    last_energy_mj: Option<u64>,
    /// Whether its power has to be asked for as well.
    watch_power: bool,
}

impl Handle<'_> {
    fn found(&mut self) -> Found {
        let limit = self.device.as_ref().ok().and_then(|device| device.power_management_limit().ok()).map(milliwatts);
        let mut first = self.sample();
        if first.power.is_none() && first.fault.is_none() {
            // Once: it bridges the time until the first answer, should that come late.
            first.power = self.device.as_ref().ok().and_then(|device| device.power_usage().ok()).map(milliwatts);
        }
        Found { label: self.label.clone(), share: self.share, limit, first }
    }

    fn sample(&mut self) -> Sample {
        let device = match &self.device {
            Ok(device) => device,
            Err(fault) => return Sample { fault: Some(fault.clone()), ..Sample::default() },
        };
        let energy = device.total_energy_consumption();
        let energy_mj = energy.as_ref().ok().copied();
        // A counter that stands still may be broken; its power tells. Once suspected, it is watched.
        self.watch_power |= energy_mj.is_none() || energy_mj == self.last_energy_mj;
        self.last_energy_mj = energy_mj;
        let mut sample = Sample { energy_mj, ..Sample::default() };
        if self.watch_power {
            match device.power_usage() {
                Ok(power) => sample.power = Some(milliwatts(power)),
                Err(error) if energy_mj.is_none() => sample.fault = Some(error.to_string()),
                Err(_) => {}
            }
        }
        sample
    }
}

fn milliwatts(power: u32) -> Watts {
    Watts::saturating(f64::from(power) / 1e3)
}

/// The energy of a counter in mJ.
pub(crate) fn millijoules(energy: u64) -> Joules {
    Joules::saturating(energy as f64 / 1e3)
}

/// Handles of the GPUs asked for, each GPU once, and what does not exist.
pub(crate) fn handles<'nvml>(nvml: &'nvml Nvml, devices: &Devices) -> (Vec<Handle<'nvml>>, Vec<(DeviceId, String)>) {
    let wanted: Vec<DeviceId> = match devices {
        Devices::None => Vec::new(),
        Devices::All => (0..nvml.device_count().unwrap_or(0)).map(DeviceId::Index).collect(),
        Devices::Listed(listed) => listed.clone(),
        Devices::Granted(numbers) => {
            let shown = nvml.device_count().unwrap_or(0);
            let renumbered = usize::try_from(shown).is_ok_and(|shown| shown == numbers.len());
            let numbers = if renumbered { (0..shown).collect() } else { numbers.clone() };
            numbers.into_iter().map(DeviceId::Index).collect()
        }
    };
    let mut handles: Vec<Handle<'_>> = Vec::new();
    let (mut seen, mut absent): (Vec<(String, Vec<String>, usize)>, _) = (Vec::new(), Vec::new());
    for id in wanted {
        match find(nvml, &id) {
            Ok(Place { gpu: device, slice, share }) => {
                let identity = device.uuid().unwrap_or_else(|_| id.to_string());
                // Two slices of one GPU are two parts of one counter; the same one twice is one.
                if let Some((_, slices, position)) = seen.iter_mut().find(|(known, ..)| *known == identity) {
                    let handle = &mut handles[*position];
                    if !slices.contains(&slice) {
                        slices.push(slice);
                        handle.share = (handle.share + share).min(1.0);
                    }
                    continue;
                }
                seen.push((identity, vec![slice], handles.len()));
                let label = device.name().map_or_else(|_| id.to_string(), |name| format!("{id} ({name})"));
                handles.push(Handle { label, share, device: Ok(device), last_energy_mj: None, watch_power: false });
            }
            Err(error @ (NvmlError::InvalidArg | NvmlError::NotFound)) => absent.push((id, error.to_string())),
            Err(error) => handles.push(Handle {
                label: id.to_string(),
                share: 1.0,
                device: Err(error.to_string()),
                last_energy_mj: None,
                watch_power: false,
            }),
        }
    }
    (handles, absent)
}

/// Where a name leads: to a GPU, or to a slice of one.
struct Place<'nvml> {
    gpu: Device<'nvml>,
    /// The UUID of the slice; empty for the whole GPU.
    slice: String,
    share: f64,
}

impl<'nvml> Place<'nvml> {
    fn whole(gpu: Device<'nvml>) -> Self {
        Self { gpu, slice: String::new(), share: 1.0 }
    }

    /// Of a slice, whose GPU the driver knows.
    fn of_slice(slice: &Device<'nvml>) -> Result<Self, NvmlError> {
        let gpu = slice.mig_parent_device()?;
        Ok(Self { share: share(slice, &gpu), slice: slice.uuid()?, gpu })
    }
}

/// The share of a slice in its GPU: that of its memory in the GPU's, which also holds in a container that shows no
/// other slice. Where the driver does not tell, one part in as many as there are slices.
fn share(slice: &Device<'_>, gpu: &Device<'_>) -> f64 {
    const BYTES_PER_MB: f64 = 1024.0 * 1024.0;
    let of_memory = || {
        let slice_mb = slice.attributes().ok()?.memory_size_mb as f64;
        let share = slice_mb * BYTES_PER_MB / gpu.memory_info().ok()?.total as f64;
        (share > 0.0 && share.is_finite()).then_some(share.min(1.0))
    };
    of_memory().unwrap_or_else(|| 1.0 / slices(gpu).len().max(1) as f64)
}

/// The slices a GPU is divided into now.
fn slices<'nvml>(gpu: &Device<'nvml>) -> Vec<Device<'nvml>> {
    /// The most that any GPU can have is 7.
    const MOST: u32 = 64;
    let count = gpu.mig_device_count().unwrap_or(0).min(MOST);
    (0..count).filter_map(|index| gpu.mig_device_by_index(index).ok()).collect()
}

/// The GPU of that name: by index, by UUID, by the beginning of its UUID, or the one a MIG slice is part of.
fn find<'nvml>(nvml: &'nvml Nvml, id: &DeviceId) -> Result<Place<'nvml>, NvmlError> {
    let uuid = match id {
        DeviceId::Index(index) => return nvml.device_by_index(*index).map(Place::whole),
        DeviceId::Uuid(uuid) => uuid,
    };
    let missing = match nvml.device_by_uuid(uuid.as_str()) {
        Ok(slice) if uuid.starts_with("MIG-") => return Place::of_slice(&slice),
        Ok(gpu) => return Ok(Place::whole(gpu)),
        Err(error @ (NvmlError::InvalidArg | NvmlError::NotFound)) => error,
        Err(error) => return Err(error),
    };
    let gpus = || (0..nvml.device_count().unwrap_or(0)).filter_map(|index| nvml.device_by_index(index).ok());
    let begins = |device: &Device<'_>, with: &str| device.uuid().is_ok_and(|full| full.starts_with(with));
    // The older form of a slice holds its GPU's UUID: MIG-GPU-<uuid>/<gpu instance>/<compute instance>. A driver that
    // does not know the slice itself may know that.
    if let Some(rest) = uuid.strip_prefix("MIG-GPU-") {
        let name = format!("GPU-{}", rest.split('/').next().unwrap_or(rest));
        let gpu = gpus().find(|gpu| begins(gpu, &name)).ok_or(missing)?;
        let share = 1.0 / slices(&gpu).len().max(1) as f64;
        return Ok(Place { gpu, slice: uuid.clone(), share });
    }
    if uuid.starts_with("MIG-") {
        let slice = gpus().flat_map(|gpu| slices(&gpu)).find(|slice| begins(slice, uuid)).ok_or(missing)?;
        return Place::of_slice(&slice);
    }
    gpus().find(|gpu| begins(gpu, uuid)).map(Place::whole).ok_or(missing)
}
