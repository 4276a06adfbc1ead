//! `lowtide report`: predicted against actual over many jobs.

use clap::ValueEnum;
use lowtide_model::quantity::Seconds;

use crate::context::Context;
use crate::failure::Failure;
use crate::{output, value};

/// Compare predicted with actual, and with running at once, over the jobs that are over
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide report --since 30d --by project\n\n\
    `run at once` is the same work begun at submission; `error` the median of the jobs' absolute errors.")]
pub(crate) struct Args {
    /// Only jobs that ended within this time
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    since: Option<Seconds>,

    /// What a row stands for
    #[arg(long, value_enum, default_value_t)]
    by: By,

    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum By {
    #[default]
    Job,
    Project,
    Site,
    Policy,
    User,
}

impl By {
    const fn name(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Project => "project",
            Self::Site => "site",
            Self::Policy => "policy",
            Self::User => "user",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
    Csv,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let since = args.since.map(Seconds::get);
    let report = context.ask_or_start(async |client| client.report(since, args.by.name()).await).await?;
    match if args.json { Format::Json } else { args.format } {
        Format::Json => context.printer.json(&report),
        Format::Csv => context.printer.data(&output::report::csv(&report)),
        Format::Table => context.printer.data(&output::report::text(&report, context.look())),
    }
}
