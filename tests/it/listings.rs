//! `lowtide site list`, `lowtide plugin list`.

use crate::world::World;

#[test]
fn sites_and_plugins_are_listed() {
    let world = World::new();
    let sites = world.json(&["site", "list", "--json"]);
    let names: Vec<_> =
        sites["sites"].as_array().expect("a list").iter().filter_map(|site| site["id"].as_str()).collect();
    assert_eq!(names, ["home", "away"]);
    let text = world.ok(&["site", "list"]);
    assert!(text.contains("0 of 4 CPUs") && text.contains("TEST-A"), "{text}");
    let plugins = world.json(&["plugin", "list", "--json"]);
    assert!(plugins["plugins"].as_array().is_some_and(|plugins| !plugins.is_empty()), "{plugins}");
    assert!(world.ok(&["plugin", "list"]).contains("may reach"));
}
