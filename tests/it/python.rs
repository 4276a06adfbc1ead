//! Region plugins written in Python, built by componentize-py and asked in the host: the example of the Carbon Aware
//! SDK, and the template's way with answers that make no sense.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::world::World;

const SERVICE: &str = "http://127.0.0.1:5073";

/// A world that knows a componentize-py; none, said aloud, where there is none.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn componentize() -> Option<PathBuf> {
    let named = std::env::var_os("LOWTIDE_COMPONENTIZE_PY").map(PathBuf::from);
    let found = named.filter(|program| program.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: LOWTIDE_COMPONENTIZE_PY does not name a componentize-py");
    }
    found
}

fn build(world: &World, directory: &Path, componentize: &Path, file: &str) {
    let directory = directory.to_string_lossy();
    let mut building = world.lowtide(&["plugin", "build", &directory, "--output", file]);
    let output = building.env("LOWTIDE_COMPONENTIZE_PY", componentize).output().expect("the binary can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A copy of a folder, so that building leaves nothing in the repository.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).expect("copied");
        }
    }
}

/// A recording of these answers: the beginning of an address, a status, and a body.
fn record(world: &World, answers: &[(&str, u16, &str)]) {
    let folder = world.work().join("answers");
    fs::create_dir_all(&folder).expect("made");
    let mut list = Vec::new();
    for (number, (url, status, body)) in answers.iter().enumerate() {
        let file = format!("{number}.json");
        fs::write(folder.join(&file), body).expect("written");
        list.push(json!({ "url": url, "status": status, "headers": { "Retry-After": "90" }, "body": file }));
    }
    fs::write(folder.join("replay.json"), Value::from(list).to_string()).expect("written");
}

/// What a plugin tells, or its error.
fn ask(world: &World, arguments: &[&str]) -> Value {
    let said = world.run(&[&["plugin", "test", "--json"], arguments].concat());
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said:?}"))
}

