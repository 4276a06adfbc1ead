//! Jobs: what the user asked, what was tried, what was measured.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::capping::{Capping, PowerCap};
use crate::estimate::Estimate;
use crate::identity::{AttemptKey, AttemptNumber, BudgetId, JobId, PolicyId, SiteId};
use crate::operating_point::OperatingPoint;
use crate::plan::Plan;
use crate::priority::Priority;
use crate::quantity::{GramsCo2e, Joules, Seconds, Watts};
use crate::review::Review;
use crate::scaling::Scaling;
use crate::site::Resources;
use crate::state::JobState;
use crate::timescale::TimeScale;
use crate::window::Window;

/// What the user asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// A name for people; by default that of the script or program.
    pub name: String,
    /// The project it counts for.
    pub project: Option<String>,
    /// Who submitted it.
    pub user: String,
    /// Program and arguments; never empty.
    pub command: Vec<String>,
    /// The directory it runs in.
    pub directory: PathBuf,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// What it occupies.
    pub resources: Resources,
    /// With how many workers it can run; `resources` are those of one worker then.
    #[serde(default, skip_serializing_if = "Scaling::is_fixed")]
    pub scaling: Scaling,
    /// To how little power its GPUs can be held, and what it is then.
    #[serde(default, skip_serializing_if = "Capping::is_none")]
    pub capping: Capping,
    /// How many epochs it will run, where the user said so.
    pub epochs: Option<u32>,
    /// Whether it may end before the last of them, as trainings that stop when they improve no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_stop_early: bool,
    /// The policy it runs under.
    pub policy: PolicyId,
    /// Who chose that policy.
    #[serde(default, skip_serializing_if = "ChosenBy::is_job")]
    pub policy_chosen_by: ChosenBy,
    /// How much it may be put off.
    #[serde(default, skip_serializing_if = "Urgency::is_normal")]
    pub urgency: Urgency,
    /// Whether it goes before other jobs.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// When it has to be done.
    pub deadline: Option<Timestamp>,
    /// How much later than at once it may start, in sum of all waiting.
    pub max_delay: Option<Seconds>,
    /// Sites it may run at; empty means all.
    pub sites: Vec<SiteId>,
    /// Where its data lie: to run elsewhere takes a transfer, from the first start on. Nowhere in particular where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_at: Option<SiteId>,
    /// How long it runs, as the user declared.
    pub declared_duration: Option<Seconds>,
    /// The power it draws, as the user declared.
    pub declared_power: Option<Watts>,
    /// How it is asked to leave a checkpoint, if it can.
    pub checkpoint: Option<Checkpoint>,
    /// A pattern that recognises its epochs, where the common ones do not: groups `epoch` and, optionally, `total`.
    pub epoch_pattern: Option<String>,
    /// Jobs that must have succeeded before it starts.
    pub after: Vec<JobId>,
}

impl JobSpec {
    /// A job that asks for nothing but to be run: one processor, no deadline, no checkpoint, any site. Everything else
    /// can be set on it.
    #[must_use]
    pub fn of_command(command: Vec<String>, directory: PathBuf, user: String, policy: PolicyId) -> Self {
        Self {
            name: command.first().cloned().unwrap_or_default(),
            project: None,
            user,
            command,
            directory,
            environment: BTreeMap::new(),
            resources: Resources { cpus: 1, gpus: 0 },
            scaling: Scaling::default(),
            capping: Capping::default(),
            epochs: None,
            may_stop_early: false,
            policy,
            policy_chosen_by: ChosenBy::Job,
            urgency: Urgency::Normal,
            priority: Priority::NORMAL,
            deadline: None,
            max_delay: None,
            sites: Vec::new(),
            data_at: None,
            declared_duration: None,
            declared_power: None,
            checkpoint: None,
            epoch_pattern: None,
            after: Vec::new(),
        }
    }

