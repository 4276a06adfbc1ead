//! Denmark: both areas in one request a data set, Danish local time in the question and UTC in the answer, and rows in any
//! order. The service is played by one that reads its parameters as the real one is documented to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use jiff::tz::AmbiguousOffset;
use lowtide_model::forecast::{Forecast, Kind};
use lowtide_model::quantity::Seconds;
use lowtide_plugin_host::Broker;

mod asking;
mod energinet;
mod loopback;
mod sources;

use asking::{Asked, answer, ask, ask_through, at, is_close, recorded, refusal, values};
use energinet::{Energinet, Reading, value_at};
use loopback::Provider;

fn denmark(now: &'static str, start: &'static str) -> Asked<'static> {
    Asked { plugin: "energi-data-service", zones: &["DK1", "DK2"], now, start, ..Asked::default() }
}

/// One row of a data set.
fn row(utc: &str, area: &str, value: &str) -> String {
    format!(r#"{{"Minutes5UTC":"{utc}","PriceArea":"{area}","CO2Emission":{value}}}"#)
}

#[tokio::test]
async fn denmark_comes_in_one_call_and_in_utc() {
    let measured = r#"{"total":9,"records":[
        {"Minutes5UTC":"2023-10-29T00:55:00","Minutes5DK":"2023-10-29T02:55:00","PriceArea":"DK1","CO2Emission":100.5},
        {"Minutes5UTC":"2023-10-29T01:00:00","Minutes5DK":"2023-10-29T02:00:00","PriceArea":"DK1","CO2Emission":null},
        {"Minutes5UTC":"2023-10-29T00:55:00","Minutes5DK":"2023-10-29T02:55:00","PriceArea":"DK2","CO2Emission":80}]}"#;
    let forecast = r#"{"records":[
        {"Minutes5UTC":"2023-10-29T01:10:00","Minutes5DK":"2023-10-29T02:10:00","PriceArea":"DK1","CO2Emission":90},
        {"Minutes5UTC":"2023-10-29T00:55:00","Minutes5DK":"2023-10-29T02:55:00","PriceArea":"DK1","CO2Emission":777}]}"#;
    let provider =
        Provider::with(vec![answer("/dataset/CO2Emis?", measured), answer("/dataset/CO2EmisProg?", forecast)]).await;
    let asked = Asked {
        plugin: "energi-data-service",
        zones: &["DK1", "DK2"],
        now: "2023-10-29T01:00:00Z",
        start: "2023-10-29T00:00:00Z",
        ..Asked::default()
    };
    let told = ask(asked, Some(&provider)).await.expect("it answers");
    assert_eq!(
        values(&told[0]),
        [
            // What was measured beats what was forecast, a missing value is no value, and the repeated hour is no matter.
            ("2023-10-29T00:55:00Z".to_owned(), 100.5, Kind::Measured),
            ("2023-10-29T01:10:00Z".to_owned(), 90.0, Kind::Forecast),
        ]
    );
    assert_eq!(values(&told[1]), [("2023-10-29T00:55:00Z".to_owned(), 80.0, Kind::Measured)]);
    let asked = provider.asked();
    assert_eq!(asked.len(), 2, "one request a data set, both areas in it: {asked:?}");
    assert!(
        asked.iter().all(|address| address.contains("DK1") && address.contains("DK2") && address.contains("limit="))
    );
}

#[tokio::test]
async fn denmark_as_recorded() {
    let Some(forecast) = recorded("energi-data-service/CO2EmisProg-2019-10-15.json") else { return };
    let provider = Provider::with(vec![answer("/dataset/CO2EmisProg?", forecast)]).await;
    let asked = Asked {
        plugin: "energi-data-service",
        zones: &["DK1", "DK2"],
        now: "2019-10-15T20:00:00Z",
        start: "2019-10-15T20:00:00Z",
        hours: 9.0,
        ..Asked::default()
    };
    let told = ask(asked, Some(&provider)).await.expect("it answers");
    assert_eq!((told[0].slots().len(), told[1].slots().len()), (23, 23));
    assert_eq!(values(&told[0])[0], ("2019-10-15T20:05:00Z".to_owned(), 88.0, Kind::Forecast));
    assert_eq!(values(&told[1])[22], ("2019-10-15T21:55:00Z".to_owned(), 289.0, Kind::Forecast));
}

