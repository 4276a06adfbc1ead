//! Great Britain: the nation, regions and postcodes, in as few requests as may be, and the traps of the source.

use lowtide_model::forecast::{Accounting, Basis, Kind};
use lowtide_model::quantity::Seconds;

mod asking;
mod loopback;
mod sources;

use asking::{Asked, answer, ask, recorded, refusal, values};
use loopback::Provider;

fn britain(zones: &'static [&'static str]) -> Asked<'static> {
    Asked { plugin: "gb-neso", zones, ..Asked::default() }
}

/// From a day ago on.
fn with_the_past(zones: &'static [&'static str]) -> Asked<'static> {
    Asked { start: "2023-12-02T10:30:00Z", hours: 72.0, ..britain(zones) }
}

/// A region's answer of one slot.
fn region(id: u32, forecast: u32) -> String {
    format!(
        r#"{{"data":{{"regionid":{id},"shortname":"x","data":[{{"from":"2023-12-03T11:00Z","to":"2023-12-03T11:30Z","intensity":{{"forecast":{forecast},"index":"x"}},"generationmix":[{{"fuel":"gas","perc":1.5}}]}}]}}}}"#
    )
}

/// The answer of all regions, of one slot: that of region `n` is `base + n`.
fn all_regions(from: &str, base: u32) -> String {
    let region = |id: u32| {
        format!(
            r#"{{"regionid":{id},"dnoregion":"x","shortname":"y","intensity":{{"forecast":{},"index":"z"}},"generationmix":[]}}"#,
            base + id
        )
    };
    let regions: Vec<String> = (1..=18).map(region).collect();
    format!(r#"{{"data":[{{"from":"{from}","to":null,"regions":[{}]}}]}}"#, regions.join(","))
}

#[tokio::test]
async fn great_britain_joins_measured_and_forecast() {
    let body = r#"{"data":[
        {"from":"2023-12-03T10:30Z","to":"2023-12-03T11:00Z","intensity":{"forecast":211,"actual":206,"index":"high"}},
        {"from":"2023-12-03T11:00Z","to":"2023-12-03T11:30Z","intensity":{"forecast":209,"actual":null,"index":"high"}},
        {"from":"2023-12-03T11:30Z","to":"2023-12-03T12:00Z","intensity":{"forecast":null,"actual":null,"index":"high"}},
        {"from":"2023-12-03T12:00Z","to":"2023-12-03T12:30Z","intensity":{"forecast":0,"actual":null,"index":"low"}}]}"#;
    let past =
        r#"{"data":[{"from":"2023-12-03T10:00Z","to":"2023-12-03T10:30Z","intensity":{"forecast":9,"actual":200}}]}"#;
    let provider = Provider::with(vec![
        answer("/intensity/2023-12-03T10:30Z/fw48h", body),
        answer("/intensity/2023-12-02T10:30Z/2023-12-03T10:30Z", past),
    ])
    .await;
    let asked =
        Asked { plugin: "gb-neso", zones: &["GB"], start: "2023-12-02T10:30:00Z", hours: 72.0, ..Asked::default() };
    let told = ask(asked, Some(&provider)).await.expect("it answers");
    assert_eq!(
        values(&told[0]),
        [
            ("2023-12-03T10:00:00Z".to_owned(), 200.0, Kind::Measured),
            ("2023-12-03T10:30:00Z".to_owned(), 206.0, Kind::Measured),
            ("2023-12-03T11:00:00Z".to_owned(), 209.0, Kind::Forecast),
            ("2023-12-03T12:00:00Z".to_owned(), 0.0, Kind::Forecast),
        ]
    );
    assert_eq!((told[0].tags.basis, told[0].tags.accounting), (Basis::Direct, Accounting::Consumption));
    assert!(told[0].attribution.as_ref().is_some_and(|text| text.contains("CC BY")));
}

#[tokio::test]
async fn great_britain_as_recorded() {
    let (Some(national), Some(regional)) = (
        recorded("gb-neso/national-fw48h-2023-12-03.json"),
        recorded("gb-neso/regional-13-london-fw48h-2023-12-03.json"),
    ) else {
        return;
    };
    let provider = Provider::with(vec![
        answer("/intensity/", national),
        answer("/regional/intensity/2023-12-03T10:30Z/fw48h/regionid/13", regional.clone()),
        answer("/regional/intensity/2023-12-03T10:30Z/fw48h/postcode/SW1A", regional),
    ])
    .await;
    let told = ask(Asked { plugin: "gb-neso", zones: &["GB", "GB-13"], ..Asked::default() }, Some(&provider)).await;
    let told = told.expect("it answers");
    assert_eq!((told[0].slots().len(), told[1].slots().len()), (96, 96));
    assert_eq!(values(&told[0])[0], ("2023-12-03T10:30:00Z".to_owned(), 206.0, Kind::Measured));
    assert_eq!(values(&told[0])[95], ("2023-12-05T10:00:00Z".to_owned(), 216.0, Kind::Forecast));
    assert_eq!(values(&told[1])[0], ("2023-12-03T10:30:00Z".to_owned(), 134.0, Kind::Forecast));

    let postcode = Asked { plugin: "gb-neso", zones: &["GB"], config: &[("postcode", "SW1A")], ..Asked::default() };
    let told = ask(postcode, Some(&provider)).await.expect("it answers");
    assert_eq!(values(&told[0])[0], ("2023-12-03T10:30:00Z".to_owned(), 134.0, Kind::Forecast));
}

