//! A `libnvidia-ml.so` without GPUs: the entry points of NVML that lowtide calls, answering from files or the
//! environment. For tests only; it is compiled by them:
//!
//! ```text
//! rustc --edition 2024 --crate-type cdylib -o libnvidia-ml.so.1 scheduler/meters/tests/fake-nvml/nvml.rs
//! LOWTIDE_NVML_LIBRARY=$PWD/libnvidia-ml.so.1 FAKE_NVML_GPUS=4 FAKE_NVML_WATTS=100 lowtide measure -- python train.py
//! ```
//!
//! Environment, read once when the library is loaded:
//! - `FAKE_NVML_GPUS`: number of GPUs, 1 if unset.
//! - `FAKE_NVML_WATTS`: power of each, 100 if unset. In real time: the energy counter grows by watts x seconds.
//! - `FAKE_NVML_ENERGY`: `none` takes the energy counters away, so that only power is left.
//! - `FAKE_NVML_DIR`: a folder whose files say more and may change at any time. Without the variable it is the folder
//!   the library itself lies in, so that one process can load several copies with a state each.
//!
//! Files of the folder, each overriding the environment; numbers as text:
//! - `gpus`: number of GPUs.
//! - `init_error`: the NVML return code of `nvmlInit_v2` (9: driver not loaded).
//! - `delay_ms`: how long each reading of energy or power takes.
//! - `N.watts`: power of GPU N; `none`: not supported.
//! - `N.energy_mj`: its energy counter, exactly; `none`: not supported. Without the file it runs in real time.
//! - `N.limit_watts`: its power limit, 400 without the file; `none`: not supported. Setting a limit writes it, and no GPU draws more.
//! - `N.least_watts`, `N.most_watts`: the limits it takes, 100 and 400 without the files; `none`: the driver does not tell.
//! - `N.set_error`: the NVML return code of setting its limit (4: no permission, 3: not supported).
//! - `set_delay_ms`: how long setting a limit takes.
//! - `N.slices`: sizes of its slices (MIG) in MB, divided by blanks; 0 for one whose size the driver does not tell.
//! - `N.error`: the NVML return code of every call about GPU N (4: no permission, 15: GPU lost).
//!
//! GPU N is called `Fake GPU`, has 40960 MB and the UUID `GPU-0000000N-fake-fake-fake-000000000000`. Slice M of it has the
//! UUID `MIG-N00M-fake-fake-fake-000000000000`.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

type Return = c_uint;
const SUCCESS: Return = 0;
const INVALID_ARGUMENT: Return = 2;
const NOT_SUPPORTED: Return = 3;
const NOT_FOUND: Return = 6;
const INSUFFICIENT_SIZE: Return = 7;

struct Fake {
    folder: PathBuf,
    gpus: u32,
    watts: f64,
    has_counters: bool,
    /// Real-time counters: when each was last brought up to date, and its value in mJ.
    counters: Mutex<Vec<(Instant, f64)>>,
    loaded: Instant,
}

static FAKE: LazyLock<Fake> = LazyLock::new(|| {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<f64>().ok());
    Fake {
        folder: std::env::var_os("FAKE_NVML_DIR").map_or_else(own_folder, PathBuf::from),
        gpus: number("FAKE_NVML_GPUS").unwrap_or(1.0) as u32,
        watts: number("FAKE_NVML_WATTS").unwrap_or(100.0),
        has_counters: std::env::var("FAKE_NVML_ENERGY").as_deref() != Ok("none"),
        counters: Mutex::new(Vec::new()),
        loaded: Instant::now(),
    }
});

#[repr(C)]
struct DlInfo {
    file_name: *const c_char,
    base: *mut c_void,
    symbol_name: *const c_char,
    symbol: *mut c_void,
}

unsafe extern "C" {
    fn dladdr(address: *const c_void, info: *mut DlInfo) -> c_int;
}

