//! A job as users see it, whole: the answer of `show`.

use std::num::NonZeroU32;

use jiff::Timestamp;
use lowtide_model::estimate::{self, EstimateSource};
use lowtide_model::forecast::Kind;
use lowtide_model::job::{self, EnergySource, Exit};
use lowtide_model::operating_point::OperatingPoint;
use lowtide_model::quantity::{GramsCo2e, Joules, Seconds};
use lowtide_model::state::{AfterLeaving, Failure, HeldBecause, JobState, NoRoom, PausedBy};
use lowtide_model::{plan, review};
use serde::{Deserialize, Serialize};

/// A median and its 90 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The median.
    pub median: f64,
    /// The 5 % quantile.
    pub low: f64,
    /// The 95 % quantile.
    pub high: f64,
}

impl Interval {
    /// Of a footprint, in grams.
    #[must_use]
    pub fn grams(of: &estimate::Interval<GramsCo2e>) -> Self {
        Self::from(of.map(GramsCo2e::get))
    }

    /// Of an energy, in kilowatt-hours.
    #[must_use]
    pub fn kwh(of: &estimate::Interval<Joules>) -> Self {
        Self::from(of.map(Joules::kwh))
    }

    /// Of a time, in seconds.
    #[must_use]
    pub fn seconds(of: &estimate::Interval<Seconds>) -> Self {
        Self::from(of.map(Seconds::get))
    }
}

impl From<estimate::Interval<f64>> for Interval {
    fn from(interval: estimate::Interval<f64>) -> Self {
        let estimate::Interval { low, median, high } = interval;
        Self { median, low, high }
    }
}

/// A job, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// Its number; absent for a dry run.
    pub id: Option<u64>,
    /// Its name.
    pub name: String,
    /// `held`, `waiting`, `starting`, `running`, `pausing`, `paused`, `succeeded`, `failed`, `cancelled` or `lost`.
    pub state: String,
    /// More about the state, for people.
    pub state_detail: Option<String>,
    /// When it came into that state.
    pub state_since: Timestamp,
    /// The policy it runs under.
    pub policy: String,
    /// Who chose it: `job`, `user`, `project` or `default`.
    #[serde(default)]
    pub policy_chosen_by: String,
    /// `low`, `normal`, `high` or `now`.
    #[serde(default)]
    pub urgency: String,
    /// From -100 to 100: where there is not room for all, the higher goes first.
    #[serde(default)]
    pub priority: i8,
    /// The project it counts for.
    pub project: Option<String>,
    /// Who submitted it.
    pub user: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The directory it runs in.
    pub directory: String,
    /// Processors.
    pub cpus: u32,
    /// GPUs.
    pub gpus: u32,
    /// With how many workers it can run and the throughput of each count, of an elastic job, as `1:1,2:1.9`: CPUs and GPUs are those
    /// of one worker then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<String>,
    /// To what power its GPUs can be held, with its speed and power then beside those without a cap, as `200:0.96:0.82`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_caps: Option<String>,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// When it has to be done, by its own deadline.
    pub deadline: Option<Timestamp>,
    /// Whether it can leave a checkpoint.
    pub checkpoint: bool,
    /// Epochs behind it.
    pub epochs_done: u32,
    /// Epochs in all, where known.
    pub epochs_total: Option<u32>,
    /// The plan in force; of a finished job, the last one.
    pub plan: Option<PlanView>,
    /// Estimates in the order they were made; the first is that of submission.
    pub estimates: Vec<EstimateView>,
    /// What was tried.
    pub attempts: Vec<AttemptView>,
    /// What was measured.
    pub epochs: Vec<EpochView>,
    /// What really happened; present once it is over.
    pub actual: Option<ActualView>,
    /// Predicted against actual; present once it is over and has run.
    pub review: Option<ReviewView>,
    /// What the user should know.
    pub notes: Vec<NoteView>,
    /// The exit code of the command, as a shell would show it; present once it is over.
    pub exit_code: Option<i32>,
    /// Grows with every change of this job since the daemon started.
    #[serde(default)]
    pub revision: u64,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanView {
    /// When it was made.
    pub made_at: Timestamp,
    /// Why it was chosen.
    pub reason: String,
    /// Stretches to run in.
    pub segments: Vec<SegmentView>,
    /// Expected footprint of the work that was still to come.
    pub footprint_g: Interval,
    /// When the job is expected to end.
    pub end: Timestamp,
    /// The same work begun at once.
    pub run_now: Option<AlternativeView>,
    /// What lost, best first.
    pub alternatives: Vec<AlternativeView>,
    /// When the oldest forecast behind it was issued.
    pub forecast_issued_at: Option<Timestamp>,
    /// The same decision seen by the marginal signal, where the zones of all sites tell that too.
    #[serde(default)]
    pub marginal: Option<BesideView>,
    /// What the energy costs, where the prices of all sites are known.
    #[serde(default)]
    pub cost: Option<CostView>,
    /// The plan by carbon alone, where the policy weighs money or delay too and emits more for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanest: Option<CleanestView>,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// The plan with the least carbon under the same rules, given up for money or an earlier end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CleanestView {
    /// When and where it would be.
    pub segments: Vec<SegmentView>,
    /// What it would emit.
    pub footprint_g: f64,
    /// When it would end.
    pub end: Timestamp,
    /// What it would cost, where prices are known, in the currency of the plan's own cost.
    pub cost: Option<f64>,
}

