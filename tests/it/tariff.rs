//! A time-of-use tariff in the configuration, by the real binary: jobs move into its cheap hours, and slips are told with their place.

use std::fs;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::world::World;

/// A clock that never changes, and is not that of the tests' machine.
const CLOCK: &str = "Asia/Tokyo";

/// A site whose tariff is cheap for an hour only, in which its grid is a little dirtier than all day: it begins six hours after the
/// full hour in which the test began.
fn world() -> (World, Timestamp) {
    let world = World::empty();
    let full = Timestamp::from_second(Timestamp::now().as_second() / 3600 * 3600).expect("in range");
    let cheap = full + SignedDuration::from_hours(6);
    let dirty = cheap.as_second() / 3600 % 24;
    let hour = |at| format!("{at},{}", if at == dirty { 500 } else { 400 });
    let grid = std::iter::once("hour,intensity".to_owned()).chain((0..24).map(hour)).collect::<Vec<_>>().join("\n");
    fs::write(world.config().with_file_name("grid.csv"), grid).expect("written");
    let on_the_wall = cheap.to_zoned(TimeZone::get(CLOCK).expect("a zone")).strftime("%M %H").to_string();
    let tariff = format!(
        "prices = {{ currency = \"JPY\", per_kwh = 30, zone = \"{CLOCK}\", bands = [\n\
         # The later band holds: its hour is no dear one.\n\
         {{ per_kwh = 60, cron = \"0 0 * * *\", duration = \"24h\" }},\n\
         {{ per_kwh = 10, cron = \"{on_the_wall} * * *\", duration = \"1h\" }},\n] }}\n"
    );
    write(&world, &tariff);
    let folder = world.config().with_file_name("policies");
    fs::create_dir(&folder).expect("made");
    let base = "max_delay = \"22h\"\npausable = false\nminimum_saving = 0\n";
    fs::write(folder.join("green.toml"), base).expect("written");
    fs::write(folder.join("thrifty.toml"), format!("{base}[weights]\ngrams_per_money = 10\n")).expect("written");
    (world, cheap)
}

fn write(world: &World, prices: &str) {
    let site = "[[sites]]\nname = \"home\"\nzone = \"TEST-A\"\ncpus = 4\n";
    let zone = "[zones.TEST-A]\nplugin = \"csv\"\ngrants = { assets = { grid = \"grid.csv\" } }\n\
                config = { file = \"grid\", repeat = \"day\", kind = \"forecast\" }\n";
    fs::write(world.config(), format!("{site}{zone}{prices}")).expect("written");
}

fn tried(world: &World, policy: &str) -> Value {
    let submit = ["submit", "--dry-run", "--json", "--duration", "1h", "--power", "1000W", "--policy", policy];
    world.json(&[&submit[..], &["--", "true"]].concat())
}

fn start(job: &Value) -> Timestamp {
    job["plan"]["segments"][0]["start"].as_str().expect("it is planned").parse().expect("a time")
}

fn yen(job: &Value) -> f64 {
    assert_eq!(job["plan"]["cost"]["currency"], "JPY", "{job}");
    job["plan"]["cost"]["amount"].as_f64().expect("a number")
}

#[test]
fn a_policy_that_weighs_money_moves_a_job_into_the_cheap_hour_of_a_tariff() {
    let (world, cheap) = world();
    let green = tried(&world, "green");
    assert!(start(&green) < cheap - SignedDuration::from_hours(1), "it has no reason to wait: {green}");
    assert!((yen(&green) - 60.0).abs() < 0.1, "{green}");
    let thrifty = tried(&world, "thrifty");
    assert_eq!(start(&thrifty), cheap, "{thrifty}");
    assert!((yen(&thrifty) - 10.0).abs() < 0.1, "{thrifty}");
    // Every hour of both plans has a price that was told.
    for job in [&green, &thrifty] {
        assert!(!job["plan"]["warnings"].to_string().contains("price"), "{job}");
    }
    let id = world.submit(&["--duration", "1h", "--power", "1000W", "--policy", "thrifty"], &["true"]).to_string();
    let shown = world.ok(&["show", &id]);
    assert!(shown.contains("10.00 JPY"), "{shown}");
    let told = world.ok(&["explain", &id]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("traded 100 g more than the cleanest") && told.contains("50.00 JPY less"), "{told}");
    let found = world.json(&["doctor", "--json"]).to_string();
    assert!(found.contains("config.toml") && !found.to_lowercase().contains("price"), "{found}");
    assert!(world.ok(&["forecast"]).contains("TEST-A"));
}

#[test]
fn a_changed_tariff_holds_from_the_next_start_of_the_daemon_on() {
    let (world, cheap) = world();
    assert_eq!(start(&tried(&world, "thrifty")), cheap);
    world.ok(&["daemon", "stop"]);
    write(&world, "prices = { currency = \"EUR\", per_kwh = 0.25 }\n");
    let flat = tried(&world, "thrifty");
    assert!(start(&flat) < cheap - SignedDuration::from_hours(1), "no hour is cheaper: {flat}");
    assert_eq!(flat["plan"]["cost"]["currency"], "EUR", "{flat}");
}

#[test]
fn a_slip_in_a_tariff_is_told_with_its_place_when_the_daemon_starts() {
    let (world, _) = world();
    let band = "{ per_kwh = 0.12, cron = \"30 0 * * *\" }";
    write(&world, &format!("prices = {{ currency = \"EUR\", per_kwh = 0.3, bands = [\n{band},\n] }}\n"));
    let said = world.run(&["submit", "--", "true"]);
    assert_ne!(said.code, 0);
    assert!(said.stderr.contains("line 10, column 1") && said.stderr.contains("`duration`"), "{}", said.stderr);
    let doctor = world.run(&["doctor", "--json"]);
    assert!(doctor.stdout.contains("line 10, column 1"), "{doctor:?}");
}
