//! GPUs by NVML: a real library is loaded, only that there are no GPUs behind it.

#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod common;

use std::fs;

use common::{Machine, about, read};
use lowtide_meters::{Condition, DeviceId, Devices, Meter, MeterConfig, survey};
use lowtide_model::job::EnergySource;
use lowtide_model::quantity::Watts;

/// A machine with this many GPUs whose counters stand at 7 kJ, and a package, so that all of it can be measured.
fn machine(gpus: u32) -> Machine {
    let machine = Machine::new();
    machine.zone("intel-rapl:0", "package-0", 0);
    machine.gpus(gpus);
    for gpu in 0..gpus {
        machine.gpu(&format!("{gpu}.energy_mj"), 7_000_000);
    }
    machine
}

/// Lets each GPU's counter go on by that much.
fn advance(machine: &Machine, gpus: u32, joules: u64) {
    for gpu in 0..gpus {
        machine.gpu(&format!("{gpu}.energy_mj"), 7_000_000 + joules * 1000);
    }
}

#[test]
fn four_gpus_at_100_watts_give_four_times_one() {
    let epoch = |gpus: u32| {
        let machine = machine(gpus);
        let mut meter = machine.meter();
        read(&mut meter, 0.0);
        advance(&machine, gpus, 100 * 90);
        read(&mut meter, 90.0)
    };
    let (one, four) = (epoch(1), epoch(4));
    about(one.gpu, 9000.0);
    about(four.gpu, 4.0 * 9000.0);
    about(four.energy, 4.0 * one.energy.get());
    assert_eq!((one.source, four.source), (EnergySource::Measured, EnergySource::Measured));
    assert_eq!(four.warnings, [""; 0]);
}

#[test]
fn only_the_gpus_of_the_job_count_each_once_however_they_are_named() {
    for (visible, gpus) in [
        ("2", 1.0),
        ("1,3", 2.0),
        ("GPU-00000002-fake-fake-fake-000000000000", 1.0),
        ("GPU-00000001,GPU-00000003", 2.0),
        ("MIG-GPU-00000000-fake-fake-fake-000000000000/1/0,MIG-GPU-00000000-fake-fake-fake-000000000000/2/0", 1.0),
        ("0,GPU-00000000-fake-fake-fake-000000000000", 1.0),
        ("", 0.0),
    ] {
        let machine = machine(4);
        let config = MeterConfig { devices: Devices::from_cuda(visible), ..machine.config() };
        let mut meter = Meter::open(&config);
        read(&mut meter, 0.0);
        advance(&machine, 4, 500);
        let reading = read(&mut meter, 5.0);
        about(reading.gpu, 500.0 * gpus);
        assert_eq!(reading.warnings, [""; 0], "CUDA_VISIBLE_DEVICES={visible}");
    }
}

#[test]
fn without_a_counter_power_is_integrated_each_second() {
    let machine = machine(2);
    machine.gpu("1.energy_mj", "none");
    machine.gpu("1.watts", 100);
    let mut meter = machine.meter();
    read(&mut meter, 0.0);
    assert_eq!(meter.longest_gap().as_secs(), 1);
    machine.gpu("0.energy_mj", 7_000_000 + 50_000);
    machine.gpu("1.watts", 300);
    let reading = read(&mut meter, 1.0);
    about(reading.gpu, 50.0 + 200.0);
    assert_eq!((reading.source, reading.warnings), (EnergySource::Measured, vec![]));
}

#[test]
fn counters_need_a_look_every_ten_seconds_only() {
    let machine = machine(2);
    let mut meter = machine.meter();
    assert_eq!(meter.longest_gap().as_secs(), 1, "not known yet");
    read(&mut meter, 0.0);
    assert_eq!(meter.longest_gap().as_secs(), 10);
}

#[test]
fn a_gpu_that_falls_off_the_bus_is_modelled_with_one_warning() {
    let machine = machine(2);
    machine.gpu("1.limit_watts", 300);
    let mut meter = machine.meter();
    read(&mut meter, 0.0);
    advance(&machine, 2, 1000);
    about(read(&mut meter, 10.0).gpu, 2000.0);

    machine.gpu("1.error", 15);
    advance(&machine, 1, 2000);
    let reading = read(&mut meter, 20.0);
    about(reading.gpu, 3000.0 + 150.0 * 10.0);
    assert_eq!(reading.source, EnergySource::Mixed);
    assert_eq!(reading.warnings.len(), 1, "{:?}", reading.warnings);
    assert!(reading.warnings[0].contains("GPU 1 (Fake GPU)"), "{:?}", reading.warnings);
    advance(&machine, 1, 3000);
    let later = read(&mut meter, 30.0);
    about(later.gpu, 4000.0 + 150.0 * 20.0);
    assert_eq!(later.warnings, [""; 0]);
}

