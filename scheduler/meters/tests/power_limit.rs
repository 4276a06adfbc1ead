//! Power limits by NVML: a real library is loaded, only that there are no GPUs behind it.

mod common;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use common::{Machine, read};
use lowtide_meters::power_limit::{GpuPower, LimitError, look, put_back, set};
use lowtide_meters::{Condition, DeviceId, Devices, survey};
use lowtide_model::capping::PowerCap;
use lowtide_model::rundir::GpuLimit;

const PATIENCE: Duration = Duration::from_secs(20);

fn machine(gpus: u32) -> Machine {
    let machine = Machine::new();
    machine.gpus(gpus);
    machine
}

fn library(machine: &Machine) -> PathBuf {
    machine.path("nvml/libnvidia-ml.so.1")
}

fn cap(watts: u32) -> PowerCap {
    PowerCap::new(watts).expect("a cap")
}

/// What a GPU's limit is, watts; 400 where nobody has set one.
fn limit(machine: &Machine, gpu: u32) -> u32 {
    let text = fs::read_to_string(machine.path(&format!("nvml/{gpu}.limit_watts")));
    text.map_or(400, |text| text.trim().parse().expect("whole watts"))
}

/// Sets a cap on all GPUs and gives back what was kept of the time before.
fn hold(machine: &Machine, watts: u32) -> Result<Vec<GpuLimit>, LimitError> {
    hold_some(machine, Devices::All, watts, PATIENCE)
}

fn hold_some(machine: &Machine, gpus: Devices, watts: u32, patience: Duration) -> Result<Vec<GpuLimit>, LimitError> {
    let mut kept = Vec::new();
    let keep = |limits: &[GpuLimit]| {
        assert_eq!(limit(machine, 0), 400, "nothing is set before it is kept");
        kept = limits.to_vec();
        Ok(())
    };
    set(Some(library(machine)), gpus, cap(watts), patience, keep).map(|()| kept)
}

#[test]
fn gpus_are_held_to_a_power_and_get_back_what_they_had() {
    let machine = machine(3);
    machine.gpu("1.limit_watts", 350);
    let first_two = Devices::Listed(vec![DeviceId::Index(0), DeviceId::Index(1)]);
    let before = hold_some(&machine, first_two, 200, PATIENCE).expect("they can");
    assert_eq!([0, 1, 2].map(|gpu| limit(&machine, gpu)), [200, 200, 400]);
    assert_eq!(put_back(Some(library(&machine)), before, PATIENCE), Ok(vec![]));
    assert_eq!([0, 1, 2].map(|gpu| limit(&machine, gpu)), [400, 350, 400]);
}

#[test]
fn a_capped_gpu_draws_no_more_and_the_meter_sees_it() {
    let machine = machine(1);
    machine.gpu("0.watts", 300);
    machine.gpu("0.energy_mj", "none");
    let joules = |machine: &Machine| {
        let mut meter = machine.meter();
        read(&mut meter, 0.0);
        (1..=10).map(|second| read(&mut meter, f64::from(second)).gpu.get()).fold(0.0, f64::max)
    };
    let free = joules(&machine);
    hold(&machine, 120).expect("it can");
    let held = joules(&machine);
    assert!((free - 3000.0).abs() < 1.0 && (held - 1200.0).abs() < 1.0, "{free} J, held {held} J");
}

#[test]
fn what_somebody_has_set_since_is_left() {
    let machine = machine(2);
    let before = hold(&machine, 200).expect("they can");
    machine.gpu("1.limit_watts", 300);
    let left = put_back(Some(library(&machine)), before, PATIENCE).expect("the driver answers");
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].contains("GPU-00000001") && left[0].contains("left at 300 W"), "{left:?}");
    assert_eq!([0, 1].map(|gpu| limit(&machine, gpu)), [400, 300]);
}

#[test]
fn one_gpu_that_refuses_leaves_all_as_they_were_and_says_why() {
    for (code, said) in [(4, "lets only root set"), (3, "has no power limit that can be set"), (15, "does not set")] {
        let machine = machine(2);
        machine.gpu("1.set_error", code);
        let error = hold(&machine, 200).expect_err("it refuses").to_string();
        assert!(error.contains(said) && error.contains("GPU 1"), "{code}: {error}");
        assert_eq!([0, 1].map(|gpu| limit(&machine, gpu)), [400, 400], "{code}");
    }
}

