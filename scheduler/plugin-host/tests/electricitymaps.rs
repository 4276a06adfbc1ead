//! Electricity Maps: the past and a forecast as far as a plan has them, its traps, and a token that only the host knows.

use lowtide_model::forecast::{Accounting, Basis, Kind, Signal};
use lowtide_model::quantity::Seconds;

mod asking;
mod loopback;
mod sources;

use asking::{Asked, answer, ask, recorded, refusal, values};
use loopback::{Answer, Provider};

const TOKEN: (&str, &str) = ("token", "geheim-4711");
const NOW: &str = "2024-03-05T22:10:00Z";
const HISTORY: &str = r#"{"zone":"DE","history":[
    {"zone":"DE","carbonIntensity":599,"datetime":"2024-03-05T20:00:00.000Z","emissionFactorType":"lifecycle","isEstimated":false},
    {"zone":"DE","carbonIntensity":null,"datetime":"2024-03-05T21:00:00.000Z","isEstimated":null},
    {"zone":"DE","carbonIntensity":610,"datetime":"2024-03-05T22:00:00.000Z","isEstimated":true}]}"#;
const FORECAST: &str = r#"{"zone":"DE","forecast":[
    {"carbonIntensity":1,"datetime":"2024-03-05T22:00:00.000Z"},
    {"carbonIntensity":580,"datetime":"2024-03-05T23:00:00.000Z"},
    {"carbonIntensity":null,"datetime":"2024-03-06T00:00:00.000Z"},
    {"carbonIntensity":0,"datetime":"2024-03-06T01:00:00.000Z"}],"updatedAt":"2024-03-05T22:05:00.000Z"}"#;

fn germany() -> Asked<'static> {
    Asked {
        plugin: "electricitymaps",
        zones: &["DE"],
        now: NOW,
        start: "2024-03-05T00:00:00Z",
        config: &[TOKEN],
        ..Asked::default()
    }
}

fn history(body: impl Into<Vec<u8>>) -> Answer {
    answer("/v3/carbon-intensity/history?", body)
}

fn forecast(body: impl Into<Vec<u8>>) -> Answer {
    answer("/v3/carbon-intensity/forecast?", body)
}

fn known() -> Vec<(String, f64, Kind)> {
    vec![
        ("2024-03-05T20:00:00Z".to_owned(), 599.0, Kind::Measured),
        ("2024-03-05T22:00:00Z".to_owned(), 610.0, Kind::Estimated),
    ]
}

#[tokio::test]
async fn the_past_comes_before_the_forecast_and_a_null_is_no_value() {
    let provider = Provider::with(vec![history(HISTORY), forecast(FORECAST)]).await;
    let told = ask(germany(), Some(&provider)).await.expect("it answers");
    let mut expected = known();
    expected.push(("2024-03-05T23:00:00Z".to_owned(), 580.0, Kind::Forecast));
    expected.push(("2024-03-06T01:00:00Z".to_owned(), 0.0, Kind::Forecast));
    assert_eq!(values(&told[0]), expected);
    let tags = told[0].tags;
    assert_eq!(
        (tags.signal, tags.basis, tags.accounting),
        (Signal::Average, Basis::Lifecycle, Accounting::Consumption)
    );
    assert_eq!(told[0].issued_at.to_string(), "2024-03-05T22:05:00Z");
    assert!(told[0].slots().iter().all(|slot| slot.window.duration() == Seconds::from_hours(1.0)));
}

#[tokio::test]
async fn every_request_names_its_zone_and_carries_the_token_in_its_header_alone() {
    let provider = Provider::with(vec![history(HISTORY), forecast(FORECAST)]).await;
    ask(germany(), Some(&provider)).await.expect("it answers");
    let requests = provider.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        let (address, headers) = request.split_once('\n').expect("a request");
        assert!(address.contains("zone=de&") && !address.contains("geheim"), "{address}");
        assert!(headers.contains("auth-token: geheim-4711\r\n"), "{headers}");
        assert_eq!(request.matches("geheim").count(), 1, "{request}");
    }
}