#[tokio::test]
async fn one_region_that_fails_does_not_silence_the_others() {
    for (status, body) in [(500, "oops"), (400, "{}"), (200, "<html>")] {
        let provider = Provider::with(vec![
            answer("/regional/intensity/2023-12-03T10:30Z/fw48h/regionid/13", region(13, 130)),
            refusal("/regional/intensity/2023-12-03T10:30Z/fw48h/regionid/1", status, body),
        ])
        .await;
        let told = ask(britain(&["GB-1", "GB-13", "GB-99"]), Some(&provider)).await.expect("one of them");
        assert_eq!(told.iter().map(|told| told.zone.as_str()).collect::<Vec<_>>(), ["GB-13"], "{status}");
    }
    // Who is asked to slow down asks no further.
    let provider = Provider::with(vec![refusal("/", 429, "")]).await;
    let error = ask(britain(&["GB-1", "GB-13"]), Some(&provider)).await.expect_err("nobody answers");
    assert_eq!((error.kind(), provider.asked().len()), ("rate-limited", 1));
}

#[tokio::test]
async fn many_regions_come_in_one_request_for_all() {
    let nation = r#"{"data":[{"from":"2023-12-03T10:30Z","to":"2023-12-03T11:00Z","intensity":{"forecast":211,"actual":null}}]}"#;
    let provider = Provider::with(vec![
        answer("/regional/intensity/2023-12-03T10:30Z/fw48h", all_regions("2023-12-03T10:30Z", 100)),
        answer("/regional/intensity/2023-12-03T10:30Z/pt24h", all_regions("2023-12-03T10:00Z", 200)),
        answer("/intensity/", nation),
    ])
    .await;
    let zones = &["GB", "GB-1", "GB-2", "GB-3", "GB-13", "GB-14", "GB-17"];
    let told = ask(with_the_past(zones), Some(&provider)).await.expect("it answers");
    assert_eq!(told.len(), 7);
    assert_eq!(provider.asked().len(), 4, "{:?}", provider.asked());
    assert_eq!(
        values(&told[4]),
        [
            ("2023-12-03T10:00:00Z".to_owned(), 213.0, Kind::Forecast),
            ("2023-12-03T10:30:00Z".to_owned(), 113.0, Kind::Forecast),
        ]
    );
    // As many as fit are asked for by themselves: that is less to read.
    let provider = Provider::with(vec![answer("/regional/", region(1, 130).replace("\"regionid\":1,", ""))]).await;
    ask(with_the_past(&["GB-1", "GB-2", "GB-3", "GB-4"]), Some(&provider)).await.expect("it answers");
    let asked = provider.asked();
    assert!(asked.len() == 8 && asked.iter().all(|path| path.contains("/regionid/")), "{asked:?}");
}

#[tokio::test]
async fn where_all_regions_cannot_be_had_at_once_as_many_as_may_be_are_told() {
    let provider = Provider::with(vec![
        refusal("/regional/", 500, "oops"),
        answer("/regional/intensity/2023-12-03T10:30Z/fw48h/regionid/", region(1, 130).replace("\"regionid\":1,", "")),
    ])
    .await;
    let zones = &["GB-1", "GB-2", "GB-3", "GB-4", "GB-5", "GB-6", "GB-7", "GB-8", "GB-9"];
    let told = ask(britain(zones), Some(&provider)).await.expect("some of them");
    assert_eq!((told.len(), provider.asked().len()), (7, 8));
}

