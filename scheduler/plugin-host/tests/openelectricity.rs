//! The plugin of OpenElectricity: right numbers on recorded documents of both forms and on the traps of the source. Small
//! documents are of our own making; the recorded ones are used where the folder `../shared` is there.

use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal};
use lowtide_model::quantity::Seconds;

mod asking;
mod loopback;
mod sources;

use asking::{Asked, answer, ask, recorded, values};
use loopback::{Answer, Provider};

const KEY: (&str, &str) = ("api-key", "geheim-4711");
const NSW: &str = "/v4/stats/au/NEM/NSW1/power/7d.json";
const LIFECYCLE: &[(&str, &str)] = &[("basis", "lifecycle")];

/// The day of the recordings.
fn day<'a>(zones: &'a [&'a str]) -> Asked<'a> {
    Asked {
        plugin: "openelectricity",
        zones,
        now: "2025-07-23T15:50:00Z",
        start: "2025-07-22T15:00:00Z",
        hours: 48.0,
        ..Asked::default()
    }
}

/// A row of the older form, from 10:00 in Brisbane on.
fn row(kind: &str, fuel: &str, interval: &str, values: &str) -> String {
    let unit = match kind {
        "power" => "MW",
        "energy" => "MWh",
        "emissions" => "tCO2e",
        _ => "AUD/MWh",
    };
    format!(
        r#"{{"id":"x","type":"{kind}","fuel_tech":"{fuel}","units":"{unit}","region":"NSW1",
        "history":{{"start":"2025-07-23T10:00:00+10:00","last":"x","interval":"{interval}","data":{values}}}}}"#
    )
}