#[tokio::test]
async fn a_plan_without_a_forecast_still_tells_the_past() {
    for status in [401, 403, 404] {
        let refused = refusal("/v3/carbon-intensity/forecast?", status, r#"{"error":"not in your plan"}"#);
        let provider = Provider::with(vec![history(HISTORY), refused]).await;
        let told = ask(germany(), Some(&provider)).await.expect("the past is told");
        assert_eq!(values(&told[0]), known(), "{status}");
    }
    // A forecast that fails for a while is another matter: what was told before is better than the past alone.
    for (status, kind) in [(429, "rate-limited"), (500, "unavailable")] {
        let failed = refusal("/v3/carbon-intensity/forecast?", status, "oops");
        let provider = Provider::with(vec![history(HISTORY), failed]).await;
        assert_eq!(ask(germany(), Some(&provider)).await.expect_err("no forecast").kind(), kind);
    }
}

#[tokio::test]
async fn a_past_that_fails_does_not_cost_the_forecast() {
    for status in [403, 404, 429, 500] {
        let failed = refusal("/v3/carbon-intensity/history?", status, "{}");
        let provider = Provider::with(vec![failed, forecast(FORECAST)]).await;
        let told = ask(germany(), Some(&provider)).await.expect("the forecast is told");
        assert_eq!(values(&told[0])[0], ("2024-03-05T22:00:00Z".to_owned(), 1.0, Kind::Forecast), "{status}");
    }
}

#[tokio::test]
async fn a_plan_without_history_tells_its_newest_hour() {
    let latest = r#"{"zone":"DE","carbonIntensity":402,"datetime":"2024-03-05T22:00:00.000Z","isEstimated":true}"#;
    let provider = Provider::with(vec![
        refusal("/v3/carbon-intensity/history?", 403, "{}"),
        refusal("/v3/carbon-intensity/forecast?", 403, "{}"),
        answer("/v3/carbon-intensity/latest?", latest),
    ])
    .await;
    let told = ask(germany(), Some(&provider)).await.expect("the newest hour is told");
    assert_eq!(values(&told[0]), [("2024-03-05T22:00:00Z".to_owned(), 402.0, Kind::Estimated)]);
}

#[tokio::test]
async fn an_estimate_of_an_hour_to_come_gives_way_to_its_forecast() {
    let ahead_of_itself = HISTORY.replace("T22:00", "T23:00");
    let provider = Provider::with(vec![history(ahead_of_itself), forecast(FORECAST)]).await;
    let told = ask(germany(), Some(&provider)).await.expect("it answers");
    assert_eq!(values(&told[0])[2], ("2024-03-05T23:00:00Z".to_owned(), 580.0, Kind::Forecast));
}

#[tokio::test]
async fn values_finer_than_an_hour_do_not_overlap() {
    let quarters = FORECAST.replace("T23:00:00", "T22:15:00");
    let provider = Provider::with(vec![forecast(quarters)]).await;
    let told = ask(Asked { start: NOW, ..germany() }, Some(&provider)).await.expect("it answers");
    assert_eq!(told[0].slots()[0].window.duration(), Seconds::saturating(900.0));
    assert_eq!(told[0].slots()[1].window.duration(), Seconds::from_hours(1.0));
}

#[tokio::test]
async fn the_numbers_of_a_sandbox_are_refused() {
    let body = HISTORY.replacen('{', r#"{"_disclaimer":"This data is Sandbox data","#, 1);
    let marked = Answer { header: "X-Environment: sandbox", ..history(HISTORY) };
    for answers in [vec![history(body), forecast(FORECAST)], vec![marked, forecast(FORECAST)]] {
        let provider = Provider::with(answers).await;
        let error = ask(germany(), Some(&provider)).await.expect_err("they are made up");
        assert_eq!(error.kind(), "unauthorized");
        assert!(error.to_string().contains("sandbox"), "{error}");
    }
    let page = Answer { header: "Content-Security-Policy: sandbox allow-scripts", ..history(HISTORY) };
    let provider = Provider::with(vec![page, forecast(FORECAST)]).await;
    assert!(ask(germany(), Some(&provider)).await.is_ok(), "a word to browsers is none of the token");
}

#[tokio::test]
async fn an_answer_to_another_question_is_refused() {
    // The zone of the caller's address, the other emissions, no time, and no value at all.
    for body in [
        HISTORY.replace("\"DE\"", "\"FR\""),
        HISTORY.replace("lifecycle", "direct"),
        HISTORY.replace("2024-03-05T20:00:00.000Z", "yesterday"),
        r#"{"zone":"DE","history":[{"datetime":"2024-03-05T20:00:00.000Z"}]}"#.to_owned(),
    ] {
        let provider = Provider::with(vec![history(body.clone())]).await;
        let error = ask(Asked { hours: 22.0, ..germany() }, Some(&provider)).await.expect_err(&body);
        assert_eq!(error.kind(), "malformed", "{error}");
    }
}

#[tokio::test]
async fn settings_choose_the_emissions_and_the_horizon() {
    let direct = HISTORY.replace("lifecycle", "direct");
    let provider = Provider::with(vec![history(direct), forecast(FORECAST)]).await;
    let config = [TOKEN, ("emission-factor-type", "direct"), ("horizon-hours", "24")];
    let told = ask(Asked { config: &config, ..germany() }, Some(&provider)).await.expect("it answers");
    assert_eq!(told[0].tags.basis, Basis::Direct);
    let asked = provider.asked();
    assert!(asked.iter().all(|address| address.contains("emissionFactorType=direct")), "{asked:?}");
    assert!(asked[0].ends_with("&horizonHours=24"), "{asked:?}");
    // Without one, no more is asked for than is needed: 48 h from midnight are 26 from now on.
    ask(Asked { config: &[TOKEN], hours: 48.0, ..germany() }, Some(&provider)).await.expect("the forecast");
    assert!(provider.asked()[2].ends_with("&horizonHours=48"), "{:?}", provider.asked());

    for (key, value) in [("emission-factor-type", "marginal"), ("horizon-hours", "36"), ("horizon-hours", "a day")] {
        let config = [TOKEN, (key, value)];
        let error = ask(Asked { config: &config, ..germany() }, Some(&provider)).await.expect_err(value);
        assert_eq!(error.kind(), "invalid-config");
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[tokio::test]
async fn a_zone_nobody_knows_is_named_and_does_not_silence_the_others() {
    let nobody = Provider::with(Vec::new()).await;
    for zone in [["SE"], ["DE.x"], ["DE_x"]] {
        let error = ask(Asked { zones: &zone, ..germany() }, Some(&nobody)).await.expect_err("unknown");
        assert_eq!(error.kind(), "invalid-region", "{error}");
        assert!(error.to_string().contains(zone[0]), "{error}");
    }
    assert!(nobody.asked().iter().all(|address| address.contains("zone=SE&")), "{:?}", nobody.asked());
    let provider = Provider::with(vec![
        answer("/v3/carbon-intensity/history?zone=DE&", HISTORY),
        answer("/v3/carbon-intensity/forecast?zone=DE&", FORECAST),
    ])
    .await;
    let told = ask(Asked { zones: &["SE", "DE"], ..germany() }, Some(&provider)).await.expect("one of them");
    assert_eq!(told.iter().map(|told| told.zone.as_str()).collect::<Vec<_>>(), ["DE"]);
}

#[tokio::test]
async fn the_token_shows_in_no_error_and_is_asked_for_by_name() {
    // A service that repeats what it was sent.
    for (status, kind) in [(401, "unauthorized"), (403, "unauthorized"), (500, "unavailable"), (200, "malformed")] {
        let provider = Provider::with(vec![refusal("/", status, "\"no token geheim-4711\"")]).await;
        let error = ask(germany(), Some(&provider)).await.expect_err("refused");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!format!("{error} {error:?}").contains("geheim"), "{error:?}");
    }
    let provider = Provider::with(Vec::new()).await;
    let error = ask(Asked { config: &[], ..germany() }, Some(&provider)).await.expect_err("there is no token");
    assert_eq!(error.kind(), "invalid-config");
    assert!(error.to_string().contains("`token`"), "{error}");
    assert_eq!(provider.asked().len(), 0, "without a token nobody is asked");
}

#[tokio::test]
async fn the_past_as_recorded() {
    let Some(body) = recorded("electricitymaps/v3-history-DE-2024-03-05.json") else { return };
    let provider = Provider::with(vec![history(body)]).await;
    let asked = Asked { now: "2024-03-06T20:00:00Z", ..germany() };
    let told = ask(asked, Some(&provider)).await.expect("it answers");
    let told = values(&told[0]);
    // First, last and number of the file's hours, and of those with `isEstimated`, by another program.
    assert_eq!(told.len(), 24);
    assert_eq!(told[0], ("2024-03-05T20:00:00Z".to_owned(), 599.0, Kind::Measured));
    assert_eq!(told[23], ("2024-03-06T19:00:00Z".to_owned(), 689.0, Kind::Estimated));
    assert_eq!(told.iter().filter(|(_, _, kind)| *kind == Kind::Estimated).count(), 2);
}

#[tokio::test]
async fn the_newest_hours_as_recorded() {
    for (file, zones, now, expected) in [
        ("electricitymaps/v3-latest-BE-2024-11-28.json", ["BE"], "2024-11-28T14:50:00Z", "2024-11-28T15:00:00Z 214"),
        (
            "electricitymaps/v3-latest-US-CAR-DUK-2024-03-06.json",
            ["US-CAR-DUK"],
            "2024-03-06T18:50:00Z",
            "2024-03-06T19:00:00Z 216",
        ),
    ] {
        let Some(body) = recorded(file) else { return };
        let refused = refusal("/v3/carbon-intensity/", 403, "{}");
        let provider = Provider::with(vec![refused, answer("/v3/carbon-intensity/latest?", body)]).await;
        let start = &format!("{}00:00:00Z", &now[..11]);
        let told =
            ask(Asked { zones: &zones, now, start, hours: 24.0, ..germany() }, Some(&provider)).await.expect(file);
        let told: Vec<String> =
            values(&told[0]).iter().map(|(at, value, kind)| format!("{at} {value} {kind:?}")).collect();
        assert_eq!(told, [format!("{expected} Estimated")], "its time lies after its making");
    }
}

#[tokio::test]
async fn the_forecast_as_documented_keeps_its_gap() {
    let Some(body) = recorded("electricitymaps/v3-forecast-doc-example.json") else { return };
    let provider = Provider::with(vec![forecast(body)]).await;
    let now = "2018-11-26T17:30:00Z";
    let asked = Asked { zones: &["DK-DK2"], now, start: now, ..germany() };
    let told = ask(asked, Some(&provider)).await.expect("it answers");
    assert_eq!(
        values(&told[0]),
        [("2018-11-26T17:00:00Z", 326.0), ("2018-11-26T18:00:00Z", 297.0), ("2018-11-28T17:00:00Z", 194.0)]
            .map(|(at, value)| (at.to_owned(), value, Kind::Forecast))
    );
    assert_eq!(told[0].slots()[1].window.duration(), Seconds::from_hours(1.0));
    assert_eq!(told[0].issued_at.to_string(), "2018-11-26T17:25:24Z");
}

#[tokio::test]
async fn other_recorded_documents_are_no_intensity() {
    for file in ["electricitymaps/v3-power-breakdown-latest.json", "electricitymaps/v3-zones.json"] {
        let Some(body) = recorded(file) else { return };
        let provider = Provider::with(vec![answer("/", body)]).await;
        let error = ask(germany(), Some(&provider)).await.expect_err(file);
        assert_eq!(error.kind(), "malformed", "{file}: {error}");
    }
    let Some(body) = recorded("electricitymaps/error-401-invalid-token.json") else { return };
    let provider = Provider::with(vec![refusal("/", 401, body)]).await;
    assert_eq!(ask(germany(), Some(&provider)).await.expect_err("refused").kind(), "unauthorized");
    assert_eq!(provider.asked().len(), 2, "a token that is refused is not tried for the newest hour too");
}
