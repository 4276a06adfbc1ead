//! The engine: all state, and the one function that changes it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_model::forecast::{Forecast, Role};
use lowtide_model::history::ImportedRun;
use lowtide_model::identity::{AttemptKey, JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Attempt, Job, JobSpec, Note};
use lowtide_model::plan::Plan;
use lowtide_model::recurring::RecurringId;
use lowtide_model::site::{Resources, Site};
use lowtide_model::state::{IllegalChange, StateChange};
use lowtide_planner::capacity::Occupancy;
use lowtide_planner::policy::{self, Policy};
use lowtide_planner::predict::PastRun;
use lowtide_planner::price::PriceCurve;

use crate::arrangement::Arrangement;
use crate::budget::Budgets;
use crate::course::course_of;
use crate::event::{Effect, Event, Settings, World};
use crate::jobs::Jobs;
use crate::outlook::Outlook;
use crate::recurring::Recurrences;
use crate::share::Shares;
use crate::stands::Stands;
use crate::sweep::{Looks, Sweeps};
use crate::turns::Turns;
use crate::views::Views;

/// How many jobs a step plans anew at most. The rest wait for the next step, so that no event waits long behind
/// another however many jobs are queued. A plan takes some 0.1 to 0.5 ms, at the worst a few.
const PLANS_A_STEP: usize = 32;
/// The same of a step that somebody waits for: who asks or reports is answered first, the rest is for the tick that follows.
const PLANS_A_REQUEST: usize = 8;
/// How many plans that fell due are taken up in a step at most.
const WAKES_A_STEP: usize = 1_024;
/// The policy of jobs whose own is gone.
const RUN_AT_ONCE: &str = "delay = false\nroute = false\npausable = false\n";
/// How many finished jobs of a family are remembered for prediction.
const RUNS_REMEMBERED: usize = 40;

/// The state of the whole system.
#[derive(Debug)]
pub struct Engine {
    pub(crate) sites: Vec<Site>,
    pub(crate) policies: BTreeMap<PolicyId, Policy>,
    pub(crate) settings: Settings,
    pub(crate) jobs: Jobs,
    pub(crate) outlook: Outlook,
    /// What electricity costs, where that was told.
    pub(crate) prices: BTreeMap<ZoneId, PriceCurve>,
    /// Finished jobs by family, oldest first.
    pub(crate) history: BTreeMap<String, Vec<PastRun>>,
    /// Runs of other tools, by project and name, each by where it comes from.
    imported: BTreeMap<(Option<String>, String), BTreeMap<String, PastRun>>,
    /// What the plans of all jobs occupy, by site.
    pub(crate) occupancy: BTreeMap<SiteId, Occupancy>,
    /// When a plan needs a look: a start that falls due, a stretch that ends.
    wakes: BTreeSet<(Timestamp, JobId)>,
    /// The same by job.
    wake_of: BTreeMap<JobId, Timestamp>,
    /// Jobs to plan anew, not yet in their order.
    pub(crate) unplanned: BTreeSet<JobId>,
    /// The same in the order of their turns.
    pub(crate) turns: Turns,
    /// Jobs that wait and whose plans are yet to be made better together, since a forecast arrived.
    pub(crate) restless: Turns,
    /// Those of them that are yet to be arranged as a whole.
    pub(crate) unarranged: Turns,
    /// What is being arranged.
    pub(crate) arrangement: Option<Box<Arrangement>>,
    /// When the queue is to be arranged next.
    pub(crate) arrangement_due: Option<Timestamp>,
    /// When that was last begun.
    pub(crate) arranged_at: Option<Timestamp>,
    /// Jobs that wait and are to be looked at again.
    pub(crate) sweeps: Sweeps,
    /// Jobs that wait and have a plan.
    pub(crate) in_force: Turns,
    /// Where the plans of these lie.
    pub(crate) stands: Stands,
    /// What jobs of the turns looked at last see of the sites.
    pub(crate) views: Views,
    /// What accounts have used.
    pub(crate) shares: Shares,
    /// Jobs over whose intensity is not yet measured throughout.
    pub(crate) unsettled: BTreeSet<JobId>,
    /// Jobs that wait for others, by those they wait for.
    pub(crate) dependents: BTreeMap<JobId, Vec<JobId>>,
    /// Carbon budgets and who takes what of them.
    pub(crate) budgets: Budgets,
    /// Jobs that recur.
    pub(crate) recurrences: Recurrences,
    /// Jobs changed since the caller last took them.
    changed: BTreeSet<JobId>,
    /// Jobs whose plan was made, or taken away, since the caller last took them.
    decided: BTreeSet<JobId>,
    pub(crate) effects: Vec<Effect>,
}

