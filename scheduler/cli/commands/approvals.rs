//! `lowtide approvals`: the jobs that wait for somebody's word.

use lowtide_api::v1::summary::{JobSummary, Jobs, JobsQuery};

use crate::context::Context;
use crate::failure::Failure;
use crate::output;

/// List the jobs that a limit or a budget holds: what each would emit, and why it is held
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide approvals

`lowtide release ID --reason TEXT` approves one: it is not held for the same reason again unless its predicted
footprint grows by more than half.")]
pub(crate) struct Args {
    /// Print `{\"jobs\": […]}` instead of sentences
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    // What a user put aside waits for that user, not for an approval.
    list(context, args.json, |job| job.held_for_approval).await
}

/// Lists the held jobs that are `wanted`.
pub(super) async fn list(context: &Context, json: bool, wanted: impl Fn(&JobSummary) -> bool) -> Result<(), Failure> {
    let held = JobsQuery { state: "held".to_owned(), ..JobsQuery::default() };
    let Jobs { mut jobs, .. } = context.ask_or_start(async |client| client.jobs(&held).await).await?;
    jobs.retain(|job| job.state == "held" && wanted(job));
    let printer = context.printer;
    if json {
        return printer.json(&Jobs::all(jobs));
    }
    if printer.is_quiet() {
        return printer.data(&jobs.iter().map(|job| job.id.to_string() + "\n").collect::<String>());
    }
    let Some(first) = jobs.first() else {
        printer.note("No jobs are held");
        return Ok(());
    };
    printer.data(&output::jobs::held(&jobs, context.look()))?;
    printer.hint(&format!("`lowtide release {} --reason TEXT` lets it go", first.id));
    Ok(())
}
