//! What a meter has to know: where the counters are, and what the job occupies.

use std::fmt;
use std::path::PathBuf;

use lowtide_model::quantity::Watts;

use crate::attribution::Attribution;
use crate::hwmon::DEFAULT_HWMON_ROOT;

/// Where Linux shows the RAPL counters.
pub const DEFAULT_POWERCAP_ROOT: &str = "/sys/class/powercap";

/// Where `lowtide-powercap`, run by root, shows them to those who may not read them there.
pub const HELPER_POWERCAP_ROOT: &str = "/run/lowtide/powercap";

/// What a meter has to know.
#[derive(Debug, Clone, PartialEq)]
pub struct MeterConfig {
    /// The folder of the RAPL zones: `LOWTIDE_POWERCAP_ROOT`, or [`DEFAULT_POWERCAP_ROOT`].
    pub powercap_root: PathBuf,
    /// The copy of them that is read where they themselves may not be: [`HELPER_POWERCAP_ROOT`], or none where the user
    /// said where they are.
    pub powercap_copy: Option<PathBuf>,
    /// The folder of the power sensors: `LOWTIDE_HWMON_ROOT`, or [`DEFAULT_HWMON_ROOT`](crate::DEFAULT_HWMON_ROOT).
    pub hwmon_root: PathBuf,
    /// Whose the energy of processors and memory is: `LOWTIDE_ATTRIBUTION` (`whole` or `shared`); else shared in a job
    /// of Slurm, where others may be on the node, and whole elsewhere.
    pub attribution: Attribution,
    /// Whether another rank of the same job on this machine is the one that counts it, so that this one counts nothing.
    pub counted_elsewhere: bool,
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
            powercap_copy: Some(PathBuf::from(HELPER_POWERCAP_ROOT)),
            hwmon_root: PathBuf::from(DEFAULT_HWMON_ROOT),
            attribution: Attribution::Whole,
            counted_elsewhere: false,
            nvml_library: None,
            devices: Devices::All,
            declared_power: None,
            cpus: std::thread::available_parallelism()
                .map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(u32::MAX)),
            proc_root: PathBuf::from("/proc"),
        }
    }
}

/// The variable that says whose the energy of a shared counter is.
pub const ATTRIBUTION: &str = "LOWTIDE_ATTRIBUTION";

/// Where launchers that start one process a rank tell each its number on its machine: Slurm, Open MPI, and those that
/// go back to MPICH.
const LOCAL_RANKS: [&str; 3] = ["SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID"];

