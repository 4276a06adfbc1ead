//! `lowtide plugin update FILE`: another version of an installed plugin. One that asks for more asks again.

use std::path::PathBuf;

use lowtide_plugin_host::Library;

use super::install;
use super::subject::{Subject, unusable};
use crate::context::Context;
use crate::failure::{Failure, Kind};

/// Replace an installed plugin by another version of it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide plugin update ./my-grid.wasm\n\n\
    A version that asks for no more than was granted needs no new consent.")]
pub(crate) struct Args {
    /// The `.wasm` file of the new version
    file: PathBuf,

    /// Consent to all it asks for
    #[arg(long, short)]
    yes: bool,

    /// Print the lock as one JSON value
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    install::refuse_address(&args.file)?;
    let subject = Subject::file(&args.file)?;
    let id = &subject.manifest.id;
    let mut locks = Library::new(context.state.plugins()).locks().map_err(unusable)?;
    let Some(lock) = locks.remove(id) else {
        return Err(Failure::new(Kind::NotFound, format!("no plugin `{id}` is installed"))
            .hint(format!("`lowtide plugin install {}` installs it", args.file.display())));
    };
    if lock.sha256 == subject.sha256() {
        return context.printer.data(&format!("plugin `{id}` is this very file already"));
    }
    subject.load(context).await?;
    let before: Vec<String> = lock.hosts;
    // One that may reach nothing and wants nothing more is no wider than before either.
    let unchanged = subject.manifest.hosts.iter().all(|host| before.contains(host));
    let hosts = install::ask(&subject, &before, args.yes || unchanged, &[], args.json, context)?;
    install::keep(&args.file, hosts, args.json, context).await
}
