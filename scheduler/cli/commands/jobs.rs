//! `lowtide jobs`, and bare `lowtide`: the queue.

use crate::context::Context;
use crate::failure::Failure;
use crate::output;

/// List your jobs; bare `lowtide` does the same
#[derive(Debug, Default, clap::Args)]
#[command(
    after_help = "Example: lowtide jobs --all --json\n\nAn amount with a ~ is predicted; one without is what it was."
)]
pub(crate) struct Args {
    /// Those that are over, too
    #[arg(long, short)]
    all: bool,

    /// Only those that are held, with why: what `lowtide approvals` lists, and what users put aside
    #[arg(long, conflicts_with = "all")]
    held: bool,

    /// Jobs that recur, with their next times
    #[arg(long, conflicts_with_all = ["all", "held"])]
    recurring: bool,

    /// Print `{"jobs": […]}` instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if args.recurring {
        return super::recurring::list(args.json, context).await;
    }
    if args.held {
        return super::approvals::list(context, args.json, |_| true).await;
    }
    let jobs = context.ask_or_start(async |client| client.jobs(args.all).await).await?;
    let printer = context.printer;
    if args.json {
        return printer.json(&jobs);
    }
    if printer.is_quiet() {
        return printer.data(&jobs.jobs.iter().map(|job| job.id.to_string() + "\n").collect::<String>());
    }
    if jobs.jobs.is_empty() {
        printer.note(if args.all { "No jobs yet" } else { "No jobs are waiting or running" });
        printer.hint(if args.all {
            "`lowtide submit -- python train.py` queues one"
        } else {
            "`lowtide submit -- python train.py` queues one; `lowtide jobs --all` shows those that are over"
        });
        return Ok(());
    }
    let now = context.ask(async |client| client.status().await).await?.now;
    printer.data(&output::jobs::text(&jobs.jobs, &context.clock(now), context.look()))
}
