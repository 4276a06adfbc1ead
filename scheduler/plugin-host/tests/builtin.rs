//! The built-in plugins: components that are what their sources say, and the two that ask nobody: the annual means and a
//! granted file. Each other one has a file of tests of its own, and `refusals.rs` has what all of them do when a provider
//! fails.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use lowtide_model::forecast::{Basis, Kind};
use lowtide_model::quantity::Seconds;
use lowtide_plugin_host::{Call, Grants, NetworkFetcher, PluginHost, sha256_of};

mod asking;
mod loopback;
mod sources;

use asking::{Asked, HOST, ask, at, values};

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
    // One that the table does not know does not silence another, and a zone's name is read as text.
    let asked = Asked { plugin: "static-annual", zones: &["ZZ", "NA-1"], ..Asked::default() };
    let told = ask(asked, None).await.expect("one of them");
    assert_eq!(told.iter().map(|told| told.zone.as_str()).collect::<Vec<_>>(), ["NA-1"]);
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
