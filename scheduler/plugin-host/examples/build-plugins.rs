//! Builds the region plugins into `plugins/dist` and writes the manifest of hashes; with `--check` it builds them elsewhere and
//! compares. Needs the target `wasm32-unknown-unknown`.
#![expect(clippy::print_stdout, reason = "a tool for developers that talks to its terminal")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lowtide_plugin_host::{PluginHost, sha256_of, with_manifest};

#[path = "../tests/sources/mod.rs"]
mod sources;

/// A plugin's name and its component.
type Built = (String, Vec<u8>);

fn main() -> Result<(), Box<dyn Error>> {
    let check = std::env::args().any(|argument| argument == "--check");
    let plugins = sources::plugins_folder();
    let built_in = PluginHost::builtins().iter().map(|builtin| builtin.manifest.id.as_str());
    let ids: Vec<&str> = built_in.chain(sources::EXAMPLES).collect();
    let rustc = rustc_version()?;
    let built = build(&plugins, &ids)?;
    if check {
        return compare(&plugins, &built, &rustc);
    }
    let mut manifest = String::from(
        "# Hashes of the built-in components and of what they are built from. Written by\n\
         # `cargo run -p lowtide-plugin-host --example build-plugins`; `cargo test` checks them.\n",
    );
    writeln!(manifest, "rustc = {rustc:?}")?;
    for (id, component) in &built {
        fs::write(plugins.join("dist").join(format!("{id}.wasm")), component)?;
        writeln!(manifest, "\n[{id}]\ncomponent = {:?}", sha256_of(component))?;
        writeln!(manifest, "sources = {:?}", sources::hash_of_sources(&plugins, id)?)?;
        println!("{id}: {} bytes", component.len());
    }
    fs::write(plugins.join("dist/MANIFEST.toml"), manifest)?;
    Ok(())
}

/// Compares fresh builds with the committed ones. Byte identity holds for one rustc only; with another one that is said.
fn compare(plugins: &Path, built: &[Built], rustc: &str) -> Result<(), Box<dyn Error>> {
    let manifest: toml::Table = fs::read_to_string(plugins.join("dist/MANIFEST.toml"))?.parse()?;
    let recorded = manifest.get("rustc").and_then(toml::Value::as_str).unwrap_or_default();
    if recorded != rustc {
        println!("bytes NOT compared: the components were built by {recorded}, this is {rustc}");
        return Ok(());
    }
    for (id, component) in built {
        let committed = fs::read(plugins.join("dist").join(format!("{id}.wasm")))?;
        if committed != *component {
            return Err(
                format!("plugins/dist/{id}.wasm is not what its sources build: run this without --check").into()
            );
        }
        println!("{id}: identical, {} bytes", component.len());
    }
    Ok(())
}

/// Builds all plugins, with every path of this machine taken out of the bytes.
fn build(plugins: &Path, ids: &[&str]) -> Result<Vec<Built>, Box<dyn Error>> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"), PathBuf::from);
    let flags = [
        format!("--remap-path-prefix={}=/plugins", plugins.display()),
        format!("--remap-path-prefix={}=/cargo", cargo_home.display()),
        format!("--remap-path-prefix={sysroot}/lib/rustlib/src/rust=/rust"),
    ]
    .join("\x1f");
    let target = plugins.join("target");
    let built = Command::new("cargo")
        .args(["build", "--locked", "--release", "--target", "wasm32-unknown-unknown"])
        .current_dir(plugins)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env_remove("RUSTFLAGS")
        .status()?;
    if !built.success() {
        return Err("the plugins do not build; is the target there? `rustup target add wasm32-unknown-unknown`".into());
    }
    let component = |id: &&str| {
        let name = format!("lowtide_region_{}.wasm", id.replace('-', "_"));
        let module = fs::read(target.join("wasm32-unknown-unknown/release").join(name))?;
        let component = wit_component::ComponentEncoder::default().validate(true).module(&module)?.encode()?;
        // What is not embedded is installed as a file: it carries its manifest.
        let component = if sources::EXAMPLES.contains(id) {
            let manifest = fs::read_to_string(plugins.join(sources::folder_of(id)).join("plugin.toml"))?;
            with_manifest(&component, &manifest)
        } else {
            component
        };
        Ok(((*id).to_owned(), component))
    };
    ids.iter().map(component).collect()
}

fn rustc_version() -> Result<String, Box<dyn Error>> {
    output(Command::new("rustc").arg("--version"))
}

fn output(command: &mut Command) -> Result<String, Box<dyn Error>> {
    Ok(String::from_utf8(command.output()?.stdout)?.trim().to_owned())
}
