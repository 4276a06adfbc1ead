//! The built-in plugins: right numbers on providers' bytes, typed errors on their failures, and components that are what
//! their sources say. Each is asked through a real server on loopback. Small answers in the providers' forms are of our own
//! making; the recorded ones are used where the folder `../shared` is there.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use lowtide_model::forecast::{Accounting, Basis, Kind};
use lowtide_model::quantity::Seconds;
use lowtide_plugin_host::{Call, Grants, NetworkFetcher, PluginHost, sha256_of};

mod asking;
mod loopback;
mod sources;

use asking::{Asked, HOST, answer, ask, at, recorded, values};
use loopback::{Answer, Provider};

#[test]
fn components_are_what_their_sources_build() {
    let plugins = sources::plugins_folder();
    let text = fs::read_to_string(plugins.join("dist/MANIFEST.toml")).expect("the manifest of hashes");
    let manifest: toml::Table = text.parse().expect("TOML");
    let built_in = PluginHost::builtins().iter().map(|builtin| (builtin.manifest.id.as_str(), builtin.wasm.to_vec()));
    let example =
        |id| (id, fs::read(plugins.join("dist").join(format!("{id}.wasm"))).expect("it is kept with the others"));
    for (id, wasm) in built_in.chain(sources::EXAMPLES.map(example)) {
        let entry = manifest.get(id).and_then(toml::Value::as_table).unwrap_or_else(|| panic!("{id} has no hashes"));
        let hash = |key: &str| entry.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        assert_eq!(hash("component"), sha256_of(&wasm), "{id}: the component was changed by hand");
        let sources = sources::hash_of_sources(&plugins, id).expect("the sources");
        assert_eq!(
            hash("sources"),
            sources,
            "{id}: its sources changed; run `cargo run -p lowtide-plugin-host --example build-plugins`"
        );
    }
}

#[tokio::test]
async fn each_describes_itself() {
    for builtin in PluginHost::builtins() {
        let plugin = HOST.load_builtin(&builtin.manifest.id).expect("it loads: its imports are ours alone");
        let call = Call {
            now: at("2023-12-03T10:30:00Z"),
            config: BTreeMap::new(),
            grants: Grants::default(),
            fetcher: Arc::new(NetworkFetcher::new().expect("a client")),
        };
        let info = plugin.describe(&call).await.expect("it describes itself");
        assert_eq!(info.zones, builtin.manifest.zones, "{}", builtin.manifest.id);
        assert!(Seconds::ZERO < info.refresh_interval);
    }
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
async fn annual_means_reach_the_zones_of_a_country() {
    let mean = async |zone: &str| {
        let asked = Asked { plugin: "static-annual", zones: &[zone], hours: 30.5, ..Asked::default() };
        ask(asked, None).await.map(|told| told[0].slots().to_vec())
    };
    let denmark = mean("DK").await.expect("it is in the table");
    assert!(denmark.iter().all(|slot| slot.kind == Kind::Static && slot.intensity == denmark[0].intensity));
    assert_eq!(denmark[0].window.start(), at("2023-12-03T10:30:00Z"));
    assert_eq!(denmark[denmark.len() - 1].window.end(), at("2023-12-04T17:00:00Z"));
    for within in ["DK1", "DK-DK1"] {
        assert_eq!(mean(within).await.expect("its country is")[0].intensity, denmark[0].intensity);
    }
    // Namibia is a country, not a missing value.
    assert!(mean("NA").await.is_ok() && mean("WORLD").await.is_ok());
    for unknown in ["ZZ", "DKX", "Denmark"] {
        assert_eq!(mean(unknown).await.expect_err("unknown").kind(), "invalid-region", "{unknown}");
    }
}

#[tokio::test]
async fn a_granted_file_is_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let series = file(
        "series.csv",
        "# made up\ntime,lifecycle,direct\n2023-12-03T11:00Z,300,200\n2023-12-03T10:00Z,310,\n2023-12-03T12:00Z,290,190\n",
    );
    let assets = [("file", series)];
    let asked = || Asked { plugin: "csv", zones: &["XX"], hours: 24.0, assets: &assets, ..Asked::default() };
    let told = ask(asked(), None).await.expect("it is read");
    assert_eq!(values(&told[0]).iter().map(|(_, value, _)| *value).collect::<Vec<_>>(), [310.0, 300.0, 290.0]);
    let direct = Asked { config: &[("column", "direct")], ..asked() };
    let told = ask(direct, None).await.expect("it is read");
    assert_eq!(told[0].tags.basis, Basis::Direct);
    assert_eq!(told[0].slots().len(), 2, "an empty cell is a gap, not 0");
    for (key, value, kind) in
        [("column", "nope", "invalid-config"), ("file", "other", "invalid-config"), ("kind", "x", "invalid-config")]
    {
        let refused = ask(Asked { config: &[(key, value)], ..asked() }, None).await.expect_err(value);
        assert_eq!(refused.kind(), kind, "{refused}");
    }

    let hours: Vec<String> = (0..24).map(|hour| format!("{hour},{}", 100 + hour)).collect();
    let assets = [("day", file("day.csv", &format!("hour,intensity\n{}\n", hours.join("\n"))))];
    let config = [("file", "day"), ("repeat", "day")];
    let day =
        Asked { plugin: "csv", zones: &["XX"], hours: 30.0, assets: &assets, config: &config, ..Asked::default() };
    let told = values(&ask(day, None).await.expect("it is read")[0]);
    assert_eq!(told[0], ("2023-12-03T10:00:00Z".to_owned(), 110.0, Kind::Estimated));
    assert_eq!((told.len(), told[14].1), (31, 100.0), "the day begins again at midnight");

    let assets = [("file", file("notes.txt", "dear diary,\n"))];
    let refused = ask(Asked { assets: &assets, ..asked() }, None).await.expect_err("no table");
    assert_eq!(refused.kind(), "invalid-config");
}

