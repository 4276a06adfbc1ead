//! `lowtide explain ID`: why a job runs where and when it does, and what was rejected.

use crate::context::Context;
use crate::failure::Failure;
use crate::output;

/// Explain why a job runs where and when it does, and what was rejected
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide explain 42")]
pub(crate) struct Args {
    /// Number of the job
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    id: u64,

    /// Print the explanation as one JSON value
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let explanation = context.ask_about_job(async |client| client.explain(args.id).await).await?;
    if args.json {
        return context.printer.json(&explanation);
    }
    let now = context.ask(async |client| client.status().await).await?.now;
    context.printer.data(&output::explanation::text(&explanation, &context.clock(now), context.look()))
}
