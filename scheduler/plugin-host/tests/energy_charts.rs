//! Energy-Charts: two arrays that are read apart, the steps between their times, and refusals in three forms.

use lowtide_model::forecast::{Kind, Slot};
use lowtide_model::quantity::Seconds;

mod asking;
mod loopback;
mod sources;

use asking::{Asked, Log, answer, ask, is_close, recorded, refusal, values};
use loopback::{Answer, Provider};

/// Midnight in UTC of 22 March 2024.
const MIDNIGHT: u64 = 1_711_065_600;

fn day(zones: &'static [&'static str]) -> Asked<'static> {
    Asked {
        plugin: "energy-charts",
        zones,
        now: "2024-03-22T01:00:00Z",
        start: "2024-03-22T00:00:00Z",
        hours: 24.0,
        ..Asked::default()
    }
}

/// Start, in minutes after midnight, and length, in minutes, of what is told of times so many minutes after midnight.
async fn lengths(minutes: &[u64]) -> Vec<(u64, u64)> {
    let times: Vec<String> = minutes.iter().map(|minute| (MIDNIGHT + minute * 60).to_string()).collect();
    let ones = vec!["1"; minutes.len()].join(",");
    let body = format!(r#"{{"unix_seconds":[{}],"co2eq":[{ones}],"co2eq_forecast":[]}}"#, times.join(","));
    let provider = Provider::with(vec![answer("/co2eq?", body)]).await;
    let told = ask(day(&["DE"]), Some(&provider)).await.expect("it answers");
    let minute = |at: jiff::Timestamp| (at.as_second().unsigned_abs() - MIDNIGHT) / 60;
    let slot = |slot: &Slot| {
        let start = minute(slot.window.start());
        (start, minute(slot.window.end()) - start)
    };
    told[0].slots().iter().map(slot).collect()
}

#[tokio::test]
async fn energy_charts_reads_its_two_arrays_apart() {
    let body = r#"{"unix_seconds":[1711065600,1711069200,1711072800,1711076400],
        "co2eq":[322,null,null,null],"co2eq_forecast":[300.5,310,null,290],"deprecated":true}"#;
    let provider = Provider::with(vec![answer("/co2eq?country=de", body)]).await;
    let day = || Asked {
        plugin: "energy-charts",
        now: "2024-03-22T01:00:00Z",
        start: "2024-03-22T00:00:00Z",
        hours: 24.0,
        ..Asked::default()
    };
    let told = ask(Asked { zones: &["DE"], ..day() }, Some(&provider)).await.expect("it answers");
    assert_eq!(
        values(&told[0]),
        [
            ("2024-03-22T00:00:00Z".to_owned(), 322.0, Kind::Measured),
            ("2024-03-22T01:00:00Z".to_owned(), 310.0, Kind::Forecast),
            ("2024-03-22T03:00:00Z".to_owned(), 290.0, Kind::Forecast),
        ]
    );
    assert_eq!(told[0].slots()[0].window.duration(), Seconds::from_hours(1.0), "the step is read off the data");
    // A country without data does not silence the other.
    let told = ask(Asked { zones: &["DE", "FR"], ..day() }, Some(&provider)).await.expect("it answers");
    assert_eq!(told.len(), 1);
}

#[tokio::test]
async fn energy_charts_as_recorded() {
    let (Some(body), Some(refusal)) =
        (recorded("energy-charts/co2eq-de-2024-03-22.json"), recorded("energy-charts/error-400-unknown-country.txt"))
    else {
        return;
    };
    let unknown = Answer { path: "/co2eq?country=xx", status: 400, header: "x-a: b", body: refusal };
    let provider = Provider::with(vec![answer("/co2eq?country=de", body), unknown]).await;
    let day = |zones| Asked {
        plugin: "energy-charts",
        zones,
        now: "2024-03-22T16:00:00Z",
        start: "2024-03-22T00:00:00Z",
        ..Asked::default()
    };
    let told = ask(day(&["DE"]), Some(&provider)).await.expect("it answers");
    let told = values(&told[0]);
    assert_eq!(told.iter().filter(|(_, _, kind)| *kind == Kind::Measured).count(), 65);
    assert_eq!(told[0], ("2024-03-22T00:00:00Z".to_owned(), 322.0, Kind::Measured));
    assert_eq!(told.last().map(|(_, value, kind)| (*value, *kind)), Some((139.2, Kind::Forecast)));
    let refused = ask(day(&["XX"]), Some(&provider)).await.expect_err("there is no such country");
    assert_eq!(refused.kind(), "invalid-region");
}