#[test]
fn a_gpu_that_is_forbidden_from_the_start_is_modelled_never_zero() {
    let machine = machine(1);
    machine.gpu("0.error", 4);
    let mut meter = machine.meter();
    let first = read(&mut meter, 0.0);
    assert_eq!(first.warnings.len(), 1, "{:?}", first.warnings);
    let reading = read(&mut meter, 10.0);
    about(reading.gpu, 125.0 * 10.0);
    assert_eq!((reading.source, reading.warnings), (EnergySource::Mixed, vec![]));
}

#[test]
fn a_gpu_the_driver_does_not_know_is_told_and_takes_what_is_left_of_the_declared_power() {
    let machine = machine(1);
    let config = MeterConfig {
        devices: Devices::Listed(vec![DeviceId::Index(5)]),
        declared_power: Some(Watts::saturating(400.0)),
        ..machine.config()
    };
    let mut meter = Meter::open(&config);
    assert_eq!(read(&mut meter, 0.0).warnings.len(), 1);
    machine.count("intel-rapl:0", 100_000_000);
    let reading = read(&mut meter, 1.0);
    about(reading.cpu, 100.0);
    about(reading.gpu, 300.0);
    assert_eq!(reading.source, EnergySource::Mixed);
}

#[test]
fn a_library_that_is_not_there_or_refuses_costs_one_warning_and_no_measurement_elsewhere() {
    let absent = machine(1);
    fs::remove_file(absent.path("nvml/libnvidia-ml.so.1")).expect("it is there");
    let rubbish = machine(1);
    rubbish.write("nvml/libnvidia-ml.so.1", "not a library");
    let refusing = machine(1);
    refusing.gpu("init_error", 9);
    for machine in [absent, rubbish, refusing] {
        let config = MeterConfig {
            nvml_library: Some(machine.path("nvml/libnvidia-ml.so.1")),
            devices: Devices::All,
            ..machine.config()
        };
        let mut meter = Meter::open(&config);
        assert_eq!(read(&mut meter, 0.0).warnings.len(), 1);
        machine.count("intel-rapl:0", 30_000_000);
        let reading = read(&mut meter, 1.0);
        about(reading.cpu, 30.0);
        assert_eq!((reading.source, reading.warnings), (EnergySource::Mixed, vec![]), "GPUs are missing from it");
        let findings = survey(&config);
        let nvml = findings.iter().find(|finding| finding.subject == "NVML").expect("it is told");
        assert_eq!(nvml.condition, Condition::Absent);
        assert!(nvml.fix.is_some(), "{nvml:?}");
    }
}

#[test]
fn a_machine_without_gpus_says_nothing_about_them() {
    let machine = Machine::new();
    machine.zone("intel-rapl:0", "package-0", 0);
    machine.gpus(0);
    // The library is the machine's own here: nobody pointed at it, nobody named a GPU.
    let config = MeterConfig { devices: Devices::All, nvml_library: None, ..machine.config() };
    let mut meter = Meter::open(&config);
    let first = read(&mut meter, 0.0);
    if first.gpu.get() > 0.0 || meter.longest_gap().as_secs() == 1 {
        println!("skipped: this machine seems to have GPUs");
        return;
    }
    assert_eq!(first.warnings, [""; 0]);
}

#[test]
fn the_survey_tells_counters_from_power_from_nothing() {
    let machine = machine(3);
    machine.gpu("1.energy_mj", "none");
    machine.gpu("2.error", 4);
    let gpus: Vec<_> =
        survey(&machine.config()).into_iter().filter(|finding| finding.subject.starts_with("GPU")).collect();
    let conditions: Vec<Condition> = gpus.iter().map(|finding| finding.condition).collect();
    assert_eq!(conditions, [Condition::Readable, Condition::Readable, Condition::Unreadable]);
    assert!(gpus[0].detail.contains("energy counter"), "{gpus:?}");
    assert!(gpus[1].detail.contains("integrated"), "{gpus:?}");
    assert!(gpus[2].fix.is_some(), "{gpus:?}");
}

/// The mode other end-to-end tests use: energy is watts x real seconds.
#[test]
fn the_fake_runs_in_real_time_where_no_file_says_otherwise() {
    let machine = machine(2);
    for gpu in 0..2 {
        fs::remove_file(machine.path(&format!("nvml/{gpu}.energy_mj"))).expect("it is there");
        machine.gpu(&format!("{gpu}.watts"), 100_000);
    }
    let started = std::time::Instant::now();
    let mut meter = machine.meter();
    read(&mut meter, 0.0);
    let mut energy = 0.0;
    for tick in 1..=20 {
        std::thread::yield_now();
        energy = read(&mut meter, f64::from(tick)).gpu.get();
    }
    assert!(energy > 0.0 && energy <= 200_000.0 * started.elapsed().as_secs_f64(), "{energy} J");
}