/// What money a plan takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostView {
    /// The currency, such as `EUR`.
    pub currency: String,
    /// The energy of the plan, in units of it.
    pub amount: f64,
    /// The same of running at once.
    pub run_now: f64,
}

/// A plan as another signal sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BesideView {
    /// The footprint of the plan by that signal.
    pub footprint_g: f64,
    /// That of running at once.
    pub run_now_g: f64,
    /// The least there is by that signal.
    pub best_g: f64,
    /// When and where that would be.
    pub segments: Vec<SegmentView>,
    /// Whether the decision would be another one by that signal.
    pub flips: bool,
}

/// A stretch of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentView {
    /// Where.
    pub site: String,
    /// From.
    pub start: Timestamp,
    /// Up to.
    pub end: Timestamp,
    /// With how many workers, of a job that is elastic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// The most each of its GPUs may draw, watts, where they are held to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_cap_w: Option<u32>,
}

/// A plan that lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlternativeView {
    /// What it is.
    pub label: String,
    /// Its stretches.
    pub segments: Vec<SegmentView>,
    /// Its expected footprint.
    pub footprint_g: f64,
    /// When the job would end.
    pub end: Timestamp,
    /// Why it lost.
    pub rejected: String,
}

/// An estimate of the whole job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EstimateView {
    /// When it was made.
    pub at: Timestamp,
    /// How many epochs had been measured.
    pub after_epoch: u32,
    /// `measured`, `history`, `declared` or `default`.
    pub source: String,
    /// Time of running in total.
    pub duration_s: Interval,
    /// Energy in total, before PUE.
    pub energy_kwh: Interval,
    /// Footprint in total.
    pub footprint_g: Interval,
}

/// One stretch of execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptView {
    /// Its number.
    pub number: u32,
    /// Where.
    pub site: String,
    /// When it was seen to run, or ordered where it never was.
    pub start: Timestamp,
    /// When it was over.
    pub end: Option<Timestamp>,
    /// Its exit code, as a shell would show it.
    pub exit: Option<i32>,
    /// With how many workers, of a job that is elastic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// The most each of its GPUs may draw, watts, where they are held to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_cap_w: Option<u32>,
    /// GPUs it was given.
    pub devices: Vec<u32>,
    /// Energy, before PUE, as far as known.
    pub energy_kwh: f64,
}

/// One measured epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochView {
    /// Its number.
    pub index: u32,
    /// The attempt it ran in.
    pub attempt: u32,
    /// When it began.
    pub start: Timestamp,
    /// How long it took.
    pub duration_s: f64,
    /// Its energy, before PUE.
    pub energy_kwh: f64,
    /// `measured`, `mixed` or `modelled`.
    pub energy_source: String,
}

/// What really happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActualView {
    /// Time of running, all attempts together.
    pub duration_s: f64,
    /// Energy, before PUE.
    pub energy_kwh: f64,
    /// Footprint.
    pub footprint_g: f64,
    /// The weakest kind of intensity in it: `measured`, `forecast`, `estimated` or `static`.
    pub intensity_kind: String,
}

