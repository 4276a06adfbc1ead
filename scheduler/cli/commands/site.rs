//! `lowtide site list`: where jobs run.

use crate::context::Context;
use crate::failure::Failure;
use crate::output::listing;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print `{"sites": […]}` instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) async fn list(args: &Args, context: &Context) -> Result<(), Failure> {
    let known = context.ask_or_start(async |client| client.sites().await).await?;
    if args.json {
        return context.printer.json(&known);
    }
    context.printer.data(&listing::sites(&known.sites, context.look()))
}
