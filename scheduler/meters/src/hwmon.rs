//! Power sensors of ACPI power meters under `/sys/class/hwmon`: what ARM servers such as NVIDIA Grace have for RAPL.
//!
//! A meter is a folder whose `name` is `power_meter`; it tells its mean power in µW in `power1_average` and what it
//! measures in `power1_oem_info` (kernel documentation, `hwmon/acpi_power_meter.rst`). NVIDIA's "Grace Performance
//! Tuning Guide" names four to a socket, one inside the other:
//!
//! ```text
//! Module Power Socket N            the module; on a Grace Hopper its GPU, too
//!   Grace Power Socket N           processor, memory (LPDDR5X) and their supply
//!     CPU Power Socket N           the cores
//!     SysIO Power Socket N         the rest of the chip
//! ```
//!
//! Of each socket one level is counted: `Grace`, or else `CPU` and `SysIO`, or else `Module`. From a module's energy
//! that of the job's GPUs is taken off, which NVML counts. Sensors tell power, not energy: it is integrated by
//! trapezoids, so they want a look each second. They are asked only where RAPL has no zone.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use lowtide_model::quantity::{Joules, Seconds, Watts};

use crate::part::Coverage;

/// Where Linux shows sensors.
pub const DEFAULT_HWMON_ROOT: &str = "/sys/class/hwmon";

/// The `name` of an ACPI power meter.
const POWER_METER: &str = "power_meter";

const MICROWATTS_PER_WATT: f64 = 1e6;

/// What a sensor's power is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Module,
    Grace,
    Cpu,
    SysIo,
}

/// One sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sensor {
    /// The file of its power.
    pub(crate) path: PathBuf,
    /// What it measures, as it says: `Grace Power Socket 0`.
    pub(crate) label: String,
    level: Level,
    socket: u32,
}

/// The sensors under `root` that are counted, none inside another, in the order of their sockets.
pub(crate) fn sensors(root: &Path) -> Vec<Sensor> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let mut all: Vec<Sensor> = entries
        .filter_map(|entry| {
            let folder = entry.ok()?.path();
            (text(&folder.join("name"))? == POWER_METER).then(|| sensor(&folder))?
        })
        .collect();
    all.sort_by(|one, other| (one.socket, one.level, &one.path).cmp(&(other.socket, other.level, &other.path)));
    all.dedup_by(|one, other| (one.socket, one.level) == (other.socket, other.level));
    let has = |socket: u32, level: Level| all.iter().any(|other| (other.socket, other.level) == (socket, level));
    let counted = all.iter().filter(|sensor| match sensor.level {
        Level::Grace => true,
        Level::Cpu => !has(sensor.socket, Level::Grace),
        // Without the cores it is not a processor.
        Level::SysIo => !has(sensor.socket, Level::Grace) && has(sensor.socket, Level::Cpu),
        Level::Module => !has(sensor.socket, Level::Grace) && !has(sensor.socket, Level::Cpu),
    });
    counted.cloned().collect()
}

fn sensor(folder: &Path) -> Option<Sensor> {
    // Kernels differ in whether the files are the sensor's own or its device's.
    let places = [folder.to_owned(), folder.join("device")];
    let label = places
        .iter()
        .flat_map(|place| ["power1_oem_info", "power1_label"].map(|name| place.join(name)))
        .find_map(|path| text(&path).filter(|label| !label.is_empty()))?;
    let (level, socket) = meaning(&label)?;
    let path = places
        .iter()
        .flat_map(|place| ["power1_average", "power1_input"].map(|name| place.join(name)))
        .find(|path| path.exists())?;
    Some(Sensor { path, label, level, socket })
}

fn meaning(label: &str) -> Option<(Level, u32)> {
    let (what, socket) = label.split_once(" Power Socket ")?;
    let level = match what {
        "Module" => Level::Module,
        "Grace" => Level::Grace,
        "CPU" => Level::Cpu,
        "SysIO" => Level::SysIo,
        _ => return None,
    };
    Some((level, socket.trim().parse().ok()?))
}

fn text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// The power a sensor's file tells.
pub(crate) fn power_in(file: &File) -> io::Result<Watts> {
    let mut text = [0; 32];
    let length = file.read_at(&mut text, 0)?;
    std::str::from_utf8(&text[..length])
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok())
        .map(|microwatts| Watts::saturating(microwatts as f64 / MICROWATTS_PER_WATT))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a number"))
}

/// One sensor, followed.
#[derive(Debug)]
struct Followed {
    sensor: Sensor,
    file: Option<File>,
    last: Option<Watts>,
    told: bool,
}

