//! `lowtide plugin new --lang rust|python NAME`: a folder with a small but real plugin, its contract, and a recording to test
//! it with. Everything comes out of this program: no network is needed.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use lowtide_model::identity::PluginId;
use lowtide_plugin_host::PluginHost;

use crate::failure::{Failure, Kind};
use crate::printer::Printer;

/// Where a name stands in a template.
const NAME: &str = "{{name}}";

macro_rules! plugins {
    ($path:literal) => {
        include_str!(concat!("../../../../plugins/", $path))
    };
}

/// Files of every new plugin: where they go, and what is in them.
const COMMON: [(&str, &str); 6] = [
    ("plugin.toml", plugins!("templates/plugin.toml.in")),
    ("README.md", plugins!("templates/README.md.in")),
    (".gitignore", plugins!("templates/gitignore.in")),
    ("wit/region-0.1/region.wit", plugins!("wit/region-0.1/region.wit")),
    ("replay/replay.json", plugins!("templates/replay/replay.json")),
    ("replay/intensity.json", plugins!("templates/replay/intensity.json")),
];
const RUST: [(&str, &str); 7] = [
    ("Cargo.toml", plugins!("templates/rust/Cargo.toml.in")),
    ("Cargo.lock", plugins!("Cargo.lock")),
    ("src/lib.rs", plugins!("templates/rust/lib.rs.in")),
    ("sdk/Cargo.toml", plugins!("sdk/Cargo.toml")),
    ("sdk/src/lib.rs", plugins!("sdk/src/lib.rs")),
    ("sdk/src/mix.rs", plugins!("sdk/src/mix.rs")),
    ("sdk/src/time.rs", plugins!("sdk/src/time.rs")),
];
const PYTHON: [(&str, &str); 1] = [("app.py", plugins!("templates/python/app.py.in"))];

/// The languages there are templates for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Small and fast; needs cargo and the target wasm32-unknown-unknown
    Rust,
    /// Needs componentize-py; its components have some 18 MB
    Python,
}

/// Make a folder with a new region plugin
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide plugin new --lang rust my-grid")]
pub(crate) struct Args {
    /// Its language
    #[arg(long, value_enum)]
    lang: Language,

    /// Its name, and that of the folder
    name: String,

    /// Make the folder in here
    #[arg(long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,

    /// Print `{"folder", "files"}`
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, printer: Printer) -> Result<(), Failure> {
    let Args { lang, name, directory, json } = args;
    check_name(name)?;
    let folder = directory.join(name);
    if folder.exists() {
        return Err(Failure::new(Kind::Conflict, format!("{} is there already", folder.display()))
            .hint("take another name, or --directory"));
    }
    let own: &[(&str, &str)] = match lang {
        Language::Rust => &RUST,
        Language::Python => &PYTHON,
    };
    for (file, text) in COMMON.iter().chain(own) {
        write(&folder.join(file), &text.replace(NAME, name))?;
    }
    if *json {
        let files: Vec<&str> = COMMON.iter().chain(own).map(|(file, _)| *file).collect();
        return printer.json(&serde_json::json!({ "folder": folder, "files": files }));
    }
    let main = if *lang == Language::Rust { "src/lib.rs" } else { "app.py" };
    printer.data(&format!(
        "{} is made: the plugin is in {main}, what it asks for in plugin.toml, a recording to test it with in replay/\n\n  \
         cd {}\n  lowtide plugin build\n  \
         lowtide plugin test ./{name}.wasm --replay replay --zone EX-1 --now 2026-01-05T06:00Z",
        folder.display(),
        folder.display()
    ))
}

/// A plugin's name is also that of a cargo package.
fn check_name(name: &str) -> Result<(), Failure> {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !plain || PluginId::new(name.to_owned()).is_err() {
        return Err(Failure::invalid(format!("`{name}` cannot be a plugin's name"))
            .hint("small letters, digits and `-`, beginning with a letter: my-grid"));
    }
    if PluginHost::builtins().iter().any(|builtin| builtin.manifest.id == name) || name.starts_with("lowtide") {
        return Err(Failure::new(Kind::Conflict, format!("`{name}` is taken by lowtide itself")));
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|error| Failure::io(format!("{} cannot be written", path.display()), &error))
}