/// Why a request of a user was refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// There is no such job.
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
    /// Its state does not allow it.
    #[error("job {job}: {refused}")]
    Illegal {
        /// The job.
        job: JobId,
        /// What cannot be.
        refused: IllegalChange,
    },
    /// It is over, so its turn cannot change.
    #[error("job {job} is {state}: it is over, and its priority decides nothing any more")]
    Over {
        /// The job.
        job: JobId,
        /// How it ended.
        state: &'static str,
    },
    /// It cannot leave a checkpoint.
    #[error("job {0} cannot be paused: it was not submitted with --checkpoint, so its work would be lost")]
    NoCheckpoint(JobId),
    /// There is no such policy.
    #[error("there is no policy `{name}`")]
    NoSuchPolicy {
        /// The name.
        name: PolicyId,
        /// The names there are.
        known: Vec<PolicyId>,
    },
    /// There is no such site.
    #[error("there is no site `{name}`")]
    NoSuchSite {
        /// The name.
        name: SiteId,
        /// The names there are.
        known: Vec<SiteId>,
    },
    /// A job to wait for does not exist or has failed.
    #[error("the job cannot wait for job {0}: {1}")]
    BadDependency(JobId, &'static str),
    /// The deadline has passed.
    #[error("the deadline {deadline} has already passed: it is {now}")]
    DeadlinePassed {
        /// The deadline.
        deadline: Timestamp,
        /// The time.
        now: Timestamp,
    },
    /// A job cannot recur so.
    #[error("the job cannot recur: {0}")]
    BadRecurrence(String),
    /// There is no such recurring job.
    #[error("there is no recurring job {0}")]
    NoSuchRecurring(RecurringId),
    /// It was cancelled before.
    #[error("{0} recurs no more: it was cancelled before")]
    RecursNoMore(RecurringId),
    /// No site is large enough, however long it waits.
    #[error("no site allowed to the job can ever hold it: it asks for {} cpus and {} gpus", asked.cpus, asked.gpus)]
    TooLarge {
        /// What it asks for.
        asked: Resources,
    },
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// An engine that knows nothing: its first event should be [`Event::Configured`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            sites: Vec::new(),
            policies: BTreeMap::new(),
            settings: Settings::default(),
            jobs: Jobs::default(),
            outlook: Outlook::default(),
            prices: BTreeMap::new(),
            history: BTreeMap::new(),
            imported: BTreeMap::new(),
            occupancy: BTreeMap::new(),
            wakes: BTreeSet::new(),
            wake_of: BTreeMap::new(),
            unplanned: BTreeSet::new(),
            turns: Turns::default(),
            restless: Turns::default(),
            unarranged: Turns::default(),
            arrangement: None,
            arrangement_due: None,
            arranged_at: None,
            sweeps: Sweeps::default(),
            in_force: Turns::default(),
            stands: Stands::default(),
            views: Views::default(),
            shares: Shares::default(),
            unsettled: BTreeSet::new(),
            dependents: BTreeMap::new(),
            budgets: Budgets::default(),
            recurrences: Recurrences::default(),
            changed: BTreeSet::new(),
            decided: BTreeSet::new(),
            effects: Vec::new(),
        }
    }

    /// The engine that had these jobs and forecasts when it ended. [`Event::Configured`] and [`Event::Recovered`]
    /// should follow.
    #[must_use]
    pub fn restore(jobs: Vec<Job>, told: Vec<(Role, Forecast)>, imported: Vec<ImportedRun>) -> Self {
        let mut engine = Self::new();
        engine.import(imported);
        for (role, forecast) in told {
            engine.outlook.take_in(role, forecast);
        }
        for job in jobs {
            engine.remember_run(&job);
            for needed in &job.spec.after {
                engine.dependents.entry(*needed).or_default().push(job.id);
            }
            if job.state.is_final() && job.review.is_some() {
                engine.unsettled.insert(job.id);
            }
            engine.jobs.insert(job.id, job);
        }
        engine
    }

    /// Takes in what happened at `now` and gives back what is to be done. The caller commits the changed jobs
    /// ([`Self::take_changed`]), the event and the effects together, and only then carries the effects out.
    pub fn step(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        self.work_out_shares(now);
        let idle = matches!(event, Event::Tick | Event::Configured(_));
        match event {
            Event::Configured(world) => self.configure(now, *world),
            Event::Recovered => self.recover(),
            Event::Submitted { id, spec } => self.admit(now, id, *spec),
            Event::Asked { job, action, saying } => self.act(now, job, action, saying),
            Event::Scheduled { id, spec, recurrence, key } => self.schedule(now, id, *spec, *recurrence, key),
            Event::Unscheduled { id, saying } => self.unschedule(now, id, &saying),
            Event::ForecastArrived(forecast) => self.forecast_arrived(now, Role::Main, *forecast),
            Event::MarginalArrived(forecast) => self.forecast_arrived(now, Role::Beside, *forecast),
            Event::PricesTold(series) => {
                self.prices.insert(series.zone().clone(), PriceCurve::of(&series));
                self.plan_anew_all(now);
            }
            Event::Imported { runs } => self.import(runs),
            Event::Reported { key, number, report } => self.reported(now, key, number, report),
            Event::StartRefused { key, message } => self.start_refused(now, key, &message),
            Event::StartImpossible { key, message } => self.start_impossible(now, key, message),
            Event::Probed { key, finding } => self.probed(now, key, finding),
            Event::Tick => {}
        }
        self.look_after_recurring(now);
        // Who asks or reports does not pay for a long queue: that is for the moments in which nothing else happens.
        let (looks, most) = if idle { (Looks::All, PLANS_A_STEP) } else { (self.sweeps.due(), PLANS_A_REQUEST) };
        self.look_after_plans(now, looks, most);
        std::mem::take(&mut self.effects)
    }

    /// What these events, each with its moment, add up to. Effects are not repeated.
    #[must_use]
    pub fn replay(events: impl IntoIterator<Item = (Timestamp, Event)>) -> Self {
        let mut engine = Self::new();
        for (at, event) in events {
            engine.step(at, event);
        }
        engine
    }

    /// The jobs that changed since this was last called.
    pub fn take_changed(&mut self) -> Vec<&Job> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|id| self.jobs.get(&id)).collect()
    }

    /// The jobs whose plan was made, or taken away, since this was last called.
    pub fn take_decided(&mut self) -> Vec<&Job> {
        let decided = std::mem::take(&mut self.decided);
        decided.into_iter().filter_map(|id| self.jobs.get(&id)).collect()
    }

    /// When the engine wants a [`Event::Tick`] at the latest, if it wants one.
    #[must_use]
    pub fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        if self.someone_awaits_a_plan() || !self.restless.is_empty() {
            return Some(now);
        }
        let plans = self.wakes.first().map(|(at, _)| (*at).max(now));
        plans.into_iter().chain(self.recurrences.next()).chain(self.next_arrangement(now)).min()
    }

    /// Whether there are jobs to be planned anew.
    pub(crate) fn someone_awaits_a_plan(&self) -> bool {
        !(self.unplanned.is_empty() && self.turns.is_empty() && self.sweeps.is_empty())
    }

    /// All jobs, oldest first.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// The jobs that are not over, oldest first.
    pub fn open_jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.open()
    }

    /// The jobs after this one, those that are not over or all, oldest first: a long list can be read in pieces.
    pub fn jobs_after(&self, id: JobId, all: bool) -> Box<dyn Iterator<Item = &Job> + '_> {
        if all { Box::new(self.jobs.after(id)) } else { Box::new(self.jobs.open_after(id)) }
    }

    /// The jobs in the order in which people look for them: what occupies a site, oldest first; what is to start, the next first; what
    /// has no start yet or waits for a person; and of `all` what is over, the latest first. The first of them cost the same however
    /// many there are.
    pub fn jobs_by_start(&self, all: bool) -> impl Iterator<Item = &Job> {
        self.jobs.open_by_start().chain(all.then(|| self.jobs.over()).into_iter().flatten())
    }

    /// How many jobs there are, those that are over among them.
    #[must_use]
    pub fn count(&self) -> usize {
        self.jobs.count()
    }

    /// How many jobs are not over.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.jobs.open_count()
    }

    /// How many jobs run, or are ordered to.
    #[must_use]
    pub fn begun_count(&self) -> usize {
        self.jobs.begun_count()
    }

    /// The job of that number.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    /// The sites, in the order of the configuration.
    #[must_use]
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The policies by name.
    #[must_use]
    pub const fn policies(&self) -> &BTreeMap<PolicyId, Policy> {
        &self.policies
    }

    /// What is known of the zones' intensity.
    #[must_use]
    pub const fn outlook(&self) -> &Outlook {
        &self.outlook
    }

    /// What the attempts at a site occupy now.
    #[must_use]
    pub fn in_use(&self, site: &SiteId) -> Resources {
        self.attempts_at(site)
            .fold(Resources::default(), |sum, (job, attempt)| sum.plus(&job.spec.resources.of(attempt.point.workers)))
    }

    /// The jobs that occupy a site now, with their attempts.
    pub(crate) fn attempts_at(&self, site: &SiteId) -> impl Iterator<Item = (&Job, &Attempt)> {
        self.jobs.at(site)
    }

    pub(crate) fn site(&self, id: &SiteId) -> Option<&Site> {
        self.sites.iter().find(|site| site.id == *id)
    }

    /// The policy of a job. One that the configuration no longer has is replaced by that of running at once: a file
    /// that was removed must not keep a job waiting for ever.
    pub fn policy_in_force(&self, spec: &JobSpec) -> Policy {
        let policy = self.policies.get(&spec.policy).cloned().unwrap_or_else(|| {
            policy::parse(spec.policy.clone(), RUN_AT_ONCE).expect("the policy of running at once is well-formed")
        });
        policy.at_urgency(spec.urgency)
    }

    pub(crate) fn key_of(job: &Job) -> Option<(SiteId, AttemptKey)> {
        let attempt = job.current_attempt()?;
        Some((attempt.site.clone(), AttemptKey { job: job.id, attempt: attempt.number }))
    }

    /// Changes a job's state, or refuses. Nothing else does.
    pub(crate) fn change(&mut self, now: Timestamp, id: JobId, change: &StateChange) -> Result<(), Refusal> {
        let job = self.jobs.get(&id).ok_or(Refusal::NoSuchJob(id))?;
        let next = job.state.next(change).map_err(|refused| Refusal::Illegal { job: id, refused })?;
        let waits = next.awaits_a_window();
        if next != job.state {
            self.jobs.edit(id, |job| {
                job.state = next;
                job.state_since = now;
            });
        }
        self.changed.insert(id);
        if !waits {
            self.is_firm(id);
        }
        Ok(())
    }

    /// Gives a job another plan, or none.
    pub(crate) fn decide(&mut self, id: JobId, plan: Option<Plan>) {
        if self.jobs.edit(id, |job| job.plan = plan).is_some() {
            self.changed.insert(id);
            self.decided.insert(id);
        }
    }

    /// Changes anything of a job but its state.
    pub(crate) fn edit(&mut self, id: JobId, edit: impl FnOnce(&mut Job)) {
        if self.jobs.edit(id, edit).is_some() {
            self.changed.insert(id);
        }
    }

    pub(crate) fn note(&mut self, now: Timestamp, id: JobId, text: impl Into<String>) {
        self.edit(id, |job| job.notes.push(Note { at: now, text: text.into() }));
    }

    fn configure(&mut self, now: Timestamp, world: World) {
        let World { sites, policies, time_zone, budgets, fair_share, settings } = world;
        let local = time_zone.and_then(|name| TimeZone::get(&name).ok()).unwrap_or(TimeZone::UTC);
        let known = policy::read_all(policies.iter().map(|(id, text)| (id.clone(), text.as_str())));
        let usable = known.into_iter().filter_map(|(id, known)| Some((id, known.ok()?.policy.in_local_zone(&local))));
        self.policies = usable.collect();
        self.sites = sites;
        self.settings = settings;
        self.remember_runs_anew();
        self.share_fairly(now, fair_share);
        self.give_up_arranging();
        self.rebuild_occupancy(now);
        self.plan_anew_all(now);
        self.read_recurrences_in(&local);
        self.set_budgets(now, budgets, &local);
    }

    fn forecast_arrived(&mut self, now: Timestamp, role: Role, forecast: Forecast) {
        let zone = forecast.zone.clone();
        self.outlook.take_in(role, forecast);
        self.settle_again(now, &zone);
        self.plan_anew_all(now);
        self.begin_rounds(now);
    }

    /// Plans the jobs that are due for it, a bounded number at a time, and carries out what their plans say.
    fn look_after_plans(&mut self, now: Timestamp, looks: Looks, most: usize) {
        self.refresh_curves(now);
        let mut plans = 0;
        for _ in 0..WAKES_A_STEP {
            let Some((_, id)) = self.wakes.first().copied().filter(|(at, _)| *at <= now && plans < most) else {
                break;
            };
            self.wake(id, None);
            if self.jobs.get(&id).is_some_and(|job| job.state.awaits_a_window()) {
                // Others may have a right to start before it.
                self.unplanned.insert(id);
            } else {
                self.follow_plan(now, id);
                plans += 1;
            }
        }
        // A look that passes by jobs and finds none to plan counts as little.
        for _ in 0..PLANS_A_STEP {
            if most <= plans {
                break;
            }
            self.take_turns(now);
            if let Some(id) = self.next_turn(looks) {
                self.plan_anew(now, id);
                plans += 1;
            } else if looks == Looks::Listed || self.sweeps.is_empty() {
                break;
            }
        }
        self.take_turns(now);
        if looks == Looks::All {
            self.next_round(now);
        }
    }

    /// Puts the jobs to plan anew into their order.
    fn take_turns(&mut self, now: Timestamp) {
        for id in std::mem::take(&mut self.unplanned) {
            if let Some(job) = self.jobs.get(&id) {
                self.turns.insert(id, self.precedence_of(now, job));
            }
        }
    }

    /// Sets when a job's plan wants its next look; never where there is none.
    pub(crate) fn wake(&mut self, id: JobId, at: Option<Timestamp>) {
        if let Some(before) = self.wake_of.remove(&id) {
            self.wakes.remove(&(before, id));
        }
        if let Some(at) = at {
            self.wakes.insert((at, id));
            self.wake_of.insert(id, at);
        }
    }

    fn import(&mut self, runs: Vec<ImportedRun>) {
        for ImportedRun { origin, project, name, run } in runs {
            // Imported again, under another name or read otherwise: what was said last counts.
            for runs in self.imported.values_mut() {
                runs.remove(&origin);
            }
            self.imported.entry((project, name)).or_default().insert(origin, run);
        }
    }

    /// Whether exactly this run has been imported.
    #[must_use]
    pub fn knows(&self, run: &ImportedRun) -> bool {
        let family = (run.project.clone(), run.name.clone());
        self.imported.get(&family).and_then(|runs| runs.get(&run.origin)) == Some(&run.run)
    }

    /// Finished runs of a job's family, those of other tools first: its own count as well and are newer.
    pub(crate) fn history_of(&self, spec: &JobSpec) -> Vec<PastRun> {
        let of_others = self.imported.get(&(spec.project.clone(), spec.name.clone()));
        let of_others = of_others.into_iter().flat_map(|runs| runs.values().cloned());
        let own = self.history.get(&spec.family()).into_iter().flatten().cloned();
        let all: Vec<PastRun> = of_others.chain(own).collect();
        all[all.len().saturating_sub(RUNS_REMEMBERED)..].to_vec()
    }

    /// Keeps a finished job's run for the prediction of its family.
    pub(crate) fn remember_run(&mut self, job: &Job) {
        let Some(run) = self.past_run(job) else { return };
        self.remember(job.spec.family(), run);
    }

    /// What the sites' speeds are is known only now, and may be other than before.
    fn remember_runs_anew(&mut self) {
        let run = |job: &Job| Some((job.spec.family(), self.past_run(job)?));
        let runs: Vec<(String, PastRun)> = self.jobs.values().filter_map(run).collect();
        self.history.clear();
        for (family, run) in runs {
            self.remember(family, run);
        }
    }

    /// The run of a job that succeeded and was measured, as it would have been at the reference site with the fewest workers and no cap.
    fn past_run(&self, job: &Job) -> Option<PastRun> {
        let review = job.review.as_ref()?;
        let paces = || job.attempts.iter().map(|attempt| (attempt, self.pace_of(job, attempt)));
        let mean = |of: &dyn Fn(&Attempt) -> f64, pace: &dyn Fn((f64, f64)) -> f64| {
            let (sum, weights) =
                paces().fold((0.0, 0.0), |sum, (attempt, at)| (sum.0 + of(attempt) * pace(at), sum.1 + of(attempt)));
            if 0.0 < weights { sum / weights } else { 1.0 }
        };
        let ran = |attempt: &Attempt| attempt.ran(attempt.ended_at.unwrap_or(attempt.ordered_at)).get();
        let longer = mean(&ran, &|(speed, _)| speed);
        let more = mean(&|attempt| attempt.energy_so_far().get(), &|(speed, power)| speed / power);
        let succeeded = matches!(job.state, lowtide_model::state::JobState::Succeeded);
        succeeded.then(|| PastRun {
            duration: review.actual.duration.times(longer),
            energy: review.actual.energy.times(more),
            epochs: (job.epochs_done() > 0).then(|| job.epochs_done()),
            course: course_of(job.epochs_total(), &self.at_reference_speed(job)),
        })
    }

    fn remember(&mut self, family: String, run: PastRun) {
        let runs = self.history.entry(family).or_default();
        if runs.len() == RUNS_REMEMBERED {
            runs.remove(0);
        }
        runs.push(run);
    }
}