impl Followed {
    fn power(&mut self) -> io::Result<Watts> {
        if let Some(power) = self.file.as_ref().and_then(|file| power_in(file).ok()) {
            return Ok(power);
        }
        let file = File::open(&self.sensor.path)?;
        let power = power_in(&file)?;
        self.file = Some(file);
        Ok(power)
    }
}

/// What the sensors measured since the last look.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HwmonReading {
    pub(crate) energy: Joules,
    pub(crate) coverage: Coverage,
    /// The share of the sensors that could not be read, 0 to 1.
    pub(crate) missing: f64,
    pub(crate) warnings: Vec<String>,
}

/// All counted sensors of a machine.
#[derive(Debug)]
pub(crate) struct Hwmon {
    sensors: Vec<Followed>,
}

impl Hwmon {
    /// Finds the sensors under `root`. Takes no look yet.
    pub(crate) fn open(root: &Path) -> Self {
        let follow = |sensor| Followed { sensor, file: None, last: None, told: false };
        Self { sensors: sensors(root).into_iter().map(follow).collect() }
    }

    /// Asks nothing.
    pub(crate) const fn none() -> Self {
        Self { sensors: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sensors.is_empty()
    }

    /// Whether what they measure holds GPUs as well.
    pub(crate) fn holds_gpus(&self) -> bool {
        self.sensors.iter().any(|followed| followed.sensor.level == Level::Module)
    }

    /// What was used since the last look, `elapsed` ago.
    pub(crate) fn read(&mut self, elapsed: Seconds) -> HwmonReading {
        let (mut energy, mut read, mut warnings) = (Joules::ZERO, 0, Vec::new());
        for followed in &mut self.sensors {
            match followed.power() {
                Ok(power) => {
                    // After an absence nothing is known of the interval: the model has it.
                    let known = followed.last.replace(power);
                    if let Some(last) = known {
                        energy += (last + power).times(0.5) * elapsed;
                    }
                    if known.is_some() || elapsed == Seconds::ZERO {
                        read += 1;
                    }
                }
                Err(error) => {
                    followed.last = None;
                    followed.file = None;
                    if !std::mem::replace(&mut followed.told, true) {
                        warnings.push(format!(
                            "the power sensor {} cannot be read ({}: {}): its energy is modelled from processor time \
                             instead",
                            followed.sensor.label,
                            followed.sensor.path.display(),
                            crate::rapl::reason(&error),
                        ));
                    }
                }
            }
        }
        let all = self.sensors.len();
        let missing = if all == 0 { 1.0 } else { (all - read) as f64 / all as f64 };
        HwmonReading { energy, coverage: Coverage::of(read, all), missing, warnings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(labels: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (number, label) in labels.iter().enumerate() {
            let sensor = folder.path().join(format!("hwmon{number}"));
            fs::create_dir_all(sensor.join("device")).expect("a folder");
            fs::write(sensor.join("name"), "power_meter\n").expect("a file");
            fs::write(sensor.join("device/power1_oem_info"), format!("{label}\n")).expect("a file");
            fs::write(sensor.join("device/power1_average"), "1000000\n").expect("a file");
        }
        folder
    }

    fn counted(labels: &[&str]) -> Vec<String> {
        sensors(tree(labels).path()).into_iter().map(|sensor| sensor.label).collect()
    }

    #[test]
    fn of_each_socket_one_level_is_counted() {
        let all = |socket: u32| ["Module", "Grace", "CPU", "SysIO"].map(|what| format!("{what} Power Socket {socket}"));
        let both: Vec<String> = all(0).into_iter().chain(all(1)).collect();
        let both: Vec<&str> = both.iter().map(String::as_str).collect();
        assert_eq!(counted(&both), ["Grace Power Socket 0", "Grace Power Socket 1"]);
        assert_eq!(
            counted(&["SysIO Power Socket 0", "Module Power Socket 0", "CPU Power Socket 0"]),
            ["CPU Power Socket 0", "SysIO Power Socket 0"]
        );
        assert_eq!(counted(&["Module Power Socket 0", "SysIO Power Socket 0"]), ["Module Power Socket 0"]);
        assert_eq!(counted(&["Module Power Socket 0", "Grace Power Socket 1"]).len(), 2);
    }

    #[test]
    fn sensors_of_something_else_are_left_alone() {
        assert_eq!(counted(&["Chassis", "CPU Power Socket", "CPU Power Socket x", ""]), [""; 0]);
        let folder = tree(&["Grace Power Socket 0"]);
        fs::write(folder.path().join("hwmon0/name"), "coretemp\n").expect("a file");
        assert_eq!(sensors(folder.path()), []);
        assert_eq!(sensors(Path::new("/nonexistent")), []);
    }
}
