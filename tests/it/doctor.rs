//! `lowtide doctor`.

use std::fs;

use crate::world::World;

fn verdicts(world: &World, area: &str) -> Vec<(String, String)> {
    let report = world.run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report.stdout).expect("JSON");
    let of_area = |finding: &&serde_json::Value| finding["area"] == area;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().expect("a list");
    findings.iter().filter(of_area).map(|finding| (text(&finding["subject"]), text(&finding["verdict"]))).collect()
}

#[test]
fn a_plain_machine_is_healthy_and_nothing_is_started() {
    let world = World::new();
    let said = world.run(&["doctor"]);
    assert_eq!(said.code, 0, "{said:?}");
    for area in ["state:", "disk:", "config:", "daemon:", "meter:"] {
        assert!(said.stdout.contains(area), "{area} is missing in {}", said.stdout);
    }
    assert!(!world.state().exists());
}

#[test]
fn an_unreadable_counter_comes_with_its_fix() {
    let world = World::new();
    let zone = world.work().join("powercap/intel-rapl:0");
    fs::create_dir_all(zone.join("energy_uj")).expect("a folder where a counter should be cannot be read");
    fs::write(zone.join("name"), "package-0\n").expect("written");
    fs::write(zone.join("max_energy_range_uj"), "262143328850\n").expect("written");
    let output = world
        .lowtide(&["doctor"])
        .env("LOWTIDE_POWERCAP_ROOT", world.work().join("powercap"))
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "a missing counter costs precision, never a job: {text}");
    assert!(text.contains("warn  meter: RAPL package-0"), "{text}");
}

#[test]
fn a_running_daemon_is_looked_at_too() {
    let world = World::new();
    world.ok(&["daemon", "start"]);
    assert_eq!(verdicts(&world, "daemon").first().map(|(_, verdict)| verdict.clone()), Some("ok".to_owned()));
    assert_eq!(verdicts(&world, "site").len(), 2);
    assert_eq!(verdicts(&world, "plugins").len(), 1);
}

#[test]
fn a_broken_configuration_fails() {
    let world = World::empty();
    fs::write(world.config(), "nonsense").expect("written");
    assert_eq!(world.run(&["doctor"]).code, 1);
}
