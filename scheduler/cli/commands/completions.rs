//! `lowtide completions SHELL`, hidden: for those who package lowtide.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::Cli;
use crate::failure::{Failure, Kind};
use crate::printer::Printer;

/// The shell to complete for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Shell
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &Args, printer: Printer) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lowtide", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Failure::new(Kind::Internal, format!("the completions are not text: {error}")))?;
    printer.data(&script)?;
    Ok(ExitCode::SUCCESS)
}
