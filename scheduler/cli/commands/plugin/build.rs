//! `lowtide plugin build`: from an author's sources to one file that can be tested and installed: a component with its
//! manifest in it, checked in the very host that will run it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lowtide_plugin_host::{Manifest, with_manifest};

use super::subject::{Subject, rights};
use crate::context::{Context, absolute};
use crate::failure::{Failure, Kind};

const TARGET: &str = "wasm32-unknown-unknown";
const ADD_TARGET: &str = "rustup target add wasm32-unknown-unknown";
const ADD_COMPONENTIZE: &str = "python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1";
/// Names another componentize-py than that of the folder or the PATH.
const COMPONENTIZE_VARIABLE: &str = "LOWTIDE_COMPONENTIZE_PY";
const WORLD: &str = "region-plugin";

/// Build the plugin in a folder into one file
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide plugin build\n\n\
    A folder with Cargo.toml is built by cargo for wasm32-unknown-unknown, one with app.py by componentize-py.")]
pub(crate) struct Args {
    /// The folder
    #[arg(default_value = ".")]
    directory: PathBuf,

    /// The file; NAME.wasm in the folder by default
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print `{"file", "sha256", "bytes", "hosts"}`
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let directory = absolute(&args.directory)?;
    let manifest_file = directory.join("plugin.toml");
    let text = fs::read_to_string(&manifest_file).map_err(|error| {
        Failure::io(format!("{} cannot be read", manifest_file.display()), &error)
            .hint("`lowtide plugin new --lang rust NAME` makes a folder with one")
    })?;
    let manifest =
        Manifest::parse(&text).map_err(|error| Failure::invalid(format!("{}: {error}", manifest_file.display())))?;
    let component = if directory.join("Cargo.toml").is_file() {
        rust(&directory)?
    } else if directory.join("app.py").is_file() {
        python(&directory)?
    } else {
        return Err(Failure::new(
            Kind::NotFound,
            format!("{} holds neither Cargo.toml nor app.py", directory.display()),
        )
        .hint("name the folder of a plugin"));
    };
    let file = args.output.clone().unwrap_or_else(|| directory.join(format!("{}.wasm", manifest.id)));
    let (bytes, sha256) = checked(&with_manifest(&component, &text), &file, context).await?;
    if args.json {
        let value = serde_json::json!({ "file": file, "sha256": sha256, "bytes": bytes, "hosts": manifest.hosts });
        return context.printer.json(&value);
    }
    let asks = rights(&manifest).join("; ");
    let shown = file.strip_prefix(std::env::current_dir().unwrap_or_default()).unwrap_or(&file).display();
    context.printer.data(&format!("{shown}: {bytes} bytes, SHA-256 {sha256}\nIt asks to {asks}"))
}

/// Writes the file once the host has taken the plugin: what imports more than the host lends is refused here and not at
/// whoever installs it, and the file of an earlier build stays until then. Returns its length in bytes and its SHA-256.
async fn checked(plugin: &[u8], file: &Path, context: &Context) -> Result<(usize, String), Failure> {
    let unwritten = |error: &std::io::Error| Failure::io(format!("{} cannot be written", file.display()), error);
    let unchecked = file.with_extension("unchecked");
    fs::write(&unchecked, plugin).map_err(|error| unwritten(&error))?;
    let taken = async {
        let subject = Subject::file(&unchecked)?;
        subject.load(context).await?;
        Ok::<_, Failure>((subject.wasm.len(), subject.sha256()))
    }
    .await;
    let kept = match &taken {
        Ok(_) => fs::rename(&unchecked, file),
        Err(_) => fs::remove_file(&unchecked),
    };
    // Why the plugin was refused matters more than what is left of it.
    let taken = taken?;
    kept.map_err(|error| unwritten(&error))?;
    Ok(taken)
}

