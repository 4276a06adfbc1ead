//! Region plugins from their author's side: a new folder, a build that says what is missing, and a file that is one.
//! Scripts stand in for compilers where it does not matter what they compile; `tutorial` and `python` run real ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lowtide_plugin_host::sha256_of;

use crate::world::{Said, World, said};

/// The component of a built-in plugin, which stands for one just compiled.
fn component() -> PathBuf {
    repository().join("plugins/dist/csv.wasm")
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program that is a shell script, in a folder of its own.
fn program(folder: &Path, name: &str, script: &str) {
    fs::create_dir_all(folder).expect("made");
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("allowed");
}

/// A componentize-py that lays this file where it is asked to, and remembers how it was called.
fn componentize(folder: &Path, component: &Path) {
    let script = format!(
        "echo \"$@\" > calls\nwhile [ \"$1\" != -o ]; do shift; done\n/bin/cp '{}' \"$2\"",
        component.display()
    );
    program(folder, "componentize-py", &script);
}

/// Builds with nothing on the PATH but what is in this folder.
fn build(world: &World, directory: &str, path: &Path) -> Said {
    let output = world.lowtide(&["plugin", "build", directory]).env("PATH", path).output();
    said(output.expect("the binary can be run"))
}

/// All files below a folder, by their path in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below)).expect("a folder") {
            let path = below.join(entry.expect("an entry").file_name());
            if folder.join(&path).is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn a_new_plugin_has_all_that_its_author_needs() {
    let world = World::empty();
    for (language, main) in [("rust", "src/lib.rs"), ("python", "app.py")] {
        let name = format!("grid-in-{language}");
        let made = world.json(&["plugin", "new", "--lang", language, &name, "--json"]);
        let folder = world.work().join(&name);
        let told: Vec<&str> =
            made["files"].as_array().expect("a list").iter().filter_map(|file| file.as_str()).collect();
        let mut there = files(&folder);
        there.sort();
        let mut listed: Vec<PathBuf> = told.iter().map(PathBuf::from).collect();
        listed.sort();
        assert_eq!(listed, there, "what is listed is what is there");
        assert!(folder.join(main).is_file() && folder.join("replay/replay.json").is_file());
        for file in &there {
            let text = fs::read_to_string(folder.join(file)).expect("text");
            assert!(!text.contains("{{"), "{} is still a template", file.display());
        }
        let manifest = fs::read_to_string(folder.join("plugin.toml")).expect("a manifest");
        assert!(manifest.contains(&format!("id = \"{name}\"")), "{manifest}");
        let read_me = fs::read_to_string(folder.join("README.md")).expect("a README");
        for verb in ["build", "test", "install"] {
            assert!(read_me.contains(&format!("lowtide plugin {verb}")), "{verb}: {read_me}");
        }
    }
    assert!(world.daemon().is_none(), "no daemon is needed");
}

#[test]
fn a_new_plugin_builds_on_the_contract_and_the_sdk_of_this_version() {
    let world = World::empty();
    world.ok(&["plugin", "new", "--lang", "rust", "my-grid", "--directory", "deep/down"]);
    let folder = world.work().join("deep/down/my-grid");
    let same = |ours: &Path, theirs: &Path| {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(read(ours), read(theirs), "{}", theirs.display());
    };
    let contract = "wit/region-0.1/region.wit";
    same(&repository().join("plugins").join(contract), &folder.join(contract));
    // A file that joins the SDK has to join the list of `plugin new`, or no new plugin builds.
    let sdk = repository().join("plugins/sdk");
    for file in files(&sdk) {
        same(&sdk.join(&file), &folder.join("sdk").join(&file));
    }
}

#[test]
fn a_new_plugin_takes_no_name_that_cannot_be_and_no_place_that_is_taken() {
    let world = World::empty();
    for name in ["My-Grid", "../grid", "9lives", "my grid", "grün", "", "gb-neso", "lowtide-x"] {
        let said = world.run(&["plugin", "new", "--lang", "rust", name]);
        assert_eq!(said.code, 1, "{name}: {said:?}");
        assert!(said.stderr.contains(&format!("`{name}`")), "{name}: {}", said.stderr);
    }
    assert!(files(&world.work()).is_empty());
    world.ok(&["plugin", "new", "--lang", "python", "my-grid"]);
    fs::write(world.work().join("my-grid/app.py"), "mine").expect("written");
    let said = world.run(&["plugin", "new", "--lang", "python", "my-grid"]);
    assert!(said.code == 1 && said.stderr.contains("there already"), "{said:?}");
    assert_eq!(fs::read_to_string(world.work().join("my-grid/app.py")).expect("still there"), "mine");
}

#[test]
fn a_build_says_what_is_missing_and_how_to_get_it() {
    let world = World::empty();
    for language in ["rust", "python"] {
        world.ok(&["plugin", "new", "--lang", language, &format!("in-{language}")]);
    }
    let nothing = world.work().join("nothing");
    let without_target = world.work().join("without-target");
    fs::create_dir_all(&nothing).expect("made");
    program(&without_target, "rustc", &format!("echo '{}'", nothing.display()));
    fs::create_dir_all(world.work().join("empty")).expect("made");
    fs::create_dir_all(world.work().join("odd")).expect("made");
    world.file("odd/plugin.toml", "id = 'odd'\nversion = '1'\napi = '9'\ndescription = 'd'\n");
    fs::create_dir_all(world.work().join("bare")).expect("made");
    world.file("bare/plugin.toml", "id = 'bare'\nversion = '1'\napi = '0.1'\ndescription = 'd'\n");
    for (directory, path, what, next) in [
        ("in-rust", &nothing, "there is no rustc", "https://rustup.rs"),
        ("in-rust", &without_target, "rustc cannot build for", "rustup target add wasm32-unknown-unknown"),
        ("in-python", &nothing, "there is no componentize-py", "pip install componentize-py==0.25.1"),
        ("empty", &nothing, "plugin.toml cannot be read", "lowtide plugin new"),
        ("odd", &nothing, "version 9 of the contract", ""),
        ("bare", &nothing, "neither Cargo.toml nor app.py", "the folder of a plugin"),
    ] {
        let said = build(&world, directory, path);
        assert_eq!(said.code, 1, "{directory}: {said:?}");
        assert!(said.stderr.contains(what) && said.stderr.contains(next), "{directory}: {}", said.stderr);
    }
    let mut named = world.lowtide(&["plugin", "build", "in-python"]);
    let output = named.env("LOWTIDE_COMPONENTIZE_PY", "/nowhere/componentize-py").output();
    let said = said(output.expect("the binary can be run"));
    assert!(said.code == 1 && said.stderr.contains("/nowhere/componentize-py is not there"), "{said:?}");
}

#[test]
fn what_a_compiler_refuses_is_shown_in_its_own_words() {
    let world = World::empty();
    for language in ["rust", "python"] {
        world.ok(&["plugin", "new", "--lang", language, &format!("in-{language}")]);
    }
    let tools = world.work().join("tools");
    fs::create_dir_all(world.work().join("sysroot/lib/rustlib/wasm32-unknown-unknown")).expect("made");
    program(&tools, "rustc", &format!("echo '{}'", world.work().join("sysroot").display()));
    program(&tools, "cargo", "echo 'error[E0425]: cannot find value `tide`' >&2\nexit 101");
    program(&tools, "componentize-py", "echo 'SyntaxError: was never closed' >&2\nexit 1");
    for (directory, words, ours) in [
        ("in-rust", "cannot find value `tide`", "cargo could not build it"),
        ("in-python", "SyntaxError: was never closed", "componentize-py could not build it"),
    ] {
        let said = build(&world, directory, &tools);
        assert_eq!(said.code, 1, "{directory}: {said:?}");
        assert!(said.stderr.contains(words) && said.stderr.contains(ours), "{directory}: {}", said.stderr);
        assert!(!world.work().join(format!("{directory}/{directory}.wasm")).exists());
    }
}

#[test]
fn a_built_plugin_is_one_file_that_carries_its_manifest() {
    let world = World::empty();
    world.ok(&["plugin", "new", "--lang", "python", "my-grid"]);
    let folder = world.work().join("my-grid");
    // The folder's own componentize-py comes before that of the PATH.
    componentize(&folder.join(".venv/bin"), &component());
    program(&world.work().join("tools"), "componentize-py", "exit 1");
    let output = world
        .lowtide(&["plugin", "build", "my-grid", "--output", "elsewhere.wasm", "--json"])
        .env("PATH", world.work().join("tools"))
        .output();
    let said = said(output.expect("the binary can be run"));
    assert_eq!(said.code, 0, "{said:?}");
    let told: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    let bytes = fs::read(world.work().join("elsewhere.wasm")).expect("built");
    assert_eq!(told["sha256"], sha256_of(&bytes));
    assert_eq!(told["bytes"], bytes.len());
    assert_eq!(told["hosts"], serde_json::json!(["https://grid.example.org"]));
    let called = fs::read_to_string(folder.join("calls")).expect("it was called");
    assert!(called.contains("-w region-plugin") && called.contains("--stub-wasi"), "{called}");

    // Away from its folder it still says who it is, and nothing is left of the making.
    let inspected = world.json(&["plugin", "inspect", "./elsewhere.wasm", "--json"]);
    assert_eq!((&inspected["id"], &inspected["sha256"]), (&"my-grid".into(), &told["sha256"]));
    let left: Vec<PathBuf> = [world.work(), folder].iter().flat_map(|folder| files(folder)).collect();
    let made =
        |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "wasm" || extension == "unchecked");
    assert_eq!(left.iter().filter(made).collect::<Vec<_>>(), [Path::new("elsewhere.wasm")]);
    world.ok(&["plugin", "install", "./elsewhere.wasm", "--yes"]);
}