#[tokio::test]
async fn a_slot_says_itself_how_long_it_is() {
    let slots = |slots: &str| format!(r#"{{"data":[{slots}]}}"#);
    let provider = Provider::with(vec![answer(
        "/",
        slots(
            r#"{"from":"2023-12-03T11:30Z","to":"2023-12-03T11:45Z","intensity":{"forecast":1}},
               {"from":"2023-12-03T10:30Z","to":"2023-12-03T11:30Z","intensity":{"forecast":2}},
               {"from":"2023-12-03T10:30Z","to":"2023-12-03T11:30Z","intensity":{"forecast":3}}"#,
        ),
    )])
    .await;
    let told = ask(britain(&["GB"]), Some(&provider)).await.expect("it answers");
    let lengths: Vec<Seconds> = told[0].slots().iter().map(|slot| slot.window.duration()).collect();
    assert_eq!(lengths, [Seconds::saturating(3600.0), Seconds::saturating(900.0)], "in order, each once");
    for bad in [
        r#"{"from":"2023-12-03T11:30Z","to":"2023-12-03T11:00Z","intensity":{"forecast":1}}"#,
        r#"{"from":"2023-12-03T11:30Z","to":"later","intensity":{"forecast":1}}"#,
        r#"{"from":"11:30","intensity":{"forecast":1}}"#,
        r#"{"from":"2023-12-03T10:30Z"}"#,
    ] {
        let provider = Provider::with(vec![answer("/", slots(bad))]).await;
        assert_eq!(ask(britain(&["GB"]), Some(&provider)).await.expect_err(bad).kind(), "malformed", "{bad}");
    }
    let provider = Provider::with(vec![answer("/", slots(""))]).await;
    assert_eq!(ask(britain(&["GB"]), Some(&provider)).await.expect_err("nothing").kind(), "out-of-range");
}

#[tokio::test]
async fn the_same_question_has_the_same_address_for_half_an_hour() {
    let provider = Provider::with(vec![answer("/", region(13, 130))]).await;
    for now in ["2023-12-03T10:30:00Z", "2023-12-03T10:44:59Z", "2023-12-03T10:59:59Z"] {
        ask(Asked { now, ..with_the_past(&["GB-13"]) }, Some(&provider)).await.expect("it answers");
    }
    let asked = provider.asked();
    assert_eq!((asked.len(), &asked[..2], &asked[..2]), (6, &asked[2..4], &asked[4..]));
}

#[tokio::test]
async fn the_past_alone_is_an_error_where_it_fails_and_no_loss_beside_the_coming_hours() {
    let ahead = r#"{"data":[{"from":"2023-12-03T10:30Z","intensity":{"forecast":211}}]}"#;
    let provider =
        Provider::with(vec![refusal("/", 500, "oops"), answer("/intensity/2023-12-03T10:30Z/fw48h", ahead)]).await;
    let told = ask(with_the_past(&["GB"]), Some(&provider)).await.expect("the coming hours");
    assert_eq!(told[0].slots().len(), 1);
    let yesterday = Asked { hours: 12.0, ..with_the_past(&["GB"]) };
    assert_eq!(ask(yesterday, Some(&provider)).await.expect_err("nothing").kind(), "unavailable");
    let month = Asked { start: "2023-11-01T00:00:00Z", hours: 24.0 * 30.0, ..britain(&["GB"]) };
    ask(month, Some(&provider)).await.expect_err("nothing");
    let last = provider.asked().pop().expect("asked");
    assert_eq!(last, "/intensity/2023-11-17T00:00Z/2023-12-01T00:00Z", "no more than fourteen days");
}

#[tokio::test]
async fn another_region_than_the_asked_one_is_refused() {
    let provider = Provider::with(vec![answer("/", region(14, 130))]).await;
    let error = ask(britain(&["GB-13"]), Some(&provider)).await.expect_err("of somewhere else");
    assert_eq!(error.kind(), "malformed", "{error}");
}

#[tokio::test]
async fn a_postcode_the_service_does_not_know_is_a_setting_to_mend() {
    let Some(body) = recorded("gb-neso/error-400-invalid-path.json") else { return };
    let provider = Provider::with(vec![refusal("/", 400, body)]).await;
    for code in [[("postcode", "ZZ9")], [("postcode", "SW1A 1AA")], [("postcode", "../x")]] {
        let asked = Asked { config: &code, ..britain(&["GB"]) };
        let error = ask(asked, Some(&provider)).await.expect_err("unknown");
        assert_eq!(error.kind(), "invalid-config");
        assert!(error.to_string().contains("postcode"), "{error}");
    }
    assert_eq!(provider.asked().len(), 1, "what is no postcode is not sent");
    let error = ask(britain(&["GB"]), Some(&provider)).await.expect_err("refused");
    assert_eq!(error.kind(), "unavailable");
    assert!(error.to_string().contains("Please enter a valid path"), "{error}");
}

#[tokio::test]
async fn the_current_forms_as_documented() {
    let now = "2018-01-20T12:00:00Z";
    for (file, zones, expected, kind) in [
        ("gb-neso/doc-get-current-intensity.json", &["GB"], 263.0, Kind::Measured),
        ("gb-neso/doc-get-regional-intensity.json", &["GB-3"], 266.0, Kind::Forecast),
    ] {
        let Some(body) = recorded(file) else { return };
        let provider = Provider::with(vec![answer("/", body)]).await;
        let told = ask(Asked { now, start: now, ..britain(zones) }, Some(&provider)).await.expect(file);
        assert_eq!(values(&told[0]), [("2018-01-20T12:00:00Z".to_owned(), expected, kind)]);
    }
    for file in ["gb-neso/doc-get-intensity-factors.json", "gb-neso/cats-national-forecast-2023-05-04.csv"] {
        let Some(body) = recorded(file) else { return };
        let provider = Provider::with(vec![answer("/", body)]).await;
        let error = ask(britain(&["GB"]), Some(&provider)).await.expect_err("no intensity");
        assert_eq!(error.kind(), "malformed", "{file}");
    }
}