/// Predicted against actual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReviewView {
    /// When it was settled.
    pub at: Timestamp,
    /// The prediction at submission.
    pub predicted_at_submit: Option<PredictionView>,
    /// The prediction after the first measured epoch.
    pub predicted_after_first_epoch: Option<PredictionView>,
    /// What happened.
    pub actual: ActualView,
    /// The counterfactual: the same work run at once.
    pub run_at_once_g: f64,
    /// How the counterfactual was made.
    pub method: String,
    /// `run_at_once_g - actual.footprint_g`.
    pub saving_g: f64,
    /// The saving as a share of the counterfactual; absent where that is nothing.
    pub saving: Option<f64>,
    /// Relative errors of the prediction, `predicted / actual - 1`.
    pub error: Option<ErrorView>,
}

/// A prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionView {
    /// How many epochs had been measured.
    pub after_epoch: u32,
    /// Time of running in total.
    pub duration_s: Interval,
    /// Energy in total.
    pub energy_kwh: Interval,
    /// Footprint in total.
    pub footprint_g: Interval,
}

/// Relative errors by cause.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ErrorView {
    /// Of the energy.
    pub energy: f64,
    /// Of the time.
    pub duration: f64,
    /// Of the mean intensity.
    pub intensity: f64,
    /// Of the footprint.
    pub footprint: f64,
}

/// A line for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteView {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

impl JobView {
    /// The job as users see it.
    #[must_use]
    pub fn of(job: &job::Job, revision: u64) -> Self {
        let spec = &job.spec;
        Self {
            id: Some(job.id.0),
            name: spec.name.clone(),
            state: job.state.name().to_owned(),
            state_detail: state_detail(&job.state),
            state_since: job.state_since,
            policy: spec.policy.to_string(),
            policy_chosen_by: match spec.policy_chosen_by {
                job::ChosenBy::Job => "job",
                job::ChosenBy::User => "user",
                job::ChosenBy::Project => "project",
                job::ChosenBy::Default => "default",
            }
            .to_owned(),
            urgency: spec.urgency.name().to_owned(),
            priority: spec.priority.get(),
            project: spec.project.clone(),
            user: spec.user.clone(),
            command: spec.command.clone(),
            directory: spec.directory.display().to_string(),
            cpus: spec.resources.cpus,
            gpus: spec.resources.gpus,
            workers: (!spec.scaling.is_fixed()).then(|| spec.scaling.to_string()),
            gpu_caps: (!spec.capping.is_none()).then(|| spec.capping.to_string()),
            submitted_at: job.submitted_at,
            deadline: spec.deadline,
            checkpoint: spec.checkpoint.is_some(),
            epochs_done: job.epochs_done(),
            epochs_total: job.epochs_total(),
            plan: job.plan.as_ref().map(PlanView::of),
            estimates: job.estimates.iter().map(EstimateView::of).collect(),
            attempts: job.attempts.iter().map(AttemptView::of).collect(),
            epochs: job.attempts.iter().flat_map(EpochView::all_of).collect(),
            actual: job.review.as_ref().map(|review| ActualView::of(&review.actual)),
            review: job.review.as_ref().map(ReviewView::of),
            notes: job.notes.iter().map(|note| NoteView { at: note.at, text: note.text.clone() }).collect(),
            exit_code: exit_code(job),
            revision,
        }
    }
}

/// The code `submit --follow` passes on: the command's own, or 1 where the job ended without one.
fn exit_code(job: &job::Job) -> Option<i32> {
    match &job.state {
        JobState::Succeeded => Some(0),
        JobState::Failed { failure: Failure::Exit(exit) } => Some(exit.shell_code()),
        JobState::Failed { failure: Failure::NotStarted { .. } } => {
            Some(job.attempts.last().and_then(|attempt| attempt.exit).map_or(127, Exit::shell_code))
        }
        JobState::Cancelled | JobState::Lost => {
            Some(job.attempts.last().and_then(|attempt| attempt.exit).map_or(1, Exit::shell_code).max(1))
        }
        JobState::Held { .. }
        | JobState::Waiting
        | JobState::Starting { .. }
        | JobState::Running { .. }
        | JobState::Pausing { .. }
        | JobState::Paused { .. } => None,
    }
}

