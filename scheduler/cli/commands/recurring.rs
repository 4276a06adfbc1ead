//! Jobs that recur: `submit --cron`, `jobs --recurring`, and `show` and `cancel` of `r1`.

use lowtide_api::v1::act::ActRequest;
use lowtide_api::v1::recurring::{RecurringJobs, RecurringRequest, RecurringView};
use lowtide_api::v1::submit::SubmitRequest;
use lowtide_model::quantity::Seconds;
use lowtide_model::recurring::RecurringId;

use crate::commands::submit::user;
use crate::context::Context;
use crate::failure::Failure;
use crate::{output, value};

/// Flags of `submit` that make a job recur.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Recurs {
    /// Queue it again and again at these times, five fields as in crontab; `lowtide cancel r1` ends that
    #[arg(long, value_name = "CRON", conflicts_with_all = ["follow", "dry_run", "deadline", "after"])]
    pub(crate) cron: Option<String>,

    /// How far from its time an occurrence may start: 4h after it, or -2h:+4h around it. What its policy allows by default
    #[arg(long, value_name = "DURATION", requires = "cron", value_parser = slack, allow_hyphen_values = true)]
    slack: Option<Slack>,

    /// IANA time zone of --cron; the daemon's own by default
    #[arg(long, value_name = "ZONE", requires = "cron")]
    zone: Option<String>,

    /// An occurrence waits for the one before it, instead of being left out while that is not over
    #[arg(long, requires = "cron")]
    queue: bool,
}

/// How much earlier and later than its time an occurrence may start.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Slack {
    early: Seconds,
    late: Seconds,
}

/// `4h`, `+4h` or `-2h:+4h`.
fn slack(text: &str) -> Result<Slack, String> {
    let late = |text: &str| value::duration(text.strip_prefix('+').unwrap_or(text));
    match text.split_once(':') {
        None if text.starts_with('-') => Err(format!("`{text}` has no end: write `{text}:+0h`")),
        None => Ok(Slack { early: Seconds::ZERO, late: late(text)? }),
        Some((before, after)) => {
            let before = before.strip_prefix('-').ok_or_else(|| format!("`{text}` is not like -2h:+4h"))?;
            Ok(Slack { early: value::duration(before)?, late: late(after)? })
        }
    }
}

/// Queues a job again and again.
pub(crate) async fn submit(
    job: SubmitRequest,
    cron: String,
    recurs: &Recurs,
    json: bool,
    context: &Context,
) -> Result<(), Failure> {
    let request = RecurringRequest {
        job,
        cron,
        zone: recurs.zone.clone(),
        slack_s: recurs.slack.map(|slack| slack.late.get()),
        early_s: recurs.slack.map(|slack| slack.early.get()),
        queue: recurs.queue,
    };
    let recurring = context.ask_or_start(async |client| client.schedule(&request).await).await?;
    if context.printer.is_quiet() && !json {
        return context.printer.data(&recurring.id);
    }
    print(&recurring, json, context).await?;
    context.printer.hint(&format!("`lowtide cancel {}` ends it", recurring.id));
    Ok(())
}

pub(crate) async fn list(json: bool, context: &Context) -> Result<(), Failure> {
    let jobs = context.ask_or_start(async |client| client.recurring_jobs().await).await?;
    if json {
        return context.printer.json(&jobs);
    }
    let RecurringJobs { recurring } = jobs;
    if context.printer.is_quiet() {
        return context.printer.data(&recurring.iter().map(|one| one.id.clone() + "\n").collect::<String>());
    }
    if recurring.is_empty() {
        context.printer.note("No jobs recur");
        context.printer.hint("`lowtide submit --cron '0 2 * * *' --slack 4h -- python train.py` makes one");
        return Ok(());
    }
    let now = context.ask(async |client| client.status().await).await?.now;
    context.printer.data(&output::recurring::table(&recurring, &context.clock(now), context.look()))
}

pub(crate) async fn show(id: RecurringId, json: bool, context: &Context) -> Result<(), Failure> {
    let recurring = context.ask_about_job(async |client| client.recurring_job(id).await).await?;
    print(&recurring, json, context).await
}

pub(crate) async fn cancel(id: RecurringId, context: &Context) -> Result<RecurringView, Failure> {
    let request = ActRequest { by: Some(user()), ..ActRequest::default() };
    let ended = context.ask_about_job(async |client| client.unschedule(id, &request).await).await?;
    context.printer.note(&format!("{id} recurs no more"));
    if let Some(job) = ended.last_job {
        context.printer.hint(&format!("its last job is {job}; `lowtide cancel {job}` ends that if it is not over"));
    }
    Ok(ended)
}

async fn print(recurring: &RecurringView, json: bool, context: &Context) -> Result<(), Failure> {
    if json {
        return context.printer.json(recurring);
    }
    let now = context.ask(async |client| client.status().await).await?.now;
    context.printer.data(&output::recurring::text(recurring, &context.clock(now), context.look()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slack_is_after_or_around_the_time() {
        let hours = Seconds::from_hours;
        assert_eq!(slack("4h"), Ok(Slack { early: Seconds::ZERO, late: hours(4.0) }));
        assert_eq!(slack("-2h:+4h"), Ok(Slack { early: hours(2.0), late: hours(4.0) }));
        for bad in ["", "-2h", "2h:4h", "-2h:", "four"] {
            assert!(slack(bad).is_err(), "{bad}");
        }
    }
}
