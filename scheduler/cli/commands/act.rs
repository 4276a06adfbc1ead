//! `lowtide cancel`, `hold`, `release`, `pause`, `resume`, `run-now`: what may be asked of a job.

use lowtide_api::client::Action;
use lowtide_api::v1::act::ActRequest;
use lowtide_api::v1::summary::Jobs;

use crate::commands::submit::user;
use crate::context::Context;
use crate::failure::Failure;

/// The jobs that something is asked of.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Numbers of jobs
    #[arg(required = true, value_name = "ID", value_parser = clap::value_parser!(u64).range(1..))]
    ids: Vec<u64>,

    /// Print `{"jobs": […]}` instead of sentences
    #[arg(long)]
    json: bool,
}

/// The jobs that something is asked of, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct ReasonedArgs {
    #[command(flatten)]
    jobs: Args,

    /// Why; kept in the job's notes with who said it and when
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn cancel(args: &Args, context: &Context) -> Result<(), Failure> {
    act(Action::Cancel, args, None, context).await
}

pub(crate) async fn hold(args: &ReasonedArgs, context: &Context) -> Result<(), Failure> {
    act(Action::Hold, &args.jobs, args.reason.clone(), context).await
}

pub(crate) async fn release(args: &ReasonedArgs, context: &Context) -> Result<(), Failure> {
    act(Action::Release, &args.jobs, args.reason.clone(), context).await
}

pub(crate) async fn pause(args: &Args, context: &Context) -> Result<(), Failure> {
    act(Action::Pause, args, None, context).await
}

pub(crate) async fn resume(args: &Args, context: &Context) -> Result<(), Failure> {
    act(Action::Resume, args, None, context).await
}

pub(crate) async fn run_now(args: &Args, context: &Context) -> Result<(), Failure> {
    act(Action::RunNow, args, None, context).await
}

/// Asks each job in turn. One that refuses does not keep the others from being asked; the first refusal is the verb's.
async fn act(action: Action, args: &Args, reason: Option<String>, context: &Context) -> Result<(), Failure> {
    let request = ActRequest { by: Some(user()), reason };
    let mut changed = Vec::new();
    let mut refusal: Option<Failure> = None;
    for id in &args.ids {
        match context.ask_about_job(async |client| client.act(*id, action, &request).await).await {
            Ok(job) => {
                context.printer.note(&format!("Job {id} is {}", job.state));
                changed.push(job);
            }
            Err(failure) => match &refusal {
                None => refusal = Some(failure),
                Some(_) => context.printer.warning(failure.message()),
            },
        }
    }
    if args.json && !changed.is_empty() {
        context.printer.json(&Jobs { jobs: changed })?;
    }
    refusal.map_or(Ok(()), Err)
}
