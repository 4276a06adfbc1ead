//! A provider that answers, then falls silent: what it told stays in force, said to be old, and jobs run on.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::world::{World, epochs};

/// A Carbon Intensity API on loopback: 48 hours of half hours from the asked time on, clean in every second hour.
fn serve(listener: TcpListener, silent: Arc<AtomicBool>, answer: fn(&str) -> String) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            if silent.load(Ordering::Relaxed) {
                continue;
            }
            let mut request = String::new();
            let mut reader = BufReader::new(&stream);
            while reader.read_line(&mut request).is_ok_and(|read| 2 < read) {}
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let body = answer(&path);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // A client that has gone away is no matter.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
    });
}

fn answer(path: &str) -> String {
    let Some(from) = path.strip_prefix("/intensity/").and_then(|rest| rest.strip_suffix("Z/fw48h")) else {
        return "{\"data\":[]}".to_owned();
    };
    let from: Timestamp = format!("{from}:00Z").parse().expect("a time");
    let first = from.as_second() / 1800 * 1800;
    let slots: Vec<String> = (0..96)
        .map(|slot| {
            let start = Timestamp::from_second(first + slot * 1800).expect("in range").to_zoned(TimeZone::UTC);
            let intensity = if slot % 4 < 2 { 300 } else { 100 };
            format!(
                "{{\"from\":\"{}\",\"intensity\":{{\"forecast\":{intensity},\"actual\":null}}}}",
                start.strftime("%Y-%m-%dT%H:%MZ")
            )
        })
        .collect();
    format!("{{\"data\":[{}]}}", slots.join(","))
}

/// Its address.
pub(crate) fn clean_every_second_hour() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    serve(listener, Arc::default(), answer);
    base
}

/// One site in Great Britain, whose provider is this one.
pub(crate) fn config_for(base: &str) -> String {
    format!(
        "[[sites]]\nname = \"home\"\nzone = \"GB\"\ncpus = 2\n[zones.GB]\nplugin = \"gb-neso\"\nconfig = {{ base-url = \"{base}\" }}\n\
         grants = {{ hosts = [\"{base}\"] }}\n"
    )
}

#[test]
fn a_provider_that_talks_nonsense_costs_nothing_but_its_forecast() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    serve(listener, Arc::default(), |_| "<html>down for maintenance</html>".to_owned());
    let world = World::empty();
    fs::write(world.config(), config_for(&base)).expect("written");
    let id = world.submit(&["--policy", "patient"], &["sh", "-c", &epochs(2)]);
    let job = world.wait_for(id, |job| job["exit_code"].is_i64());
    assert_eq!(job["state"], "succeeded");
    assert_eq!(job["review"]["actual"]["intensity_kind"], "static");
    let told = world.json(&["forecast", "GB", "--json"])["series"][0].clone();
    assert!(told["problem"].as_str().is_some_and(|problem| problem.contains("makes no sense")), "{told:#}");
    assert_eq!(told["points"][0]["kind"], "static");
}

#[test]
fn the_first_job_of_a_new_daemon_already_waits_for_the_forecast() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    // Dirty now, clean from the third hour on.
    serve(listener, Arc::default(), |path| answer(path).replacen("\"forecast\":100", "\"forecast\":300", 2));
    let world = World::empty();
    fs::write(world.config(), config_for(&base)).expect("written");
    let id = world.submit(&["--policy", "patient", "--duration", "30m"], &["true"]);
    let job = world.json(&["show", "--json", &id.to_string()]);
    assert_eq!(job["state"], "waiting", "{job:#}");
    assert_eq!(job["plan"]["reason"], "delay");
    assert!(job["attempts"].as_array().is_some_and(Vec::is_empty));
}

#[test]
fn a_provider_that_falls_silent_leaves_its_last_word() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    let silent = Arc::new(AtomicBool::new(false));
    serve(listener, silent.clone(), answer);
    let world = World::empty();
    fs::write(world.config(), config_for(&base)).expect("written");
    // The provider is asked every half hour: every second and a half of this clock.
    world.ok(&["daemon", "start", "--time-scale", "1200"]);
    let wait_for = |what: &str, expected: &dyn Fn(&Value) -> bool| {
        let begun = Instant::now();
        loop {
            let told = world.json(&["forecast", "GB", "--json"])["series"][0].clone();
            if expected(&told) {
                return told;
            }
            assert!(begun.elapsed() < Duration::from_secs(40), "still not {what}: {told:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let told = wait_for("told by the provider", &|told| told["source"] == "gb-neso");
    assert_eq!((&told["basis"], &told["accounting"]), (&"direct".into(), &"consumption".into()));
    assert!(told["points"].as_array().is_some_and(|points| 90 < points.len()));
    assert!(told["problem"].is_null() && told["stale"] == false);

    silent.store(true, Ordering::Relaxed);
    let told = wait_for("in trouble", &|told| told["problem"].is_string());
    assert!(told["points"].as_array().is_some_and(|points| !points.is_empty()), "its last word stays in force");
    assert_eq!(told["source"], "gb-neso");
    wait_for("stale", &|told| told["stale"] == true);

    let id = world.submit(&["--policy", "run-now"], &["sh", "-c", &epochs(2)]);
    let job = world.wait_for(id, |job| job["exit_code"].is_i64());
    assert_eq!(job["state"], "succeeded");
    assert_eq!(job["review"]["actual"]["intensity_kind"], "forecast");
}
