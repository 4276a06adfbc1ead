//! The arrows between the crates run one way, and the pure ones stay pure. This is the architecture's own test: it
//! reads `cargo metadata` and the sources, so nobody has to remember.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Which of our crates each of our crates may use.
const ARROWS: [(&str, &[&str]); 12] = [
    ("lowtide-model", &[]),
    ("lowtide-planner", &["lowtide-model"]),
    ("lowtide-engine", &["lowtide-model", "lowtide-planner"]),
    ("lowtide-simulator", &["lowtide-model", "lowtide-planner"]),
    ("lowtide-store", &["lowtide-model"]),
    ("lowtide-meters", &["lowtide-model"]),
    ("lowtide-executors", &["lowtide-model"]),
    ("lowtide-plugin-host", &["lowtide-model"]),
    ("lowtide-api", &["lowtide-model"]),
    ("lowtide-agent", &["lowtide-model", "lowtide-meters"]),
    (
        "lowtide-daemon",
        &[
            "lowtide-api",
            "lowtide-engine",
            "lowtide-executors",
            "lowtide-model",
            "lowtide-planner",
            "lowtide-plugin-host",
            "lowtide-store",
        ],
    ),
    (
        "lowtide",
        &[
            "lowtide-agent",
            "lowtide-api",
            "lowtide-daemon",
            "lowtide-engine",
            "lowtide-meters",
            "lowtide-model",
            "lowtide-planner",
            "lowtide-plugin-host",
            "lowtide-simulator",
        ],
    ),
];

/// Crates that read no clock, touch no file and know no network.
const PURE: [&str; 4] = ["model", "planner", "engine", "simulator"];

/// Crates from outside that a pure crate must not use.
const IMPURE_CRATES: [&str; 8] =
    ["tokio", "rusqlite", "reqwest", "wasmtime", "axum", "rustix", "nvml-wrapper", "tracing-subscriber"];

/// What a pure crate must not say.
const IMPURE_WORDS: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "Timestamp::now",
    "SystemTime::now",
    "Instant::now",
    "Zoned::now",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_arrow_points_the_allowed_way() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(vec!["--offline".to_owned()])
        .no_deps()
        .exec()
        .expect("the workspace's metadata can be read");
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    for package in &metadata.packages {
        let may = allowed
            .get(package.name.as_str())
            .unwrap_or_else(|| panic!("{} is not in the table of arrows: give it its place there", package.name));
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal) {
            let name = dependency.name.as_str();
            assert!(!name.starts_with("lowtide") || may.contains(&name), "{} must not use {name}", package.name);
            let pure = PURE.iter().any(|pure| package.name.as_str() == format!("lowtide-{pure}"));
            assert!(!pure || !IMPURE_CRATES.contains(&name), "{} is pure and must not use {name}", package.name);
        }
    }
}

#[test]
fn the_pure_crates_say_nothing_impure() {
    for pure in PURE {
        for file in sources(&root().join("scheduler").join(pure).join("src")) {
            let text = fs::read_to_string(&file).expect("a source can be read");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for (number, line) in code.enumerate() {
                for word in IMPURE_WORDS {
                    assert!(!line.contains(word), "{}: `{word}` in {line:?} ({number})", file.display());
                }
            }
        }
    }
}

#[test]
fn only_the_store_speaks_sql() {
    for crate_folder in fs::read_dir(root().join("scheduler")).expect("the folder of crates can be read") {
        let folder = crate_folder.expect("an entry").path();
        if folder.ends_with("store") {
            continue;
        }
        for file in sources(&folder) {
            let text = fs::read_to_string(&file).expect("a source can be read");
            assert!(!text.contains("rusqlite"), "{} knows the database", file.display());
        }
    }
}

#[test]
fn every_source_file_says_what_it_is() {
    for file in sources(&root().join("scheduler")) {
        let text = fs::read_to_string(&file).expect("a source can be read");
        assert!(text.starts_with("//!"), "{} has no first line that says what lives there", file.display());
    }
}

/// All Rust sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
