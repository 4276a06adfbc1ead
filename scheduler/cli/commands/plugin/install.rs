//! `lowtide plugin install FILE`: shows what a plugin asks for, and locks the consent to its very bytes.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lowtide_plugin_host::{Artifact, Installed, Library, LibraryError, Lock};

use super::subject::{Subject, rights, unusable};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::output::layout;

/// Install a plugin from a file, with your consent to what it asks for
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide plugin install ./my-grid.wasm\n\n\
    The consent is locked to the file's SHA-256: another file of that name is not loaded.")]
pub(crate) struct Args {
    /// The `.wasm` file that `lowtide plugin build` made
    file: PathBuf,

    /// Consent to all it asks for
    #[arg(long, short)]
    yes: bool,

    /// Consent to this host only; may be repeated
    #[arg(long, value_name = "HOST", conflicts_with = "yes")]
    allow_host: Vec<String>,

    /// Print the lock as one JSON value
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    refuse_address(&args.file)?;
    let subject = Subject::file(&args.file)?;
    let library = Library::new(context.state.plugins());
    let known = library.locks().map_err(unusable)?.contains_key(&subject.manifest.id);
    if known {
        let id = &subject.manifest.id;
        return Err(Failure::new(Kind::Conflict, format!("plugin `{id}` is installed already"))
            .hint(format!("`lowtide plugin update {}` replaces it", args.file.display())));
    }
    // Compiled before anybody is asked: consent to a file that cannot run is worth nothing.
    subject.load(context).await?;
    let hosts = consent(&subject, &[], args, context)?;
    keep(&args.file, hosts, args.json, context).await
}

/// An address is not fetched: what is installed is what the user has looked at.
pub(super) fn refuse_address(file: &Path) -> Result<(), Failure> {
    if file.to_string_lossy().contains("://") {
        return Err(Failure::invalid(format!("{} is an address, not a file", file.display()))
            .hint("download it, compare its SHA-256 with the author's, and install the file"));
    }
    Ok(())
}

/// The hosts granted: those granted before, and those consented to now.
fn consent(subject: &Subject, before: &[String], args: &Args, context: &Context) -> Result<Vec<String>, Failure> {
    let Args { yes, allow_host, json, .. } = args;
    ask(subject, before, *yes, allow_host, *json, context)
}

pub(super) fn ask(
    subject: &Subject,
    before: &[String],
    yes: bool,
    allowed: &[String],
    json: bool,
    context: &Context,
) -> Result<Vec<String>, Failure> {
    let manifest = &subject.manifest;
    if let Some(stranger) = allowed.iter().find(|host| !manifest.hosts.contains(host)) {
        return Err(Failure::invalid(format!("plugin `{}` does not ask for {stranger}", manifest.id))
            .hint(format!("it asks for: {}", manifest.hosts.join(", "))));
    }
    if !allowed.is_empty() {
        return Ok(allowed.to_vec());
    }
    let new: Vec<&String> = manifest.hosts.iter().filter(|host| !before.contains(host)).collect();
    if !json {
        let head = format!("{} {}: {}", manifest.id, manifest.version, manifest.description);
        let sentences = rights(manifest);
        let text = format!(
            "{}\nSHA-256 {}\nIt asks to\n{}",
            layout::clean(&head),
            subject.sha256(),
            layout::bullets(
                &sentences.iter().map(|right| layout::clean(right)).collect::<Vec<_>>(),
                context.look().width
            )
        );
        context.printer.note(text.trim_end());
    }
    // An update that wants no more than before needs no new consent.
    if yes || (!before.is_empty() && new.is_empty()) {
        return Ok(manifest.hosts.clone());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Kind::Conflict, "nothing was installed: your consent is needed")
            .hint("say `--yes`, or `--allow-host HOST` for each host"));
    }
    context.printer.note("Install it? [y/N]");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(manifest.hosts.clone());
    }
    Err(Failure::new(Kind::Conflict, "nothing was installed"))
}

/// Installs and lets a running daemon know.
pub(super) async fn keep(file: &Path, hosts: Vec<String>, json: bool, context: &Context) -> Result<(), Failure> {
    let artifact = Artifact::read(file).map_err(unusable)?;
    let library = Library::new(context.state.plugins());
    let from = crate::context::absolute(file)?;
    let installed = library.install(&artifact, hosts, &from, Timestamp::now()).map_err(|error| {
        let hint = match &error {
            LibraryError::BuiltIn(_) => "give it another `id` in its plugin.toml",
            _ => "`lowtide doctor` looks at the state directory",
        };
        unusable(error).hint(hint)
    })?;
    // What was compiled for the file as it came is compiled again if the manifest had to be put in.
    Subject::find(&installed.manifest.id, context)?.load(context).await?;
    // A daemon that does not run will find it when it starts.
    let _ = context.client().plugins_changed().await;
    told(&installed, json, context)
}

fn told(installed: &Installed, json: bool, context: &Context) -> Result<(), Failure> {
    let Installed { manifest, lock, .. } = installed;
    if json {
        let Lock { version, sha256, hosts, .. } = lock;
        let value = serde_json::json!({ "id": manifest.id, "version": version, "sha256": sha256, "hosts": hosts });
        return context.printer.json(&value);
    }
    let zones = manifest.zones.join(", ");
    let text = format!("plugin `{}` {} is installed; it serves {}", manifest.id, lock.version, layout::clean(&zones));
    context.printer.data(&text)?;
    if manifest.zones.iter().any(|zone| zone == "*") {
        let text = format!("a zone uses it where the configuration says so: [zones.NAME] plugin = \"{}\"", manifest.id);
        context.printer.hint(&text);
    }
    Ok(())
}