#[tokio::test]
async fn steps_are_read_off_the_times() {
    assert_eq!(lengths(&[0, 15, 30]).await, [(0, 15), (15, 15), (30, 15)]);
    assert_eq!(lengths(&[0, 60, 120]).await, [(0, 60), (60, 60), (120, 60)]);
    // Both in one answer, whichever comes first.
    assert_eq!(lengths(&[0, 60, 120, 135, 150]).await, [(0, 60), (60, 60), (120, 15), (135, 15), (150, 15)]);
    assert_eq!(lengths(&[0, 15, 30, 90, 150]).await, [(0, 15), (15, 15), (30, 60), (90, 60), (150, 60)]);
    // A gap makes no value longer.
    assert_eq!(lengths(&[0, 15, 75, 90, 105]).await, [(0, 15), (15, 15), (75, 15), (90, 15), (105, 15)]);
    assert_eq!(lengths(&[0, 45, 60, 75]).await, [(0, 15), (45, 15), (60, 15), (75, 15)]);
    assert_eq!(lengths(&[0, 15, 30, 300]).await, [(0, 15), (15, 15), (30, 15), (300, 15)]);
    // Newest first, twice the same, and one alone.
    assert_eq!(lengths(&[30, 15, 15, 0]).await, [(0, 15), (15, 15), (30, 15)]);
    assert_eq!(lengths(&[30]).await, [(30, 15)]);
}