fn document(rows: &[String]) -> String {
    format!(r#"{{"type":"power","data":[{}]}}"#, rows.join(","))
}

fn numbers(told: &Forecast) -> Vec<(String, f64)> {
    values(told).into_iter().map(|(start, value, _)| (start, (value * 1e6).round() / 1e6)).collect()
}

fn at(clock: &str, value: f64) -> (String, f64) {
    (format!("2025-07-23T{clock}:00Z"), value)
}

#[tokio::test]
async fn tonnes_over_megawatt_hours_in_the_time_of_the_network() {
    let body = document(&[
        row("power", "coal_black", "5m", "[1200,1200,1200,null]"),
        row("emissions", "coal_black", "5m", "[90,90,90,null]"),
        row("power", "gas_ocgt", "5m", "[600,600,0,0]"),
        row("emissions", "gas_ocgt", "5m", "[30,null,0,0]"),
        row("power", "wind", "5m", "[1200,1200,2400,1200]"),
        // None of these is generation, however large.
        row("power", "battery_charging", "5m", "[900,900,900,900]"),
        row("power", "battery_discharging", "5m", "[900,900,900,900]"),
        row("power", "pumps", "5m", "[900,900,900,900]"),
        row("power", "imports", "5m", "[700,700,700,700]"),
        row("emissions", "imports", "5m", "[500,500,500,500]"),
        row("power", "exports", "5m", "[700,700,700,700]"),
        row("price", "wind", "5m", "[1,1,1,1]"),
        r#"{"type":"temperature","units":"C","history":{"start":"2025-07-23T10:00:00+10:00","interval":"30m","data":[9]}}"#
            .to_owned(),
    ]);
    let provider = Provider::with(vec![answer(NSW, body)]).await;
    let told = ask(day(&["AU-NSW"]), Some(&provider)).await.expect("it answers");
    // 120 t over 3000 MW x 5 min = 250 MWh; then gas without its tonnes; then 90 t over 300 MWh; then no coal yet.
    assert_eq!(numbers(&told[0]), [at("00:00", 480.0), at("00:10", 300.0)]);
    assert_eq!(told[0].slots()[0].window.duration(), Seconds::from_hours(1.0 / 12.0));
    assert!(told[0].slots().iter().all(|slot| slot.kind == Kind::Measured));
    assert_eq!((told[0].tags.basis, told[0].tags.accounting), (Basis::Direct, Accounting::Production));
    assert!(told[0].attribution.as_ref().is_some_and(|text| text.contains("CC BY-NC")));
    assert!(!provider.requests()[0].contains("authorization"));

    let told = ask(Asked { config: LIFECYCLE, ..day(&["AU-NSW"]) }, Some(&provider)).await.expect("it answers");
    // (1200 x 820 + 600 x 490 + 1200 x 11) / 3000, tonnes being those of burning.
    assert_eq!((numbers(&told[0])[0].clone(), told[0].tags.basis), (at("00:00", 430.4), Basis::Lifecycle));
}

#[tokio::test]
async fn rows_of_other_steps_are_shared_out() {
    let body = document(&[
        row("power", "coal_black", "5m", "[300,300,300,300,300,300]"),
        row("power", "solar_rooftop", "30m", "[900]"),
        row("energy", "wind", "30m", "[150]"),
        row("emissions", "coal_black", "30m", "[120]"),
    ]);
    let provider = Provider::with(vec![answer(NSW, body)]).await;
    let told = numbers(&ask(day(&["AU-NSW"]), Some(&provider)).await.expect("it answers")[0]);
    // In each five minutes 20 t over 25 + 75 + 25 MWh.
    assert_eq!((told.len(), told[0].clone(), told[5].clone()), (6, at("00:00", 160.0), at("00:25", 160.0)));
}

#[tokio::test]
async fn without_tonnes_factors_of_burning_stand_in() {
    let body = document(&[
        row("power", "coal_brown", "5m", "[100,100]"),
        row("power", "distillate", "5m", "[100,100]"),
        row("power", "solar_utility", "5m", "[200,300]"),
        // Energy and power of the same plants are not two plants.
        row("energy", "solar_utility", "5m", "[16.6666667,25]"),
    ]);
    let provider = Provider::with(vec![answer(NSW, body)]).await;
    let told = numbers(&ask(day(&["AU-NSW"]), Some(&provider)).await.expect("it answers")[0]);
    // (760 + 406) / 4, and / 5
    assert!((told[0].1 - 291.5).abs() < 1e-3 && (told[1].1 - 233.2).abs() < 1e-3, "{told:?}");
}

#[tokio::test]
async fn slots_of_sun_alone_are_no_value_at_either_end() {
    let body = document(&[
        row("power", "solar_rooftop", "5m", "[800,800,800,800,800,800]"),
        row("power", "coal_black", "5m", "[null,null,200,200,null,null]"),
    ]);
    let provider = Provider::with(vec![answer(NSW, body)]).await;
    let told = ask(day(&["AU-NSW"]), Some(&provider)).await.expect("it answers");
    assert_eq!(numbers(&told[0]), [at("00:10", 152.0), at("00:15", 152.0)]);
}

/// A document of the newer form.
fn interface(interval: &str, times: [&str; 2]) -> String {
    let values = |first: &str, second: &str| format!(r#"[["{}",{first}],["{}",{second}]]"#, times[0], times[1]);
    format!(
        r#"{{"version":"4.4.5","success":true,"error":null,"data":[
        {{"network_code":"WEM","metric":"energy","unit":"MWh","interval":"{interval}","results":[
            {{"name":"a","columns":{{"region":"WEM","fueltech":"COAL_BLACK"}},"data":{}}},
            {{"name":"b","columns":{{"region":"WEM","fueltech":"WIND"}},"data":{}}},
            {{"name":"c","columns":{{"region":"WEM","fueltech":"PUMPS"}},"data":{}}}]}},
        {{"network_code":"WEM","metric":"emissions","unit":"t","interval":"{interval}","results":[
            {{"name":"d","columns":{{"region":"WEM","fueltech":"COAL_BLACK"}},"data":{}}}]}}]}}"#,
        values("60.0", "null"),
        values("40.0", "40.0"),
        values("70.0", "70.0"),
        values("54.0", "null"),
    )
}

#[tokio::test]
async fn with_a_key_the_interface_is_asked_in_the_time_of_the_network() {
    let body = interface("5m", ["2025-07-23T10:00:00+08:00", "2025-07-23T10:05:00+08:00"]);
    let provider = Provider::with(vec![answer("/v4/data/network/WEM?", body)]).await;
    let config = [("source", "api"), KEY];
    let asked = || Asked { config: &config, ..day(&["AU-WA"]) };
    let told = ask(asked(), Some(&provider)).await.expect("it answers");
    assert_eq!(numbers(&told[0]), [at("02:00", 540.0)]);
    let request = &provider.requests()[0];
    assert!(request.contains("authorization: bearer geheim-4711"), "{request}");
    // Two hours more than asked for, eight hours ahead of UTC.
    assert!(request.contains("interval=5m") && request.contains("date_start=2025-07-22t21:00:00&"), "{request}");
    assert!(request.contains("date_end=2025-07-23t23:50:00 "), "{request}");

    // Times without an offset are the network's, and a long time is asked for by the hour.
    let body = interface("1h", ["2025-07-23T10:00:00", "2025-07-23T11:00:00"]);
    let provider = Provider::with(vec![answer("/v4/data/network/WEM?", body)]).await;
    let told = ask(Asked { start: "2025-05-01T00:00:00Z", hours: 9000.0, ..asked() }, Some(&provider)).await;
    let told = told.expect("it answers");
    assert_eq!(numbers(&told[0]), [at("02:00", 540.0)]);
    assert_eq!(told[0].slots()[0].window.duration(), Seconds::from_hours(1.0));
    let request = &provider.requests()[0];
    assert!(
        request.contains("interval=1h") && request.contains("date_start=2025-06-21t23:50:00&"),
        "32 days: {request}"
    );
}