pub(super) fn state_detail(state: &JobState) -> Option<String> {
    let detail = match state {
        JobState::Held { why: HeldBecause::User } => "held by the user".to_owned(),
        JobState::Held { why: HeldBecause::OverLimit { predicted_g, limit_g } } => {
            format!("predicted {predicted_g} g, over the policy's limit of {limit_g} g: needs approval by `release`")
        }
        JobState::Held { why: HeldBecause::OverBudget(no_room) } => {
            let NoRoom { budget, needed_g, left_g, renews } = &**no_room;
            let until = renews.map_or_else(|| "it never renews".to_owned(), |at| format!("it renews at {at}"));
            format!(
                "would emit {needed_g} g, {left_g} g of budget `{budget}` are left and {until}: goes on by itself when \
                 there is room, or by `release`"
            )
        }
        JobState::Pausing { then: AfterLeaving::Continue, .. } => "leaves for a cleaner window".to_owned(),
        JobState::Pausing { then: AfterLeaving::Wait, .. } => "pausing for the user".to_owned(),
        JobState::Pausing { then: AfterLeaving::Cancel, .. } => "being cancelled".to_owned(),
        JobState::Paused { by: PausedBy::Plan } => "goes on in its next window".to_owned(),
        JobState::Paused { by: PausedBy::User } => "paused by the user".to_owned(),
        JobState::Failed { failure: Failure::Exit(Exit::Code(code)) } => format!("exit code {code}"),
        JobState::Failed { failure: Failure::Exit(Exit::Signal(signal)) } => format!("killed by signal {signal}"),
        JobState::Failed { failure: Failure::NotStarted { message } } => message.clone(),
        JobState::Lost => "vanished without a record of its exit".to_owned(),
        JobState::Waiting
        | JobState::Starting { .. }
        | JobState::Running { .. }
        | JobState::Succeeded
        | JobState::Cancelled => return None,
    };
    Some(detail)
}

impl PlanView {
    /// The plan as users see it.
    #[must_use]
    pub fn of(plan: &plan::Plan) -> Self {
        let plan::Plan {
            made_at,
            segments,
            footprint,
            end,
            run_now,
            alternatives,
            reason,
            forecast_issued_at,
            marginal,
            cost,
            cleanest,
            warnings,
        } = plan;
        Self {
            made_at: *made_at,
            reason: reason_name(*reason).to_owned(),
            segments: segments.iter().map(SegmentView::of).collect(),
            footprint_g: Interval::grams(footprint),
            end: *end,
            run_now: run_now.as_ref().map(AlternativeView::of),
            alternatives: alternatives.iter().map(AlternativeView::of).collect(),
            forecast_issued_at: *forecast_issued_at,
            marginal: marginal.as_ref().map(|beside| BesideView {
                footprint_g: beside.footprint.get(),
                run_now_g: beside.run_now.get(),
                best_g: beside.best.get(),
                segments: beside.segments.iter().map(SegmentView::of).collect(),
                flips: beside.flips,
            }),
            cost: cost.as_ref().map(|cost| CostView {
                currency: cost.currency.clone(),
                amount: cost.amount,
                run_now: cost.run_now,
            }),
            cleanest: cleanest.as_ref().map(|cleanest| CleanestView {
                segments: cleanest.segments.iter().map(SegmentView::of).collect(),
                footprint_g: cleanest.footprint.get(),
                end: cleanest.end,
                cost: cleanest.cost,
            }),
            warnings: warnings.clone(),
        }
    }
}

const fn reason_name(reason: plan::Reason) -> &'static str {
    match reason {
        plan::Reason::RunNow => "run-now",
        plan::Reason::Probe => "probe",
        plan::Reason::Delay => "delay",
        plan::Reason::Route => "route",
        plan::Reason::RouteAndDelay => "route-and-delay",
        plan::Reason::OperatingPoint => "operating-point",
        plan::Reason::Pauses => "pauses",
        plan::Reason::NothingSaved => "nothing-saved",
        plan::Reason::Deadline => "deadline",
        plan::Reason::Continue => "continue",
        plan::Reason::NoCapacity => "no-capacity",
    }
}

impl SegmentView {
    fn of(segment: &plan::Segment) -> Self {
        let plan::Segment { site, window, point: OperatingPoint { workers, power_cap } } = segment;
        Self {
            site: site.to_string(),
            start: window.start(),
            end: window.end(),
            workers: workers.map(NonZeroU32::get),
            power_cap_w: power_cap.map(u32::from),
        }
    }
}

