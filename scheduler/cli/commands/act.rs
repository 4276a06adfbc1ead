//! `lowtide cancel`, `hold`, `release`, `pause`, `resume`, `run-now`, `priority`: what may be asked of a job.

use lowtide_api::client::Action;
use lowtide_api::v1::act::ActRequest;
use lowtide_api::v1::recurring::RecurringJobs;
use lowtide_api::v1::summary::Jobs;
use lowtide_model::recurring::RecurringId;

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

/// A job, or one that recurs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    Job(u64),
    Recurring(RecurringId),
}

/// `42` or `r1`.
pub(crate) fn target(text: &str) -> Result<Target, String> {
    let recurring = text.parse().map(Target::Recurring).ok();
    let job = || text.parse().ok().filter(|id| 0 < *id).map(Target::Job);
    recurring.or_else(job).ok_or_else(|| format!("`{text}` is not the number of a job, such as 42 or r1"))
}

/// What is to end.
#[derive(Debug, clap::Args)]
pub(crate) struct CancelArgs {
    /// Numbers of jobs; of a recurring one, such as r1, no more occurrences come and those that came go on
    #[arg(required = true, value_name = "ID", value_parser = target)]
    ids: Vec<Target>,

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

/// The job whose priority changes.
#[derive(Debug, clap::Args)]
pub(crate) struct PriorityArgs {
    /// Number of the job
    #[arg(value_name = "ID", value_parser = clap::value_parser!(u64).range(1..))]
    id: u64,

    /// Its priority from now on, -100 to 100
    #[arg(value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-100..=100))]
    priority: i64,

    /// Why; kept in the job's notes with who said it and when
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Print `{"jobs": […]}` instead of sentences
    #[arg(long)]
    json: bool,
}

pub(crate) async fn cancel(args: &CancelArgs, context: &Context) -> Result<(), Failure> {
    let mut ids = Vec::new();
    let mut refusal: Option<Failure> = None;
    let mut ended = Vec::new();
    for target in &args.ids {
        match target {
            Target::Job(id) => ids.push(*id),
            Target::Recurring(id) => match super::recurring::cancel(*id, context).await {
                Ok(recurring) => ended.push(recurring),
                Err(failure) => match &refusal {
                    None => refusal = Some(failure),
                    Some(_) => context.printer.warning(failure.message()),
                },
            },
        }
    }
    if args.json && !ended.is_empty() {
        context.printer.json(&RecurringJobs { recurring: ended })?;
    }
    let jobs = act(Action::Cancel, &Args { ids, json: args.json }, saying(None), context).await;
    refusal.map_or(jobs, Err)
}

pub(crate) async fn hold(args: &ReasonedArgs, context: &Context) -> Result<(), Failure> {
    act(Action::Hold, &args.jobs, saying(args.reason.clone()), context).await
}

pub(crate) async fn release(args: &ReasonedArgs, context: &Context) -> Result<(), Failure> {
    act(Action::Release, &args.jobs, saying(args.reason.clone()), context).await
}

pub(crate) async fn pause(args: &Args, context: &Context) -> Result<(), Failure> {
    act(Action::Pause, args, saying(None), context).await
}

pub(crate) async fn resume(args: &Args, context: &Context) -> Result<(), Failure> {
    act(Action::Resume, args, saying(None), context).await
}

pub(crate) async fn run_now(args: &Args, context: &Context) -> Result<(), Failure> {
    act(Action::RunNow, args, saying(None), context).await
}

pub(crate) async fn prioritise(args: PriorityArgs, context: &Context) -> Result<(), Failure> {
    let PriorityArgs { id, priority, reason, json } = args;
    let request = ActRequest { priority: Some(priority), ..saying(reason) };
    act(Action::Prioritise, &Args { ids: vec![id], json }, request, context).await
}

fn saying(reason: Option<String>) -> ActRequest {
    ActRequest { by: Some(user()), reason, priority: None }
}

/// Asks each job in turn. One that refuses does not keep the others from being asked; the first refusal is the verb's.
async fn act(action: Action, args: &Args, request: ActRequest, context: &Context) -> Result<(), Failure> {
    let mut changed = Vec::new();
    let mut refusal: Option<Failure> = None;
    for id in &args.ids {
        match context.ask_about_job(async |client| client.act(*id, action, &request).await).await {
            Ok(job) => {
                let priority =
                    request.priority.map(|priority| format!(", with priority {priority}")).unwrap_or_default();
                context.printer.note(&format!("Job {id} is {}{priority}", job.state));
                changed.push(job);
            }
            Err(failure) => match &refusal {
                None => refusal = Some(failure),
                Some(_) => context.printer.warning(failure.message()),
            },
        }
    }
    if args.json && !changed.is_empty() {
        context.printer.json(&Jobs::all(changed))?;
    }
    refusal.map_or(Ok(()), Err)
}
