//! RAPL: the energy counters of processors and memory, as Linux shows them under `/sys/class/powercap`.
//!
//! Layout (kernel documentation, `power/powercap/powercap.rst`): a zone `intel-rapl:N` is a package and has `name`
//! (`package-0`), `energy_uj` and `max_energy_range_uj`, after which the counter starts at 0 again; its parts are
//! `intel-rapl:N:M`. AMD's processors appear under the same names. Counted are packages and `dram`. Not counted, as
//! they would count twice: `core` and `uncore` (inside the package), `psys` (the whole board, packages in it) and
//! `intel-rapl-mmio` (the same package by another way). Only where there is no package at all `psys` is counted: then
//! it is all there is, memory in it.
//!
//! Where the counters may not be read, a copy of them may be, which a process of root's keeps up to date
//! (`export.rs`). Each of its values is a new file; one that stays the same is that of a process that has died.
//!
//! Files are kept open: a look costs one `pread` (and an `fstat`, which tells a counter that is gone from one that
//! stands still). A counter that cannot be read is tried again at each look; until it is back, the model stands in.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use lowtide_model::quantity::{Joules, Seconds, Watts};

use crate::config::MeterConfig;
use crate::counter::{Counter, Difference, is_reset, missed_wraps};
use crate::part::Coverage;

/// What a zone counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZoneKind {
    /// A processor package.
    Package,
    /// The memory at a package.
    Memory,
}

/// One zone that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Its folder.
    pub(crate) path: PathBuf,
    /// For people: `package-0`, `dram of package-0`.
    pub(crate) name: String,
    pub(crate) kind: ZoneKind,
}

impl Zone {
    /// The file of its counter.
    pub(crate) fn counter_path(&self) -> PathBuf {
        self.path.join("energy_uj")
    }
}

/// The zones under `root` that are counted, packages first, in the order of their numbers.
pub(crate) fn zones(root: &Path) -> Vec<Zone> {
    let mut found: Vec<(Vec<u32>, Zone)> = Vec::new();
    for (numbers, path) in numbered_folders(root).into_iter().filter(|(numbers, _)| numbers.len() == 1) {
        let package = zone_name(&path).unwrap_or_else(|| format!("package {}", numbers[0]));
        if !package.starts_with("package") {
            continue;
        }
        // Parts lie inside their package's folder and, as links, beside it; a plain copy may have only one of the two.
        let mut parts: Vec<(Vec<u32>, PathBuf)> = numbered_folders(&path);
        parts.extend(numbered_folders(root));
        parts.retain(|(part, _)| part.len() == 2 && part[0] == numbers[0]);
        parts.sort();
        parts.dedup_by(|one, other| one.0 == other.0);
        for (part_numbers, part) in parts {
            if zone_name(&part).as_deref() == Some("dram") {
                let name = format!("dram of {package}");
                found.push((part_numbers, Zone { path: part, name, kind: ZoneKind::Memory }));
            }
        }
        found.push((numbers, Zone { path, name: package, kind: ZoneKind::Package }));
    }
    if found.is_empty() {
        let board = numbered_folders(root).into_iter().find(|(_, path)| zone_name(path).as_deref() == Some("psys"));
        found.extend(
            board.map(|(numbers, path)| (numbers, Zone { path, name: "psys".into(), kind: ZoneKind::Package })),
        );
    }
    found.sort_by_key(|(numbers, zone)| (zone.kind == ZoneKind::Memory, numbers.clone()));
    found.into_iter().map(|(_, zone)| zone).collect()
}

/// The zones to count, and whether they are copies: those of the system, or, if one of them may not be read and there
/// is a copy, the copies.
pub(crate) fn usable_zones(config: &MeterConfig) -> (Vec<Zone>, bool) {
    let own = zones(&config.powercap_root);
    let readable = |zones: &[Zone]| zones.iter().all(|zone| read_counter(&zone.counter_path()).is_ok());
    if !own.is_empty() && readable(&own) {
        return (own, false);
    }
    match config.powercap_copy.as_deref().map(zones) {
        Some(copy) if !copy.is_empty() && readable(&copy) => (copy, true),
        _ => (own, false),
    }
}

/// Folders named `intel-rapl:N` or `intel-rapl:N:M` in `folder`, with their numbers.
fn numbered_folders(folder: &Path) -> Vec<(Vec<u32>, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let numbers = entry.file_name().to_str()?.strip_prefix("intel-rapl:")?.split(':').map(str::parse).collect();
            Some((Result::ok(numbers)?, entry.path()))
        })
        .collect()
}

fn zone_name(zone: &Path) -> Option<String> {
    Some(fs::read_to_string(zone.join("name")).ok()?.trim().to_owned())
}

