//! The three jobs of the demo, and what each is to show.

use std::collections::BTreeMap;
use std::path::Path;

use lowtide_api::v1::job::JobView;
use lowtide_api::v1::submit::{CheckpointRequest, SubmitRequest};
use lowtide_model::quantity::Seconds;

/// The site a job runs at where nothing speaks for another: the first of the configuration.
pub(super) const HOME: &str = "home";

/// How long an epoch trains, by the wall's clock.
pub(super) const EPOCH_SECONDS: f64 = 1.5;
/// A wait shorter than this is no delay but the time a start takes.
const SHORTEST_WAIT_HOURS: f64 = 1.0;

/// What a job is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    /// It waits for cleaner hours where it is.
    Delayed,
    /// It runs where the grid is cleaner now.
    Routed,
    /// It runs an epoch to be measured, leaves a checkpoint and goes on from it in cleaner hours.
    Paused,
}

/// One of the jobs.
#[derive(Debug, Clone, Copy)]
pub(super) struct DemoJob {
    /// Its name, and the task it learns.
    pub(super) task: &'static str,
    /// What it is to show.
    pub(super) story: Story,
    /// How many epochs it has.
    pub(super) epochs: u32,
}

/// The jobs, in the order they are submitted.
pub(super) const JOBS: [DemoJob; 3] = [
    DemoJob { task: "digits", story: Story::Delayed, epochs: 6 },
    DemoJob { task: "text", story: Story::Routed, epochs: 5 },
    DemoJob { task: "spirals", story: Story::Paused, epochs: 6 },
];

impl DemoJob {
    /// What is sent to the daemon: this program's own hidden verb is the command, so that nothing else need be there.
    pub(super) fn request(&self, program: &Path, directory: &Path, user: &str) -> SubmitRequest {
        let Self { task, story, epochs } = *self;
        let checkpoint = format!("{task}.checkpoint");
        let words = [&program.to_string_lossy(), "demo", "train", task, "--epochs"].map(ToString::to_string);
        let mut command = Vec::from(words);
        command.extend([epochs.to_string(), "--epoch-seconds".to_owned(), EPOCH_SECONDS.to_string()]);
        command.extend(["--checkpoint".to_owned(), checkpoint]);
        let hours = |hours: f64| Some(Seconds::from_hours(hours).get());
        SubmitRequest {
            idempotency_key: Some(format!("demo-{task}")),
            dry_run: false,
            name: Some(task.to_owned()),
            project: Some("demo".to_owned()),
            user: user.to_owned(),
            command,
            directory: directory.to_path_buf(),
            environment: BTreeMap::new(),
            cpus: Some(1),
            gpus: None,
            epochs: None,
            may_stop_early: false,
            policy: Some(if story == Story::Routed { "follow-the-tide" } else { "patient" }.to_owned()),
            urgency: None,
            priority: None,
            workers: None,
            gpu_caps: None,
            deadline: None,
            // In a hurry, so that it can go elsewhere but hardly wait.
            max_delay_s: if story == Story::Routed { hours(1.0) } else { None },
            data_at: None,
            sites: if story == Story::Routed { Vec::new() } else { vec![HOME.to_owned()] },
            // Of the last nothing is declared: it is measured first.
            duration_s: match story {
                Story::Delayed => hours(4.0),
                Story::Routed => hours(3.0),
                Story::Paused => None,
            },
            power_w: None,
            checkpoint: (story == Story::Paused).then_some(CheckpointRequest { signal: None, grace_s: Some(5) }),
            epoch_pattern: None,
            after: Vec::new(),
        }
    }
}

