//! `lowtide plugin list`: who tells the carbon intensity.

use crate::context::Context;
use crate::failure::Failure;
use crate::output::listing;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print `{"plugins": […]}` instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let known = context.ask_or_start(async |client| client.plugins().await).await?;
    if args.json {
        return context.printer.json(&known);
    }
    context.printer.data(&listing::plugins(&known.plugins, context.look()))
}
