//! `lowtide man DIR`, hidden: one manual page for each verb, for those who package lowtide.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::Cli;
use crate::failure::Failure;
use crate::printer::Printer;

/// Where the pages go.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An existing directory
    directory: PathBuf,
}

pub(crate) fn run(args: &Args, printer: Printer) -> Result<ExitCode, Failure> {
    let directory = &args.directory;
    clap_mangen::generate_to(Cli::command(), directory)
        .map_err(|error| Failure::io(format!("the manual cannot be written to {}", directory.display()), &error))?;
    printer.note(&format!("The manual is in {}", directory.display()));
    Ok(ExitCode::SUCCESS)
}