#[test]
fn what_a_gpu_does_not_take_is_not_tried() {
    let machine = machine(2);
    machine.gpu("1.least_watts", 250);
    let error = hold(&machine, 200).expect_err("too little").to_string();
    assert_eq!(error, "GPU 1 (Fake GPU) takes limits from 250 to 400 W, not 200 W");
    machine.gpu("1.least_watts", "none");
    assert!(hold(&machine, 200).is_ok(), "a driver that does not tell is asked");
}

#[test]
fn a_slice_is_not_held_as_others_have_the_rest() {
    let machine = machine(1);
    machine.gpu("0.slices", "20480 20480");
    let slice = Devices::Listed(vec![DeviceId::Uuid("MIG-0000-fake-fake-fake-000000000000".to_owned())]);
    let error = hold_some(&machine, slice, 200, PATIENCE).expect_err("a part");
    assert!(matches!(error, LimitError::Slice { .. }), "{error}");
}

#[test]
fn without_a_driver_or_a_gpu_there_is_nothing_to_hold() {
    let machine = machine(1);
    let absent = hold_some(&machine, Devices::Listed(vec![DeviceId::Index(7)]), 200, PATIENCE);
    assert_eq!(absent.expect_err("no such GPU"), LimitError::NoGpu);
    let nowhere = Some(machine.path("nowhere.so"));
    let error = set(nowhere, Devices::All, cap(200), PATIENCE, |_| Ok(())).expect_err("no library");
    assert!(matches!(error, LimitError::NoDriver(_)), "{error}");
}

#[test]
fn what_cannot_be_kept_is_not_set() {
    let machine = machine(1);
    let full = |_: &[GpuLimit]| Err(io::Error::from(io::ErrorKind::StorageFull));
    let error = set(Some(library(&machine)), Devices::All, cap(200), PATIENCE, full).expect_err("it cannot");
    assert!(matches!(error, LimitError::NotKept(_)), "{error}");
    assert_eq!(limit(&machine, 0), 400);
}

#[test]
fn a_driver_that_is_too_late_undoes_what_it_did() {
    let machine = machine(1);
    machine.gpu("set_delay_ms", 4_000);
    let late = hold_some(&machine, Devices::All, 200, Duration::from_secs(3));
    assert_eq!(late.expect_err("late"), LimitError::Late(Duration::from_secs(3)));
    // It sets the limit then, finds that nobody waits, and puts it back: wait for both.
    let file = machine.path("nvml/0.limit_watts");
    let begun = std::time::Instant::now();
    while fs::read_to_string(&file).ok().as_deref().map(str::trim) != Some("400") {
        assert!(begun.elapsed() < PATIENCE, "it stays at {} W", limit(&machine, 0));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_doctor_tells_what_can_be_set_and_changes_nothing() {
    let machine = machine(2);
    machine.gpu("1.set_error", 4);
    machine.gpu("1.limit_watts", 350);
    let found = look(Some(library(&machine)), Devices::All, PATIENCE).expect("the driver answers");
    let allowed: Vec<(u32, bool)> =
        found.iter().map(|GpuPower { limit_mw, may_set, .. }| (limit_mw / 1_000, may_set.is_ok())).collect();
    assert_eq!(allowed, [(400, true), (350, false)]);
    assert_eq!([0, 1].map(|gpu| limit(&machine, gpu)), [400, 350]);
    let findings = survey(&machine.config());
    let of = |gpu: &str| findings.iter().find(|finding| finding.subject.starts_with(gpu)).expect("it is told");
    let free = of("power limit of GPU 0");
    assert_eq!(free.condition, Condition::Readable);
    assert!(free.detail.starts_with("400 W now, takes 100 to 400 W; can be set"), "{free:?}");
    let forbidden = of("power limit of GPU 1");
    assert_eq!(forbidden.condition, Condition::Absent);
    assert!(forbidden.detail.contains("only root") && forbidden.fix.is_none(), "{forbidden:?}");
}