#[tokio::test]
async fn rows_of_other_regions_are_not_this_ones() {
    let body = interface("5m", ["2025-07-23T10:00:00+10:00", "2025-07-23T10:05:00+10:00"]);
    let body =
        body.replacen("WEM\",\"fueltech\":\"WIND", "QLD1\",\"fueltech\":\"WIND", 1).replace("\"WEM\"", "\"NSW1\"");
    let provider = Provider::with(vec![answer("/v4/data/network/NEM?", body)]).await;
    let config = [("source", "api"), KEY];
    let told = ask(Asked { config: &config, ..day(&["AU-NSW"]) }, Some(&provider)).await.expect("it answers");
    assert_eq!(numbers(&told[0]), [at("00:00", 900.0)]);
    assert!(provider.asked()[0].contains("network_region=NSW1"));
}

#[tokio::test]
async fn tasmania_as_recorded_in_both_forms() {
    for file in ["stats-power-TAS1-with-emissions.json", "v4-stats-power-TAS1-7d-2025-07-23.json"] {
        let Some(body) = recorded(&format!("openelectricity/{file}")) else { return };
        let provider = Provider::with(vec![answer("/v4/stats/au/NEM/TAS1/", body.clone())]).await;
        // 288 slots, the first six of which have null for water, wind and gas.
        let told = ask(day(&["AU-TAS"]), Some(&provider)).await.expect(file);
        let burnt = numbers(&told[0]);
        assert_eq!(burnt.len(), 282, "{file}");
        // Its gas stood still; the file gives what it exported a factor of 0 as well. That is a value, and no gap.
        assert!(burnt.iter().all(|(_, value)| *value == 0.0), "{file}: {burnt:?}");
        if let Some(factors) = exported(&body) {
            let told: Vec<f64> = burnt.iter().map(|(_, value)| value / 1000.0).collect();
            assert_eq!(told, factors[6..], "{file}: the factor of what it exports is that of what it makes");
        }
        // Computed apart: (24 x hydro + 11 x wind + 48 x roofs + 490 x gas) / sum, in MW.
        let told = ask(Asked { config: LIFECYCLE, ..day(&["AU-TAS"]) }, Some(&provider)).await.expect(file);
        let told = numbers(&told[0]);
        let mean = told.iter().map(|(_, value)| value).sum::<f64>() / 282.0;
        assert_eq!((told.len(), told[0].0.as_str()), (282, "2025-07-22T16:15:00Z"), "{file}");
        assert_eq!(told[281].0, "2025-07-23T15:40:00Z", "{file}");
        for (told, expected) in
            [(told[0].1, 18.202_646), (told[140].1, 20.972_843), (told[281].1, 21.890_555), (mean, 20.190_043)]
        {
            assert!((told - expected).abs() < 1e-5, "{file}: {told} instead of {expected}");
        }
    }
}

/// The factors in t/MWh that a file of the older form gives what a region exports.
fn exported(body: &[u8]) -> Option<Vec<f64>> {
    let document: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    let rows = document["data"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["id"] == "au.nem.tas1.fuel_tech.exports.emissions_factor")?;
    Some(row["history"]["data"].as_array().expect("values").iter().filter_map(serde_json::Value::as_f64).collect())
}

#[tokio::test]
async fn demand_as_recorded_is_no_generation() {
    let Some(body) = recorded("openelectricity/v4-demand-NSW1.json") else { return };
    let provider = Provider::with(vec![answer("/", body)]).await;
    assert_eq!(ask(day(&["AU-NSW"]), Some(&provider)).await.expect_err("demand only").kind(), "malformed");
}

