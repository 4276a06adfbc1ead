//! `lowtide explain ID`: why a job runs where and when it does, and what was rejected; now, or at a moment of the past.

use jiff::Timestamp;
use lowtide_model::quantity::Seconds;

use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::output;
use crate::value;

/// Explain why a job runs where and when it does, and what was rejected
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lowtide explain 42
  lowtide explain 42 --as-of submit
  lowtide explain 42 --as-of 2026-11-25T13:00Z

With --as-of the decision of that moment is made again from the journal, with what was known then, and compared with the one that
was in force; the exit code is 1 if they differ. Forecasts and decisions are kept for 90 days.")]
pub(crate) struct Args {
    /// Number of the job
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    id: u64,

    /// Decide again as of a moment: `submit`, `-2h`, or RFC 3339
    #[arg(long, value_name = "WHEN", value_parser = moment, allow_hyphen_values = true)]
    as_of: Option<Moment>,

    /// Print the explanation as one JSON value
    #[arg(long)]
    json: bool,
}

/// A moment of the past.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Submission,
    Ago(Seconds),
    At(Timestamp),
}

fn moment(text: &str) -> Result<Moment, String> {
    if text == "submit" {
        return Ok(Moment::Submission);
    }
    if let Some(ago) = text.strip_prefix('-') {
        return value::duration(ago).map(Moment::Ago);
    }
    let refused = |_| format!("`{text}` is no moment: write `submit`, `-2h` or 2026-11-25T13:00:00Z");
    text.parse().map(Moment::At).map_err(refused)
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let now = context.ask(async |client| client.status().await).await?.now;
    let at = match args.as_of {
        None => None,
        Some(Moment::At(at)) => Some(at),
        Some(Moment::Ago(length)) => Some(length.before(now)),
        Some(Moment::Submission) => {
            Some(context.ask_about_job(async |client| client.job(args.id).await).await?.submitted_at)
        }
    };
    let explanation = match at {
        None => context.ask_about_job(async |client| client.explain(args.id).await).await?,
        Some(at) => context.ask_about_job(async |client| client.explain_as_of(args.id, at).await).await?,
    };
    if args.json {
        context.printer.json(&explanation)?;
    } else {
        context.printer.data(&output::explanation::text(&explanation, &context.clock(now), context.look()))?;
    }
    if explanation.as_of.is_some_and(|as_of| as_of.identical == Some(false)) {
        let message = format!("job {} was decided otherwise then than it is decided again from the journal", args.id);
        return Err(Failure::new(Kind::Invalid, message)
            .hint("another version of lowtide may have decided; `--json` holds both plans, under `chosen` and `as_of.in_force`"));
    }
    Ok(())
}
