//! `lowtide agent RUN_DIR`, hidden: what an executor starts beside each attempt. The agent crate does the work.

use std::path::PathBuf;
use std::process::ExitCode;

/// The attempt to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run directory of the attempt, as the executor left it
    run_dir: PathBuf,

    /// Only put back the power limits of GPUs that an agent which was killed has left there
    #[arg(long)]
    put_back: bool,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    if args.put_back { lowtide_agent::put_back(&args.run_dir) } else { lowtide_agent::run(&args.run_dir) }
}
