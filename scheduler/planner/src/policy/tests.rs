//! What policy files may say, and how a slip in one is told.

use std::collections::BTreeSet;

use super::*;
use crate::testing::{hour, window};

fn id() -> PolicyId {
    PolicyId::new("test").expect("a name")
}

fn timetable(expression: &str, hours: f64, zone: &str) -> Timetable {
    let zone = jiff::tz::TimeZoneDatabase::bundled().get(zone).expect("a zone");
    Timetable::new(expression, Seconds::from_hours(hours), Some(zone)).expect("a timetable")
}

fn between(start: &str, end: &str) -> Window {
    Window::new(start.parse().expect("a time"), end.parse().expect("a time")).expect("ordered")
}

#[test]
fn the_built_in_policies_are_read_and_need_no_advice() {
    let builtins = builtins();
    let names: Vec<&str> = builtins.iter().map(|policy| policy.id.as_str()).collect();
    assert_eq!(names, ["run-now", "patient", "overnight", "follow-the-tide", "strict-budget"]);
    for policy in &builtins {
        assert_eq!(advise(policy), [""; 0], "{}", policy.id);
        assert!(!policy.description.is_empty());
    }
    assert!(builtins[3].route);
    assert_eq!(builtins[4].limit.map(|limit| limit.action), Some(LimitAction::Hold));
}

#[test]
fn every_key_is_read() {
    let text = r#"
description = "all keys"
deadline = "1d 12h"
max_delay = "90min"
sites = ["home", "north"]
zones = ["GB"]
delay = true
route = true
pausable = false
minimum_saving = 0.1
spread = 0.01
probe_epochs = 2
[[windows]]
cron = "0 22 * * 1-5"
duration = "8h"
zone = "Europe/Berlin"
[[blackouts]]
cron = "0 12 * * *"
duration = "1h"
[weights]
carbon = 0.5
grams_per_money = 400
grams_per_hour = 12.5
[urgency.high]
max_delay = "2h"
minimum_saving = 0.2
delay = true
pausable = true
[limit]
grams = 1_500
action = "stop"
"#;
    let policy = parse(id(), text).expect("a policy");
    assert_eq!(policy.weights, Weights { carbon: 0.5, grams_per_money: 400.0, grams_per_hour: 12.5 });
    assert_eq!(policy.deadline, Some(Seconds::from_hours(36.0)));
    assert_eq!(policy.max_delay, Some(Seconds::from_hours(1.5)));
    assert_eq!((policy.sites.len() + policy.zones.len(), policy.windows.len(), policy.blackouts.len()), (3, 1, 1));
    assert_eq!((policy.delay, policy.route, policy.pausable, policy.probe_epochs), (true, true, false, 2));
    let limit = CarbonLimit { grams: GramsCo2e::saturating(1500.0), action: LimitAction::Stop };
    assert_eq!(policy.limit, Some(limit));
    // What `extends` does is tested where policies are read together.
    let short = "objective = \"weighted\"\ndelay_grams_per_hour = 12.5\n";
    assert_eq!(parse(id(), short).expect("a policy").weights, Weights { grams_per_hour: 12.5, ..Weights::CARBON });
    let text = format!("{text}{short}");
    for key in file::KEYS[1..]
        .iter()
        .chain(&file::WINDOW_KEYS)
        .chain(&file::LIMIT_KEYS)
        .chain(&file::WEIGHT_KEYS)
        .chain(&file::TIER_KEYS)
    {
        assert!(text.contains(&format!("{key} =")) || text.contains(&format!("[{key}")), "`{key}` is not tried here");
    }
}

