//! `lowtide agent RUN_DIR`, hidden: what an executor starts beside each attempt. The agent crate does the work.

use std::path::PathBuf;
use std::process::ExitCode;

/// The attempt to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run directory of the attempt, as the executor left it
    run_dir: PathBuf,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    lowtide_agent::run(&args.run_dir)
}