#[tokio::test]
async fn a_provider_that_fails_is_told_apart_by_what_to_do() {
    for (status, header, body, kind) in [
        (429, "Retry-After: 77", "slow down", "rate-limited"),
        (401, "x-a: b", "{}", "unauthorized"),
        (500, "x-a: b", "oops", "unavailable"),
        (302, "Location: http://169.254.169.254/", "", "unavailable"),
        (200, "x-a: b", "<html>maintenance</html>", "malformed"),
        (200, "x-a: b", "", "malformed"),
        (200, "x-a: b", r#"{"data":[{"from":"2023-12-03T10:30Z","intensity":{"forecast":-5}}]}"#, "malformed"),
        (200, "x-a: b", r#"{"data":[{"from":"2023-12-03T10:30Z","intensity":{"forecast":99999}}]}"#, "malformed"),
    ] {
        let answer = Answer { path: "/", status, header, body: body.as_bytes().to_vec() };
        let provider = Provider::with(vec![answer]).await;
        let asked = Asked { plugin: "gb-neso", zones: &["GB"], ..Asked::default() };
        let error = ask(asked, Some(&provider)).await.expect_err(body);
        assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), (status == 429).then_some(77));
        assert_eq!(provider.asked().len(), 1, "a redirect is not followed, a refusal not repeated");
    }
    let huge = Answer { path: "/", status: 200, header: "x-a: b", body: vec![b' '; 3 << 20] };
    let provider = Provider::with(vec![huge]).await;
    let error = ask(Asked { plugin: "gb-neso", zones: &["GB"], ..Asked::default() }, Some(&provider)).await;
    assert_eq!(error.expect_err("too large").kind(), "malformed");
    let nobody = Provider::with(Vec::new()).await;
    let error = ask(Asked { plugin: "gb-neso", zones: &["FR"], ..Asked::default() }, Some(&nobody)).await;
    assert_eq!(error.expect_err("not of Great Britain").kind(), "invalid-region");
}
