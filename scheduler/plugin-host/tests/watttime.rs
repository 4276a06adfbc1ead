//! WattTime: pounds become grams, percentiles are refused, a token that ends is fetched anew, and a password that only the
//! host knows.

use lowtide_model::forecast::{Accounting, Basis, Kind, Signal};
use lowtide_model::quantity::Seconds;

mod asking;
mod loopback;
mod sources;

use asking::{Asked, answer, ask, is_close, recorded, refusal, values};
use loopback::{Answer, Provider};

const ACCOUNT: [(&str, &str); 2] = [("username", "ada"), ("password", "geheim-4711")];
const NOW: &str = "2026-05-03T10:00:00Z";
/// Grams in a pound, over kilowatt-hours in a megawatt-hour.
const GRAMS: f64 = 0.453_592_37;

fn california() -> Asked<'static> {
    Asked {
        plugin: "watttime",
        zones: &["US-CAL-CISO"],
        signal: Signal::Marginal,
        now: NOW,
        start: NOW,
        hours: 24.0,
        config: &ACCOUNT,
        ..Asked::default()
    }
}

/// The same with the last day.
fn with_the_past() -> Asked<'static> {
    Asked { start: "2026-05-02T10:00:00Z", hours: 48.0, ..california() }
}

fn login() -> Answer {
    answer("/login", r#"{"token":"token-of-half-an-hour"}"#)
}

fn forecast(body: impl Into<Vec<u8>>) -> Answer {
    answer("/v3/forecast?", body)
}

fn historical(body: impl Into<Vec<u8>>) -> Answer {
    answer("/v3/historical?", body)
}

/// Rows of time (of 3 May 2026) and value, with a `meta` of these fields.
fn told(rows: &[(&str, &str)], meta: &str) -> String {
    let row =
        |(time, value): &(&str, &str)| format!(r#"{{"point_time":"2026-05-03T{time}:00+00:00","value":{value}}}"#);
    let rows: Vec<String> = rows.iter().map(row).collect();
    format!(r#"{{"data":[{}],"meta":{{{meta}}}}}"#, rows.join(","))
}

const META: &str = r#""region":"CAISO_NORTH","signal_type":"co2_moer","units":"lbs_co2_per_mwh","data_point_period_seconds":300,"warnings":[]"#;

fn paths(provider: &Provider) -> Vec<String> {
    provider.asked().iter().map(|address| address.split('?').next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn pounds_become_grams_and_the_past_goes_before_the_forecast() {
    let past = told(&[("09:50", "900"), ("09:55", "null"), ("10:00", "1000")], META);
    let ahead = told(&[("10:05", "200"), ("10:00", "1"), ("10:10", "0")], META);
    let provider = Provider::with(vec![login(), forecast(ahead), historical(past)]).await;
    let told = ask(with_the_past(), Some(&provider)).await.expect("it answers");
    let slots = values(&told[0]);
    let expected = [
        ("09:50", 900.0 * GRAMS, Kind::Measured),
        ("10:00", 1000.0 * GRAMS, Kind::Measured),
        ("10:05", 200.0 * GRAMS, Kind::Forecast),
        ("10:10", 0.0, Kind::Forecast),
    ];
    assert_eq!(slots.len(), expected.len(), "{slots:?}");
    for ((at, value, kind), (time, grams, expected)) in slots.iter().zip(expected) {
        assert!(at == &format!("2026-05-03T{time}:00Z") && is_close(*value, grams) && *kind == expected, "{slots:?}");
    }
    // 900 lb/MWh are 408.2 g/kWh.
    assert!((slots[0].1 - 408.2).abs() < 0.05);
    let tags = told[0].tags;
    assert_eq!((tags.signal, tags.basis, tags.accounting), (Signal::Marginal, Basis::Direct, Accounting::Production));
    let asked = provider.asked();
    assert!(asked[1].contains("region=CAISO_NORTH&signal_type=co2_moer&horizon_hours=24"), "{asked:?}");
    assert!(asked[2].contains("&start=2026-05-02T10:00Z&end=2026-05-03T10:00Z"), "{asked:?}");
}

#[tokio::test]
async fn the_step_is_what_the_answer_says() {
    let hourly = META.replace("300", "3600");
    let ahead = told(&[("10:00", "900"), ("11:00", "800")], &hourly);
    let provider = Provider::with(vec![login(), forecast(ahead)]).await;
    let answered = ask(california(), Some(&provider)).await.expect("it answers");
    assert!(answered[0].slots().iter().all(|slot| slot.window.duration() == Seconds::from_hours(1.0)));
    // What was measured in five minutes is not overlapped by the hour that is forecast.
    let past = told(&[("09:55", "1"), ("10:00", "2")], META);
    let ahead = told(&[("10:00", "900"), ("11:00", "800")], &hourly);
    let provider = Provider::with(vec![login(), forecast(ahead), historical(past)]).await;
    let answered = ask(with_the_past(), Some(&provider)).await.expect("it answers");
    assert_eq!(
        values(&answered[0]).iter().map(|(at, ..)| &at[11..16]).collect::<Vec<_>>(),
        ["09:55", "10:00", "11:00"]
    );
}

#[tokio::test]
async fn the_password_goes_to_the_login_and_the_token_to_the_data() {
    let provider = Provider::with(vec![login(), forecast(told(&[("10:05", "900")], META))]).await;
    ask(california(), Some(&provider)).await.expect("it answers");
    let requests = provider.requests();
    assert_eq!(requests.len(), 2);
    // Base64 of `ada:geheim-4711`, in small letters as the provider keeps requests.
    assert!(requests[0].contains("authorization: basic ywrhomdlagvpbs00nzex\r\n"), "{}", requests[0]);
    assert!(requests[1].contains("authorization: bearer token-of-half-an-hour\r\n"), "{}", requests[1]);
    assert!(!requests[1].contains("basic"), "{}", requests[1]);
    assert!(provider.asked().iter().all(|address| !address.contains("geheim") && !address.contains("token")));
}

#[tokio::test]
async fn an_expired_token_is_fetched_anew_once() {
    let provider = Provider::with(vec![
        login(),
        answer("/login", r#"{"token":"second-token"}"#),
        refusal("/v3/forecast?", 401, "token expired"),
        forecast(told(&[("10:05", "900")], META)),
        historical(told(&[("09:55", "900")], META)),
    ])
    .await;
    let answered = ask(with_the_past(), Some(&provider)).await.expect("it answers");
    assert_eq!(answered[0].slots().len(), 2);
    assert_eq!(paths(&provider), ["/login", "/v3/forecast", "/login", "/v3/forecast", "/v3/historical"]);
    let requests = provider.requests();
    assert!(requests[3..].iter().all(|request| request.contains("bearer second-token")), "{requests:?}");

    // A token that is never taken is not fetched for ever.
    let provider = Provider::with(vec![login(), refusal("/v3/", 401, "no")]).await;
    let error = ask(california(), Some(&provider)).await.expect_err("still refused");
    assert_eq!(error.kind(), "unauthorized");
    assert_eq!(paths(&provider), ["/login", "/v3/forecast", "/login", "/v3/forecast"]);
}

#[tokio::test]
async fn a_login_that_fails_says_so_and_tells_no_secret() {
    let cases: [(u16, &'static str, &str, &str); 7] = [
        (401, "x-a: b", "geheim-4711 is wrong", "unauthorized"),
        (403, "x-a: b", "ada:geheim-4711", "unauthorized"),
        (429, "Retry-After: 60", "slow", "rate-limited"),
        (500, "x-a: b", "YWRhOmdlaGVpbS00NzEx", "unavailable"),
        (200, "x-a: b", "<html>token-of-half-an-hour</html>", "malformed"),
        (200, "x-a: b", "\"token-of-half-an-hour\"", "malformed"),
        (200, "x-a: b", r#"{"token":"token-of-half-an-hour\nevil: 1"}"#, "malformed"),
    ];
    for (status, header, body, kind) in cases {
        let provider = Provider::with(vec![Answer { path: "/login", status, header, body: body.into() }]).await;
        let error = ask(california(), Some(&provider)).await.expect_err(body);
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), (status == 429).then_some(60));
        let text = format!("{error} {error:?}");
        assert!(!["geheim", "YWRh", "token-of"].iter().any(|secret| text.contains(secret)), "{text}");
        assert_eq!(paths(&provider), ["/login"], "without a token no data are asked for");
    }
}

#[tokio::test]
async fn an_account_is_asked_for_by_name() {
    for (config, missing) in [(&ACCOUNT[..1], "`password`"), (&ACCOUNT[1..], "`username`")] {
        let provider = Provider::with(vec![login()]).await;
        let error = ask(Asked { config, ..california() }, Some(&provider)).await.expect_err(missing);
        assert_eq!(error.kind(), "invalid-config");
        assert!(error.to_string().contains(missing), "{error}");
        assert_eq!(provider.asked().len(), 0);
    }
}

#[tokio::test]
async fn what_is_no_intensity_or_of_something_else_is_refused() {
    for (field, other) in [
        ("lbs_co2_per_mwh", "percentile"),
        ("lbs_co2_per_mwh", "usd_per_mwh"),
        ("co2_moer", "health_damage"),
        ("CAISO_NORTH", "PJM_DC"),
        (":300", ":30"),
    ] {
        let provider =
            Provider::with(vec![login(), answer("/v3/", told(&[("10:05", "90")], &META.replace(field, other)))]).await;
        let error = ask(with_the_past(), Some(&provider)).await.expect_err(other);
        assert_eq!(error.kind(), "malformed", "{error}");
        assert!(error.to_string().contains(other.trim_start_matches(':')), "{error}");
    }
    for body in
        [r#"{"data":[],"meta":{}}"#, r#"{"data":[{"point_time":"soon","value":1}],"meta":{"units":"lbs_co2_per_mwh"}}"#]
    {
        let provider = Provider::with(vec![login(), answer("/v3/", body)]).await;
        assert_eq!(ask(california(), Some(&provider)).await.expect_err(body).kind(), "malformed");
    }
}

#[tokio::test]
async fn an_average_is_asked_for_as_such_and_needs_a_plan_that_has_it() {
    let average = META.replace("co2_moer", "co2_aoer");
    let provider = Provider::with(vec![login(), forecast(told(&[("10:05", "500")], &average))]).await;
    let asked = || Asked { signal: Signal::Average, ..california() };
    let answered = ask(asked(), Some(&provider)).await.expect("the plan has it");
    assert_eq!(answered[0].tags.signal, Signal::Average);
    assert!(provider.asked()[1].contains("signal_type=co2_aoer"));
    let provider = Provider::with(vec![login(), refusal("/v3/", 403, "Invalid scope")]).await;
    let error = ask(asked(), Some(&provider)).await.expect_err("the plan has it not");
    assert_eq!(error.kind(), "unauthorized");
    assert!(error.to_string().contains("co2_aoer of CAISO_NORTH"), "{error}");
}

#[tokio::test]
async fn a_plan_without_a_forecast_tells_the_past_and_the_other_way_round() {
    for status in [403, 404] {
        let provider = Provider::with(vec![
            login(),
            refusal("/v3/forecast?", status, "Invalid scope"),
            historical(told(&[("09:55", "900")], META)),
        ])
        .await;
        let answered = ask(with_the_past(), Some(&provider)).await.expect("the past");
        assert_eq!(values(&answered[0])[0].2, Kind::Measured, "{status}");
        let provider = Provider::with(vec![
            login(),
            forecast(told(&[("10:05", "900")], META)),
            refusal("/v3/historical?", status, "Invalid scope"),
        ])
        .await;
        let answered = ask(with_the_past(), Some(&provider)).await.expect("the forecast");
        assert_eq!(values(&answered[0])[0].2, Kind::Forecast, "{status}");
    }
    // A forecast that fails for a while is an error: what was told before is better than the past alone.
    let provider = Provider::with(vec![
        login(),
        refusal("/v3/forecast?", 503, "busy"),
        historical(told(&[("09:55", "900")], META)),
    ])
    .await;
    assert_eq!(ask(with_the_past(), Some(&provider)).await.expect_err("no forecast").kind(), "unavailable");
    assert_eq!(paths(&provider), ["/login", "/v3/forecast"], "a service that is not well is not asked on");
}

#[tokio::test]
async fn regions_are_named_by_the_zone_or_a_setting() {
    let nothing = || answer("/v3/", r#"{"data":[],"meta":{"units":"lbs_co2_per_mwh"}}"#);
    let with_region = [ACCOUNT[0], ACCOUNT[1], ("region", "ERCOT_AUSTIN")];
    for (zone, config, region) in [
        ("US-CAL-CISO", &ACCOUNT[..], "CAISO_NORTH"),
        ("PJM_DC", &ACCOUNT, "PJM_DC"),
        ("US-TEX-ERCO", &with_region, "ERCOT_AUSTIN"),
    ] {
        let provider = Provider::with(vec![login(), nothing()]).await;
        let error = ask(Asked { zones: &[zone], config, ..california() }, Some(&provider)).await.expect_err(zone);
        assert_eq!(error.kind(), "out-of-range", "nothing of the asked time: {error}");
        assert!(provider.asked()[1].contains(&format!("region={region}&")), "{:?}", provider.asked());
    }
    let bad = [ACCOUNT[0], ACCOUNT[1], ("region", "A&signal_type=x")];
    let provider = Provider::with(vec![login(), nothing()]).await;
    let error = ask(Asked { config: &bad, ..california() }, Some(&provider)).await.expect_err("no name");
    assert_eq!(error.kind(), "invalid-config");
}

#[tokio::test]
async fn four_zones_fit_in_one_call_and_one_of_them_may_fail() {
    let meta = r#""units":"lbs_co2_per_mwh""#;
    let provider = Provider::with(vec![
        login(),
        forecast(told(&[("10:05", "900")], meta)),
        historical(told(&[("09:55", "900")], meta)),
        refusal("/v3/forecast?region=B&", 404, ""),
        refusal("/v3/historical?region=B&", 404, ""),
    ])
    .await;
    let asked = Asked { zones: &["A", "B", "C", "D"], ..with_the_past() };
    let answered = ask(asked, Some(&provider)).await.expect("most of them");
    assert_eq!(answered.iter().map(|one| one.zone.as_str()).collect::<Vec<_>>(), ["A", "C", "D"]);
    // A login and eight requests are one too many: the past of the last is left out, its forecast is not.
    assert_eq!(provider.asked().len(), 8);
    assert_eq!(values(&answered[2]).iter().map(|(_, _, kind)| *kind).collect::<Vec<_>>(), [Kind::Forecast]);
}

#[tokio::test]
async fn a_long_past_is_told_as_far_as_an_answer_may_hold() {
    let provider = Provider::with(vec![login(), historical(told(&[("09:55", "900")], META))]).await;
    let asked =
        Asked { start: "2026-04-01T00:00:00Z", hours: 33.0 * 24.0, now: "2026-05-03T10:00:00Z", ..california() };
    ask(asked, Some(&provider)).await.expect("the past");
    let asked = provider.asked();
    let past = asked.iter().find(|address| address.starts_with("/v3/historical")).expect("the past was asked for");
    assert!(past.contains("start=2026-04-29T10:00Z"), "four days, not 32: {past}");
}

#[tokio::test]
async fn the_forecast_as_documented() {
    let Some(body) = recorded("watttime/v3-forecast-doc-shape.json") else { return };
    let provider = Provider::with(vec![login(), forecast(body)]).await;
    let answered = ask(california(), Some(&provider)).await.expect("it answers");
    let slots = values(&answered[0]);
    // 387.2 and 391.4 lb/MWh.
    assert!(slots.len() == 2 && slots[0].0 == "2026-05-03T10:05:00Z", "{slots:?}");
    assert!(is_close(slots[0].1, 175.630_965_664) && is_close(slots[1].1, 177.536_053_618), "{slots:?}");
    assert_eq!(answered[0].issued_at.to_string(), "2026-05-03T10:00:00Z");
    assert_eq!(answered[0].slots()[0].window.duration(), Seconds::saturating(300.0), "where it does not say");
}

#[tokio::test]
async fn the_past_as_documented_is_told_as_filled_in() {
    let Some(body) = recorded("watttime/v3-historical-doc-shape.json") else { return };
    let provider = Provider::with(vec![login(), historical(body)]).await;
    let asked = Asked { now: "2022-07-15T02:00:00Z", start: "2022-07-15T00:00:00Z", hours: 1.0, ..california() };
    let slots = values(&ask(asked, Some(&provider)).await.expect("it answers")[0]);
    // 870 and 860 lb/MWh.
    assert!(is_close(slots[0].1, 394.625_361_9) && is_close(slots[1].1, 390.089_438_2), "{slots:?}");
    assert!(slots.len() == 2 && slots.iter().all(|(_, _, kind)| *kind == Kind::Estimated), "imputed: {slots:?}");
}

#[tokio::test]
async fn other_recorded_documents_are_no_intensity() {
    for (file, word) in [
        ("watttime/v3-signal-index-PSCO-2024-06-18.json", "percentile"),
        ("watttime/v3-forecast-historical-doc-shape.json", "point_time"),
        ("watttime/v3-region-from-loc.json", "data"),
    ] {
        let Some(body) = recorded(file) else { return };
        let provider = Provider::with(vec![login(), answer("/v3/", body)]).await;
        let error = ask(california(), Some(&provider)).await.expect_err(file);
        assert_eq!(error.kind(), "malformed", "{file}: {error}");
        assert!(error.to_string().contains(word), "{file}: {error}");
    }
    let Some(body) = recorded("watttime/error-403-invalid-scope.json") else { return };
    let provider = Provider::with(vec![login(), refusal("/v3/", 403, body)]).await;
    let error = ask(california(), Some(&provider)).await.expect_err("not in the plan");
    assert_eq!(error.kind(), "unauthorized");
    assert!(error.to_string().contains("Invalid"), "{error}");
}