impl AlternativeView {
    /// The alternative as users see it.
    #[must_use]
    pub fn of(alternative: &plan::Alternative) -> Self {
        let plan::Alternative { label, segments, footprint, end, rejected } = alternative;
        Self {
            label: label.clone(),
            segments: segments.iter().map(SegmentView::of).collect(),
            footprint_g: footprint.get(),
            end: *end,
            rejected: rejected.clone(),
        }
    }
}

impl EstimateView {
    fn of(estimate: &estimate::Estimate) -> Self {
        let estimate::Estimate {
            at,
            after_epoch,
            source,
            duration,
            energy,
            footprint,
            remaining: _,
            remaining_energy: _,
        } = estimate;
        Self {
            at: *at,
            after_epoch: *after_epoch,
            source: source_name(*source).to_owned(),
            duration_s: Interval::seconds(duration),
            energy_kwh: Interval::kwh(energy),
            footprint_g: Interval::grams(footprint),
        }
    }
}

pub(super) const fn source_name(source: EstimateSource) -> &'static str {
    match source {
        EstimateSource::Measured => "measured",
        EstimateSource::History => "history",
        EstimateSource::Declared => "declared",
        EstimateSource::Default => "default",
    }
}

impl AttemptView {
    fn of(attempt: &job::Attempt) -> Self {
        Self {
            number: attempt.number.0,
            site: attempt.site.to_string(),
            start: attempt.started_at.unwrap_or(attempt.ordered_at),
            end: attempt.ended_at,
            exit: attempt.exit.map(Exit::shell_code),
            workers: attempt.point.workers.map(NonZeroU32::get),
            power_cap_w: attempt.point.power_cap.map(u32::from),
            devices: attempt.devices.clone(),
            energy_kwh: attempt.energy_so_far().kwh(),
        }
    }
}

impl EpochView {
    fn all_of(attempt: &job::Attempt) -> impl Iterator<Item = Self> {
        attempt.epochs.iter().map(|epoch| {
            let job::Epoch { index, total: _, window, energy, source } = epoch;
            Self {
                index: *index,
                attempt: attempt.number.0,
                start: window.start(),
                duration_s: window.duration().get(),
                energy_kwh: energy.kwh(),
                energy_source: energy_source_name(*source).to_owned(),
            }
        })
    }
}

const fn energy_source_name(source: EnergySource) -> &'static str {
    match source {
        EnergySource::Measured => "measured",
        EnergySource::Shared => "shared",
        EnergySource::Mixed => "mixed",
        EnergySource::Modelled => "modelled",
    }
}

/// The name of a kind of intensity.
#[must_use]
pub const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Measured => "measured",
        Kind::Forecast => "forecast",
        Kind::Estimated => "estimated",
        Kind::Static => "static",
    }
}

impl ActualView {
    fn of(actual: &review::Actual) -> Self {
        let review::Actual { duration, energy, footprint, intensity_kind } = actual;
        Self {
            duration_s: duration.get(),
            energy_kwh: energy.kwh(),
            footprint_g: footprint.get(),
            intensity_kind: kind_name(*intensity_kind).to_owned(),
        }
    }
}

impl ReviewView {
    fn of(review: &review::Review) -> Self {
        let review::Review { at, at_submit, after_first_epoch, actual, run_at_once, method, saving_g, error } = review;
        Self {
            at: *at,
            predicted_at_submit: at_submit.as_ref().map(PredictionView::of),
            predicted_after_first_epoch: after_first_epoch.as_ref().map(PredictionView::of),
            actual: ActualView::of(actual),
            run_at_once_g: run_at_once.get(),
            method: method.clone(),
            saving_g: *saving_g,
            saving: (run_at_once.get() > 0.0).then(|| saving_g / run_at_once.get()),
            error: error.map(|review::ErrorSplit { energy, duration, intensity, footprint }| ErrorView {
                energy,
                duration,
                intensity,
                footprint,
            }),
        }
    }
}

impl PredictionView {
    fn of(prediction: &review::Prediction) -> Self {
        let review::Prediction { after_epoch, duration, energy, footprint } = prediction;
        Self {
            after_epoch: *after_epoch,
            duration_s: Interval::seconds(duration),
            energy_kwh: Interval::kwh(energy),
            footprint_g: Interval::grams(footprint),
        }
    }
}

#[cfg(test)]
mod tests;