impl Story {
    /// What is missing of it in the job that is over; `None` where all happened.
    pub(super) fn missing(self, job: &JobView) -> Option<String> {
        let name = &job.name;
        if job.state != "succeeded" {
            let detail = job.state_detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
            return Some(format!("{name} ended {}{detail} instead of succeeding", job.state));
        }
        if !job.estimates.iter().any(|estimate| 0 < estimate.after_epoch && estimate.source == "measured") {
            return Some(format!("{name} has no estimate from a measured epoch"));
        }
        if job.review.is_none() {
            return Some(format!("{name} has no review"));
        }
        let happened = match self {
            Self::Delayed => waited_first(job).is_some_and(|wait| SHORTEST_WAIT_HOURS <= wait.hours()),
            Self::Routed => !job.attempts.is_empty() && job.attempts.iter().all(|attempt| attempt.site != HOME),
            Self::Paused => paused(job).is_some_and(|pause| SHORTEST_WAIT_HOURS <= pause.length.hours()),
        };
        let what = match self {
            Self::Delayed => "was not delayed",
            Self::Routed => "was not routed to another site",
            Self::Paused => "was not paused and resumed from its checkpoint",
        };
        (!happened).then(|| format!("{name} {what}"))
    }
}

/// How long a job waited before its first start.
pub(super) fn waited_first(job: &JobView) -> Option<Seconds> {
    job.attempts.first().map(|attempt| Seconds::between(job.submitted_at, attempt.start))
}

/// A pause between two attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pause {
    /// The last epoch before it.
    pub(super) after_epoch: u32,
    /// The first epoch after it.
    pub(super) resumed_with: u32,
    /// Its length.
    pub(super) length: Seconds,
}

/// The longest pause after which the job went on from its checkpoint, that is did not begin again.
pub(super) fn paused(job: &JobView) -> Option<Pause> {
    let pauses = job.attempts.windows(2).filter_map(|pair| {
        let epochs_of = |attempt: u32| job.epochs.iter().filter(move |epoch| epoch.attempt == attempt);
        let after_epoch = epochs_of(pair[0].number).next_back()?.index;
        let resumed_with = epochs_of(pair[1].number).next()?.index;
        let length = Seconds::between(pair[0].end?, pair[1].start);
        (1 < resumed_with).then_some(Pause { after_epoch, resumed_with, length })
    });
    pauses.max_by(|a, b| a.length.total_cmp(&b.length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    #[test]
    fn the_command_is_one_that_this_program_takes() {
        use clap::Parser as _;
        for job in JOBS {
            let request = job.request(Path::new("/usr/bin/lowtide"), Path::new("/tmp"), "ada");
            let cli = crate::args::Cli::try_parse_from(&request.command).expect("it is understood");
            assert!(matches!(cli.command, Some(crate::args::Command::Demo(_))), "{:?}", request.command);
        }
    }

    #[test]
    fn a_story_is_told_only_where_it_happened() {
        let mut job = testing::succeeded();
        let error = |story: Story, job: &JobView| story.missing(job).unwrap_or_default();
        // It was begun before it was submitted, as it were, elsewhere than at home, in one attempt.
        assert!(error(Story::Delayed, &job).contains("was not delayed"));
        assert_eq!(Story::Routed.missing(&job), None);
        assert!(error(Story::Paused, &job).contains("was not paused"));

        job.submitted_at = testing::at("2026-11-25T10:00:00Z");
        assert_eq!(Story::Delayed.missing(&job), None);

        let mut second = job.attempts[0].clone();
        second.number = 2;
        second.site = HOME.to_owned();
        second.start = testing::at("2026-11-25T20:00:00Z");
        job.attempts.push(second);
        assert!(error(Story::Routed, &job).contains("was not routed"));
        job.epochs.last_mut().expect("it has epochs").attempt = 2;
        assert_eq!(Story::Paused.missing(&job), None);
        let pause = paused(&job).expect("it paused");
        assert_eq!((pause.after_epoch, pause.resumed_with), (2, 3));
        job.epochs.last_mut().expect("it has epochs").index = 1;
        assert!(error(Story::Paused, &job).contains("was not paused"), "a job that begins again was not resumed");

        job.review = None;
        assert!(error(Story::Delayed, &job).contains("no review"));
        job.state = "failed".to_owned();
        assert!(error(Story::Delayed, &job).contains("ended failed"));
    }
}