/// The component that cargo's module makes.
fn rust(directory: &Path) -> Result<Vec<u8>, Failure> {
    let sysroot = output_of(Command::new("rustc").args(["--print", "sysroot"]))
        .map_err(|_| Failure::new(Kind::NotFound, "there is no rustc").hint("https://rustup.rs installs it"))?;
    if !Path::new(&sysroot).join("lib/rustlib").join(TARGET).is_dir() {
        return Err(Failure::new(Kind::NotFound, format!("rustc cannot build for {TARGET} here")).hint(ADD_TARGET));
    }
    // No path of this machine gets into the file: two authors who build the same sources get the same bytes.
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"), PathBuf::from);
    let flags = [
        format!("--remap-path-prefix={}=/plugin", directory.display()),
        format!("--remap-path-prefix={}=/cargo", cargo_home.display()),
        format!("--remap-path-prefix={sysroot}/lib/rustlib/src/rust=/rust"),
    ];
    let target = directory.join("target");
    let built = Command::new("cargo")
        .args(["build", "--release", "--target", TARGET])
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env_remove("RUSTFLAGS")
        .status();
    let built = built.map_err(|error| Failure::io("cargo cannot be run", &error))?;
    if !built.success() {
        return Err(Failure::new(Kind::Unavailable, "cargo could not build it: what it said is above"));
    }
    let module = target.join(TARGET).join("release").join(module_name(directory)?);
    let bytes = fs::read(&module).map_err(|error| {
        Failure::io(format!("cargo left no {}", module.display()), &error)
            .hint("the library needs `crate-type = [\"cdylib\"]`")
    })?;
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| {
            Failure::invalid(format!("cargo's module is no region plugin: {error:#}"))
                .hint("does it end with `lowtide_region_sdk::export_plugin!(…)`?")
        })
}

/// The file cargo makes of the package's library.
fn module_name(directory: &Path) -> Result<String, Failure> {
    #[derive(serde::Deserialize)]
    struct CargoToml {
        package: Package,
    }
    #[derive(serde::Deserialize)]
    struct Package {
        name: String,
    }
    let path = directory.join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(|error| Failure::io(path.display(), &error))?;
    let cargo: CargoToml =
        toml::from_str(&text).map_err(|error| Failure::invalid(format!("{}: {error}", path.display())))?;
    Ok(format!("{}.wasm", cargo.package.name.replace('-', "_")))
}

/// The component that componentize-py makes.
fn python(directory: &Path) -> Result<Vec<u8>, Failure> {
    let own = directory.join(".venv/bin/componentize-py");
    let program = match std::env::var_os(COMPONENTIZE_VARIABLE) {
        Some(named) => named,
        None if own.is_file() => own.into_os_string(),
        None => OsString::from("componentize-py"),
    };
    let made = directory.join(".component.wasm");
    let ended = Command::new(&program)
        .args(["-d", "wit/region-0.1", "-w", WORLD, "componentize", "--stub-wasi", "app", "-o"])
        .arg(&made)
        .current_dir(directory)
        .output();
    let ended = ended.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound if program == "componentize-py" => {
            Failure::new(Kind::NotFound, "there is no componentize-py").hint(ADD_COMPONENTIZE)
        }
        std::io::ErrorKind::NotFound => Failure::new(Kind::NotFound, format!("{} is not there", program.display()))
            .hint(format!("does {COMPONENTIZE_VARIABLE} name the right one?")),
        _ => Failure::io(format!("{} cannot be run", program.display()), &error),
    })?;
    if !ended.status.success() {
        let words = String::from_utf8_lossy(&ended.stderr).into_owned();
        return Err(Failure::new(Kind::Unavailable, format!("componentize-py could not build it:\n{}", words.trim())));
    }
    let component =
        fs::read(&made).map_err(|error| Failure::io(format!("componentize-py left no {}", made.display()), &error));
    // It is in the finished file.
    let _ = fs::remove_file(&made);
    component
}

fn output_of(command: &mut Command) -> std::io::Result<String> {
    let output = command.output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(std::io::Error::other("it failed"))
    }
}