#[test]
fn mistakes_are_named_with_their_place_and_the_way_out() {
    for (text, place, message, suggestion) in [
        ("max_dely = \"6h\"", (1, 1), "unknown key `max_dely`", "did you mean `max_delay`?"),
        ("[urgency.hgh]\ndelay = true", (1, 10), "unknown key `hgh`", "did you mean `high`?"),
        ("[urgency.low]\nroute = true", (2, 1), "unknown key `route`", "known keys are"),
        ("[urgency.low]\nmax_delay = \"soon\"", (2, 13), "expected", ""),
        ("urgency = \"high\"", (1, 11), "tables such as", ""),
        ("weights = { carbon = 0 }", (1, 11), "all 0", "carbon = 1"),
        ("weights = { carbn = 1 }", (1, 13), "unknown key `carbn`", "did you mean `carbon`?"),
        ("weights = { grams_per_money = -3 }", (1, 31), "out of range", "between 0"),
        ("objective = \"carbon\"\n[weights]\ncarbon = 1", (2, 2), "`weights` says", "leave those two out"),
        ("weights = 3", (1, 11), "a table such as", ""),
        ("delay = true\n  polar_bears = 3", (2, 3), "unknown key `polar_bears`", "known keys are"),
        ("[limit]\ngrams = 5\nactoin = \"warn\"", (3, 1), "unknown key `actoin`", "did you mean `action`?"),
        ("max_delay = 6", (1, 13), "expected a duration, found `6`", "\"36h\""),
        ("max_delay = \"soon\"", (1, 13), "expected a duration", "\"36h\""),
        ("deadline = \"-3h\"", (1, 12), "a duration must lie", ""),
        ("deadline = \"2 months\"", (1, 12), "expected a duration", "no fixed length"),
        ("minimum_saving = 5", (1, 18), "5 is out of range", "between 0 and 0.99"),
        ("minimum_saving = nan", (1, 18), "out of range", ""),
        ("spread = 0.1", (1, 10), "0.1 is out of range", "between 0 and 0.05"),
        ("pausable = \"yes\"", (1, 12), "expected `true` or `false`, found `\"yes\"`", ""),
        ("probe_epochs = -1", (1, 16), "expected a whole number from 0 to 100", ""),
        ("objective = \"carbn\"", (1, 13), "`carbn` is none of", "did you mean `carbon`?"),
        ("objective = \"weighted\"", (1, 13), "needs a weight", "delay_grams_per_hour"),
        ("objective = \"carbon\"\ndelay_grams_per_hour = 3", (2, 24), "no meaning", "weighted"),
        ("sites = [\"home\", \"a b\"]", (1, 18), "`a b` is not a site name", ""),
        ("[limit]\naction = \"warn\"", (1, 1), "a limit needs `grams`", "grams = 1000"),
        ("[[windows]]\nduration = \"8h\"", (1, 1), "a window needs `cron`", "cron ="),
        ("[[windows]]\ncron = \"0 22 * * *\"\nduration = \"0h\"", (1, 1), "a window needs `duration`", ""),
        ("[[windows]]\ncron = \"22 *\"\nduration = \"8h\"", (2, 8), "five fields", "MON-FRI"),
        ("[[windows]]\ncron = \"0 25 * * *\"\nduration = \"8h\"", (2, 8), "not a cron expression", "MON-FRI"),
        ("[[windows]]\ncron = \"0 2 30 2 *\"\nduration = \"8h\"", (2, 8), "never comes", ""),
        ("[[windows]]\ncron = \"0 2 1 * MON\"\nduration = \"8h\"", (2, 8), "restricts both", ""),
        ("[[blackouts]]\nduration = \"8h\"", (1, 1), "a blackout needs `cron`", "cron ="),
        ("[[blackouts]]\ncron = \"0 25 * * *\"\nduration = \"8h\"", (2, 8), "not a cron expression", "MON-FRI"),
        ("[[blackouts]]\ncron = \"0 9 * * *\"\nlength = \"8h\"", (3, 1), "unknown key `length`", "known keys are"),
        ("blackouts = \"noon\"", (1, 13), "expected a list of tables", "[[blackouts]]"),
        ("[urgency]\nnow = true", (2, 7), "a table such as", ""),
        ("[urgency.now]\npausable = 1", (2, 12), "expected `true` or `false`", ""),
        ("[urgency.high]\nminimum_saving = 1", (2, 18), "1 is out of range", "between 0 and 0.99"),
        ("[weights]\ngrams_per_hour = \"5\"", (2, 18), "expected a number", ""),
        ("[weights]\ncarbon = 2000", (2, 10), "2000 is out of range", "between 0 and 1000"),
        (
            "[[windows]]\ncron = \"0 2 * * *\"\nduration = \"8h\"\nzone = \"Europe/Berln\"",
            (4, 8),
            "not a time zone",
            "`Europe/Berlin`",
        ),
        ("delay = ", (1, 9), "", "TOML"),
        ("delay = true\ndelay = false", (2, 1), "duplicate key", "TOML"),
    ] {
        let error = parse(id(), text).expect_err(text);
        assert_eq!((error.line, error.column), place, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(error.suggestion.unwrap_or_default().contains(suggestion), "{text}");
    }
}

#[test]
fn a_night_is_where_the_wall_clock_says() {
    let night = timetable("0 22 * * *", 8.0, "Europe/Berlin");
    // The clocks go forward on 29 March 2026 and back on 25 October: 22:00 is 21:00 UTC in winter, 20:00 in summer.
    for (within, start) in [
        (between("2026-03-27T12:00:00Z", "2026-03-28T12:00:00Z"), "2026-03-27T21:00:00Z"),
        (between("2026-03-29T12:00:00Z", "2026-03-30T12:00:00Z"), "2026-03-29T20:00:00Z"),
        (between("2026-10-25T12:00:00Z", "2026-10-26T12:00:00Z"), "2026-10-25T21:00:00Z"),
    ] {
        let openings = night.openings(within);
        assert_eq!(openings.len(), 1, "{openings:?}");
        assert_eq!(openings[0].start(), start.parse::<Timestamp>().expect("a time"));
        assert_eq!(openings[0].duration(), Seconds::from_hours(8.0));
    }
}

#[test]
fn a_start_the_clock_skips_comes_later_and_one_it_repeats_comes_once() {
    let early = timetable("30 2 * * *", 1.0, "Europe/Berlin");
    let spring = early.openings(between("2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z"));
    assert_eq!(spring, [between("2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z")]);
    let autumn = early.openings(between("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"));
    assert_eq!(autumn, [between("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z")]);
}

#[test]
fn days_of_the_week_count_as_in_crontab() {
    // Hour 0 of the tests is a Monday.
    for (field, days) in [
        ("1-5", &[0, 1, 2, 3, 4][..]),
        ("0", &[6]),
        ("7", &[6]),
        ("FRI-SUN", &[4, 5, 6]),
        ("6-7", &[5, 6]),
        ("mon,3", &[0, 2]),
        ("*/2", &[1, 3, 5, 6]),
    ] {
        let openings = timetable(&format!("0 9 * * {field}"), 1.0, "UTC").openings(window(0.0, 168.0));
        let expected: Vec<Timestamp> = days.iter().map(|day| hour(f64::from(*day) * 24.0 + 9.0)).collect();
        assert_eq!(openings.iter().map(Window::start).collect::<Vec<_>>(), expected, "{field}");
    }
}

#[test]
fn openings_begun_before_count_and_those_that_touch_are_one() {
    let day = timetable("0 */6 * * *", 6.0, "UTC");
    assert_eq!(day.openings(window(3.0, 30.0)), [window(3.0, 30.0)]);
    assert_eq!(day.next_opening(hour(4.0)), Some(hour(4.0)));
    let leap = timetable("0 0 29 2 *", 1.0, "UTC");
    assert_eq!(leap.next_opening(hour(0.0)), "2028-02-29T00:00:00Z".parse().ok());
}

#[test]
fn local_windows_are_read_in_the_zone_the_caller_tells() {
    let text = "[[windows]]\ncron = \"0 22 * * *\"\nduration = \"8h\"\nzone = \"local\"";
    let policy = parse(id(), text).expect("a policy");
    assert_eq!(policy.next_opening(hour(12.0)), Some(hour(22.0)));
    let tokyo = jiff::tz::TimeZoneDatabase::bundled().get("Asia/Tokyo").expect("a zone");
    assert_eq!(policy.in_local_zone(&tokyo).next_opening(hour(12.0)), Some(hour(13.0)));
}

#[test]
fn blackouts_are_taken_out_of_what_is_open() {
    let text = "[[blackouts]]\ncron = \"0 12 * * *\"\nduration = \"6h\"\nzone = \"UTC\"";
    let policy = parse(id(), text).expect("a policy");
    let day = Window::new(hour(0.0), hour(24.0)).expect("a day");
    let open =
        [Window::new(hour(0.0), hour(12.0)), Window::new(hour(18.0), hour(24.0))].map(|window| window.expect("hours"));
    assert_eq!(policy.openings(day), open);
    assert_eq!((policy.next_opening(hour(3.0)), policy.next_opening(hour(13.0))), (Some(hour(3.0)), Some(hour(18.0))));
    let night = format!("[[windows]]\ncron = \"0 10 * * *\"\nduration = \"4h\"\nzone = \"UTC\"\n{text}");
    let policy = parse(id(), &night).expect("a policy");
    assert_eq!(policy.openings(day), [Window::new(hour(10.0), hour(12.0)).expect("hours")]);
    assert_eq!(policy.next_opening(hour(12.5)), Some(hour(34.0)));
    let never = "[[blackouts]]\ncron = \"0 0 * * *\"\nduration = \"24h\"\nzone = \"UTC\"";
    let policy = parse(id(), never).expect("a policy");
    assert_eq!(policy.next_opening(hour(0.0)), None);
    assert!(advise(&policy).iter().any(|advice| advice.contains("no time")));
}

#[test]
fn the_handbook_names_every_key_and_its_examples_can_be_used() {
    let handbook = include_str!("../../../../policies/README.md");
    for key in file::KEYS {
        let named = [format!("`{key}`"), format!("`[{key}]`"), format!("`[[{key}]]`"), format!("`[{key}.")];
        assert!(named.iter().any(|name| handbook.contains(name)), "`{key}` is not in the handbook");
    }
    let examples: Vec<&str> = handbook.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(3 <= examples.len());
    for example in examples {
        let texts = builtin_texts().into_iter().chain([(id(), example)]);
        read_all(texts)[&id()].as_ref().unwrap_or_else(|error| panic!("{example}: {error}"));
    }
}

/// The schema is for editors, the parser decides: they must know the same keys.
#[test]
fn the_published_schema_knows_the_keys_that_the_parser_knows() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../../policies/schema.json")).expect("it is JSON");
    let keys = |at: &str| -> BTreeSet<String> {
        let properties = schema.pointer(at).and_then(serde_json::Value::as_object).expect(at);
        properties.keys().cloned().collect()
    };
    let set = |known: &[&str]| known.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
    assert_eq!(keys("/properties"), set(&file::KEYS));
    assert_eq!(keys("/properties/windows/items/properties"), set(&file::WINDOW_KEYS));
    assert_eq!(keys("/properties/blackouts/items/properties"), set(&file::WINDOW_KEYS));
    for (tier, _) in Urgency::NAMES {
        assert_eq!(keys(&format!("/properties/urgency/properties/{tier}/properties")), set(&file::TIER_KEYS));
    }
    assert_eq!(keys("/properties/weights/properties"), set(&file::WEIGHT_KEYS));
    assert_eq!(keys("/properties/limit/properties"), set(&file::LIMIT_KEYS));
    for (key, default) in [("delay", true), ("route", false), ("pausable", true)] {
        assert_eq!(schema["properties"][key]["default"], default, "{key}");
    }
    assert_eq!(schema["properties"]["minimum_saving"]["default"], Policy::neutral(id()).minimum_saving);
}
