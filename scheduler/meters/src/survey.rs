//! What can be counted on this machine, and what to do about the rest: for `lowtide doctor`.
//!
//! It looks and reports; it changes nothing and measures nothing. Whether a power limit may be set it finds out by setting the one there
//! is once more.

use std::fs::File;
use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::attribution::Attribution;
use crate::cgroup::JobGroup;
use crate::config::{ATTRIBUTION, Devices, MeterConfig};
use crate::hwmon::{power_in, sensors};
use crate::modelled::Machine;
use crate::nvml::{Answer, Found, Link, OpenError};
use crate::power_limit::{self, GpuPower, LimitError};
use crate::rapl::{ZoneKind, read_counter, reason, usable_zones, zones};

/// How long a look at the GPUs may take: a driver may wake its GPUs one by one, at about a second each.
const PATIENCE: Duration = Duration::from_secs(15);

/// Makes the RAPL counters readable now and after each start. They are closed by default because their finest steps
/// leak what other users compute (CVE-2020-8694); on a machine with other users, `lowtide-powercap` shows coarse ones.
const RAPL_FIX: &str = "echo 'SUBSYSTEM==\"powercap\", ACTION==\"add\", RUN+=\"/bin/chmod a+r /sys%p/energy_uj\"' \
                        | sudo tee /etc/udev/rules.d/70-lowtide-rapl.rules && sudo udevadm control --reload \
                        && sudo udevadm trigger --action=add --subsystem-match=powercap";

/// How a source of energy readings is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It counts.
    Readable,
    /// It is there and cannot be read.
    Unreadable,
    /// It is not there.
    Absent,
}

/// One source of energy readings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is: `RAPL package-0`, `GPU 1 (NVIDIA A100-SXM4-40GB)`, `model`.
    pub subject: String,
    /// How it is.
    pub condition: Condition,
    /// What that means, for people.
    pub detail: String,
    /// One line for a shell, or one sentence, that mends it; absent where nothing is wrong or nothing can be done.
    pub fix: Option<String>,
}

/// Every source found, readable or not, and the model that stands in for the rest. May take some seconds where a GPU
/// driver wakes slowly.
#[must_use]
pub fn survey(config: &MeterConfig) -> Vec<Finding> {
    let mut findings = rapl(config);
    findings.extend(power_sensors(config));
    findings.extend(gpus(config));
    findings.extend(power_limits(config));
    findings.push(attribution(config));
    let machine = Machine::read(&config.proc_root);
    findings.push(Finding {
        subject: "model".to_owned(),
        condition: Condition::Readable,
        detail: format!(
            "stands in where nothing is counted: {}; {} threads, {} of memory",
            machine.rating.basis,
            machine.threads,
            machine.memory_gb.map_or_else(|| "an unknown amount".to_owned(), |gb| format!("{gb:.0} GB")),
        ),
        fix: None,
    });
    findings
}

fn rapl(config: &MeterConfig) -> Vec<Finding> {
    let zones = zones(&config.powercap_root);
    if zones.is_empty() {
        return vec![Finding {
            subject: "RAPL".to_owned(),
            condition: Condition::Absent,
            detail: format!(
                "no zone in {}: usual in virtual machines and containers; processors and memory are modelled",
                config.powercap_root.display()
            ),
            fix: config.expects_rapl().then(|| "check LOWTIDE_POWERCAP_ROOT".to_owned()),
        }];
    }
    let (usable, is_copy) = usable_zones(config);
    if is_copy {
        return usable
            .iter()
            .map(|zone| Finding {
                subject: format!("RAPL {}", zone.name),
                condition: Condition::Readable,
                detail: format!("counts, as lowtide-powercap shows it ({})", zone.counter_path().display()),
                fix: None,
            })
            .collect();
    }
    let has_memory = zones.iter().any(|zone| zone.kind == ZoneKind::Memory);
    let mut findings: Vec<Finding> = zones
        .iter()
        .map(|zone| {
            let path = zone.counter_path();
            let (condition, detail, fix) = match read_counter(&path) {
                Ok(_) => (Condition::Readable, format!("counts ({})", path.display()), None),
                Err(error) => (
                    Condition::Unreadable,
                    format!("{}: {}; modelled instead", path.display(), reason(&error)),
                    (error.kind() == io::ErrorKind::PermissionDenied).then(|| RAPL_FIX.to_owned()),
                ),
            };
            Finding { subject: format!("RAPL {}", zone.name), condition, detail, fix }
        })
        .collect();
    if !has_memory {
        findings.push(Finding {
            subject: "RAPL dram".to_owned(),
            condition: Condition::Absent,
            detail: "this processor has no counter for memory: its energy is left out where packages count".to_owned(),
            fix: None,
        });
    }
    findings
}

/// Sensors that are asked: where RAPL has a zone, none is.
fn power_sensors(config: &MeterConfig) -> Vec<Finding> {
    if !zones(&config.powercap_root).is_empty() {
        return Vec::new();
    }
    sensors(&config.hwmon_root)
        .iter()
        .map(|sensor| {
            let (condition, detail, fix) = match File::open(&sensor.path).and_then(|file| power_in(&file)) {
                Ok(power) => (
                    Condition::Readable,
                    format!("{:.0} W now, integrated each second ({})", power.get(), sensor.path.display()),
                    None,
                ),
                Err(error) => (
                    Condition::Unreadable,
                    format!("{}: {}; modelled instead", sensor.path.display(), reason(&error)),
                    (error.kind() == io::ErrorKind::PermissionDenied)
                        .then(|| format!("sudo chmod a+r {} (after each start)", sensor.path.display())),
                ),
            };
            Finding { subject: sensor.label.clone(), condition, detail, fix }
        })
        .collect()
}

