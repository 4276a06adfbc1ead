//! Machines made of files: RAPL zones, `/proc`, and GPUs behind a fake `libnvidia-ml.so` that is compiled once.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use lowtide_meters::{Activity, Attribution, Devices, Meter, MeterConfig, Reading};
use lowtide_model::quantity::Seconds;
use tempfile::TempDir;

/// After this many µJ a counter of these tests starts at 0 again: that of a common server.
pub(crate) const RANGE_UJ: u64 = 262_143_328_850;

/// A machine with nothing to count, 8 threads of a processor rated 4 W a thread, and 32 GB of memory.
pub(crate) struct Machine {
    folder: TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let cpuinfo: Vec<String> =
            (0..8).map(|thread| format!("processor\t: {thread}\nmodel name\t: Test Processor\n\n")).collect();
        machine.write("proc/cpuinfo", &cpuinfo.concat());
        machine.write("proc/meminfo", "MemTotal:       31250000 kB\nMemFree:        1000000 kB\n");
        fs::create_dir_all(machine.path("powercap")).expect("a folder");
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Adds a RAPL zone.
    pub(crate) fn zone(&self, zone: &str, name: &str, energy_uj: u64) {
        self.write(&format!("powercap/{zone}/name"), &format!("{name}\n"));
        self.write(&format!("powercap/{zone}/max_energy_range_uj"), &format!("{RANGE_UJ}\n"));
        self.count(zone, energy_uj);
    }

    /// Sets a RAPL zone's counter.
    pub(crate) fn count(&self, zone: &str, energy_uj: u64) {
        self.write(&format!("powercap/{zone}/energy_uj"), &format!("{energy_uj}\n"));
    }

    /// Two packages with memory, and zones that must not be counted.
    pub(crate) fn two_packages(&self) {
        self.zone("intel-rapl:0", "package-0", 1_000_000);
        self.zone("intel-rapl:0/intel-rapl:0:0", "core", 500_000);
        self.zone("intel-rapl:0/intel-rapl:0:1", "dram", 2_000_000);
        self.zone("intel-rapl:1", "package-1", 3_000_000);
        self.zone("intel-rapl:1/intel-rapl:1:0", "dram", 4_000_000);
        self.zone("intel-rapl:2", "psys", 9_000_000);
        self.zone("intel-rapl-mmio:0", "package-0", 1_000_000);
    }

    /// Adds GPUs: a copy of the fake library beside its state.
    pub(crate) fn gpus(&self, count: u32) {
        self.write("nvml/gpus", &count.to_string());
        fs::copy(fake_nvml(), self.path("nvml/libnvidia-ml.so.1")).expect("a copy of the fake");
    }

    /// Says something about the GPUs; see `fake-nvml/nvml.rs` for the files.
    pub(crate) fn gpu(&self, file: &str, value: impl std::fmt::Display) {
        self.write(&format!("nvml/{file}"), &format!("{value}\n"));
    }

    /// How to meter a job with two threads on this machine.
    pub(crate) fn config(&self) -> MeterConfig {
        let library = self.path("nvml/libnvidia-ml.so.1");
        let has_gpus = library.exists();
        MeterConfig {
            powercap_root: self.path("powercap"),
            powercap_copy: None,
            hwmon_root: self.path("hwmon"),
            attribution: Attribution::Whole,
            counted_elsewhere: false,
            nvml_library: has_gpus.then_some(library),
            devices: if has_gpus { Devices::All } else { Devices::None },
            declared_power: None,
            cpus: 2,
            proc_root: self.path("proc"),
        }
    }

    pub(crate) fn meter(&self) -> Meter {
        Meter::open(&self.config())
    }
}

/// Reads a meter `seconds` after its beginning, the job having kept one thread busy.
pub(crate) fn read(meter: &mut Meter, seconds: f64) -> Reading {
    let activity = Activity { cpu_time: Seconds::new(seconds).expect("a time"), ..Activity::default() };
    meter.read(Duration::from_secs_f64(seconds), &activity)
}

#[track_caller]
pub(crate) fn about(actual: lowtide_model::quantity::Joules, joules: f64) {
    let tolerance = 1e-9 * joules.abs() + 1e-6;
    assert!((actual.get() - joules).abs() <= tolerance, "{actual:?}, not {joules} J");
}

/// The fake library, compiled on first use.
pub(crate) fn fake_nvml() -> &'static Path {
    static FAKE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    &FAKE
        .get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let library = folder.path().join("libnvidia-ml.so.1");
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake-nvml/nvml.rs");
            let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
            let status = Command::new(compiler)
                .args(["--edition", "2024", "--crate-type", "cdylib", "-C", "opt-level=1", "-o"])
                .arg(&library)
                .arg(source)
                .status()
                .expect("rustc runs: it has compiled this test");
            assert!(status.success(), "the fake NVML does not compile");
            (folder, library)
        })
        .1
}
