//! The example plugin of the ENTSO-E Transparency Platform: right numbers on recorded documents and on the traps of the
//! source. Small documents are of our own making; the recorded ones are used where the folder `../shared` is there.

use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal};
use lowtide_model::quantity::Seconds;

mod asking;
mod loopback;
mod sources;

use asking::{Asked, answer, ask, recorded, values};
use loopback::{Answer, Provider};

const TOKEN: (&str, &str) = ("token", "geheim-4711");
const DIRECT: &[(&str, &str)] = &[TOKEN, ("basis", "direct")];

/// New Year's Day in Belgium.
fn day<'a>(zones: &'a [&'a str]) -> Asked<'a> {
    Asked {
        plugin: "entsoe",
        zones,
        now: "2024-01-01T06:30:00Z",
        start: "2024-01-01T00:00:00Z",
        hours: 24.0,
        config: &[TOKEN],
        ..Asked::default()
    }
}

fn document(series: &[String]) -> String {
    format!(
        r#"<?xml version="1.0"?><x:GL_MarketDocument xmlns:x="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:9:9">
        <x:type>A75</x:type>{}</x:GL_MarketDocument>"#,
        series.join("")
    )
}

/// A series of one type of plants; its domain is that of the generation, or of what is taken.
fn series(domain: &str, kind: &str, curve: &str, periods: &[String]) -> String {
    format!(
        "<x:TimeSeries><x:{domain}.mRID>10YBE----------2</x:{domain}.mRID>\
         <x:quantity_Measure_Unit.name>MAW</x:quantity_Measure_Unit.name><x:curveType>{curve}</x:curveType>\
         <x:MktPSRType><x:psrType>{kind}</x:psrType></x:MktPSRType>{}</x:TimeSeries>",
        periods.join("")
    )
}

/// A period of New Year's Day, with values by position.
fn period(start: &str, end: &str, resolution: &str, values: &[(u32, f64)]) -> String {
    let point = |(position, quantity): &(u32, f64)| {
        format!("<x:Point><x:position>{position}</x:position><x:quantity>{quantity}</x:quantity></x:Point>")
    };
    let points: String = values.iter().map(point).collect();
    format!(
        "<x:Period><x:timeInterval><x:start>2024-01-01T{start}Z</x:start><x:end>2024-01-01T{end}Z</x:end></x:timeInterval>\
         <x:resolution>{resolution}</x:resolution>{points}</x:Period>"
    )
}

const GIVES: &str = "inBiddingZone_Domain";
const TAKES: &str = "outBiddingZone_Domain";

fn numbers(told: &Forecast) -> Vec<(String, f64)> {
    values(told).into_iter().map(|(start, value, _)| (start, (value * 1e6).round() / 1e6)).collect()
}

fn at(clock: &str, value: f64) -> (String, f64) {
    (format!("2024-01-01T{clock}:00Z"), value)
}

async fn told(body: String) -> Vec<(String, f64)> {
    let provider = Provider::with(vec![answer("/api?", body)]).await;
    numbers(&ask(day(&["BE"]), Some(&provider)).await.expect("it answers")[0])
}

#[tokio::test]
async fn recorded_generation_becomes_an_intensity() {
    // Computed from the files by another program: sum of MW x factor over sum of MW, without B10, B25 and what is taken.
    // First and last value, life-cycle and direct.
    for (file, zone, now, start, length, [first, last], [first_direct, last_direct]) in [
        (
            "A75-NO5-2023-05-09.xml",
            "NO-NO5",
            "2023-05-11T09:10:00Z",
            "2023-05-09T09:00:00Z",
            47,
            [26.861_111, 24.502_984],
            [0.0, 0.0],
        ),
        (
            "A75-SE4-2025-10-20-A03.xml",
            "SE4",
            "2025-10-23T11:40:00Z",
            "2025-10-20T11:00:00Z",
            71,
            [80.469_557, 143.894_768],
            [52.859_342, 107.232_221],
        ),
        (
            "A75-BE-2024-01-01-outBZ.xml",
            "BE",
            "2024-01-01T03:00:00Z",
            "2024-01-01T00:00:00Z",
            2,
            [92.151_132, 88.028_095],
            [59.249_439, 56.151_590],
        ),
    ] {
        let Some(body) = recorded(&format!("entsoe/{file}")) else { return };
        let provider = Provider::with(vec![answer("/api?", body)]).await;
        let zones = [zone];
        let asked = || Asked { now, start, hours: 96.0, ..day(&zones) };
        let told = ask(asked(), Some(&provider)).await.expect(file);
        let lifecycle = numbers(&told[0]);
        assert_eq!((lifecycle.len(), lifecycle[0].0.as_str()), (length, start), "{file}");
        assert_eq!((lifecycle[0].1, lifecycle[length - 1].1), (first, last), "{file}");
        assert_eq!(told[0].slots()[0].window.duration(), Seconds::from_hours(1.0));
        assert!(told[0].slots().iter().all(|slot| slot.kind == Kind::Measured));
        assert_eq!((told[0].tags.basis, told[0].tags.accounting), (Basis::Lifecycle, Accounting::Production));
        let told = ask(Asked { config: DIRECT, ..asked() }, Some(&provider)).await.expect(file);
        let direct = numbers(&told[0]);
        assert_eq!((direct[0].1, direct[length - 1].1, told[0].tags.basis), (first_direct, last_direct, Basis::Direct));
    }
}

#[tokio::test]
async fn recorded_documents_of_other_things_are_refused() {
    for (file, kind) in [
        ("ack-999-no-data.xml", "out-of-range"),
        // A forecast of wind and sun alone would look like a clean mix.
        ("A69-FI-wind-solar-day-ahead-2024-02-07.xml", "malformed"),
        ("A65-DK2-load-forecast-2023-12-27.xml", "malformed"),
        ("A71-SE3-generation-forecast-2023-12-27.xml", "malformed"),
        ("A44-FR-prices-2023-05-06.xml", "malformed"),
    ] {
        let Some(body) = recorded(&format!("entsoe/{file}")) else { return };
        let provider = Provider::with(vec![answer("/api?", body)]).await;
        let error = ask(day(&["BE"]), Some(&provider)).await.expect_err(file);
        assert_eq!(error.kind(), kind, "{file}: {error}");
    }
}

#[tokio::test]
async fn values_that_repeat_are_filled_in_and_gaps_are_not() {
    let gas = |curve| series(GIVES, "B04", curve, &[period("00:00", "04:00", "PT60M", &[(1, 100.0), (3, 50.0)])]);
    let wind = series(
        GIVES,
        "B19",
        "A01",
        &[period("00:00", "04:00", "PT60M", &[(1, 100.0), (2, 300.0), (3, 50.0), (4, 0.0)])],
    );
    assert_eq!(
        told(document(&[gas("A03"), wind.clone()])).await,
        // (100 x 490 + 300 x 11) / 400 in the second hour.
        [at("00:00", 250.5), at("01:00", 130.75), at("02:00", 250.5), at("03:00", 490.0)]
    );
    // In the older curve what is not there is not known.
    assert_eq!(told(document(&[gas("A01"), wind])).await, [at("00:00", 250.5), at("02:00", 250.5)]);
}

#[tokio::test]
async fn each_period_has_its_own_steps_and_each_type_any_number_of_series() {
    let hours = period("00:00", "01:00", "PT60M", &[(1, 100.0)]);
    let quarters = period("01:00", "02:00", "PT15M", &[(1, 100.0), (2, 100.0), (3, 100.0), (4, 0.0)]);
    let body = document(&[
        series(GIVES, "B05", "A01", &[hours, quarters]),
        series(GIVES, "B14", "A01", &[period("00:00", "01:00", "PT1H", &[(1, 100.0)])]),
        series(GIVES, "B14", "A01", &[period("01:00", "02:00", "PT30M", &[(1, 100.0), (2, 300.0)])]),
    ]);
    let told = told(body).await;
    let values: Vec<f64> = told.iter().map(|(_, value)| *value).collect();
    // (100 x 820 + 100 x 12) / 200, then with 300 MW of nuclear (82000 + 3600) / 400, then nuclear alone.
    assert_eq!(values, [416.0, 416.0, 416.0, 416.0, 416.0, 416.0, 214.0, 12.0]);
    assert_eq!(told[7].0, "2024-01-01T01:45:00Z");
}

#[tokio::test]
async fn storage_and_what_is_taken_do_not_count() {
    let hour = |value: f64| [period("00:00", "01:00", "PT60M", &[(1, value)])];
    let told = told(document(&[
        series(GIVES, "B04", "A01", &hour(100.0)),
        series(TAKES, "B04", "A01", &hour(900.0)),
        series(GIVES, "B10", "A01", &hour(800.0)),
        series(TAKES, "B10", "A01", &hour(700.0)),
        series(GIVES, "B25", "A01", &hour(600.0)),
        series(GIVES, "B16", "A01", &hour(-5.0)),
        // A type nobody knows, less than 5 % of all.
        series(GIVES, "B99", "A01", &hour(5.0)),
    ]))
    .await;
    assert_eq!(told, [at("00:00", 490.0)]);
}

#[tokio::test]
async fn the_newest_hours_wait_until_all_types_are_told() {
    let gas = series(GIVES, "B04", "A01", &[period("00:00", "04:00", "PT60M", &[(1, 9.0), (2, 9.0), (3, 9.0)])]);
    let sun = [(1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0)];
    let sun = series(GIVES, "B16", "A01", &[period("00:00", "04:00", "PT60M", &sun)]);
    let told = told(document(&[gas, sun])).await;
    assert_eq!(told.last(), Some(&at("02:00", 445.8)), "(9 x 490 + 48) / 10, and nothing of an hour of sun alone");
}

#[tokio::test]
async fn the_platform_is_asked_in_its_own_way() {
    let body = document(&[series(GIVES, "B14", "A01", &[period("00:00", "01:00", "PT60M", &[(1, 1.0)])])]);
    let provider = Provider::with(vec![answer("/api?", body)]).await;
    ask(day(&["BE"]), Some(&provider)).await.expect("it answers");
    let asked = provider.asked();
    for part in [
        "documentType=A75&processType=A16&in_Domain=10YBE----------2",
        // A day more than asked for, to the hour that is not yet over.
        "periodStart=202312310000&periodEnd=202401010700",
        "securityToken=geheim-4711",
    ] {
        assert!(asked[0].contains(part), "{part} in {}", asked[0]);
    }
    assert!(provider.requests()[0].contains("accept: application/xml"));
    assert!(!provider.requests()[0].contains("json"));
    // A zone by a name of one's own.
    let named = Asked { config: &[TOKEN, ("domain", "10YFR-RTE------C")], ..day(&["home"]) };
    assert_eq!(ask(named, Some(&provider)).await.expect("it answers")[0].zone.as_str(), "home");
    assert!(provider.asked()[1].contains("in_Domain=10YFR-RTE------C&"));
    // A year is cut to its last twelve days: an answer may have 2 MiB.
    let year = Asked { start: "2023-01-01T00:00:00Z", hours: 9000.0, ..day(&["BE"]) };
    ask(year, Some(&provider)).await.expect("it answers");
    assert!(provider.asked()[2].contains("periodStart=202312200700&"), "{}", provider.asked()[2]);
}

#[tokio::test]
async fn failures_are_told_apart_and_never_tell_the_token() {
    let refusal = |code: &str| {
        format!(
            "<Acknowledgement_MarketDocument xmlns='urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:8:1'><Reason>\
             <code>{code}</code><text>geheim-4711: no</text></Reason></Acknowledgement_MarketDocument>"
        )
    };
    let wind = |unit: &str, resolution: &str, position: u32| {
        let period = period("00:00", "01:00", resolution, &[(position, 1.0)]);
        document(&[series(GIVES, "B19", "A03", &[period])]).replace("MAW", unit)
    };
    for (status, header, body, kind) in [
        (401, "x-a: b", "<html>Unauthorized: geheim-4711</html>", "unauthorized"),
        (429, "Retry-After: 600", "Max allowed requests per minute", "rate-limited"),
        (503, "x-a: b", "geheim-4711", "unavailable"),
        (200, "x-a: b", &refusal("999"), "out-of-range"),
        (200, "x-a: b", &refusal("A01"), "unavailable"),
        (200, "x-a: b", "", "malformed"),
        (200, "x-a: b", "<html><br></html>", "malformed"),
        (200, "x-a: b", "PK\u{3}\u{4}archive", "malformed"),
        (200, "x-a: b", r#"{"data":[]}"#, "malformed"),
        (200, "x-a: b", &wind("MWH", "PT60M", 1), "malformed"),
        (200, "x-a: b", &wind("MAW", "P1M", 1), "malformed"),
        (200, "x-a: b", &wind("MAW", "PT60M", 0), "malformed"),
        (200, "x-a: b", &wind("MAW", "PT60M", 2), "malformed"),
        (200, "x-a: b", &wind("MAW", "PT60M", 1).replace("2024-01-01T01:00Z", "9024-01-01T01:00Z"), "malformed"),
        (200, "x-a: b", &document(&[]), "out-of-range"),
    ] {
        let answer = Answer { path: "/", status, header, body: body.as_bytes().to_vec() };
        let provider = Provider::with(vec![answer]).await;
        let error = ask(day(&["BE"]), Some(&provider)).await.expect_err(body);
        assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), (status == 429).then_some(600));
        assert!(!error.to_string().contains("geheim"), "{error}");
        assert_eq!(provider.asked().len(), 1);
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_not_asked() {
    let provider = Provider::with(Vec::new()).await;
    for (asked, kind) in [
        (day(&["US-CAL-CISO"]), "invalid-region"),
        (day(&["SE5"]), "invalid-region"),
        (Asked { signal: Signal::Marginal, ..day(&["BE"]) }, "other"),
        (Asked { now: "2023-12-31T23:00:00Z", ..day(&["BE"]) }, "out-of-range"),
        (Asked { config: &[], ..day(&["BE"]) }, "invalid-config"),
        (Asked { config: &[TOKEN, ("domain", "BE&x=y")], ..day(&["BE"]) }, "invalid-config"),
        (Asked { config: &[TOKEN, ("basis", "both")], ..day(&["BE"]) }, "invalid-config"),
    ] {
        let error = ask(asked, Some(&provider)).await.expect_err(kind);
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert!(provider.asked().is_empty());
}

#[tokio::test]
async fn the_smallest_plugin_tells_its_one_value() {
    let constant = |config| Asked { plugin: "constant", zones: &["XX", "YY"], config, hours: 30.0, ..Asked::default() };
    let told = ask(constant(&[("intensity", "230.5")]), None).await.expect("it answers");
    assert_eq!(told.len(), 2);
    assert_eq!(values(&told[1]), [("2023-12-03T10:30:00Z".to_owned(), 230.5, Kind::Static)]);
    assert_eq!(told[1].slots()[0].window.duration(), Seconds::from_hours(30.0));
    for (config, kind) in [
        (&[][..], "invalid-config"),
        (&[("intensity", "much")], "invalid-config"),
        (&[("intensity", "-1")], "malformed"),
        (&[("intensity", "NaN")], "malformed"),
    ] {
        let error = ask(constant(config), None).await.expect_err(kind);
        assert_eq!(error.kind(), kind, "{error}");
    }
}
