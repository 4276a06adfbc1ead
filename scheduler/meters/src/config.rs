//! What a meter has to know: where the counters are, and what the job occupies.

use std::fmt;
use std::path::PathBuf;

use lowtide_model::quantity::Watts;

/// Where Linux shows the RAPL counters.
pub const DEFAULT_POWERCAP_ROOT: &str = "/sys/class/powercap";

/// What a meter has to know.
#[derive(Debug, Clone, PartialEq)]
pub struct MeterConfig {
    /// The folder of the RAPL zones: `LOWTIDE_POWERCAP_ROOT`, or [`DEFAULT_POWERCAP_ROOT`].
    pub powercap_root: PathBuf,
    /// The NVML library: `LOWTIDE_NVML_LIBRARY`, or `libnvidia-ml.so.1` where the loader finds it.
    pub nvml_library: Option<PathBuf>,
    /// The GPUs of the job.
    pub devices: Devices,
    /// Power of the whole job as the user declared it. It counts where no counter can be read at all, and for GPUs
    /// that cannot be counted: there it is what remains of it after the rest of the job.
    pub declared_power: Option<Watts>,
    /// Processors (hardware threads) reserved for the job.
    pub cpus: u32,
    /// Where `cpuinfo` and `meminfo` are: `LOWTIDE_PROC_ROOT`, or `/proc`.
    pub proc_root: PathBuf,
}

impl Default for MeterConfig {
    fn default() -> Self {
        Self {
            powercap_root: PathBuf::from(DEFAULT_POWERCAP_ROOT),
            nvml_library: None,
            devices: Devices::All,
            declared_power: None,
            cpus: std::thread::available_parallelism()
                .map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(u32::MAX)),
            proc_root: PathBuf::from("/proc"),
        }
    }
}

impl MeterConfig {
    /// The configuration an environment describes; `get` looks a variable up. An empty variable counts as unset, but
    /// for `CUDA_VISIBLE_DEVICES`, where it means no GPU. The processors are those this process may run on.
    #[must_use]
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let path = |name: &str| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let default = Self::default();
        Self {
            powercap_root: path("LOWTIDE_POWERCAP_ROOT").unwrap_or(default.powercap_root),
            nvml_library: path("LOWTIDE_NVML_LIBRARY"),
            devices: get("CUDA_VISIBLE_DEVICES").map_or(Devices::All, |value| Devices::from_cuda(&value)),
            declared_power: None,
            cpus: default.cpus,
            proc_root: path("LOWTIDE_PROC_ROOT").unwrap_or(default.proc_root),
        }
    }

    /// Whether the user pointed at RAPL zones, so that their absence is worth a word.
    pub(crate) fn expects_rapl(&self) -> bool {
        self.powercap_root.as_os_str() != DEFAULT_POWERCAP_ROOT
    }

    /// Whether somebody named GPUs or their library, so that their absence is worth a word.
    pub(crate) fn expects_gpus(&self) -> bool {
        match &self.devices {
            Devices::None => false,
            Devices::All => self.nvml_library.is_some(),
            Devices::Listed(_) => true,
        }
    }
}

/// The GPUs of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Devices {
    /// None: NVML is not even loaded.
    None,
    /// All of the machine.
    All,
    /// These.
    Listed(Vec<DeviceId>),
}

/// How one GPU is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceId {
    /// By its number. NVML counts in the order of the PCI bus; CUDA does so under `CUDA_DEVICE_ORDER=PCI_BUS_ID`, and
    /// otherwise whenever all GPUs are of one kind.
    Index(u32),
    /// By its UUID (`GPU-…`, may be shortened) or that of a slice of it (`MIG-…`).
    Uuid(String),
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "GPU {index}"),
            Self::Uuid(uuid) => f.write_str(uuid),
        }
    }
}

impl Devices {
    /// The GPUs a value of `CUDA_VISIBLE_DEVICES` leaves visible. As CUDA does, the list ends before its first entry
    /// that names no device: `0,-1,1` is GPU 0 alone, and `-1`, `NoDevFiles` or an empty value are no GPU.
    #[must_use]
    pub fn from_cuda(value: &str) -> Self {
        let listed: Vec<DeviceId> = value
            .split(',')
            .map_while(|entry| {
                let entry = entry.trim();
                if entry.starts_with("GPU-") || entry.starts_with("MIG-") {
                    Some(DeviceId::Uuid(entry.to_owned()))
                } else {
                    entry.parse().ok().map(DeviceId::Index)
                }
            })
            .collect();
        if listed.is_empty() { Self::None } else { Self::Listed(listed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(number: u32) -> DeviceId {
        DeviceId::Index(number)
    }

    #[test]
    fn visible_devices_are_read_as_cuda_reads_them() {
        let uuid = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6";
        for (value, devices) in [
            ("", Devices::None),
            ("-1", Devices::None),
            ("NoDevFiles", Devices::None),
            ("0", Devices::Listed(vec![index(0)])),
            (" 2, 0 ", Devices::Listed(vec![index(2), index(0)])),
            ("0,-1,1", Devices::Listed(vec![index(0)])),
            (uuid, Devices::Listed(vec![DeviceId::Uuid(uuid.into())])),
        ] {
            assert_eq!(Devices::from_cuda(value), devices, "CUDA_VISIBLE_DEVICES={value:?}");
        }
    }

    #[test]
    fn an_environment_sets_the_places_and_an_empty_one_leaves_the_defaults() {
        let none = MeterConfig::from_environment(|_| None);
        assert_eq!(none, MeterConfig::default());
        assert_eq!(none.devices, Devices::All);
        assert!(none.cpus >= 1 && !none.expects_rapl() && !none.expects_gpus());

        let set = MeterConfig::from_environment(|name| match name {
            "LOWTIDE_POWERCAP_ROOT" => Some("/rapl".into()),
            "LOWTIDE_NVML_LIBRARY" => Some("/lib/nvml.so".into()),
            "LOWTIDE_PROC_ROOT" => Some(String::new()),
            "CUDA_VISIBLE_DEVICES" => Some("1".into()),
            _ => None,
        });
        assert_eq!(set.powercap_root, PathBuf::from("/rapl"));
        assert_eq!(set.nvml_library, Some(PathBuf::from("/lib/nvml.so")));
        assert_eq!(set.proc_root, PathBuf::from("/proc"));
        assert_eq!(set.devices, Devices::Listed(vec![index(1)]));
        assert!(set.expects_rapl() && set.expects_gpus());
    }
}