#[test]
fn the_carbon_aware_sdk_example_tells_what_was_and_what_comes_and_names_its_errors() {
    let Some(componentize) = componentize() else { return };
    let world = World::empty();
    let folder = world.work().join("example");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/examples/carbon-aware-sdk"), &folder);
    build(&world, &folder, &componentize, "sdk.wasm");
    let base = format!("base-url={SERVICE}");
    let asked = |replay: &str, more: &[&str]| {
        let fixed = ["./sdk.wasm", "--zone", "westus", "--now", "2026-01-05T06:00Z", "--from", "2026-01-05T05:00Z"];
        let service = ["--to", "2026-01-05T09:00Z", "--config", &base, "--allow-host", SERVICE, "--replay", replay];
        ask(&world, &[&fixed[..], &service, more].concat())
    };

    // The folder's own recording: half an hour is measured and foretold, and what was measured counts.
    let told = asked("example/replay", &["--config", "signal=marginal"]);
    let series = &told["series"][0];
    assert_eq!((&series["signal"], &series["basis"]), (&"marginal".into(), &"direct".into()), "{told:#}");
    let points: Vec<(&str, f64, &str)> = series["points"]
        .as_array()
        .expect("points")
        .iter()
        .filter_map(|point| {
            Some((point["start"].as_str()?, point["intensity_g_per_kwh"].as_f64()?, point["kind"].as_str()?))
        })
        .collect();
    assert_eq!(points.len(), 8, "four hours of half hours: {told:#}");
    assert_eq!(points[2], ("2026-01-05T06:00:00Z", 398.25, "measured"));
    assert_eq!(points[3], ("2026-01-05T06:30:00Z", 300.0, "forecast"));
    assert_eq!(points[7].0, "2026-01-05T08:30:00Z", "what lies behind the asked time is dropped");
    let average = asked("example/replay", &["--config", "signal=average", "--config", "basis=direct"]);
    let series = &average["series"][0];
    assert_eq!((&series["signal"], &series["basis"]), (&"average".into(), &"direct".into()));

    let (past, ahead) =
        (format!("{SERVICE}/emissions/bylocation?location=westus"), format!("{SERVICE}/emissions/forecasts/current"));
    let forecast = |minutes: u32, value: &str| {
        let rows: Vec<String> = (6..9)
            .map(|hour| {
                format!(r#"{{"timestamp":"2026-01-05T0{hour}:00:00+00:00","duration":{minutes},"value":{value}}}"#)
            })
            .collect();
        format!(r#"[{{"generatedAt":"2026-01-05T05:55:00.1234567+00:00","forecastData":[{}]}}]"#, rows.join(","))
    };
    let marginal = |answers: &[(&str, u16, &str)]| {
        record(&world, answers);
        asked("answers", &["--config", "signal=marginal"])
    };
    // Without the past there is still the forecast; without a forecast still the past; with neither nothing.
    let good = forecast(60, "250.5");
    let told = marginal(&[(&past, 500, "{}"), (&ahead, 200, &good)]);
    assert_eq!(told["series"][0]["points"].as_array().map(Vec::len), Some(3), "{told:#}");
    let row = r#"[{"time":"2026-01-05T05:00:00Z","rating":300,"duration":"01:00:00"}]"#;
    let told = marginal(&[(&past, 200, row), (&ahead, 501, r#"{"title":"NotImplementedException"}"#)]);
    assert_eq!(told["series"][0]["points"][0]["kind"], "measured", "{told:#}");
    assert_eq!(marginal(&[(&past, 204, ""), (&ahead, 501, "{}")])["series"], json!([]));
    // A value that is missing is a gap.
    let told = marginal(&[(&past, 204, ""), (&ahead, 200, &forecast(60, "null"))]);
    assert_eq!(told["series"], json!([]), "{told:#}");

    let unknown = r#"{"title":"ArgumentException","detail":"Unknown Location: 'westus' not found"}"#;
    for (status, body, kind, words) in [
        (400, unknown, "invalid-region", "Unknown Location"),
        (401, "{}", "unauthorized", ""),
        (429, "{}", "rate-limited", ""),
        (500, r#"{"title":"InternalServerError"}"#, "unavailable", "InternalServerError"),
        (503, "<html>busy</html>", "unavailable", "busy"),
        (200, "<html>hello</html>", "malformed", ""),
        (200, r#"{"forecastData":[]}"#, "malformed", ""),
        (200, r#"[{"generatedAt":"soon","forecastData":[]}]"#, "malformed", ""),
        (200, &forecast(60, "\"much\""), "malformed", ""),
        (200, &forecast(60, "-3"), "malformed", ""),
        // Means of windows longer than their step.
        (200, &forecast(90, "250"), "malformed", "overlap"),
    ] {
        let told = marginal(&[(&past, 204, ""), (&ahead, status, body)]);
        assert_eq!(told["error"]["kind"], kind, "{status} {body}: {told:#}");
        let message = told["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(words), "{status} {body}: {message}");
        if status == 429 {
            assert_eq!(told["error"]["retry_after_s"], 90);
        }
    }
    // Whether the values are marginal nobody but the user can say.
    assert_eq!(asked("answers", &[])["error"]["kind"], "invalid-config");
    assert_eq!(asked("answers", &["--config", "signal=both"])["error"]["kind"], "invalid-config");
}

#[test]
fn a_new_plugin_in_python_names_what_it_cannot_read_instead_of_trapping() {
    let Some(componentize) = componentize() else { return };
    let world = World::empty();
    world.ok(&["plugin", "new", "--lang", "python", "my-grid"]);
    build(&world, &world.work().join("my-grid"), &componentize, "my-grid.wasm");
    let told = |status: u16, body: &str| {
        record(&world, &[("https://grid.example.org/", status, body)]);
        ask(&world, &["./my-grid.wasm", "--zone", "EX-1", "--now", "2026-01-05T00:30Z", "--replay", "answers"])
    };
    // Out of order, one without an offset, one that is missing.
    let rows = r#"{"data":[{"start":"2026-01-05T02:00","g_per_kwh":200},{"start":"2026-01-05T01:00Z","g_per_kwh":null},
        {"start":"2026-01-05T00:00Z","g_per_kwh":340}]}"#;
    let points = told(200, rows)["series"][0]["points"].clone();
    assert_eq!((&points[0]["kind"], &points[1]["kind"]), (&"measured".into(), &"forecast".into()), "{points:#}");
    assert_eq!(points[1]["start"], "2026-01-05T02:00:00Z");
    for (status, body, kind) in [
        (200, "{}", "malformed"),
        (200, "[1]", "malformed"),
        (200, r#"{"data":[{"start":"noon","g_per_kwh":1}]}"#, "malformed"),
        (200, r#"{"data":[{"g_per_kwh":1}]}"#, "malformed"),
        (200, "<html>", "malformed"),
        (429, "", "rate-limited"),
        (403, "", "unauthorized"),
        (502, "", "unavailable"),
    ] {
        assert_eq!(told(status, body)["error"]["kind"], kind, "{status} {body}");
    }
}