/// The folder this very library was loaded from.
fn own_folder() -> PathBuf {
    let mut info = DlInfo {
        file_name: std::ptr::null(),
        base: std::ptr::null_mut(),
        symbol_name: std::ptr::null(),
        symbol: std::ptr::null_mut(),
    };
    // SAFETY: the address is one of ours, and `info` is large enough.
    let found = unsafe { dladdr(own_folder as *const c_void, &raw mut info) };
    if found == 0 || info.file_name.is_null() {
        return PathBuf::from(".");
    }
    // SAFETY: the loader's own string, which lives as long as the library is loaded.
    let file = unsafe { CStr::from_ptr(info.file_name) };
    Path::new(&*file.to_string_lossy()).parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// What a file of the folder says.
enum Said {
    Nothing,
    None,
    Number(f64),
}

impl Fake {
    fn said(&self, file: &str) -> Said {
        match fs::read_to_string(self.folder.join(file)).as_deref().map(str::trim) {
            Ok("none") => Said::None,
            Ok(text) => text.parse().map_or(Said::Nothing, Said::Number),
            Err(_) => Said::Nothing,
        }
    }

    fn gpus(&self) -> u32 {
        match self.said("gpus") {
            Said::Number(gpus) => gpus as u32,
            Said::None => 0,
            Said::Nothing => self.gpus,
        }
    }

    fn watts(&self, gpu: u32) -> Option<f64> {
        match self.said(&format!("{gpu}.watts")) {
            Said::Number(watts) => Some(watts),
            Said::None => None,
            Said::Nothing => Some(self.watts),
        }
        .map(|watts| watts.min(self.limit_watts(gpu).unwrap_or(watts)))
    }

    fn limit_watts(&self, gpu: u32) -> Option<f64> {
        self.number_or(&format!("{gpu}.limit_watts"), 400.0)
    }

    fn number_or(&self, file: &str, usual: f64) -> Option<f64> {
        match self.said(file) {
            Said::Number(number) => Some(number),
            Said::None => None,
            Said::Nothing => Some(usual),
        }
    }

    fn energy_mj(&self, gpu: u32) -> Option<u64> {
        match self.said(&format!("{gpu}.energy_mj")) {
            Said::Number(energy) => return Some(energy as u64),
            Said::None => return None,
            Said::Nothing if !self.has_counters => return None,
            Said::Nothing => {}
        }
        let watts = self.watts(gpu).unwrap_or(self.watts);
        let mut counters = self.counters.lock().unwrap();
        let known = counters.len().max(gpu as usize + 1);
        counters.resize(known, (self.loaded, 0.0));
        let (since, energy) = &mut counters[gpu as usize];
        let now = Instant::now();
        *energy += watts * 1e3 * now.duration_since(*since).as_secs_f64();
        *since = now;
        Some(*energy as u64)
    }

    fn delay(&self) {
        if let Said::Number(delay) = self.said("delay_ms") {
            std::thread::sleep(Duration::from_millis(delay as u64));
        }
    }
}

/// Handles from this one on are slices: a GPU has fewer than a thousand.
const SLICES: usize = 1_000_000;

fn uuid(gpu: u32) -> String {
    format!("GPU-{gpu:08}-fake-fake-fake-000000000000")
}

fn slice_uuid(gpu: usize, slice: usize) -> String {
    format!("MIG-{gpu}{slice:03}-fake-fake-fake-000000000000")
}

/// Sizes of a GPU's slices in MB.
fn slices(gpu: u32) -> Vec<u64> {
    let said = fs::read_to_string(FAKE.folder.join(format!("{gpu}.slices"))).unwrap_or_default();
    said.split_whitespace().filter_map(|size| size.parse().ok()).collect()
}

/// The GPU and number of a slice, by its handle.
fn slice_of(device: *mut c_void) -> Option<(usize, usize)> {
    let number = (device as usize).checked_sub(SLICES)?;
    Some((number / 1000, number % 1000))
}

/// A handle is the number of its GPU plus one: never null.
fn with_gpu(device: *mut c_void, answer: impl FnOnce(u32) -> Return) -> Return {
    let Some(gpu) = (device as usize).checked_sub(1).map(|gpu| gpu as u32) else { return INVALID_ARGUMENT };
    match FAKE.said(&format!("{gpu}.error")) {
        Said::Number(code) => code as Return,
        _ => answer(gpu),
    }
}

fn handle(gpu: u32, device: *mut *mut c_void) -> Return {
    with_gpu((gpu as usize + 1) as *mut c_void, |gpu| {
        // SAFETY: NVML's contract: the caller passes room for one handle.
        unsafe { *device = (gpu as usize + 1) as *mut c_void };
        SUCCESS
    })
}

fn put<T>(value: Option<T>, to: *mut T) -> Return {
    match value {
        Some(value) => {
            // SAFETY: NVML's contract: the caller passes room for one value.
            unsafe { *to = value };
            SUCCESS
        }
        None => NOT_SUPPORTED,
    }
}

fn put_text(text: &str, to: *mut c_char, length: c_uint) -> Return {
    if text.len() + 1 > length as usize {
        return INSUFFICIENT_SIZE;
    }
    // SAFETY: NVML's contract: the caller passes room for `length` characters, and the text is shorter.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), to, text.len());
        *to.add(text.len()) = 0;
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> Return {
    match FAKE.said("init_error") {
        Said::Number(code) => code as Return,
        _ => SUCCESS,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> Return {
    SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlErrorString(_code: Return) -> *const c_char {
    c"an error of the fake NVML".as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) -> Return {
    put_text("550.54.15", version, length)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> Return {
    put(Some(FAKE.gpus()), count)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut *mut c_void) -> Return {
    if index < FAKE.gpus() { handle(index, device) } else { INVALID_ARGUMENT }
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetHandleByUUID(name: *const c_char, device: *mut *mut c_void) -> Return {
    // SAFETY: NVML's contract: a string that ends.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    let slice = (0..FAKE.gpus())
        .flat_map(|gpu| (0..slices(gpu).len()).map(move |slice| (gpu as usize, slice)))
        .find(|(gpu, slice)| slice_uuid(*gpu, *slice) == name);
    if let Some((gpu, slice)) = slice {
        // SAFETY: NVML's contract: the caller passes room for one handle.
        unsafe { *device = (SLICES + gpu * 1000 + slice) as *mut c_void };
        return SUCCESS;
    }
    (0..FAKE.gpus()).find(|gpu| uuid(*gpu) == name).map_or(NOT_FOUND, |gpu| handle(gpu, device))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMaxMigDeviceCount(device: *mut c_void, count: *mut c_uint) -> Return {
    with_gpu(device, |gpu| put(Some(slices(gpu).len() as c_uint), count))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: *mut c_void,
    index: c_uint,
    slice: *mut *mut c_void,
) -> Return {
    with_gpu(device, |gpu| {
        if index as usize >= slices(gpu).len() {
            return NOT_FOUND;
        }
        // SAFETY: NVML's contract: the caller passes room for one handle.
        unsafe { *slice = (SLICES + gpu as usize * 1000 + index as usize) as *mut c_void };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
    slice: *mut c_void,
    device: *mut *mut c_void,
) -> Return {
    slice_of(slice).map_or(INVALID_ARGUMENT, |(gpu, _)| handle(gpu as u32, device))
}

/// `nvmlDeviceAttributes_t`.
#[repr(C)]
pub struct Attributes {
    counts: [c_uint; 8],
    memory_mb: c_ulonglong,
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetAttributes_v2(device: *mut c_void, attributes: *mut Attributes) -> Return {
    let size = slice_of(device).and_then(|(gpu, slice)| slices(gpu as u32).get(slice).copied());
    let size = size.filter(|size| *size > 0);
    put(size.map(|memory_mb| Attributes { counts: [1; 8], memory_mb }), attributes)
}

/// `nvmlMemory_v2_t`.
#[repr(C)]
pub struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: *mut c_void, memory: *mut Memory) -> Return {
    let total = 40960 << 20;
    with_gpu(device, |_| put(Some(Memory { version: 2, total, reserved: 0, free: total, used: 0 }), memory))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetIndex(device: *mut c_void, index: *mut c_uint) -> Return {
    with_gpu(device, |gpu| put(Some(gpu), index))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetUUID(device: *mut c_void, text: *mut c_char, length: c_uint) -> Return {
    if let Some((gpu, slice)) = slice_of(device) {
        return put_text(&slice_uuid(gpu, slice), text, length);
    }
    with_gpu(device, |gpu| put_text(&uuid(gpu), text, length))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetName(device: *mut c_void, text: *mut c_char, length: c_uint) -> Return {
    with_gpu(device, |_| put_text("Fake GPU", text, length))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetTotalEnergyConsumption(device: *mut c_void, energy: *mut c_ulonglong) -> Return {
    FAKE.delay();
    with_gpu(device, |gpu| put(FAKE.energy_mj(gpu), energy))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPowerUsage(device: *mut c_void, power: *mut c_uint) -> Return {
    FAKE.delay();
    with_gpu(device, |gpu| put(FAKE.watts(gpu).map(|watts| (watts * 1e3) as c_uint), power))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPowerManagementLimit(device: *mut c_void, limit: *mut c_uint) -> Return {
    with_gpu(device, |gpu| {
        put(FAKE.limit_watts(gpu).map(|watts| (watts * 1e3) as c_uint), limit)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPowerManagementLimitConstraints(
    device: *mut c_void,
    least: *mut c_uint,
    most: *mut c_uint,
) -> Return {
    with_gpu(device, |gpu| {
        let milliwatts = |what: &str, usual| FAKE.number_or(&format!("{gpu}.{what}_watts"), usual).map(|watts| (watts * 1e3) as c_uint);
        match put(milliwatts("least", 100.0), least) {
            SUCCESS => put(milliwatts("most", 400.0), most),
            error => error,
        }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceSetPowerManagementLimit(device: *mut c_void, limit: c_uint) -> Return {
    if let Said::Number(delay) = FAKE.said("set_delay_ms") {
        std::thread::sleep(Duration::from_millis(delay as u64));
    }
    with_gpu(device, |gpu| match FAKE.said(&format!("{gpu}.set_error")) {
        Said::Number(code) => code as Return,
        _ => {
            // Whole at once: a reader never finds half of it.
            let (file, new) = (format!("{gpu}.limit_watts"), FAKE.folder.join(format!("{gpu}.limit_watts.new")));
            let written = fs::write(&new, (f64::from(limit) / 1e3).to_string());
            written.and_then(|()| fs::rename(&new, FAKE.folder.join(file))).map_or(INVALID_ARGUMENT, |()| SUCCESS)
        }
    })
}

// What other tools call besides, so that they can be run over the same devices: `examples/torture`.

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> Return {
    nvmlInit_v2()
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetEnforcedPowerLimit(device: *mut c_void, limit: *mut c_uint) -> Return {
    nvmlDeviceGetPowerManagementLimit(device, limit)
}

/// Total, free and used bytes.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMemoryInfo(device: *mut c_void, memory: *mut [c_ulonglong; 3]) -> Return {
    with_gpu(device, |_| put(Some([40_960 << 20, 40_960 << 20, 0]), memory))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetTemperature(device: *mut c_void, _sensor: c_uint, degrees: *mut c_uint) -> Return {
    with_gpu(device, |_| put(Some(50), degrees))
}

/// Of the GPU and of its memory, in per cent.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetUtilizationRates(device: *mut c_void, rates: *mut [c_uint; 2]) -> Return {
    with_gpu(device, |_| put(Some([100, 50]), rates))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetComputeMode(device: *mut c_void, mode: *mut c_uint) -> Return {
    with_gpu(device, |_| put(Some(0), mode))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: *mut c_void,
    count: *mut c_uint,
    _processes: *mut c_void,
) -> Return {
    with_gpu(device, |_| put(Some(0), count))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    device: *mut c_void,
    count: *mut c_uint,
    _processes: *mut c_void,
) -> Return {
    with_gpu(device, |_| put(Some(0), count))
}
