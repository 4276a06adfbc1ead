//! `lowtide forecast [ZONE…]`: the carbon intensity of the coming hours.

use std::time::{Duration, Instant};

use lowtide_api::v1::forecast::SeriesList;

use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::output;

/// How long providers that have not answered yet are waited for, and how often that is looked at.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

/// Show the carbon intensity of the coming hours, as a chart
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lowtide forecast GB --hours 24\n\n\
    The chart begins now, in your time zone; `min` and `max` mark its lowest and highest hour.")]
pub(crate) struct Args {
    /// Grid zones; those of all sites without
    #[arg(value_name = "ZONE")]
    zones: Vec<String>,

    /// How many hours ahead
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=24 * 14))]
    hours: u32,

    /// Show how earlier forecasts came true: errors by lead hour, and what following them cost
    #[arg(long)]
    verify: bool,

    /// Print `{"series": […]}`, or `{"zones": […]}` with --verify, instead of a chart
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if args.verify {
        return verify(args, context).await;
    }
    let list = answered(args, context).await?;
    if args.json {
        return context.printer.json(&list);
    }
    if list.series.is_empty() {
        return Err(Failure::new(Kind::NotFound, "no intensity is known for any site")
            .hint("`lowtide site list` shows the sites and what is wrong with them"));
    }
    let now = context.ask(async |client| client.status().await).await?.now;
    let clock = context.clock(now);
    let charts: Vec<String> =
        list.series.iter().map(|series| output::forecast::text(series, &clock, context.look())).collect();
    context.printer.data(&charts.join("\n"))
}

async fn verify(args: &Args, context: &Context) -> Result<(), Failure> {
    let verified = context.ask_or_start(async |client| client.verified(&args.zones).await).await?;
    if args.json {
        return context.printer.json(&verified);
    }
    let texts: Vec<String> =
        verified.zones.iter().map(|zone| output::verification::text(zone, context.look())).collect();
    context.printer.data(&texts.join("\n"))
}

/// The series once every provider has been asked: a daemon that has just been started is still waiting for them.
async fn answered(args: &Args, context: &Context) -> Result<SeriesList, Failure> {
    let begun = Instant::now();
    loop {
        let list = context.ask_or_start(async |client| client.forecast(&args.zones, args.hours).await).await?;
        let pending = list.series.iter().any(|series| series.issued_at.is_none() && series.problem.is_none());
        if !pending || PATIENCE < begun.elapsed() {
            return Ok(list);
        }
        tokio::time::sleep(LOOK).await;
    }
}