    /// What it occupies at least.
    #[must_use]
    pub fn least_resources(&self) -> Resources {
        self.resources.of(self.scaling.fewest())
    }

    /// Whether it runs with just what it asks for wherever it runs.
    #[must_use]
    pub const fn has_one_operating_point(&self) -> bool {
        self.scaling.is_fixed() && self.capping.is_none()
    }

    /// The ways it can run at a site that lets its GPUs be held to these caps: the fewest workers without a cap first.
    pub fn operating_points<'a>(&'a self, allowed: &'a [PowerCap]) -> impl Iterator<Item = OperatingPoint> + 'a {
        let capped =
            move |workers| self.capping.choices(allowed).map(move |power_cap| OperatingPoint { workers, power_cap });
        self.scaling.choices().flat_map(capped)
    }

    /// Speed and power at an operating point, relative to the fewest workers without a cap. A cap holds each worker alike, so the two
    /// shares multiply.
    #[must_use]
    pub fn pace(&self, point: OperatingPoint) -> (f64, f64) {
        let (faster, stronger) = self.scaling.pace(point.workers);
        let (slower, weaker) = self.capping.pace(point.power_cap);
        (faster * slower, stronger * weaker)
    }

    /// What makes jobs comparable, so that one's history predicts the other: project, name and program.
    #[must_use]
    pub fn family(&self) -> String {
        let program = self.command.first().map_or("", String::as_str);
        format!("{}/{}/{}", self.project.as_deref().unwrap_or(""), self.name, program)
    }
}

/// Who chose a job's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChosenBy {
    /// Its submission named it.
    #[default]
    Job,
    /// It is the configured policy of its user.
    User,
    /// It is the configured policy of its project.
    Project,
    /// It is the policy of jobs for which nothing else is said.
    Default,
}

impl ChosenBy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_job(&self) -> bool {
        *self == Self::Job
    }
}

/// How much a job may be put off for carbon. What a tier means is the policy's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// It has time.
    Low,
    /// As its policy has it.
    #[default]
    Normal,
    /// It may wait a little.
    High,
    /// It runs at once.
    Now,
}

impl Urgency {
    /// All tiers, with their names.
    pub const NAMES: [(&str, Self); 4] =
        [("low", Self::Low), ("normal", Self::Normal), ("high", Self::High), ("now", Self::Now)];

    /// The tier of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, tier)| tier)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Now => "now",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}

/// How a job is asked to leave a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The signal, as the system numbers it; 15 (TERM) by default.
    pub signal: i32,
    /// How long it has, in whole seconds, before it is killed.
    pub grace_s: u32,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// The code a shell would show: a signal counts as 128 more.
    #[must_use]
    pub const fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// The code by which a job says: I have left a checkpoint, start me again. `EX_TEMPFAIL` of sysexits.h.
pub const EXIT_PAUSED: i32 = 75;

/// What an exit means for the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// The work is done.
    Succeeded,
    /// A checkpoint was left; start again to go on.
    Paused,
    /// It will not go on.
    Failed(Exit),
}

impl Ending {
    /// The pause contract: exit 0 is done; for a job with checkpoints, exit 75 or death by its signal is a pause, and
    /// so is being killed after the grace when lowtide had asked it to leave: only the work since its last checkpoint
    /// is lost then, not the job.
    #[must_use]
    pub fn of(exit: Exit, checkpoint: Option<&Checkpoint>, asked_to_leave: bool) -> Self {
        const SIGKILL: i32 = 9;
        match (exit, checkpoint) {
            (Exit::Code(0), _) => Self::Succeeded,
            (Exit::Code(EXIT_PAUSED), Some(_)) => Self::Paused,
            (Exit::Signal(signal), Some(checkpoint)) if signal == checkpoint.signal => Self::Paused,
            (Exit::Signal(SIGKILL), Some(_)) if asked_to_leave => Self::Paused,
            _ => Self::Failed(exit),
        }
    }
}