#[tokio::test]
async fn the_measured_values_as_recorded() {
    let Some(body) = recorded("energi-data-service/CO2Emis-2019-12-09.json") else { return };
    let provider = Provider::with(vec![answer("/dataset/CO2Emis?", body)]).await;
    let asked = || denmark("2019-12-09T12:20:00Z", "2019-12-09T10:00:00Z");
    // In winter; 23 rows of each area, of 2623 g/kWh together, as counted in the file.
    let told = ask(Asked { hours: 2.5, ..asked() }, Some(&provider)).await;
    assert_eq!(told.expect_err("the forecast is missing").kind(), "unavailable");
    let yesterday = Asked { now: "2019-12-10T00:00:00Z", hours: 2.5, ..asked() };
    let told = ask(yesterday, Some(&provider)).await.expect("it answers");
    for told in &told {
        let slots = values(told);
        assert_eq!((slots.len(), slots.iter().map(|(_, value, _)| *value).sum::<f64>()), (23, 2623.0));
        assert_eq!(slots[0], ("2019-12-09T10:30:00Z".to_owned(), 129.0, Kind::Measured), "oldest first");
    }
    let Some(body) = recorded("energi-data-service/CO2Emis-one-record-2026-01-20.json") else { return };
    let provider = Provider::with(vec![answer("/dataset/CO2Emis?", body)]).await;
    let asked = Asked { hours: 1.0, ..denmark("2026-01-20T18:00:00Z", "2026-01-20T16:00:00Z") };
    let told = ask(asked, Some(&provider)).await.expect("it answers");
    assert_eq!(told.len(), 1, "the area without a row is left out");
    assert_eq!(values(&told[0]), [("2026-01-20T16:30:00Z".to_owned(), 160.0, Kind::Measured)]);
}

#[tokio::test]
async fn other_recorded_data_sets_are_no_intensity() {
    for file in [
        "energi-data-service/ElectricityProdex5MinRealtime-2025-02-21.json",
        "energi-data-service/Elspotprices-one-record-2025-09-30.json",
        "energi-data-service/schema-co2emis.json",
    ] {
        let Some(body) = recorded(file) else { return };
        let provider = Provider::with(vec![answer("/", body)]).await;
        let asked = denmark("2025-02-21T19:00:00Z", "2025-02-21T19:00:00Z");
        assert_eq!(ask(asked, Some(&provider)).await.expect_err(file).kind(), "malformed", "{file}");
    }
}

/// Asserts that every five minutes of the asked time are told once, with the value of that time.
fn assert_whole(told: &[Forecast], start: Timestamp, hours: f64) {
    assert_eq!(told.len(), 2);
    for told in told {
        let starts: Vec<i64> = told.slots().iter().map(|slot| slot.window.start().as_second()).collect();
        let end = Seconds::from_hours(hours).after(start).as_second();
        let expected: Vec<i64> = (start.as_second()..end).step_by(300).collect();
        assert_eq!(starts, expected, "{} from {start} for {hours} h", told.zone);
        for slot in told.slots() {
            let expected = value_at(slot.window.start());
            assert!(is_close(slot.intensity.get(), expected), "{}: {}", slot.window.start(), slot.intensity.get());
        }
    }
}

#[tokio::test]
async fn the_asked_time_is_told_whole_in_winter_and_summer_and_at_both_clock_changes() {
    for reading in [Reading::Earlier, Reading::Later] {
        for day in ["2024-01-15", "2024-07-15", "2024-03-30", "2024-03-31", "2024-10-26", "2024-10-27"] {
            for hour in ["00:00", "00:30", "01:30", "23:00"] {
                let (energinet, start) = (Energinet::reading(reading), format!("{day}T{hour}:00Z"));
                for hours in [1.0, 24.0] {
                    let asked = Asked { now: &start, start: &start, hours, ..denmark("", "") };
                    let told = ask_through(asked, None, energinet.clone()).await.expect("it answers");
                    assert_whole(&told, at(&start), hours);
                }
            }
        }
    }
}

#[tokio::test]
async fn the_test_service_knows_hours_that_do_not_exist_and_hours_that_come_twice() {
    let zone = energinet::copenhagen();
    let kind = |text: &str| zone.to_ambiguous_timestamp(text.parse().expect("a time")).offset();
    assert!(matches!(kind("2024-03-31T02:30"), AmbiguousOffset::Gap { .. }));
    assert!(matches!(kind("2024-10-27T02:30"), AmbiguousOffset::Fold { .. }));
    assert!(matches!(kind("2024-10-27T03:00"), AmbiguousOffset::Unambiguous { .. }));
}

#[tokio::test]
async fn a_week_is_told_and_no_more() {
    let energinet = Energinet::reading(Reading::Later);
    let week = denmark("2024-07-10T00:00:00Z", "2024-07-01T00:00:00Z");
    let told = ask_through(Asked { hours: 168.0, ..week }, None, energinet.clone()).await.expect("it answers");
    // 2016 points a zone: the host takes no more, and the default of the service is 100 rows.
    assert_whole(&told, at("2024-07-01T00:00:00Z"), 168.0);
    let month = denmark("2024-07-10T00:00:00Z", "2024-06-20T00:00:00Z");
    let told = ask_through(Asked { hours: 30.0 * 24.0, ..month }, None, energinet).await.expect("it answers");
    assert_whole(&told, at("2024-07-05T00:00:00Z"), 168.0);
    assert!(told.iter().all(|told| told.slots()[0].kind == Kind::Measured));
}

