//! A job on its way through a replay: the record the planner is shown, and what it has run.

use lowtide_model::estimate::{EstimateSource, Interval};
use lowtide_model::identity::{AttemptNumber, JobId, SiteId};
use lowtide_model::job::{Attempt, Checkpoint, Job, JobSpec};
use lowtide_model::operating_point::OperatingPoint;
use lowtide_model::plan::Plan;
use lowtide_model::quantity::{Seconds, Watts};
use lowtide_model::site::Resources;
use lowtide_model::state::{JobState, PausedBy};
use lowtide_model::window::Window;
use lowtide_planner::baseline::Task;
use lowtide_planner::policy::Policy;
use lowtide_planner::predict::Prediction;

use crate::capacity::whole;
use crate::jobs::TraceJob;
use crate::length::Belief;
use crate::outcome::Run;
use crate::setting::Setting;

/// Less work than this, hours, is none: a millisecond.
const NO_TIME: f64 = 3e-7;

/// A job that is not yet done.
#[derive(Debug)]
pub(super) struct Live<'j> {
    pub(super) trace: &'j TraceJob,
    pub(super) task: Task,
    pub(super) job: Job,
    /// Where it is to run, and when.
    pub(super) planned: Vec<(usize, Window)>,
    pub(super) runs: Vec<Run>,
    /// The zone it runs in at the end of what was carried out.
    pub(super) running_in: Option<usize>,
    /// The zone it ran in last.
    pub(super) last_in: Option<usize>,
    /// What is thought of its length, where that is not known.
    belief: Option<Belief>,
    setting: Setting,
    left: f64,
    until: f64,
}

impl<'j> Live<'j> {
    /// The job that arrives as the `number`th.
    pub(super) fn new(
        (number, trace): (u64, &'j TraceJob),
        task: Task,
        setting: &Setting,
        policy: &Policy,
        pausable: bool,
    ) -> Self {
        let plain = JobSpec::of_command(vec!["replay".to_owned()], "/".into(), "replay".to_owned(), policy.id.clone());
        let spec = JobSpec {
            name: trace.name.clone(),
            resources: Resources { cpus: whole(trace.cpus), gpus: 0 },
            deadline: Some(setting.moment(task.latest_end.max(task.arrival + task.length))),
            checkpoint: pausable.then_some(Checkpoint { signal: 15, grace_s: 30 }),
            ..plain
        };
        let at = setting.moment(task.arrival);
        let job = Job {
            id: JobId(number),
            spec,
            submitted_at: at,
            state: JobState::Waiting,
            state_since: at,
            run_now: false,
            approved: false,
            approvals: vec![],
            attempts: vec![],
            estimates: vec![],
            plan: None,
            review: None,
            notes: vec![],
        };
        Self {
            trace,
            task,
            job,
            planned: vec![],
            runs: vec![],
            running_in: None,
            last_in: None,
            belief: setting.length_error.map(|error| error.of_job(number)),
            setting: Setting { queues: vec![], profile: None, ..*setting },
            left: task.length,
            until: task.arrival,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.left <= NO_TIME
    }

    /// What is left, as it is believed.
    pub(super) fn prediction(&self) -> Prediction {
        let power = Watts::saturating(self.trace.kilowatts * 1000.0);
        let done = self.task.length - self.left;
        let left = self.belief.map_or(Interval::exactly(self.left), |belief| belief.left(self.task.length, done));
        let [duration, remaining] = [done, 0.0].map(|done| left.map(|left| Seconds::from_hours(done + left)));
        Prediction {
            source: EstimateSource::Declared,
            after_epoch: 0,
            duration,
            remaining,
            energy: duration.map(|time| power * time),
            remaining_energy: remaining.map(|time| power * time),
        }
    }

    /// A new plan; what runs and is not to run on is stopped by carrying it out.
    pub(super) fn take(&mut self, plan: Plan, planned: Vec<(usize, Window)>) {
        self.job.plan = Some(plan);
        self.planned = planned;
    }

    /// Carries out the plan up to a moment.
    pub(super) fn run_until(&mut self, to: f64) {
        let planned = std::mem::take(&mut self.planned);
        for (at, (zone, window)) in planned.iter().enumerate() {
            let start = self.setting.hours(window.start()).max(self.until);
            // What runs longer than was thought runs on.
            let last = at + 1 == planned.len() && start < self.setting.hours(window.end());
            let planned_end = if last { f64::INFINITY } else { self.setting.hours(window.end()) };
            let end = planned_end.min(to).min(start + self.left);
            if end - start <= NO_TIME || self.is_done() {
                continue;
            }
            self.run(*zone, start, end);
        }
        self.planned = planned;
        self.until = self.until.max(to);
        let runs_on = self.runs.last().is_some_and(|run| to - run.end <= NO_TIME);
        if !runs_on || self.is_done() {
            self.stop();
        }
    }

    fn run(&mut self, zone: usize, start: f64, end: f64) {
        self.left -= end - start;
        self.until = end;
        let goes_on = self.running_in == Some(zone) && self.runs.last().is_some_and(|run| start - run.end <= NO_TIME);
        if goes_on {
            if let Some(last) = self.runs.last_mut() {
                last.end = end;
            }
            return;
        }
        self.stop();
        self.runs.push(Run { start, end, kilowatts: self.trace.kilowatts, nodes: 1, zone });
        (self.running_in, self.last_in) = (Some(zone), Some(zone));
        let number = AttemptNumber(u32::try_from(self.runs.len()).unwrap_or(u32::MAX));
        let at = self.setting.moment(start);
        let site = SiteId::new(format!("site-{zone}")).expect("letters, digits and a dash");
        self.job.attempts.push(Attempt {
            number,
            site,
            point: OperatingPoint::default(),
            devices: vec![],
            ordered_at: at,
            started_at: Some(at),
            ended_at: None,
            exit: None,
            epochs: vec![],
            progress: None,
            energy: None,
            reports_seen: 0,
        });
        (self.job.state, self.job.state_since) = (JobState::Running { attempt: number }, at);
    }

    fn stop(&mut self) {
        if self.running_in.take().is_none() {
            return;
        }
        let at = self.setting.moment(self.runs.last().map_or(self.task.arrival, |run| run.end));
        if let Some(attempt) = self.job.attempts.last_mut() {
            attempt.ended_at = Some(at);
        }
        (self.job.state, self.job.state_since) = (JobState::Paused { by: PausedBy::Plan }, at);
    }
}