/// A number as sysfs writes it: digits and a line's end.
fn number(text: &[u8]) -> io::Result<u64> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a number"))
}

/// The counter's value read once, with no descriptor kept.
pub(crate) fn read_counter(path: &Path) -> io::Result<u64> {
    number(&fs::read(path)?)
}

/// One zone's counter, followed.
#[derive(Debug)]
struct Domain {
    zone: Zone,
    file: Option<File>,
    counter: Counter,
    range: Option<Joules>,
    /// Mean power between the last two looks, in W.
    watts: Option<f64>,
    /// Whether its loss has been told.
    told: bool,
    /// Which file it last was, and for how long; where the counter is a copy.
    copy: Option<Beat>,
}

/// The signs of life of a copied counter.
#[derive(Debug, Default)]
struct Beat {
    file: Option<(u64, i64, i64)>,
    unchanged: Seconds,
}

/// A copy that is not renewed for so long is given up: it is renewed each second.
const COPY_DIES_AFTER_SECONDS: f64 = 5.0;

/// What one look at a domain gave.
enum Look {
    Counted {
        energy: Joules,
        certain: bool,
    },
    /// It is back after having been away: nothing of this interval is known.
    Back,
    Failed(io::Error),
}

const MICROJOULES_PER_JOULE: f64 = 1e6;

impl Domain {
    fn new(zone: Zone, is_copy: bool) -> Self {
        let range_uj = fs::read(zone.path.join("max_energy_range_uj")).and_then(|text| number(&text)).ok();
        let range_uj = range_uj.filter(|range| *range > 0);
        Self {
            file: None,
            counter: Counter::new(range_uj),
            range: range_uj.map(|range| Joules::saturating(range as f64 / MICROJOULES_PER_JOULE)),
            watts: None,
            told: false,
            copy: is_copy.then(Beat::default),
            zone,
        }
    }

    /// The counter's value, through the open file or, if that has gone stale, a new one.
    fn value(&mut self) -> io::Result<u64> {
        if let Some(file) = &self.file {
            if let Ok(value) = Self::value_of(file) {
                return Ok(value);
            }
            self.file = None;
        }
        let file = File::open(self.zone.counter_path())?;
        let value = Self::value_of(&file)?;
        self.file = Some(file);
        Ok(value)
    }

    /// Whether the copy is renewed, if it is one.
    fn check_beat(&mut self, elapsed: Option<Seconds>) -> io::Result<()> {
        let (Some(beat), Some(file)) = (&mut self.copy, &self.file) else { return Ok(()) };
        let of_file = file.metadata()?;
        let now = Some((of_file.ino(), of_file.mtime(), of_file.mtime_nsec()));
        if beat.file != now {
            *beat = Beat { file: now, unchanged: Seconds::ZERO };
            return Ok(());
        }
        beat.unchanged += elapsed.unwrap_or(Seconds::ZERO);
        if beat.unchanged.get() < COPY_DIES_AFTER_SECONDS {
            return Ok(());
        }
        Err(io::Error::other("lowtide-powercap does not renew it any more"))
    }

    fn value_of(file: &File) -> io::Result<u64> {
        // A deleted file can still be read, but stands still for ever.
        if file.metadata()?.nlink() == 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut text = [0; 32];
        let length = file.read_at(&mut text, 0)?;
        number(&text[..length])
    }

    /// Takes a look, `elapsed` after the one before; `None` where that is unknown.
    fn look(&mut self, elapsed: Option<Seconds>) -> Look {
        let value = match self.value().and_then(|value| self.check_beat(elapsed).map(|()| value)) {
            Ok(value) => value,
            Err(error) => {
                self.counter.forget();
                self.watts = None;
                return Look::Failed(error);
            }
        };
        let difference = self.counter.update(value);
        if difference == Difference::First {
            return Look::Back;
        }
        let mut energy = Joules::saturating(difference.amount() as f64 / MICROJOULES_PER_JOULE);
        let mut certain = true;
        if let (Some(range), Some(elapsed)) = (self.range, elapsed) {
            if matches!(difference, Difference::Corrected(_)) && is_reset(energy, range, elapsed) {
                energy = Joules::saturating(value as f64 / MICROJOULES_PER_JOULE);
                certain = false;
            }
            let missed = missed_wraps(energy, range, elapsed, self.watts);
            if missed > 0.0 {
                energy += range.times(missed);
                certain = false;
            }
        }
        self.watts = elapsed.and_then(|elapsed| energy.over(elapsed)).map(Watts::get).or(self.watts);
        Look::Counted { energy, certain }
    }
}

