//! Following a job: its states and epochs on stderr, its own output passed through, until it is over.

use std::cell::Cell;
use std::time::Duration;

use indicatif::ProgressBar;
use lowtide_api::client::{ClientError, Stream};
use lowtide_api::v1::job::{EpochView, EstimateView, JobView};
use tokio::sync::watch;

use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::output::words;

/// Between two looks at the output of a job that runs.
const OUTPUT_INTERVAL: Duration = Duration::from_millis(150);
/// Between two tries while no daemon answers, and how many there are: a restart takes less than a second, a person
/// some more.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
const MOST_RETRIES: u32 = 60;

/// Where the job's own output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// stdout to stdout, stderr to stderr.
    Through,
    /// Both to stderr: stdout is for one JSON value.
    ToStderr,
}

/// How following ended.
#[derive(Debug)]
pub(crate) enum Followed {
    /// The job is over.
    Over(Box<JobView>),
    /// The user left; the job did not.
    Left,
}

/// Follows a job until it is over or the user has had enough.
pub(crate) async fn follow(id: u64, context: &Context, passing: Passing) -> Result<Followed, Failure> {
    let progress = context.printer.progress();
    let (activity, watched) = watch::channel(Activity::Quiet);
    let everything = async {
        let over = states(id, context, &progress, &activity);
        let output = outputs(id, context, &progress, watched, passing);
        let (job, ()) = tokio::try_join!(over, output)?;
        Ok(Followed::Over(Box::new(job)))
    };
    let followed = tokio::select! {
        followed = everything => followed,
        _ = tokio::signal::ctrl_c() => Ok(Followed::Left),
    };
    progress.finish_and_clear();
    followed
}

/// Passes a job's output on until nothing can follow.
pub(crate) async fn follow_output(id: u64, context: &Context) -> Result<(), Failure> {
    let (_activity, watched) = watch::channel(Activity::Running);
    outputs(id, context, &ProgressBar::hidden(), watched, Passing::Through).await
}

/// Whether output is to be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    Quiet,
    Running,
    Over,
}

async fn states(
    id: u64,
    context: &Context,
    progress: &ProgressBar,
    activity: &watch::Sender<Activity>,
) -> Result<JobView, Failure> {
    let client = context.client();
    let say = |text: &str| progress.suspend(|| context.printer.note(text));
    let revision = Cell::new(0);
    let mut shown = Shown::default();
    loop {
        let job = patiently(context, async || {
            let answer = client.job_after(id, revision.get()).await;
            if matches!(answer, Err(ClientError::Unreachable { .. })) {
                // A daemon that was started anew counts from the beginning.
                revision.set(0);
            }
            answer
        })
        .await?;
        revision.set(job.revision);
        for line in shown.news(&job, context) {
            say(&line);
        }
        progress.set_message(moving_line(&job, context));
        let over = job.exit_code.is_some();
        let now = match job.state.as_str() {
            _ if over => Activity::Over,
            "starting" | "running" | "pausing" => Activity::Running,
            _ => Activity::Quiet,
        };
        activity.send_replace(now);
        if over {
            return Ok(job);
        }
    }
}

async fn outputs(
    id: u64,
    context: &Context,
    progress: &ProgressBar,
    mut activity: watch::Receiver<Activity>,
    passing: Passing,
) -> Result<(), Failure> {
    let client = context.client();
    let mut streams = [(Stream::Stdout, 0, false), (Stream::Stderr, 0, false)];
    loop {
        let mut idle = true;
        for (stream, offset, complete) in streams.iter_mut().filter(|(_, _, complete)| !complete) {
            let piece = patiently(context, async || client.output(id, *stream, *offset).await).await?;
            idle &= piece.bytes.is_empty();
            (*offset, *complete) = (piece.next_offset, piece.complete);
            if piece.bytes.is_empty() {
                continue;
            }
            let printer = context.printer;
            progress.suspend(|| match (*stream, passing) {
                (Stream::Stdout, Passing::Through) => printer.job_stdout(&piece.bytes),
                _ => printer.job_stderr(&piece.bytes),
            })?;
        }
        if streams.iter().all(|(_, _, complete)| *complete) {
            return Ok(());
        }
        if !idle {
            continue;
        }
        let quiet = *activity.borrow_and_update() == Activity::Quiet;
        if quiet {
            // A job that waits for hours writes nothing: only its next state is waited for.
            let _ = activity.changed().await;
        } else {
            tokio::time::sleep(OUTPUT_INTERVAL).await;
        }
    }
}

