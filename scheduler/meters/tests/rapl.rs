//! Processors and memory by RAPL: trees of files as Linux shows them.

#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use common::{Machine, RANGE_UJ, about, read};
use lowtide_meters::{Condition, MeterConfig, survey};
use lowtide_model::job::EnergySource;
use lowtide_model::quantity::Watts;

/// 4 W a thread: one busy of the two reserved draws 0.1 x 8 W + 0.9 x 4 W.
const MODELLED_CPU_WATTS: f64 = 4.4;
/// 32 GB are taken for four modules of 5 W; a quarter of the threads is reserved.
const MODELLED_MEMORY_WATTS: f64 = 5.0;

#[test]
fn packages_and_memory_add_up_and_nothing_counts_twice() {
    let machine = Machine::new();
    machine.two_packages();
    let mut meter = machine.meter();
    about(read(&mut meter, 0.0).energy, 0.0);

    machine.count("intel-rapl:0", 121_000_000);
    machine.count("intel-rapl:1", 113_000_000);
    machine.count("intel-rapl:0/intel-rapl:0:0", 99_000_000);
    machine.count("intel-rapl:0/intel-rapl:0:1", 22_000_000);
    machine.count("intel-rapl:1/intel-rapl:1:0", 19_000_000);
    machine.count("intel-rapl:2", 999_000_000);
    machine.count("intel-rapl-mmio:0", 121_000_000);
    let reading = read(&mut meter, 1.0);
    about(reading.cpu, 120.0 + 110.0);
    about(reading.memory, 20.0 + 15.0);
    about(reading.energy, 265.0);
    assert_eq!(reading.source, EnergySource::Measured);
    assert_eq!(reading.warnings, [""; 0]);
}

#[test]
fn parts_beside_their_package_as_linux_links_them_count_once() {
    let machine = Machine::new();
    machine.zone("intel-rapl:0", "package-0", 0);
    machine.zone("intel-rapl:0/intel-rapl:0:0", "dram", 0);
    std::os::unix::fs::symlink(
        machine.path("powercap/intel-rapl:0/intel-rapl:0:0"),
        machine.path("powercap/intel-rapl:0:0"),
    )
    .expect("a link");
    let mut meter = machine.meter();
    read(&mut meter, 0.0);
    machine.count("intel-rapl:0/intel-rapl:0:0", 5_000_000);
    about(read(&mut meter, 1.0).memory, 5.0);
}

#[test]
fn a_wrap_changes_nothing() {
    let epochs = |start: u64| -> Vec<f64> {
        let machine = Machine::new();
        machine.zone("intel-rapl:0", "package-0", start);
        let mut meter = machine.meter();
        read(&mut meter, 0.0);
        let counted = (1..=9).map(|tick| {
            machine.count("intel-rapl:0", (start + tick * 1_500_000_000) % RANGE_UJ);
            read(&mut meter, 10.0 * tick as f64).energy.get()
        });
        counted.collect()
    };
    let (far_from_the_end, over_the_end) = (epochs(0), epochs(RANGE_UJ - 5_000_000_000));
    for (one, other) in far_from_the_end.iter().zip(&over_the_end) {
        assert!((one - other).abs() < 1e-6, "{one} J and {other} J");
    }
    assert!((over_the_end[8] - 13_500.0).abs() < 1e-6);
}

#[test]
fn wraps_during_a_long_sleep_are_told_from_the_power_before_it_and_labelled() {
    let machine = Machine::new();
    machine.zone("intel-rapl:0", "package-0", 0);
    let mut meter = machine.meter();
    read(&mut meter, 0.0);
    machine.count("intel-rapl:0", 3_000_000_000);
    read(&mut meter, 10.0);
    // An hour at 300 W: 1,083 kJ since the start, four times round.
    machine.count("intel-rapl:0", 1_083_000_000_000 % RANGE_UJ);
    let reading = read(&mut meter, 3610.0);
    about(reading.energy, 1_083_000.0);
    assert_eq!(reading.source, EnergySource::Mixed);
}

