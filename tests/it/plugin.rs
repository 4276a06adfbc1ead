//! Region plugins from a user's side: asked once, installed with consent, locked to their bytes, serving a zone.

use std::fs;
use std::path::{Path, PathBuf};

use lowtide_plugin_host::{sha256_of, with_manifest};

use crate::world::World;

const NOW: &str = "2026-01-05T00:00:00Z";

/// A stranger's plugin: the component that reads granted files, under another name.
fn stranger(world: &World, file: &str, manifest: &str) -> PathBuf {
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/dist/csv.wasm");
    let component = fs::read(component).expect("it is part of the repository");
    let path = world.work().join(file);
    fs::write(&path, with_manifest(&component, manifest)).expect("written");
    path
}

fn manifest(version: &str, hosts: &str, zones: &str) -> String {
    format!("id = 'mine'\nversion = '{version}'\napi = '0.1'\ndescription = 'Mine'\nhosts = {hosts}\nzones = {zones}\n")
}

/// A recording of the British service: four half hours.
fn recording(world: &World) -> PathBuf {
    let folder = world.work().join("replay");
    fs::create_dir_all(&folder).expect("made");
    let slot = |from: &str, to: &str, value: u32| {
        format!("{{\"from\":\"{from}\",\"to\":\"{to}\",\"intensity\":{{\"forecast\":{value},\"actual\":null}}}}")
    };
    let body = format!(
        "{{\"data\":[{},{}]}}",
        slot("2026-01-05T00:00Z", "2026-01-05T00:30Z", 211),
        slot("2026-01-05T00:30Z", "2026-01-05T01:00Z", 180)
    );
    fs::write(folder.join("answer.json"), body).expect("written");
    let list = r#"[
        {"url": "https://api.carbonintensity.org.uk/intensity/", "body": "answer.json"},
        {"url": "https://api.carbonintensity.org.uk/regional/", "status": 429, "headers": {"Retry-After": "120"}}
    ]"#;
    fs::write(folder.join("replay.json"), list).expect("written");
    folder
}

/// A day by the hour, clean in these hours.
fn table(clean: std::ops::Range<u32>) -> String {
    let rows: Vec<String> =
        (0..24).map(|hour| format!("{hour},{}", if clean.contains(&hour) { 100 } else { 500 })).collect();
    format!("hour,intensity\n{}\n", rows.join("\n"))
}

#[test]
fn a_plugin_is_asked_once_of_a_recording() {
    let world = World::empty();
    recording(&world);
    let asked = ["plugin", "test", "gb-neso", "--replay", "replay", "--now", NOW, "--json", "--zone"];
    let told = world.json(&[&asked[..], &["GB"]].concat());
    let series = &told["series"][0];
    assert_eq!(
        (&series["zone"], &series["signal"], &series["basis"]),
        (&"GB".into(), &"average".into(), &"direct".into())
    );
    assert_eq!(series["points"][1]["intensity_g_per_kwh"], 180.0);
    assert_eq!(series["points"][1]["start"], "2026-01-05T00:30:00Z");
    assert_eq!(series["points"][1]["kind"], "forecast");

    let said = world.run(&[&asked[..], &["GB-13"]].concat());
    assert_eq!(said.code, 1);
    let told: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!((&told["error"]["kind"], &told["error"]["retry_after_s"]), (&"rate-limited".into(), &120.into()));
    assert!(world.daemon().is_none(), "no daemon is needed");
}

