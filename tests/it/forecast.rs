//! `lowtide forecast`.

use crate::world::World;

#[test]
fn a_zone_without_a_provider_shows_its_annual_mean_and_says_so() {
    let world = World::new();
    let list = world.json(&["forecast", "TEST-A", "--json"]);
    assert_eq!(list["series"][0]["zone"], "TEST-A");
    assert_eq!(list["series"][0]["points"][0]["intensity_g_per_kwh"], 400.0, "{list:#}");
    assert_eq!(list["series"][0]["points"][0]["kind"], "static");
    let text = world.ok(&["forecast"]);
    assert!(text.contains("TEST-A") && text.contains("TEST-B") && text.contains("annual mean"), "{text}");
}

#[test]
fn a_zone_nobody_serves_is_refused() {
    let said = World::new().run(&["forecast", "TEST-Z"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("TEST-Z") && said.stderr.contains("hint: "), "{}", said.stderr);
}