#[test]
fn a_package_that_vanishes_is_modelled_with_one_warning_and_counted_again_when_it_is_back() {
    let machine = Machine::new();
    machine.zone("intel-rapl:0", "package-0", 0);
    machine.zone("intel-rapl:1", "package-1", 0);
    let mut meter = machine.meter();
    read(&mut meter, 0.0);
    machine.count("intel-rapl:0", 100_000_000);
    machine.count("intel-rapl:1", 100_000_000);
    about(read(&mut meter, 1.0).energy, 200.0);

    fs::remove_dir_all(machine.path("powercap/intel-rapl:1")).expect("it is there");
    machine.count("intel-rapl:0", 200_000_000);
    let without = read(&mut meter, 2.0);
    about(without.energy, 300.0 + MODELLED_CPU_WATTS / 2.0);
    assert_eq!(without.source, EnergySource::Mixed);
    assert_eq!(without.warnings.len(), 1, "{:?}", without.warnings);
    assert!(without.warnings[0].contains("package-1"), "{:?}", without.warnings);

    machine.zone("intel-rapl:1", "package-1", 7_000_000);
    let back = read(&mut meter, 3.0);
    about(back.energy, 300.0 + MODELLED_CPU_WATTS);
    machine.count("intel-rapl:1", 57_000_000);
    let counted = read(&mut meter, 4.0);
    about(counted.energy, 350.0 + MODELLED_CPU_WATTS);
    assert_eq!(counted.source, EnergySource::Measured);
    assert_eq!((back.warnings, counted.warnings), (vec![], vec![]));
}