#[test]
fn what_is_no_plugin_is_refused_in_words() {
    let world = World::empty();
    world.file("x.wasm", "no component at all");
    for (arguments, words) in [
        (&["plugin", "install", "./x.wasm", "--yes"][..], "holds no manifest"),
        (&["plugin", "install", "https://example.org/x.wasm"], "an address, not a file"),
        (&["plugin", "install", "./missing.wasm"], "cannot be read"),
        (&["plugin", "inspect", "nothing"], "there is no plugin `nothing`"),
        (&["plugin", "remove", "gb-neso"], "built in"),
        (&["plugin", "test", "gb-neso", "--zone", "GB", "--replay", "nowhere"], "replay.json"),
    ] {
        let said = world.run(arguments);
        assert_eq!(said.code, 1, "{arguments:?}: {said:?}");
        assert!(said.stderr.contains(words), "{arguments:?}: {}", said.stderr);
    }
    // A manifest around something that is no component: the child that compiles says so.
    let path = world.work().join("y.wasm");
    fs::write(world.work().join("plugin.toml"), manifest("1", "[]", "['*']")).expect("written");
    fs::write(&path, b"\0asm\x0d\0\x01\0garbage").expect("written");
    let said = world.run(&["plugin", "install", "./y.wasm", "--yes"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("`mine` cannot be used"), "{}", said.stderr);
}

#[test]
fn consent_is_asked_for_and_locked_to_the_bytes() {
    let world = World::new();
    stranger(&world, "mine.wasm", &manifest("1", "['https://a.example', 'https://b.example']", "['*']"));
    let said = world.run(&["plugin", "install", "./mine.wasm"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("reach https://a.example") && said.stderr.contains("--yes"), "{}", said.stderr);
    let told = world.json(&["plugin", "install", "./mine.wasm", "--allow-host", "https://b.example", "--json"]);
    assert_eq!(told["hosts"], serde_json::json!(["https://b.example"]));
    let listed = |world: &World| {
        let told = world.json(&["plugin", "list", "--json"]);
        told["plugins"].as_array().expect("a list").iter().find(|plugin| plugin["id"] == "mine").cloned()
    };
    assert_eq!(listed(&world).expect("installed")["hosts"], serde_json::json!(["https://b.example"]));
    let inspected = world.json(&["plugin", "inspect", "mine", "--json"]);
    assert_eq!(inspected["granted"], serde_json::json!(["https://b.example"]));
    assert_eq!(inspected["hosts"], serde_json::json!(["https://a.example", "https://b.example"]));

    // A version that wants no more than was granted needs no new consent; one that wants more does.
    stranger(&world, "two.wasm", &manifest("2", "['https://b.example']", "['*']"));
    world.ok(&["plugin", "update", "./two.wasm"]);
    stranger(&world, "three.wasm", &manifest("3", "['https://b.example', 'https://c.example']", "['*']"));
    let said = world.run(&["plugin", "update", "./three.wasm"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("consent"), "{}", said.stderr);
    let inspected = world.json(&["plugin", "inspect", "mine", "--json"]);
    assert_eq!(inspected["version"], "2");

    // Another file in its place is not loaded.
    let file = world.state().join("plugins/mine.wasm");
    let bytes = fs::read(&file).expect("installed");
    assert_eq!(inspected["sha256"], sha256_of(&bytes));
    fs::copy(world.work().join("three.wasm"), &file).expect("replaced");
    let said = world.run(&["plugin", "inspect", "mine"]);
    assert!(said.code == 1 && said.stderr.contains("not the one that was installed"), "{}", said.stderr);
    world.ok(&["plugin", "remove", "mine"]);
    assert!(listed(&world).is_none());
}

/// Knows `first`: as `patient`, but of starts that are as good it takes the first.
fn takes_the_first_start(world: &World) {
    let policies = world.config().with_file_name("policies");
    fs::create_dir(&policies).expect("made");
    fs::write(policies.join("first.toml"), "extends = \"patient\"\nspread = 0.0\n").expect("written");
}

#[test]
fn an_installed_plugin_serves_a_zone_of_a_running_daemon_and_changes_plans() {
    let world = World::empty();
    world.file("day.csv", &table(12..13));
    let config = format!(
        "[[sites]]\nname = 'home'\nzone = 'TEST-A'\ncpus = 4\n[zones.TEST-A]\nannual_g_per_kwh = 400.0\n\
         config = {{ file = 'day', repeat = 'day' }}\ngrants = {{ assets = {{ day = '{}' }} }}\n",
        world.work().join("day.csv").display()
    );
    fs::write(world.config(), config).expect("written");
    takes_the_first_start(&world);
    world.ok(&["daemon", "start", "--virtual-start", "2026-01-05T06:00:00Z", "--time-scale", "1"]);
    let planned = |world: &World| {
        world.json(&["submit", "--dry-run", "--policy", "first", "--duration", "30m", "--json", "--", "true"])["plan"]
            .clone()
    };
    assert_eq!(planned(&world)["reason"], "nothing-saved");
    stranger(&world, "mine.wasm", &manifest("1", "[]", "['TEST-A']"));
    world.ok(&["plugin", "install", "./mine.wasm", "--yes"]);
    let begun = std::time::Instant::now();
    let plan = loop {
        let plan = planned(&world);
        if plan["reason"] == "delay" || std::time::Duration::from_secs(20) < begun.elapsed() {
            break plan;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert_eq!(plan["segments"][0]["start"], "2026-01-05T12:00:00Z", "{plan:#}");
    assert_eq!(world.json(&["forecast", "--json"])["series"][0]["source"], "mine");
}

#[test]
fn a_marginal_signal_beside_the_average_is_shown_and_warned_of() {
    let world = World::empty();
    let average = world.file("average.csv", &table(12..15));
    let marginal = world.file("marginal.csv", &table(6..12));
    let source = |file: &Path, signal: &str| {
        format!(
            "plugin = 'csv'\nconfig = {{ repeat = 'day', signal = '{signal}' }}\ngrants = {{ assets = {{ file = '{}' }} }}\n",
            file.display()
        )
    };
    let config = format!(
        "[[sites]]\nname = 'home'\nzone = 'TEST-A'\ncpus = 4\n[zones.TEST-A]\n{}[zones.TEST-A.marginal]\n{}",
        source(&average, "average"),
        source(&marginal, "marginal")
    );
    fs::write(world.config(), config).expect("written");
    takes_the_first_start(&world);
    world.ok(&["daemon", "start", "--virtual-start", "2026-01-05T06:00:00Z", "--time-scale", "1"]);
    let submit = ["submit", "--dry-run", "--policy", "first", "--duration", "1h", "--json", "--", "true"];
    let plan = world.json(&submit)["plan"].clone();
    assert_eq!(plan["segments"][0]["start"], "2026-01-05T12:00:00Z", "the average decides: {plan:#}");
    assert_eq!(plan["marginal"]["flips"], true, "{plan:#}");
    let warnings = plan["warnings"].to_string();
    assert!(warnings.contains("marginal signal"), "{warnings}");
    let verified = world.json(&["forecast", "--verify", "--json"]);
    assert_eq!(verified["zones"][0]["zone"], "TEST-A");
}
