//! `lowtide show ID`: a job, whole.

use crate::commands::act::{Target, target};
use crate::context::Context;
use crate::failure::Failure;
use crate::output;

/// Show a job: its plan, estimates, attempts, epochs, and in the end predicted against actual
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide show 42")]
pub(crate) struct Args {
    /// Number of the job, or of a recurring one, such as r1
    #[arg(value_parser = target)]
    id: Target,

    /// Print the job as one JSON value
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let id = match args.id {
        Target::Job(id) => id,
        Target::Recurring(id) => return super::recurring::show(id, args.json, context).await,
    };
    let job = context.ask_about_job(async |client| client.job(id).await).await?;
    if args.json {
        return context.printer.json(&job);
    }
    let now = context.ask(async |client| client.status().await).await?.now;
    context.printer.data(&output::job::text(&job, &context.clock(now), context.look()))
}