#[test]
fn a_machine_that_loses_all_counters_goes_on_by_the_model_with_one_warning() {
    let machine = Machine::new();
    machine.two_packages();
    let mut meter = machine.meter();
    let mut warnings = read(&mut meter, 0.0).warnings;
    fs::remove_dir_all(machine.path("powercap")).expect("it is there");
    for second in 1..=5 {
        let reading = read(&mut meter, f64::from(second));
        about(reading.energy, f64::from(second) * (MODELLED_CPU_WATTS + MODELLED_MEMORY_WATTS));
        assert_eq!(reading.source, EnergySource::Modelled);
        warnings.extend(reading.warnings);
    }
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn a_counter_that_holds_rubbish_is_as_good_as_gone() {
    let machine = Machine::new();
    machine.zone("intel-rapl:0", "package-0", 5);
    let mut meter = machine.meter();
    read(&mut meter, 0.0);
    for (second, rubbish) in [(1.0, ""), (2.0, "many"), (3.0, "-4"), (4.0, "99999999999999999999999999999999999999")] {
        machine.write("powercap/intel-rapl:0/energy_uj", rubbish);
        let reading = read(&mut meter, second);
        about(reading.energy, second * (MODELLED_CPU_WATTS + MODELLED_MEMORY_WATTS));
    }
}

#[test]
fn no_counter_at_all_is_modelled_and_never_zero() {
    let machine = Machine::new();
    let mut meter = machine.meter();
    read(&mut meter, 0.0);
    let reading = read(&mut meter, 60.0);
    about(reading.energy, 60.0 * (MODELLED_CPU_WATTS + MODELLED_MEMORY_WATTS));
    assert_eq!(reading.source, EnergySource::Modelled);
}

#[test]
fn a_machine_without_rapl_where_none_was_promised_is_no_cause_for_a_warning() {
    let machine = Machine::new();
    let config = MeterConfig { devices: machine.config().devices, ..MeterConfig::default() };
    if config.powercap_root.exists() {
        println!("skipped: this machine has {}", config.powercap_root.display());
        return;
    }
    assert_eq!(read(&mut lowtide_meters::Meter::open(&config), 0.0).warnings, [""; 0]);
    // One that was pointed at is another matter.
    assert_eq!(read(&mut machine.meter(), 0.0).warnings.len(), 1);
}

#[test]
fn declared_power_counts_where_nothing_else_does() {
    let machine = Machine::new();
    let config = MeterConfig { declared_power: Some(Watts::saturating(350.0)), ..machine.config() };
    let mut meter = lowtide_meters::Meter::open(&config);
    read(&mut meter, 0.0);
    let reading = read(&mut meter, 3600.0);
    about(reading.energy, 1_260_000.0);
    assert_eq!(reading.source, EnergySource::Modelled);

    // Where a package counts, it is believed, not the user.
    machine.zone("intel-rapl:0", "package-0", 0);
    let mut meter = lowtide_meters::Meter::open(&config);
    read(&mut meter, 0.0);
    machine.count("intel-rapl:0", 50_000_000);
    let reading = read(&mut meter, 1.0);
    about(reading.energy, 50.0);
    assert_eq!(reading.source, EnergySource::Measured);
}

#[test]
fn a_forbidden_counter_is_modelled_with_one_warning_and_the_survey_knows_the_remedy() {
    let machine = Machine::new();
    machine.two_packages();
    for zone in ["intel-rapl:0", "intel-rapl:1", "intel-rapl:0/intel-rapl:0:1", "intel-rapl:1/intel-rapl:1:0"] {
        let counter = machine.path(&format!("powercap/{zone}/energy_uj"));
        fs::set_permissions(&counter, Permissions::from_mode(0o000)).expect("it is ours");
        if fs::read(&counter).is_ok() {
            println!("skipped: this user (root?) may read files without permission, so nothing can be forbidden");
            return;
        }
    }
    let mut meter = machine.meter();
    let first = read(&mut meter, 0.0);
    assert_eq!(first.warnings.len(), 1, "{:?}", first.warnings);
    assert!(first.warnings[0].contains("permission denied"), "{:?}", first.warnings);
    let reading = read(&mut meter, 1.0);
    about(reading.energy, MODELLED_CPU_WATTS + MODELLED_MEMORY_WATTS);
    assert_eq!((reading.source, reading.warnings), (EnergySource::Modelled, vec![]));
    let found = survey(&machine.config());
    assert_eq!(found[0].condition, Condition::Unreadable);
    assert!(found[0].fix.as_ref().is_some_and(|fix| fix.contains("udevadm")), "{found:?}");
}

#[test]
fn an_unreadable_counter_is_found_out_at_the_opening() {
    // What works for root, too: a folder in the counter's place.
    let machine = Machine::new();
    machine.zone("intel-rapl:0", "package-0", 5);
    fs::remove_file(machine.path("powercap/intel-rapl:0/energy_uj")).expect("it is there");
    fs::create_dir(machine.path("powercap/intel-rapl:0/energy_uj")).expect("a folder");
    let mut meter = machine.meter();
    assert_eq!(read(&mut meter, 0.0).warnings.len(), 1);
    let reading = read(&mut meter, 1.0);
    about(reading.energy, MODELLED_CPU_WATTS + MODELLED_MEMORY_WATTS);
    assert_eq!((reading.source, reading.warnings), (EnergySource::Modelled, vec![]));
    assert_eq!(survey(&machine.config())[0].condition, Condition::Unreadable);
}

#[test]
fn the_survey_names_what_it_found_and_the_model_behind_it() {
    let machine = Machine::new();
    machine.two_packages();
    let findings = survey(&machine.config());
    let subjects: Vec<&str> = findings.iter().map(|finding| finding.subject.as_str()).collect();
    let expected = [
        "RAPL package-0",
        "RAPL package-1",
        "RAPL dram of package-0",
        "RAPL dram of package-1",
        "NVML",
        "attribution",
        "model",
    ];
    assert_eq!(subjects, expected);
    assert!(findings[..4].iter().all(|finding| finding.condition == Condition::Readable && finding.fix.is_none()));
    assert!(findings[6].detail.contains("8 threads, 32 GB"), "{}", findings[6].detail);
}

#[test]
fn counters_alone_need_a_look_every_ten_seconds() {
    let machine = Machine::new();
    machine.two_packages();
    assert_eq!(machine.meter().longest_gap().as_secs(), 10);
}
