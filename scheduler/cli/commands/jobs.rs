//! `lowtide jobs`, and bare `lowtide`: the queue.

use clap::builder::PossibleValuesParser;
use lowtide_api::v1::summary::{Jobs, JobsQuery, Order};
use lowtide_model::state::JobState;

use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::output::indent::Indented;

/// So many jobs stand in the table where nobody says how many: two screens of a usual terminal.
const LISTED_FOR_PEOPLE: u64 = 50;

/// List your jobs; bare `lowtide` does the same
#[derive(Debug, Default, clap::Args)]
#[command(
    after_help = "Examples: lowtide jobs --all --json\n          lowtide jobs --state running,starting --limit 200\n\n\
    An amount with a ~ is predicted; one without is what it was.\n\n\
    The table begins with what runs and what starts next, and shows 50 jobs unless told otherwise. With --json or --quiet it is \
    every job, oldest first."
)]
pub(crate) struct Args {
    /// Those that are over, too
    #[arg(long, short)]
    all: bool,

    /// So many at most, or `all`; 50 in the table by default
    #[arg(long, short = 'n', value_name = "N", value_parser = limit)]
    limit: Option<Limit>,

    /// Only those in this state, or in one of these: `--state running,starting`
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = states())]
    state: Vec<String>,

    /// Only those of this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// Only those of this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,

    /// Only those that are held, with why: what `lowtide approvals` lists, and what users put aside
    #[arg(long, conflicts_with_all = ["all", "limit", "state", "user", "project"])]
    held: bool,

    /// Jobs that recur, with their next times
    #[arg(long, conflicts_with_all = ["all", "limit", "state", "user", "project", "held"])]
    recurring: bool,

    /// Print `{"jobs": […]}` instead of a table; with `more`, how many a `--limit` left out
    #[arg(long)]
    json: bool,
}

/// How many jobs are listed at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    All,
    Count(u64),
}

fn limit(text: &str) -> Result<Limit, String> {
    match text.parse() {
        Ok(count) if 0 < count => Ok(Limit::Count(count)),
        _ if text == "all" => Ok(Limit::All),
        _ => Err(format!("`{text}` is neither a number from 1 on nor `all`")),
    }
}

fn states() -> PossibleValuesParser {
    PossibleValuesParser::new(JobState::OPEN_NAMES.into_iter().chain(JobState::FINAL_NAMES))
}

impl Args {
    /// What to ask the daemon, for programs or for people.
    fn query(&self, order: Order) -> JobsQuery {
        let limit = match (self.limit, order) {
            (Some(Limit::Count(count)), _) => Some(count),
            (Some(Limit::All), _) | (None, Order::Oldest) => None,
            (None, Order::Start) => Some(LISTED_FOR_PEOPLE),
        };
        let (user, project) = (self.user.clone(), self.project.clone());
        JobsQuery { all: self.all, order, limit, state: self.state.join(","), user, project }
    }

    /// Whether some jobs were asked for rather than all.
    fn chooses(&self) -> bool {
        !self.state.is_empty() || self.user.is_some() || self.project.is_some()
    }
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if args.recurring {
        return super::recurring::list(args.json, context).await;
    }
    if args.held {
        return super::approvals::list(context, args.json, |_| true).await;
    }
    let printer = context.printer;
    if args.json {
        let query = args.query(Order::Oldest);
        let text = context.ask_or_start(async |client| {
            let mut text = Indented::default();
            client.jobs_as_written(&query, |piece| text.take(piece)).await?;
            Ok(text.end())
        });
        return printer.written_json(&text.await?);
    }
    if printer.is_quiet() {
        let query = args.query(Order::Oldest);
        let numbers = context.ask_or_start(async |client| client.job_numbers(&query).await).await?;
        return printer.data(&numbers.iter().map(|id| id.to_string() + "\n").collect::<String>());
    }
    let query = args.query(Order::Start);
    let Jobs { jobs, more } = context.ask_or_start(async |client| client.jobs(&query).await).await?;
    if jobs.is_empty() {
        if args.chooses() {
            printer.note("No jobs are like that");
            return Ok(());
        }
        printer.note(if args.all { "No jobs yet" } else { "No jobs are waiting or running" });
        printer.hint(if args.all {
            "`lowtide submit -- python train.py` queues one"
        } else {
            "`lowtide submit -- python train.py` queues one; `lowtide jobs --all` shows those that are over"
        });
        return Ok(());
    }
    let now = context.ask(async |client| client.status().await).await?.now;
    printer.data(&output::jobs::text(&jobs, &context.clock(now), context.look()))?;
    if 0 < more {
        printer.note(&output::jobs::closing(jobs.len(), more));
    }
    Ok(())
}
