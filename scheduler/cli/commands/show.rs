//! `lowtide show ID`: a job, whole.

use crate::context::Context;
use crate::failure::Failure;
use crate::output;

/// Show a job: its plan, estimates, attempts, epochs, and in the end predicted against actual
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide show 42")]
pub(crate) struct Args {
    /// Number of the job
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    id: u64,

    /// Print the job as one JSON value
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let job = context.ask_about_job(async |client| client.job(args.id).await).await?;
    if args.json {
        return context.printer.json(&job);
    }
    let now = context.ask(async |client| client.status().await).await?.now;
    context.printer.data(&output::job::text(&job, &context.clock(now), context.look()))
}