/// What RAPL counted since the last look.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RaplReading {
    /// Energy of the packages that were read.
    pub(crate) cpu: Joules,
    pub(crate) cpu_coverage: Coverage,
    /// The share of the packages that were not, 0 to 1: for them the model stands in.
    pub(crate) cpu_missing: f64,
    /// Energy of the memory that was read.
    pub(crate) memory: Joules,
    pub(crate) memory_coverage: Coverage,
    pub(crate) memory_missing: f64,
    pub(crate) warnings: Vec<String>,
}

/// All counted zones of a machine.
#[derive(Debug)]
pub(crate) struct Rapl {
    domains: Vec<Domain>,
    /// What was amiss at the opening, told with the first reading.
    pending: Vec<String>,
}

impl Rapl {
    /// Finds the zones of the configuration and takes the first look at each.
    pub(crate) fn open(config: &MeterConfig) -> Self {
        let (zones, is_copy) = usable_zones(config);
        let domains: Vec<Domain> = zones.into_iter().map(|zone| Domain::new(zone, is_copy)).collect();
        let mut rapl = Self { domains, pending: Vec::new() };
        if rapl.domains.is_empty() && config.expects_rapl() {
            rapl.pending.push(format!(
                "no RAPL zone (intel-rapl:N) is in {}: the energy of processors and memory is modelled",
                config.powercap_root.display()
            ));
        }
        let failed = rapl.look(None).failed;
        rapl.pending.extend(warning_about(&failed, "cannot be read"));
        rapl
    }

    /// Counts nothing.
    pub(crate) const fn none() -> Self {
        Self { domains: Vec::new(), pending: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// What was counted since the last look, `elapsed` ago; `None` where that is unknown.
    pub(crate) fn read(&mut self, elapsed: Option<Seconds>) -> RaplReading {
        let Looks { sums: [cpu, memory], failed } = self.look(elapsed);
        let mut warnings = std::mem::take(&mut self.pending);
        warnings.extend(warning_about(&failed, "can no longer be read"));
        let has_package = cpu.coverage().has_counter();
        // Packages without `dram`: memory is left out. No package either: memory is modelled as a whole.
        let memory_coverage = match (memory.all, has_package) {
            (0, true) => Coverage::Absent,
            (0, false) => Coverage::Modelled,
            _ => memory.coverage(),
        };
        RaplReading {
            cpu: cpu.energy,
            cpu_coverage: if cpu.all == 0 { Coverage::Modelled } else { cpu.coverage() },
            cpu_missing: cpu.missing(),
            memory: memory.energy,
            memory_coverage,
            memory_missing: if memory_coverage == Coverage::Absent { 0.0 } else { memory.missing() },
            warnings,
        }
    }

    fn look(&mut self, elapsed: Option<Seconds>) -> Looks {
        let mut looks = Looks::default();
        for domain in &mut self.domains {
            let sum = &mut looks.sums[usize::from(domain.zone.kind == ZoneKind::Memory)];
            sum.all += 1;
            match domain.look(elapsed) {
                Look::Counted { energy, certain } => {
                    sum.energy += energy;
                    sum.read += 1;
                    sum.uncertain |= !certain;
                }
                Look::Back => {}
                Look::Failed(error) => {
                    if !domain.told {
                        domain.told = true;
                        looks.failed.push((domain.zone.clone(), error));
                    }
                }
            }
        }
        looks
    }
}

/// One look at all domains.
#[derive(Debug, Default)]
struct Looks {
    /// Packages, memory.
    sums: [Sum; 2],
    /// Domains that failed for the first time.
    failed: Vec<(Zone, io::Error)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    energy: Joules,
    read: usize,
    all: usize,
    uncertain: bool,
}

impl Sum {
    fn coverage(&self) -> Coverage {
        match Coverage::of(self.read, self.all) {
            // A gap bridged by an assumption is no pure count any more.
            Coverage::Counted if self.uncertain => Coverage::Partly,
            coverage => coverage,
        }
    }

    /// The share that was not read; all of it where there is nothing to read.
    fn missing(&self) -> f64 {
        if self.all == 0 { 1.0 } else { (self.all - self.read) as f64 / self.all as f64 }
    }
}

/// One line about all zones that failed together.
fn warning_about(failed: &[(Zone, io::Error)], what: &str) -> Option<String> {
    let (first, error) = failed.first()?;
    let names: Vec<&str> = failed.iter().map(|(zone, _)| zone.name.as_str()).collect();
    let next =
        if error.kind() == io::ErrorKind::PermissionDenied { "; `lowtide doctor` shows how to permit it" } else { "" };
    Some(format!(
        "the energy counter of {} {what} ({}: {}): its energy is modelled from processor time instead{next}",
        names.join(", "),
        first.counter_path().display(),
        reason(error),
    ))
}

/// What stands in the way, in plain words.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotFound => "it is gone".to_owned(),
        io::ErrorKind::InvalidData => "it holds no number".to_owned(),
        _ => error.to_string(),
    }
}