#[tokio::test]
async fn a_data_set_is_asked_for_once_a_minute_and_no_more() {
    let energinet = Energinet::reading(Reading::Later);
    let second = Arc::new(AtomicI64::new(0));
    let clock = second.clone();
    let now = move || Timestamp::from_second(1_720_000_000 + clock.load(Ordering::Relaxed)).expect("in range");
    let broker = Arc::new(Broker::with_clock(energinet.clone(), None, Box::new(now)));
    let asked = |start| Asked { hours: 20.0, ..denmark("2024-07-03T10:00:00Z", start) };
    ask_through(asked("2024-07-03T00:00:00Z"), None, broker.clone()).await.expect("it answers");
    assert_eq!(energinet.asked(), ["/dataset/CO2EmisProg", "/dataset/CO2Emis"], "both areas in each");
    // The same again is known still; another time is a request too many for either data set.
    second.store(30, Ordering::Relaxed);
    ask_through(asked("2024-07-03T00:00:00Z"), None, broker.clone()).await.expect("it is known");
    let error = ask_through(asked("2024-07-03T01:00:00Z"), None, broker.clone()).await.expect_err("too soon");
    assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(30));
    assert_eq!(energinet.asked().len(), 2, "the service need not refuse");
    second.store(60, Ordering::Relaxed);
    ask_through(asked("2024-07-03T01:00:00Z"), None, broker).await.expect("a minute has gone by");
    assert_eq!(energinet.asked().len(), 4);
}

#[tokio::test]
async fn rows_come_in_any_order_and_more_than_once() {
    let rows = [
        row("2024-07-03T10:10:00", "DK1", "3"),
        row("2024-07-03T10:05:00", "DK1", "null"),
        row("2024-07-03T10:05:00", "DK1", "2"),
        row("2024-07-03T10:05:00", "DK1", "9"),
        row("2024-07-03T10:00:00", "SE3", "8"),
        row("2024-07-03T10:00:00", "DK1", "0"),
    ];
    let body = format!(r#"{{"records":[{}],"sort":"whatever"}}"#, rows.join(","));
    let provider = Provider::with(vec![answer("/dataset/CO2EmisProg?", body)]).await;
    let asked = denmark("2024-07-03T10:00:00Z", "2024-07-03T10:00:00Z");
    let told = ask(asked, Some(&provider)).await.expect("it answers");
    assert_eq!(told.len(), 1);
    assert_eq!(values(&told[0]).iter().map(|(_, value, _)| *value).collect::<Vec<_>>(), [0.0, 2.0, 3.0]);
}

#[tokio::test]
async fn a_zone_elsewhere_does_not_silence_denmark() {
    let body = format!(r#"{{"records":[{}]}}"#, row("2024-07-03T10:00:00", "DK2", "50"));
    let provider = Provider::with(vec![answer("/", body)]).await;
    let asked = |zones| Asked { zones, ..denmark("2024-07-03T10:00:00Z", "2024-07-03T10:00:00Z") };
    let told = ask(asked(&["DK3", "DK2"]), Some(&provider)).await.expect("one of them");
    assert_eq!(told.iter().map(|told| told.zone.as_str()).collect::<Vec<_>>(), ["DK2"]);
    let error = ask(asked(&["DK"]), Some(&provider)).await.expect_err("no area");
    assert_eq!(error.kind(), "invalid-region");
    assert_eq!(ask(asked(&["DK1"]), Some(&provider)).await.expect_err("no row").kind(), "out-of-range");
}

#[tokio::test]
async fn a_data_set_that_fails_costs_the_measured_values_but_not_the_forecast() {
    let body = format!(r#"{{"records":[{}]}}"#, row("2024-07-03T10:05:00", "DK1", "50"));
    let asked = || denmark("2024-07-03T10:00:00Z", "2024-07-03T00:00:00Z");
    let provider =
        Provider::with(vec![refusal("/dataset/CO2Emis?", 429, ""), answer("/dataset/CO2EmisProg?", body.clone())])
            .await;
    assert_eq!(values(&ask(asked(), Some(&provider)).await.expect("the forecast")[0])[0].2, Kind::Forecast);
    let provider = Provider::with(vec![
        answer("/dataset/CO2Emis?", body),
        refusal("/dataset/CO2EmisProg?", 400, "bad start date"),
    ])
    .await;
    let error = ask(asked(), Some(&provider)).await.expect_err("no forecast");
    assert!(error.to_string().contains("bad start date") && error.kind() == "unavailable", "{error}");
}