/// Asks again while no daemon answers: it may be restarting, and the job goes on meanwhile.
async fn patiently<T>(context: &Context, ask: impl AsyncFn() -> Result<T, ClientError>) -> Result<T, Failure> {
    let mut tries = 0;
    loop {
        match ask().await {
            Err(error @ ClientError::Unreachable { .. }) => {
                if tries == 0 {
                    context.printer.note("The daemon does not answer; waiting for it. The job goes on meanwhile");
                }
                tries += 1;
                if MOST_RETRIES < tries {
                    return Err(error.into());
                }
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            other => return other.map_err(Failure::from),
        }
    }
}

/// What was already said of a job.
#[derive(Debug, Default)]
struct Shown {
    state: Option<String>,
    epochs: usize,
    notes: usize,
}

impl Shown {
    /// Lines about what is new.
    fn news(&mut self, job: &JobView, context: &Context) -> Vec<String> {
        let mut lines = Vec::new();
        let estimate = job.estimates.iter().rev().find(|estimate| 0 < estimate.after_epoch);
        for (number, epoch) in job.epochs.iter().enumerate().skip(self.epochs) {
            let last = number + 1 == job.epochs.len();
            lines.push(epoch_line(epoch, job.epochs_total, estimate.filter(|_| last)));
        }
        for note in job.notes.iter().skip(self.notes) {
            lines.push(note.text.clone());
        }
        if self.state.as_deref() != Some(job.state.as_str()) && job.exit_code.is_none() {
            lines.push(state_line(job, context));
        }
        *self = Self { state: Some(job.state.clone()), epochs: job.epochs.len(), notes: job.notes.len() };
        lines
    }
}

/// `Epoch 3 of 90: 42 s, 18.2 Wh, measured; in all 1.8 kgCO2e (1.3–2.6), 6.2 kWh`.
pub(crate) fn epoch_line(epoch: &EpochView, total: Option<u32>, estimate: Option<&EstimateView>) -> String {
    let EpochView { index, attempt: _, start: _, duration_s, energy_kwh, energy_source } = epoch;
    let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
    let whole = estimate.map(|EstimateView { footprint_g, energy_kwh, .. }| {
        format!("; in all {}, {}", words::footprint(footprint_g), words::energy(energy_kwh.median))
    });
    format!(
        "Epoch {index}{of}: {}, {}, {}{}",
        words::duration(*duration_s),
        words::energy(*energy_kwh),
        words::energy_source(energy_source),
        whole.unwrap_or_default()
    )
}

fn state_line(job: &JobView, context: &Context) -> String {
    let id = job.id.unwrap_or_default();
    let detail = job.state_detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let until = next_start(job, context).map(|until| format!(" until {until}")).unwrap_or_default();
    format!("Job {id} is {}{until}{detail}", job.state)
}

fn moving_line(job: &JobView, context: &Context) -> String {
    let progress = match (job.epochs_done, job.epochs_total) {
        (0, _) => String::new(),
        (done, Some(total)) => format!(", {done} of {total} epochs"),
        (done, None) => format!(", {done} epochs"),
    };
    let until = next_start(job, context).map(|until| format!(" until {until}")).unwrap_or_default();
    format!("{} {}{until}{progress}", job.name, job.state)
}

/// When and where a job that does not run will.
fn next_start(job: &JobView, context: &Context) -> Option<String> {
    if !matches!(job.state.as_str(), "waiting" | "paused") {
        return None;
    }
    let segment = job.plan.as_ref()?.segments.first()?;
    let clock = context.clock(job.state_since);
    Some(format!("{} at {}", words::moment(segment.start, &clock), segment.site))
}

/// The end of a verb that was followed to the job's end by somebody who left before.
pub(crate) fn left_behind(id: u64, context: &Context) {
    context.printer.note(&format!("Job {id} stays in the queue"));
    context.printer.hint(&format!("`lowtide logs -f {id}` follows it again, `lowtide cancel {id}` ends it"));
}

/// A job that is over always has a code; one that has none was lost on the way here.
pub(crate) fn code_of(job: &JobView) -> Result<u8, Failure> {
    job.exit_code
        .and_then(|code| u8::try_from(code).ok())
        .ok_or_else(|| Failure::new(Kind::Internal, "the job is over but its exit code is unknown"))
}
