//! `submit --data-at`: what it takes to bring a job's data to another site counts from its first start on.

use std::fs;

use crate::world::World;

/// Where an hour at 200 W is planned: 80 g at home, 20 g away, and 200 g for the way there.
const HOUR: [&str; 6] = ["--policy", "follow-the-tide", "--duration", "1h", "--power", "200W"];

/// The two sites, one of them a way off.
fn world() -> World {
    let world = World::new();
    let sites = fs::read_to_string(world.config()).expect("it was written");
    let off = "name = \"away\"\ntransfer = { minutes = 10, kwh = 2.0 }";
    fs::write(world.config(), sites.replace("name = \"away\"", off)).expect("written");
    world
}

#[test]
fn a_job_stays_with_its_data_where_bringing_them_elsewhere_emits_more_than_it_saves() {
    let world = world();
    let site = |flags: &[&str]| {
        let id = world.submit(&[&HOUR, flags].concat(), &["sleep", "60"]);
        let explanation = world.json(&["explain", &id.to_string(), "--json"]);
        explanation["chosen"]["segments"][0]["site"].as_str().map(ToOwned::to_owned)
    };
    assert_eq!(site(&[]).as_deref(), Some("away"), "without data anywhere the cleaner site is");
    assert_eq!(site(&["--data-at", "home"]).as_deref(), Some("home"));
    assert_eq!(site(&["--data-at", "away"]).as_deref(), Some("away"));
}

#[test]
fn a_site_that_does_not_exist_is_refused_with_those_there_are() {
    let world = world();
    let said = world.run(&["submit", "--data-at", "hoem", "--", "true"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("there is no site `hoem`") && said.stderr.contains("home"), "{said:?}");
}