/// Where an epoch's energy comes from, from the best to the weakest. A sum is as good as its weakest part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnergySource {
    /// Hardware counters of what the job had for itself.
    Measured,
    /// Hardware counters of what it shared with others, of which its part is attributed to it.
    Shared,
    /// Counters for some devices, a model for others.
    Mixed,
    /// A model: rated power times utilisation.
    Modelled,
}

/// One report of progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number as the job counts, from 1 on.
    pub index: u32,
    /// How many there will be, as far as the job says.
    pub total: Option<u32>,
    /// When it ran.
    pub window: Window,
    /// Its energy (before PUE).
    pub energy: Joules,
    /// Where that comes from.
    pub source: EnergySource,
}

/// How far an epoch under way has come, as the job says it: a bar, a count of batches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochProgress {
    /// Its number.
    pub index: u32,
    /// When it was seen.
    pub at: Timestamp,
    /// The part that is done, above 0 and up to 1.
    pub share: f64,
    /// Time since the epoch began.
    pub ran: Seconds,
    /// Energy since it began (before PUE).
    pub energy: Joules,
}

/// One stretch of execution, from start to exit or pause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number.
    pub number: AttemptNumber,
    /// Where.
    pub site: SiteId,
    /// With how many workers and how much power.
    #[serde(flatten)]
    pub point: OperatingPoint,
    /// GPUs assigned, by the numbers of the site.
    pub devices: Vec<u32>,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// When it was seen to run.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// How it ended, where that is known.
    pub exit: Option<Exit>,
    /// Its epochs, in order.
    pub epochs: Vec<Epoch>,
    /// How far the epoch after them has come, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<EpochProgress>,
    /// Energy of the whole attempt (before PUE), known at its exit.
    pub energy: Option<Joules>,
    /// How many reports of its agent have been taken in. Reports are numbered from 0 on, so this is the next number;
    /// one that comes again is known by it.
    pub reports_seen: u64,
}

impl Attempt {
    /// The time it ran, up to `now` if it still does.
    #[must_use]
    pub fn ran(&self, now: Timestamp) -> Seconds {
        self.started_at.map_or(Seconds::ZERO, |start| Seconds::between(start, self.ended_at.unwrap_or(now)))
    }

    /// Its energy as far as it is known: of the whole attempt, or of its epochs so far.
    #[must_use]
    pub fn energy_so_far(&self) -> Joules {
        self.energy.unwrap_or_else(|| self.epochs.iter().map(|epoch| epoch.energy).sum())
    }
}

/// A line for the user about something that happened to the job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// What, for people.
    pub text: String,
}

/// A person's word that a job may run although it passes a limit or a budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// When.
    pub at: Timestamp,
    /// Who, where that is known.
    pub by: Option<String>,
    /// Why, where that was said.
    pub reason: Option<String>,
    /// What it sets aside.
    pub of: Approved,
    /// The predicted footprint of the whole job up to which it holds, in gCO2e.
    pub up_to: GramsCo2e,
}

/// What an approval sets aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approved {
    /// The limit of its policy.
    Limit,
    /// A budget.
    Budget(BudgetId),
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What the user asked.
    pub spec: JobSpec,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// Where it stands.
    pub state: JobState,
    /// When it came into that state.
    pub state_since: Timestamp,
    /// Whether the user wants it at once, whatever the plan.
    pub run_now: bool,
    /// Whether a person has approved it although it passes a limit.
    pub approved: bool,
    /// What persons have approved, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// What was tried, in order.
    pub attempts: Vec<Attempt>,
    /// Estimates, in the order they were made; the first is that of submission.
    pub estimates: Vec<Estimate>,
    /// The plan in force.
    pub plan: Option<Plan>,
    /// The account, when it is over.
    pub review: Option<Review>,
    /// What the user should know.
    pub notes: Vec<Note>,
}

