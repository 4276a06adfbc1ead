//! `lowtide explain`.

use crate::world::World;

#[test]
fn it_says_what_was_rejected_and_what_it_rests_on() {
    let world = World::new();
    let id = world.submit(&["--policy", "follow-the-tide", "--duration", "1h", "--power", "200W"], &["sleep", "30"]);
    let explanation = world.json(&["explain", &id.to_string(), "--json"]);
    assert!(explanation["headline"].as_str().is_some_and(|headline| !headline.is_empty()), "{explanation:#}");
    assert_eq!(
        explanation["chosen"]["segments"][0]["site"], "away",
        "the cleaner of two constant zones: {explanation:#}"
    );
    let text = world.ok(&["explain", &id.to_string()]);
    assert!(text.contains("chosen") && text.contains("away") && text.contains("It rests on"), "{text}");
}