#[tokio::test]
async fn a_long_file_is_trimmed_to_what_was_asked_and_to_what_the_host_takes() {
    let values = vec!["10"; 4000].join(",");
    let body = document(&[row("power", "coal_black", "5m", &format!("[{values}]"))]);
    let provider = Provider::with(vec![answer(NSW, body)]).await;
    let asked = |start, hours| Asked { now: "2025-08-20T00:00:00Z", start, hours, ..day(&["AU-NSW"]) };
    let told = ask(asked("2025-07-23T00:00:00Z", 1.0), Some(&provider)).await.expect("it answers");
    assert_eq!(told[0].slots().len(), 12);
    let told = ask(asked("2025-07-01T00:00:00Z", 1000.0), Some(&provider)).await.expect("it answers");
    assert_eq!(told[0].slots().len(), 2016);
    // 3999 x 5 min after 2025-07-23T00:00Z: the newest are kept.
    assert_eq!(values_end(&told[0]), "2025-08-05T21:15:00Z");
    let later = ask(asked("2025-08-10T00:00:00Z", 24.0), Some(&provider)).await.expect_err("the file ends before");
    assert_eq!(later.kind(), "out-of-range");
}

fn values_end(told: &Forecast) -> String {
    values(told).last().map(|(start, ..)| start.clone()).unwrap_or_default()
}

#[tokio::test]
async fn one_region_without_an_answer_does_not_silence_the_others() {
    let body = document(&[row("power", "coal_black", "5m", "[10]")]);
    let provider = Provider::with(vec![answer(NSW, body)]).await;
    let told = ask(day(&["AU-QLD", "AU-NSW", "AU-NT"]), Some(&provider)).await.expect("of one");
    assert_eq!((told.len(), told[0].zone.as_str()), (1, "AU-NSW"));
}

#[tokio::test]
async fn failures_are_told_apart() {
    let keyed: &[(&str, &str)] = &[("source", "api"), KEY];
    for (status, header, body, kind) in [
        (401, "x-a: b", r#"{"detail":"geheim-4711 is no key"}"#, "unauthorized"),
        (403, "x-a: b", "{}", "unauthorized"),
        (429, "Retry-After: 9", "{}", "rate-limited"),
        (400, "x-a: b", r#"{"detail":"Date range too large for geheim-4711"}"#, "unavailable"),
        (422, "x-a: b", "{}", "unavailable"),
        (500, "x-a: b", "", "unavailable"),
        (200, "x-a: b", "<html></html>", "malformed"),
        (200, "x-a: b", "", "malformed"),
        (200, "x-a: b", r#"{"data":[]}"#, "malformed"),
        (200, "x-a: b", &document(&[row("power", "wind", "5x", "[1]")]), "malformed"),
        (200, "x-a: b", &document(&[row("power", "wind", "0m", "[1]")]), "malformed"),
        (200, "x-a: b", &document(&[row("power", "wind", "5m", "[1]").replace("MW", "BTU")]), "malformed"),
        (200, "x-a: b", &document(&[row("power", "wind", "5m", "[1]").replace("10:00:00", "noon")]), "malformed"),
        (
            200,
            "x-a: b",
            &document(&[row("power", "wind", "5m", "[1]"), row("power", "hydro", "7m", "[1]")]),
            "malformed",
        ),
        (200, "x-a: b", &document(&[row("power", "wind", "5m", "[null]")]), "out-of-range"),
    ] {
        let answer = Answer { path: "/", status, header, body: body.as_bytes().to_vec() };
        let provider = Provider::with(vec![answer]).await;
        let error = ask(Asked { config: keyed, ..day(&["AU-NSW"]) }, Some(&provider)).await.expect_err(body);
        assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
        assert_eq!(provider.asked().len(), 1);
    }
    let huge = Answer { path: "/", status: 200, header: "x-a: b", body: vec![b' '; 3 << 20] };
    let provider = Provider::with(vec![huge]).await;
    assert_eq!(ask(day(&["AU-NSW"]), Some(&provider)).await.expect_err("too large").kind(), "malformed");
}

#[tokio::test]
async fn what_cannot_be_answered_is_not_asked() {
    let provider = Provider::with(Vec::new()).await;
    for (asked, kind) in [
        (day(&["AU-NT"]), "invalid-region"),
        (Asked { signal: Signal::Marginal, ..day(&["AU-NSW"]) }, "other"),
        (Asked { now: "2025-07-22T15:00:00Z", ..day(&["AU-NSW"]) }, "out-of-range"),
        (Asked { config: &[("source", "api")], ..day(&["AU-NSW"]) }, "invalid-config"),
        (Asked { config: &[("source", "radio")], ..day(&["AU-NSW"]) }, "invalid-config"),
        (Asked { config: &[("basis", "both")], ..day(&["AU-NSW"]) }, "invalid-config"),
    ] {
        let error = ask(asked, Some(&provider)).await.expect_err(kind);
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert!(provider.asked().is_empty());
}