#[test]
fn a_component_that_wants_more_than_the_host_lends_is_refused_and_replaces_nothing() {
    let world = World::empty();
    world.ok(&["plugin", "new", "--lang", "python", "my-grid"]);
    let folder = world.work().join("my-grid");
    let tools = world.work().join("tools");
    componentize(&tools, &component());
    assert_eq!(build(&world, "my-grid", &tools).code, 0);
    let good = fs::read(folder.join("my-grid.wasm")).expect("built");

    // The same with one more import: (import "filesystem" (type (sub resource))).
    let name = b"filesystem";
    let length = u8::try_from(name.len()).expect("short");
    let import = [&[0x0a, length + 5, 1, 0, length][..], name, &[0x03, 0x01]].concat();
    let wants_more = [fs::read(component()).expect("it is part of the repository"), import].concat();
    let path = world.work().join("wants-more.wasm");
    fs::write(&path, wants_more).expect("written");
    componentize(&tools, &path);
    let said = build(&world, "my-grid", &tools);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("filesystem"), "{}", said.stderr);
    assert_eq!(fs::read(folder.join("my-grid.wasm")).expect("still there"), good);
    assert!(!folder.join("my-grid.unchecked").exists());
}

#[test]
fn a_plugin_is_tested_with_settings_of_its_own() {
    let world = World::new();
    let rows: Vec<String> = (0..24).map(|hour| format!("{hour},{}", 100 + hour)).collect();
    world.file("day.csv", &format!("hour,intensity\n{}\n", rows.join("\n")));
    let asked = ["plugin", "test", "csv", "--zone", "TEST-C", "--now", "2026-01-07T00:00Z", "--json"];
    let day = ["--asset", "file=day.csv", "--config", "repeat=day", "--config", "signal=marginal"];
    let told = world.json(&[&asked[..], &day].concat());
    assert_eq!(told["series"][0]["signal"], "marginal");
    assert_eq!(told["series"][0]["points"][7]["intensity_g_per_kwh"], 107.0);
    let refused = world.run(&[&asked[..], &["--config", "repeat"]].concat());
    assert!(refused.code == 1 && refused.stderr.contains("KEY=VALUE"), "{refused:?}");
}
