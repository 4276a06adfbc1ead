//! `lowtide compile-plugin FILE CACHE`, hidden: the child in which a stranger's component is compiled, under limits.

use std::path::PathBuf;
use std::process::ExitCode;

use lowtide_plugin_host::compile_here;

/// Compile a plugin into the cache
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component
    file: PathBuf,

    /// Folder of compiled components
    cache: PathBuf,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    match compile_here(&args.file, args.cache.clone()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            anstream::eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