impl Job {
    /// A job as it is taken in: waiting, with nothing tried and nothing known.
    #[must_use]
    pub const fn submitted(id: JobId, spec: JobSpec, at: Timestamp) -> Self {
        Self {
            id,
            spec,
            submitted_at: at,
            state: JobState::Waiting,
            state_since: at,
            run_now: false,
            approved: false,
            approvals: Vec::new(),
            attempts: Vec::new(),
            estimates: Vec::new(),
            plan: None,
            review: None,
            notes: Vec::new(),
        }
    }

    /// The attempt of that number.
    #[must_use]
    pub fn attempt(&self, number: AttemptNumber) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.number == number)
    }

    /// The attempt that occupies a site now.
    #[must_use]
    pub fn current_attempt(&self) -> Option<&Attempt> {
        self.state.attempt().and_then(|number| self.attempt(number))
    }

    /// All measured epochs in the order they ran. An epoch run again after a pause is there twice.
    pub fn epochs(&self) -> impl Iterator<Item = &Epoch> {
        self.attempts.iter().flat_map(|attempt| attempt.epochs.iter())
    }

    /// How many epochs it has behind it: the highest number reported by its latest attempt that reported any.
    #[must_use]
    pub fn epochs_done(&self) -> u32 {
        self.epochs().last().map_or(0, |epoch| epoch.index)
    }

    /// How many epochs it will run in all, as declared or as the job itself says.
    #[must_use]
    pub fn epochs_total(&self) -> Option<u32> {
        self.epochs().filter_map(|epoch| epoch.total).last().or(self.spec.epochs)
    }

    /// The time it ran in all attempts, up to `now`.
    #[must_use]
    pub fn ran(&self, now: Timestamp) -> Seconds {
        self.attempts.iter().map(|attempt| attempt.ran(now)).sum()
    }

    /// The energy of all attempts as far as it is known.
    #[must_use]
    pub fn energy_so_far(&self) -> Joules {
        self.attempts.iter().map(Attempt::energy_so_far).sum()
    }
}

/// All an executor needs to start one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartOrder {
    /// The attempt's name at the executor: the same key is started once.
    pub key: AttemptKey,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The directory it runs in.
    pub directory: PathBuf,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// What it occupies.
    pub resources: Resources,
    /// The GPUs it is given, by the numbers of the site.
    pub devices: Vec<u32>,
    /// The most each of them may draw while it runs; nothing is set where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_cap: Option<PowerCap>,
    /// Whether it goes on from a checkpoint: `LOWTIDE_RESUME=1`.
    pub resume: bool,
    /// How it is asked to leave.
    pub checkpoint: Option<Checkpoint>,
    /// A pattern of the user's that recognises its epochs.
    pub epoch_pattern: Option<String>,
    /// How many epochs it runs in all, where the user said so.
    pub epochs: Option<u32>,
    /// The power the user declared: the meter's model where there is no counter.
    pub declared_power: Option<Watts>,
    /// The clock its reports are stamped by.
    pub time: TimeScale,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_contract() {
        let checkpoint = Checkpoint { signal: 15, grace_s: 30 };
        let with = Some(&checkpoint);
        for (exit, checkpoint, asked, ending) in [
            (Exit::Code(0), None, false, Ending::Succeeded),
            (Exit::Code(0), with, true, Ending::Succeeded),
            (Exit::Code(75), with, false, Ending::Paused),
            (Exit::Code(75), None, false, Ending::Failed(Exit::Code(75))),
            (Exit::Signal(15), with, true, Ending::Paused),
            (Exit::Signal(9), with, true, Ending::Paused),
            (Exit::Signal(9), with, false, Ending::Failed(Exit::Signal(9))),
            (Exit::Signal(15), None, true, Ending::Failed(Exit::Signal(15))),
            (Exit::Code(3), with, true, Ending::Failed(Exit::Code(3))),
        ] {
            assert_eq!(Ending::of(exit, checkpoint, asked), ending, "{exit:?} {checkpoint:?} {asked}");
        }
    }
}