impl MeterConfig {
    /// The configuration an environment describes; `get` looks a variable up. An empty variable counts as unset, but
    /// for `CUDA_VISIBLE_DEVICES`, where it means no GPU. The processors are those this process may run on.
    #[must_use]
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let path = |name: &str| set(name).map(PathBuf::from);
        let default = Self::default();
        let powercap_root = path("LOWTIDE_POWERCAP_ROOT");
        let shares_node = set("SLURM_JOB_ID").is_some();
        let usual = if shares_node { Attribution::Shared } else { Attribution::Whole };
        Self {
            powercap_copy: if powercap_root.is_some() { None } else { default.powercap_copy },
            powercap_root: powercap_root.unwrap_or(default.powercap_root),
            hwmon_root: path("LOWTIDE_HWMON_ROOT").unwrap_or(default.hwmon_root),
            attribution: set(ATTRIBUTION).and_then(|name| Attribution::named(&name)).unwrap_or(usual),
            counted_elsewhere: LOCAL_RANKS
                .iter()
                .find_map(|name| set(name)?.trim().parse::<u32>().ok())
                .is_some_and(|rank| rank > 0),
            nvml_library: path("LOWTIDE_NVML_LIBRARY"),
            devices: Devices::from_environment(&get),
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
            Devices::Listed(_) | Devices::Granted(_) => true,
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
    /// These, by their numbers on the whole machine. Where the job sees no others (a cgroup hides them), the numbers
    /// are no longer those NVML has for them: then it is all that NVML shows.
    Granted(Vec<u32>),
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
    /// The GPUs an environment grants. In this order: `CUDA_VISIBLE_DEVICES`; `NVIDIA_VISIBLE_DEVICES`, by which the
    /// runtime of containers was told (`all`, or numbers on the host: NVML in the container shows just those; `none`,
    /// `void`; UUIDs); `SLURM_STEP_GPUS` and `SLURM_JOB_GPUS`, numbers on the node. Without any: all.
    #[must_use]
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        if let Some(value) = get("CUDA_VISIBLE_DEVICES") {
            return Self::from_cuda(&value);
        }
        if let Some(value) = set("NVIDIA_VISIBLE_DEVICES") {
            return match value.trim() {
                "none" | "void" => Self::None,
                value if value.contains("GPU-") || value.contains("MIG-") => Self::from_cuda(value),
                _ => Self::All,
            };
        }
        let granted = set("SLURM_STEP_GPUS").or_else(|| set("SLURM_JOB_GPUS"));
        granted.as_deref().and_then(numbers).map_or(Self::All, Self::Granted)
    }

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

/// A list of numbers as Slurm writes it: `0,2`, `0-3`, `0,2-3`.
fn numbers(list: &str) -> Option<Vec<u32>> {
    /// More GPUs than any machine has: a range from outside must not fill the memory.
    const MOST: u32 = 1024;
    let mut numbers = Vec::new();
    for entry in list.split(',') {
        let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if last >= MOST || first > last {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
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
        assert_eq!(set.powercap_copy, None, "who says where the counters are means these");
    }

    fn environment(variables: &[(&str, &str)]) -> MeterConfig {
        MeterConfig::from_environment(|name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn gpus_are_those_of_cuda_else_of_the_container_else_of_slurm() {
        let uuid = "GPU-8932f937";
        for (variables, devices) in [
            (&[][..], Devices::All),
            (&[("NVIDIA_VISIBLE_DEVICES", "all")], Devices::All),
            (&[("NVIDIA_VISIBLE_DEVICES", "2,3")], Devices::All),
            (&[("NVIDIA_VISIBLE_DEVICES", "void")], Devices::None),
            (&[("NVIDIA_VISIBLE_DEVICES", "none")], Devices::None),
            (&[("NVIDIA_VISIBLE_DEVICES", uuid)], Devices::Listed(vec![DeviceId::Uuid(uuid.into())])),
            (&[("NVIDIA_VISIBLE_DEVICES", "none"), ("CUDA_VISIBLE_DEVICES", "1")], Devices::Listed(vec![index(1)])),
            (&[("SLURM_JOB_GPUS", "0,2-3")], Devices::Granted(vec![0, 2, 3])),
            (&[("SLURM_JOB_GPUS", "0-3"), ("SLURM_STEP_GPUS", "1")], Devices::Granted(vec![1])),
            (&[("SLURM_JOB_GPUS", "0-3"), ("CUDA_VISIBLE_DEVICES", "")], Devices::None),
            (&[("SLURM_JOB_GPUS", "0-99999999")], Devices::All),
            (&[("SLURM_JOB_GPUS", "gpu:2")], Devices::All),
        ] {
            assert_eq!(environment(variables).devices, devices, "{variables:?}");
        }
    }

    #[test]
    fn the_first_rank_of_a_machine_counts_for_all_of_them() {
        assert!(!environment(&[]).counted_elsewhere);
        assert!(!environment(&[("SLURM_LOCALID", "0")]).counted_elsewhere);
        assert!(environment(&[("SLURM_LOCALID", "3")]).counted_elsewhere);
        assert!(environment(&[("OMPI_COMM_WORLD_LOCAL_RANK", "1")]).counted_elsewhere);
    }

    #[test]
    fn energy_is_shared_in_a_job_of_slurm_and_where_the_user_says_so() {
        for (variables, attribution) in [
            (&[][..], Attribution::Whole),
            (&[("SLURM_JOB_ID", "7")], Attribution::Shared),
            (&[("SLURM_JOB_ID", "7"), (ATTRIBUTION, "whole")], Attribution::Whole),
            (&[(ATTRIBUTION, "shared")], Attribution::Shared),
            (&[(ATTRIBUTION, "fair")], Attribution::Whole),
        ] {
            assert_eq!(environment(variables).attribution, attribution, "{variables:?}");
        }
    }
}