#[tokio::test]
async fn days_of_23_and_25_hours_are_told_whole() {
    // The German day of each clock change: it begins at 23:00 and 22:00 UTC.
    for (begin, slots) in [("2024-03-30T23:00:00Z", 92_u64), ("2024-10-26T22:00:00Z", 100)] {
        let first = asking::at(begin).as_second().unsigned_abs();
        let times: Vec<String> = (0..slots).map(|slot| (first + slot * 900).to_string()).collect();
        let forecast: Vec<String> = (0..slots).map(|slot| (100 + slot).to_string()).collect();
        let body = format!(r#"{{"unix_seconds":[{}],"co2eq_forecast":[{}]}}"#, times.join(","), forecast.join(","));
        let provider = Provider::with(vec![answer("/co2eq?", body)]).await;
        let asked = Asked { now: begin, start: begin, hours: 26.0, ..day(&["DE"]) };
        let told = ask(asked, Some(&provider)).await.expect("it answers");
        let told = told[0].slots();
        assert_eq!(told.len() as u64, slots);
        assert!(told.windows(2).all(|pair| pair[0].window.end() == pair[1].window.start()), "no gap and no overlap");
        let last = f64::from(99 + u32::try_from(slots).expect("small"));
        assert!(is_close(told[told.len() - 1].intensity.get(), last));
    }
}

#[tokio::test]
async fn arrays_may_be_short_absent_or_end_in_nulls() {
    for (arrays, expected) in [
        (r#""co2eq":[1,2],"co2eq_forecast":[null,9,3,null]"#, vec![1.0, 2.0, 3.0]),
        (r#""co2eq":[1,null,null,null]"#, vec![1.0]),
        (r#""co2eq":null,"co2eq_forecast":[5,6,7,8]"#, vec![5.0, 6.0, 7.0, 8.0]),
        // Nought is a value.
        (r#""co2eq":[0,null,null,null],"co2eq_forecast":[null,null,null,0]"#, vec![0.0, 0.0]),
    ] {
        let body = format!(r#"{{"unix_seconds":[1711065600,1711066500,1711067400,1711068300],{arrays}}}"#);
        let provider = Provider::with(vec![answer("/co2eq?", body)]).await;
        let told = values(&ask(day(&["DE"]), Some(&provider)).await.expect("it answers")[0]);
        assert_eq!(told.iter().map(|(_, value, _)| *value).collect::<Vec<_>>(), expected, "{arrays}");
    }
    for nothing in [
        r#"{"unix_seconds":[]}"#,
        r#"{"unix_seconds":[1711065600,1711066500],"co2eq":[null,null],"co2eq_forecast":[null,null]}"#,
    ] {
        let provider = Provider::with(vec![answer("/co2eq?", nothing)]).await;
        assert_eq!(ask(day(&["DE"]), Some(&provider)).await.expect_err("nothing").kind(), "out-of-range");
    }
}

#[tokio::test]
async fn the_end_of_the_address_is_warned_of() {
    for deprecated in ["true", "false", "null"] {
        let body = format!(r#"{{"unix_seconds":[1711065600],"co2eq":[322],"deprecated":{deprecated}}}"#);
        let provider = Provider::with(vec![answer("/co2eq?", body)]).await;
        let log = Log::begin();
        ask(day(&["DE"]), Some(&provider)).await.expect("it answers");
        assert_eq!(log.lines().iter().any(|line| line.contains("announces the end")), deprecated == "true");
    }
}

#[tokio::test]
async fn refusals_are_told_apart_by_what_they_say() {
    let detail = |parameter: &str| {
        format!(r#"{{"detail":[{{"loc":["query","{parameter}"],"msg":"value is not valid","type":"type_error"}}]}}"#)
    };
    for (status, body, kind, word) in [
        (400, "'xx' is not the code for an available country.".to_owned(), "invalid-region", "not the code"),
        (400, "start is after end".to_owned(), "unavailable", "start is after end"),
        (422, detail("country"), "invalid-region", "not valid"),
        (422, detail("start"), "unavailable", "`start`"),
        (422, "{}".to_owned(), "unavailable", "422"),
        (404, "Not Found".to_owned(), "unavailable", "another plugin"),
    ] {
        let provider = Provider::with(vec![refusal("/co2eq?", status, body)]).await;
        let error = ask(day(&["DE"]), Some(&provider)).await.expect_err("refused");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn a_limit_that_is_reached_ends_the_asking() {
    let limit = Answer { path: "/co2eq?country=fr", status: 429, header: "Retry-After: 30", body: Vec::new() };
    let one = r#"{"unix_seconds":[1711065600],"co2eq":[322]}"#;
    let provider = Provider::with(vec![limit, answer("/co2eq?", one)]).await;
    let told = ask(day(&["DE", "FR", "AT", "CH"]), Some(&provider)).await.expect("the first");
    assert_eq!((told.len(), provider.asked().len()), (1, 2));
    let error = ask(day(&["FR", "DE"]), Some(&provider)).await.expect_err("nothing");
    assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(30));
}

#[tokio::test]
async fn france_by_the_hour_and_the_newest_form_as_recorded() {
    let Some(body) = recorded("energy-charts/co2eq-fr-2024-03-22.json") else { return };
    let provider = Provider::with(vec![answer("/co2eq?country=fr", body)]).await;
    let told = ask(Asked { hours: 48.0, ..day(&["FR"]) }, Some(&provider)).await.expect("it answers");
    // Counted in the file: 18 measured, 29 forecast, and the last hour of both days is not in it.
    let slots = values(&told[0]);
    assert_eq!(slots.iter().filter(|(_, _, kind)| *kind == Kind::Measured).count(), 18);
    assert_eq!(slots.len(), 47);
    assert_eq!(slots[18], ("2024-03-22T18:00:00Z".to_owned(), 49.5, Kind::Forecast), "beside 44.1 measured");
    assert!(told[0].slots().iter().all(|slot| slot.window.duration() == Seconds::from_hours(1.0)));

    let Some(body) = recorded("energy-charts/co2eq-de-2026-07-14-excerpt.json") else { return };
    let provider = Provider::with(vec![answer("/co2eq?country=de", body)]).await;
    let asked = Asked { now: "2026-07-12T23:00:00Z", start: "2026-07-12T22:00:00Z", ..day(&["DE"]) };
    let told = values(&ask(asked, Some(&provider)).await.expect("it answers")[0]);
    let told: Vec<(f64, Kind)> = told.into_iter().map(|(_, value, kind)| (value, kind)).collect();
    assert_eq!(
        told,
        [
            (491.5, Kind::Measured),
            (497.4, Kind::Measured),
            (502.6, Kind::Measured),
            (505.0, Kind::Forecast),
            (508.0, Kind::Forecast)
        ]
    );
}