/// Whose the counted energy is, and whether the job has a control group.
fn attribution(config: &MeterConfig) -> Finding {
    let group = JobGroup::find(&config.proc_root, |name| std::env::var(name).ok(), std::process::id() == 1);
    let time = group.map_or_else(
        || "processor time by the tree of processes".to_owned(),
        |group| format!("processor time by the control group {}", group.path().display()),
    );
    let said = std::env::var(ATTRIBUTION).ok().filter(|said| !said.is_empty());
    let misspelt = said.filter(|said| Attribution::named(said).is_none());
    let whose = match config.attribution {
        Attribution::Whole => "a command measured alone has all of the machine's processors and memory",
        Attribution::Shared => "a command measured alone has its share of the machine's processors and memory",
    };
    Finding {
        subject: "attribution".to_owned(),
        condition: if misspelt.is_some() { Condition::Absent } else { Condition::Readable },
        detail: format!("{whose}; a job of the queue has its share unless {ATTRIBUTION}=whole; {time}"),
        fix: misspelt.map(|said| format!("{ATTRIBUTION}={said} is neither `whole` nor `shared` and changes nothing")),
    }
}

fn gpus(config: &MeterConfig) -> Vec<Finding> {
    let absent = |detail: String, fix: Option<String>| {
        vec![Finding { subject: "NVML".to_owned(), condition: Condition::Absent, detail, fix }]
    };
    if config.devices == Devices::None {
        return absent("no GPU is visible (CUDA_VISIBLE_DEVICES): none is counted".to_owned(), None);
    }
    let mut link = Link::open(config.nvml_library.clone(), config.devices.clone());
    let opened = match link.answer(PATIENCE, true) {
        Ok(Answer::Opened(Ok(opened))) => opened,
        Ok(Answer::Opened(Err(error))) => {
            let fix = match &error {
                OpenError::NoLibrary { .. } if !config.expects_gpus() => None,
                OpenError::NoLibrary { .. } => {
                    Some("install the NVIDIA driver, or set LOWTIDE_NVML_LIBRARY to its libnvidia-ml.so.1".to_owned())
                }
                OpenError::Refused(_) => {
                    Some("see why `nvidia-smi` fails, mostly by `sudo modprobe nvidia`".to_owned())
                }
            };
            return absent(format!("{error}: no GPU is counted"), fix);
        }
        Ok(Answer::Samples(_)) | Err(_) => {
            return absent(
                format!("the NVIDIA driver did not answer within {} s", PATIENCE.as_secs()),
                Some("see whether `nvidia-smi` answers; `sudo nvidia-smi -pm 1` keeps GPUs awake".to_owned()),
            );
        }
    };
    let mut findings: Vec<Finding> = opened.devices.into_iter().map(gpu).collect();
    findings.extend(opened.absent.into_iter().map(|(id, cause)| Finding {
        subject: id.to_string(),
        condition: Condition::Absent,
        detail: format!("listed in CUDA_VISIBLE_DEVICES, but NVML does not know it ({cause})"),
        fix: Some("check CUDA_VISIBLE_DEVICES against `nvidia-smi -L`".to_owned()),
    }));
    if findings.is_empty() { absent("NVML knows no GPU on this machine".to_owned(), None) } else { findings }
}

/// To what power each GPU can be held here. Of a driver that is not there or does not answer, [`gpus`] has told.
fn power_limits(config: &MeterConfig) -> Vec<Finding> {
    if config.devices == Devices::None {
        return Vec::new();
    }
    let found = power_limit::look(config.nvml_library.clone(), config.devices.clone(), PATIENCE);
    found.unwrap_or_default().into_iter().map(power_limit_of).collect()
}

fn power_limit_of(found: GpuPower) -> Finding {
    let GpuPower { gpu, limit_mw, range_mw, may_set } = found;
    let range = range_mw
        .map_or_else(String::new, |(least, most)| format!(", takes {} to {} W", least.div_ceil(1_000), most / 1_000));
    // That a limit cannot be set is nothing to mend: only caps need it, and most users need no caps.
    let (condition, may) = match may_set {
        Ok(()) => (Condition::Readable, "can be set for jobs with --gpu-caps where a site has `power_caps`".to_owned()),
        Err(LimitError::NoPermission { .. }) => {
            (Condition::Absent, "only root may set it: for --gpu-caps the daemon would have to run as root".to_owned())
        }
        Err(error) => (Condition::Absent, error.to_string()),
    };
    let detail = format!("{} W now{range}; {may}", limit_mw / 1_000);
    Finding { subject: format!("power limit of {gpu}"), condition, detail, fix: None }
}

fn gpu(found: Found) -> Finding {
    let Found { label, share, limit, first } = found;
    let label = if share < 1.0 { format!("{label}, {:.0} % of it", share * 100.0) } else { label };
    let limit = limit.map_or_else(|| "no power limit known".to_owned(), |limit| format!("limit {:.0} W", limit.get()));
    let (condition, detail, fix) = match (first.energy_mj, first.power) {
        (Some(_), _) => (Condition::Readable, format!("has an energy counter; {limit}"), None),
        (None, Some(_)) => {
            (Condition::Readable, format!("no energy counter: its power is integrated each second; {limit}"), None)
        }
        (None, None) => (
            Condition::Unreadable,
            format!("{}; modelled as half its limit; {limit}", first.fault.as_deref().unwrap_or("no readings")),
            Some("see what `nvidia-smi -q -d POWER` says about it".to_owned()),
        ),
    };
    Finding { subject: label, condition, detail, fix }
}
