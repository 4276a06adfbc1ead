//! The plugin of the EIA: right numbers on recorded answers and on the traps of the source. Small answers are of our own
//! making; the recorded ones are used where the folder `../shared` is there.

use std::fs;

use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal};
use lowtide_model::quantity::Seconds;

mod asking;
mod loopback;
mod sources;

use asking::{Asked, answer, ask, recorded, values};
use loopback::{Answer, Provider};

const KEY: (&str, &str) = ("api-key", "geheim-4711");
const PATH: &str = "/v2/electricity/rto/fuel-type-data/data/?";

/// Six hours of the New Year's night, asked for at 05:20.
fn night<'a>(zones: &'a [&'a str]) -> Asked<'a> {
    Asked {
        plugin: "eia",
        zones,
        now: "2026-01-01T05:20:00Z",
        start: "2026-01-01T00:00:00Z",
        hours: 6.0,
        config: &[KEY],
        ..Asked::default()
    }
}

type Row<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Rows of the EIA's form: period, authority, fuel, and the value as JSON.
fn rows(rows: &[Row]) -> String {
    let row = |(period, respondent, fuel, value): &Row| {
        format!(r#"{{"period":"2026-01-01T{period}","respondent":"{respondent}","fueltype":"{fuel}","value":{value}}}"#)
    };
    rows.iter().map(row).collect::<Vec<_>>().join(",")
}

/// A whole answer of such rows, with more beside them.
fn page(rows: &str, more: &str) -> String {
    format!(r#"{{"response":{{{more}"frequency":"hourly","data":[{rows}]}},"apiVersion":"2.1.8"}}"#)
}

fn failing(status: u16, header: &'static str, body: &str) -> Answer {
    Answer { path: "/", status, header, body: body.as_bytes().to_vec() }
}

fn numbers(told: &Forecast) -> Vec<(String, f64)> {
    values(told).into_iter().map(|(start, value, _)| (start, value)).collect()
}

fn at(hour: &str, value: f64) -> (String, f64) {
    (format!("2026-01-01T{hour}:00:00Z"), value)
}

#[tokio::test]
async fn an_hour_named_by_its_end_becomes_an_intensity() {
    let body = page(
        &rows(&[
            // Newest first. The newest hour has its sun only.
            ("05", "CISO", "SUN", r#""900""#),
            ("04", "CISO", "NG", r#""600""#),
            ("04", "CISO", "SUN", r#""400""#),
            ("03", "CISO", "NG", "1000"),
            ("03", "CISO", "SUN", r#""-3""#),
            ("02", "CISO", "NG", "null"),
            ("02", "CISO", "SUN", r#""0""#),
            ("01", "CISO", "NG", r#""300.5""#),
            ("01", "CISO", "SUN", r#""0""#),
            ("01", "PJM", "COL", r#""10""#),
            ("01", "PJM", "NUC", r#""30""#),
        ]),
        r#""total":"11","#,
    );
    let provider = Provider::with(vec![answer(PATH, body)]).await;
    let told = ask(night(&["US-CAL-CISO", "PJM"]), Some(&provider)).await.expect("it answers");
    // 04: (600 x 490 + 400 x 48) / 1000. Less than nothing of sun is its own use; no gas told is no value at 02.
    assert_eq!(numbers(&told[0]), [at("00", 490.0), at("02", 490.0), at("03", 313.2)]);
    // (10 x 820 + 30 x 12) / 40
    assert_eq!(numbers(&told[1]), [at("00", 214.0)]);
    assert_eq!(told[0].slots()[0].window.duration(), Seconds::from_hours(1.0));
    assert!(told[0].slots().iter().all(|slot| slot.kind == Kind::Measured));
    assert_eq!((told[0].tags.signal, told[0].tags.basis), (Signal::Average, Basis::Lifecycle));
    assert_eq!(told[0].tags.accounting, Accounting::Production);
    assert!(told[0].attribution.as_ref().is_some_and(|text| text.contains("Energy Information")));

    let asked = provider.asked();
    assert_eq!(asked.len(), 1, "one request for all zones");
    for part in
        ["%5B%5D=CISO", "%5B%5D=PJM", "start=2025-12-31T00&end=2026-01-01T06", "length=5000", "api_key=geheim-4711"]
    {
        assert!(asked[0].contains(part), "{part} in {}", asked[0]);
    }

    let direct = Asked { config: &[KEY, ("basis", "direct")], ..night(&["CISO"]) };
    let told = ask(direct, Some(&provider)).await.expect("it answers");
    assert_eq!((numbers(&told[0])[2].clone(), told[0].tags.basis), (at("03", 222.0), Basis::Direct));
}

#[tokio::test]
async fn storage_and_what_plants_take_do_not_count() {
    let body = page(
        &rows(&[
            ("02", "CISO", "NG", r#""100""#),
            ("02", "CISO", "SNB", r#""50""#),
            ("02", "CISO", "WNB", r#""50""#),
            ("02", "CISO", "BAT", r#""-400""#),
            ("02", "CISO", "PS", r#""700""#),
            ("02", "CISO", "UES", r#""700""#),
            ("02", "CISO", "WAT", r#""-80""#),
            ("02", "CISO", "COL", r#""-5""#),
            // All of it 0 is nothing to divide by.
            ("01", "CISO", "NG", r#""0""#),
            ("01", "CISO", "SNB", r#""0""#),
            ("01", "CISO", "WNB", r#""0""#),
            ("01", "CISO", "WAT", r#""0""#),
            ("01", "CISO", "COL", r#""0""#),
        ]),
        "",
    );
    let provider = Provider::with(vec![answer(PATH, body)]).await;
    let told = ask(night(&["CISO"]), Some(&provider)).await.expect("it answers");
    // (100 x 490 + 50 x 48 + 50 x 11) / 200
    assert_eq!(numbers(&told[0]), [at("01", 259.75)]);
}

#[tokio::test]
async fn codes_nobody_knows_are_left_out_and_much_of_them_is_no_value() {
    let body = page(
        &rows(&[
            ("03", "CISO", "NG", "94"),
            ("03", "CISO", "FUS", "6"),
            ("02", "CISO", "NG", "95"),
            ("02", "CISO", "FUS", "5"),
            ("01", "CISO", "NG", "100"),
        ]),
        "",
    );
    let provider = Provider::with(vec![answer(PATH, body)]).await;
    let told = ask(night(&["CISO"]), Some(&provider)).await.expect("it answers");
    assert_eq!(numbers(&told[0]), [at("00", 490.0), at("01", 490.0)]);
}

/// The address of a page of the night: offsets stand behind all that is the same.
fn page_path(offset: usize) -> &'static str {
    let path = format!(
        "{PATH}frequency=hourly&data%5B0%5D=value&facets%5Brespondent%5D%5B%5D=CISO&start=2025-12-31T00&end=2026-01-01T06\
         &sort%5B0%5D%5Bcolumn%5D=period&sort%5B0%5D%5Bdirection%5D=desc&offset={offset}&"
    );
    Box::leak(path.into_boxed_str())
}

#[tokio::test]
async fn a_cut_answer_is_asked_on_from_where_it_was_cut() {
    let cut = r#""total":"5","warnings":[{"warning":"incomplete return","description":"5000 rows"}],"#;
    let first = rows(&[("02", "CISO", "NG", "10"), ("02", "CISO", "SUN", "10"), ("01", "CISO", "NG", "30")]);
    // The last of the first page comes once more: a new row came in at the front meanwhile.
    let second = rows(&[("01", "CISO", "NG", "30"), ("01", "CISO", "SUN", "10")]);
    let pages = vec![answer(page_path(0), page(&first, cut)), answer(page_path(3), page(&second, r#""total":5,"#))];
    let provider = Provider::with(pages).await;
    let told = ask(night(&["CISO"]), Some(&provider)).await.expect("it answers");
    // (30 x 490 + 10 x 48) / 40: the gas of 00 counts once.
    assert_eq!(numbers(&told[0]), [at("00", 379.5), at("01", 269.0)]);
    assert_eq!(provider.asked().len(), 2);
}

#[tokio::test]
async fn what_is_cut_after_all_the_fetches_a_call_has_loses_its_oldest_hour() {
    let body = rows(&[("02", "CISO", "NG", "10"), ("02", "CISO", "SUN", "10"), ("01", "CISO", "NG", "30")]);
    let provider = Provider::with(vec![answer(PATH, page(&body, r#""warning":"cut","#))]).await;
    let told = ask(night(&["CISO"]), Some(&provider)).await.expect("it answers");
    assert_eq!(numbers(&told[0]), [at("01", 269.0)], "half of the fuels of 00 may be missing");
    assert_eq!(provider.asked().len(), 8);
}

#[tokio::test]
async fn recorded_answers_of_one_fuel_are_its_factor() {
    let half = |first: Option<f64>, second: f64| {
        let first = first.map(|value| ("2022-10-31T10:00:00Z".to_owned(), value));
        first.into_iter().chain([("2022-10-31T11:00:00Z".to_owned(), second)]).collect::<Vec<_>>()
    };
    for (file, zone, expected) in [
        ("US_NW_BPAT-wind.json", "US-NW-BPAT", Ok(half(Some(11.0), 11.0))),
        ("US_NW_PACW-gas.json", "US-NW-PACW", Ok(half(Some(490.0), 490.0))),
        ("US_SMTH-coal.json", "US-NW-AVRN", Ok(half(Some(820.0), 820.0))),
        // The first of its two values is null.
        ("US-NW-PGE-with-nulls.json", "US-NW-PGE", Ok(half(None, 490.0))),
        // Demand and exchange tell no generation.
        ("US_NW_BPAT-consumption.json", "US-NW-BPAT", Err("malformed")),
        ("interchange-BPAT-NWMT.json", "US-NW-BPAT", Err("malformed")),
    ] {
        let Some(body) = recorded(&format!("eia/{file}")) else { return };
        let provider = Provider::with(vec![answer(PATH, body)]).await;
        let zones = [zone];
        let asked = Asked { now: "2022-10-31T12:30:00Z", start: "2022-10-31T00:00:00Z", hours: 24.0, ..night(&zones) };
        let told = ask(asked, Some(&provider)).await.map(|told| numbers(&told[0])).map_err(|error| error.kind());
        assert_eq!(told, expected, "{file}");
    }
    let Some(refusal) = recorded("eia/error-403-key-missing.json") else { return };
    let provider = Provider::with(vec![failing(403, "x-a: b", &String::from_utf8_lossy(&refusal))]).await;
    assert_eq!(ask(night(&["CISO"]), Some(&provider)).await.expect_err("refused").kind(), "unauthorized");
}

#[tokio::test]
async fn failures_are_told_apart_and_never_tell_the_key() {
    for (status, header, body, kind) in [
        (403, "x-a: b", r#"{"error":"geheim-4711 is not registered"}"#, "unauthorized"),
        (429, "Retry-After: 77", r#"{"error":{"code":"OVER_RATE_LIMIT"}}"#, "rate-limited"),
        (400, "x-a: b", r#"{"error":"geheim-4711: Invalid start date","code":400}"#, "unavailable"),
        (500, "x-a: b", "oops", "unavailable"),
        (200, "x-a: b", "<html>maintenance</html>", "malformed"),
        (200, "x-a: b", "", "malformed"),
        (200, "x-a: b", r#"{"error":"something"}"#, "malformed"),
        (200, "x-a: b", &page(&rows(&[("01", "CISO", "NG", r#""much""#)]), ""), "malformed"),
        (200, "x-a: b", &page(&rows(&[("01", "CISO", "NG", "[1]")]), ""), "malformed"),
        (200, "x-a: b", &page(&rows(&[("01T00", "CISO", "NG", "1")]), ""), "malformed"),
        // Nobody of that code.
        (200, "x-a: b", &page("", r#""total":"0","#), "invalid-region"),
        // Hours without values, as where `data[]` was not asked for.
        (200, "x-a: b", &page(r#"{"period":"2026-01-01T01","respondent":"CISO","fueltype":"NG"}"#, ""), "out-of-range"),
    ] {
        let provider = Provider::with(vec![failing(status, header, body)]).await;
        let error = ask(night(&["CISO"]), Some(&provider)).await.expect_err(body);
        assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), (status == 429).then_some(77));
        assert!(!error.to_string().contains("geheim"), "{error}");
        assert_eq!(provider.asked().len(), 1, "a refusal is not repeated");
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_not_asked() {
    let provider = Provider::with(vec![answer("/", page("", ""))]).await;
    let long_ago = Asked { now: "2026-01-01T05:00:00Z", start: "2018-01-01T00:00:00Z", ..night(&["CISO"]) };
    let to_come = Asked { now: "2025-12-31T05:00:00Z", ..night(&["CISO"]) };
    let marginal = Asked { signal: Signal::Marginal, ..night(&["CISO"]) };
    let other_basis = Asked { config: &[KEY, ("basis", "both")], ..night(&["CISO"]) };
    let keyless = Asked { config: &[], ..night(&["CISO"]) };
    for (asked, kind) in [
        (long_ago, "out-of-range"),
        (to_come, "out-of-range"),
        (marginal, "other"),
        (other_basis, "invalid-config"),
        (keyless, "invalid-config"),
        (night(&["US-CAL-PJM"]), "invalid-region"),
        (night(&["US-CISO"]), "invalid-region"),
        (night(&["caiso"]), "invalid-region"),
        (night(&["CISO.PJM"]), "invalid-region"),
    ] {
        let error = ask(asked, Some(&provider)).await.expect_err(kind);
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert!(provider.asked().is_empty());
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a skipped check must be seen")]
async fn every_authority_electricity_maps_knows_is_known() {
    let table = sources::plugins_folder().join("../../shared/data/annual-average-intensity.csv");
    let Ok(table) = fs::read_to_string(&table) else {
        eprintln!("SKIPPED: no table at {}", table.display());
        return;
    };
    let provider = Provider::with(vec![answer("/", page("", ""))]).await;
    let zones = table.lines().filter_map(|line| line.split(',').next()).filter(|zone| zone.starts_with("US-"));
    // Alaska and Hawaii are not in the EIA's grid monitor.
    let zones: Vec<&str> = zones.filter(|zone| !zone.starts_with("US-AK") && *zone != "US-HI").collect();
    assert!(50 < zones.len());
    let error = ask(night(&zones), Some(&provider)).await.expect_err("the answer is empty");
    assert_eq!(
        (error.kind(), provider.asked().len()),
        ("invalid-region", 1),
        "one that is not known stops it: {error}"
    );
}
