//! The deterministic simulator: the very engine of the daemon on a virtual clock, with simulated executors and faults.
//!
//! Contract: the same scenario and seed give the same run, event by event. All outside influence enters as an
//! [`Event`]; the simulator commits like the daemon does (jobs as JSON, the journal, then the effects), so a crash loses
//! exactly what a real one would.

mod chance;
mod executor;

use std::collections::BTreeMap;

use jiff::Timestamp;
use lowtide_model::forecast::{Forecast, Role};
use lowtide_model::identity::{JobId, SiteId};
use lowtide_model::job::{Job, JobSpec};
use lowtide_model::quantity::{Seconds, Watts};
use lowtide_model::recurring::{Recurrence, RecurringId};
use lowtide_model::site::Resources;
use lowtide_model::state::JobState;

use crate::engine::Engine;
use crate::event::{Effect, Event, Saying, UserAction, World};
use chance::Chance;
use executor::{Executor, Truth};

/// What a simulated job really does, as against what it declares.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueWork {
    /// How many epochs it has.
    pub epochs: u32,
    /// How long one takes.
    pub epoch: Seconds,
    /// The power it draws.
    pub power: Watts,
    /// The code it ends with.
    pub exit_code: i32,
}

/// Something the scenario lets happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A job is submitted. Jobs are numbered in this order from 1 on.
    Submit(Box<JobSpec>, TrueWork),
    /// A recurring job is submitted; every occurrence of it does this work.
    Schedule(Box<JobSpec>, Box<Recurrence>, TrueWork),
    /// A user asks something of a job.
    Ask(JobId, UserAction),
    /// A provider issues a forecast.
    Issue(Box<Forecast>),
    /// The daemon is killed and starts again at once.
    Crash,
}

/// How often things go wrong, each from 0 (never) to 1 (always).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// The daemon is killed between committing an event and carrying out its effects.
    pub crash_before_effects: f64,
    /// A report comes twice.
    pub repeated_report: f64,
    /// An executor refuses a start.
    pub refused_start: f64,
    /// The driver of a site's GPUs refuses to cap them.
    pub refused_power_cap: f64,
    /// An attempt and its agent vanish, as in a reboot of their node.
    pub vanished_attempt: f64,
}

/// A whole simulated run.
#[derive(Debug)]
pub struct Simulation {
    now: Timestamp,
    engine: Engine,
    world: World,
    executor: Executor,
    agenda: BTreeMap<(Timestamp, u64), Happening>,
    true_work: BTreeMap<JobId, TrueWork>,
    faults: Faults,
    chance: Chance,
    /// What occurrences of recurring jobs do.
    recurring_work: Option<TrueWork>,
    committed_recurring: BTreeMap<RecurringId, String>,
    committed_jobs: BTreeMap<JobId, String>,
    committed_forecasts: Vec<Forecast>,
    journal: Vec<(Timestamp, Event)>,
    /// How often the daemon has started: what an earlier one had yet to do dies with it.
    incarnation: u64,
    /// The final states seen so far: they have to stay.
    ended: BTreeMap<JobId, JobState>,
}

impl Simulation {
    /// A run of `happenings` in `world` from `start` on.
    #[must_use]
    pub fn new(
        start: Timestamp,
        world: World,
        happenings: impl IntoIterator<Item = (Timestamp, Happening)>,
        faults: Faults,
        seed: u64,
    ) -> Self {
        let agenda: BTreeMap<_, _> =
            happenings.into_iter().enumerate().map(|(number, (at, what))| ((at, number as u64), what)).collect();
        let mut simulation = Self {
            now: start,
            engine: Engine::new(),
            world: world.clone(),
            executor: Executor::default(),
            agenda,
            true_work: BTreeMap::new(),
            faults,
            chance: Chance::new(seed),
            recurring_work: None,
            committed_recurring: BTreeMap::new(),
            committed_jobs: BTreeMap::new(),
            committed_forecasts: Vec::new(),
            journal: Vec::new(),
            incarnation: 0,
            ended: BTreeMap::new(),
        };
        simulation.happened(Event::Configured(Box::new(world)));
        simulation
    }

    /// Runs until nothing more can happen or `until` is reached. Breaks off with a description of the first rule of
    /// the system that was broken.
    pub fn run(&mut self, until: Timestamp) -> Result<(), String> {
        loop {
            let next = [
                self.agenda.first_key_value().map(|((at, _), _)| *at),
                self.executor.next_at(),
                self.engine.next_wake(self.now).filter(|_| !self.all_over()),
            ];
            let Some(next) = next.into_iter().flatten().min() else { return Ok(()) };
            if until < next {
                return Ok(());
            }
            self.now = self.now.max(next);
            self.let_happen();
            self.check()?;
        }
    }

    /// Where the clock stands.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Every event so far, with its moment.
    #[must_use]
    pub fn journal(&self) -> &[(Timestamp, Event)] {
        &self.journal
    }

    /// The jobs as they were committed.
    #[must_use]
    pub const fn committed_jobs(&self) -> &BTreeMap<JobId, String> {
        &self.committed_jobs
    }

    fn all_over(&self) -> bool {
        self.agenda.is_empty()
            && self.engine.jobs().all(|job| job.state.is_final())
            && self.engine.recurring().all(|recurring| recurring.ended_at.is_some())
    }

    fn let_happen(&mut self) {
        if let Some(key) = self.agenda.first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= self.now) {
            if let Some(what) = self.agenda.remove(&key) {
                self.play(what);
            }
        } else if self.executor.next_at().is_some_and(|at| at <= self.now) {
            let vanishes = self.chance.happens(self.faults.vanished_attempt);
            for event in self.executor.advance(self.now, vanishes) {
                self.deliver(event);
            }
        } else {
            self.happened(Event::Tick);
        }
    }

    fn play(&mut self, what: Happening) {
        match what {
            Happening::Submit(spec, work) => {
                let id = JobId(self.engine.jobs().last().map_or(1, |job| job.id.0 + 1));
                if self.engine.may_submit(self.now, &spec).is_ok() {
                    self.true_work.insert(id, work);
                    self.happened(Event::Submitted { id, spec });
                }
            }
            Happening::Schedule(spec, recurrence, work) => {
                if self.engine.may_schedule(self.now, &spec, &recurrence).is_ok() {
                    self.recurring_work = Some(work);
                    let id = self.engine.next_recurring_id();
                    self.happened(Event::Scheduled { id, spec, recurrence, key: None });
                }
            }
            Happening::Ask(job, action) => {
                if self.engine.may_act(job, action).is_ok() {
                    self.happened(Event::Asked { job, action, saying: Saying::default() });
                }
            }
            Happening::Issue(forecast) => {
                self.committed_forecasts.push((*forecast).clone());
                self.happened(Event::ForecastArrived(forecast));
            }
            Happening::Crash => self.crash(),
        }
    }

    /// News of an attempt, which may come twice.
    fn deliver(&mut self, news: Event) {
        if self.chance.happens(self.faults.repeated_report) {
            self.happened(news.clone());
        }
        self.happened(news);
    }

    /// Steps, commits, and acts, unless the daemon is killed in between.
    fn happened(&mut self, event: Event) {
        self.journal.push((self.now, event.clone()));
        let effects = self.engine.step(self.now, event);
        for job in self.engine.take_changed() {
            let record = serde_json::to_string(job).expect("a job can be written down");
            self.committed_jobs.insert(job.id, record);
        }
        for recurring in self.engine.take_changed_recurring() {
            let record = serde_json::to_string(&recurring).expect("a recurring job can be written down");
            self.committed_recurring.insert(recurring.id, record);
        }
        if self.chance.happens(self.faults.crash_before_effects) {
            self.crash();
            return;
        }
        let incarnation = self.incarnation;
        for effect in effects {
            if self.incarnation == incarnation {
                self.carry_out(effect);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Start { site, order } => {
                if self.chance.happens(self.faults.refused_start) {
                    self.happened(Event::StartRefused { key: order.key, message: "no agent today".into() });
                    return;
                }
                let work = self.true_work.get(&order.key.job).or(self.recurring_work.as_ref());
                let Some(work) = work else { return };
                let speed = self.world.sites.iter().find(|known| known.id == site).map_or(1.0, |known| known.speed);
                let refused = order.power_cap.is_some() && self.chance.happens(self.faults.refused_power_cap);
                // What a job declares of its operating points is true here.
                let job = self.engine.job(order.key.job);
                let point = job.and_then(Job::current_attempt).map(|attempt| attempt.point).unwrap_or_default();
                let point = if refused { point.uncapped() } else { point };
                let (faster, stronger) = job.map_or((1.0, 1.0), |job| job.spec.pace(point));
                let work = TrueWork { power: work.power.times(stronger), ..work.clone() };
                let truth = Truth { work, speed: speed * faster, cap_refused: refused };
                self.executor.start(self.now, site, &order, &truth);
            }
            Effect::AskToLeave { key, leave, .. } => self.executor.ask_to_leave(self.now, key, leave),
            Effect::Probe { key, .. } => {
                let finding = self.executor.probe(key);
                self.happened(Event::Probed { key, finding });
            }
            Effect::Follow { key, from, .. } => {
                let incarnation = self.incarnation;
                for (number, report) in self.executor.spool(key, from) {
                    if self.incarnation == incarnation {
                        self.deliver(Event::Reported { key, number, report });
                    }
                }
            }
        }
    }

    /// The daemon ends without warning and starts again from what it had committed. Attempts go on meanwhile.
    fn crash(&mut self) {
        let jobs: Vec<Job> = self.committed_jobs.values().map(|record| read(record)).collect();
        self.incarnation += 1;
        self.engine = Engine::restore(
            jobs,
            self.committed_forecasts.iter().map(|told| (Role::Main, told.clone())).collect(),
            Vec::new(),
        )
        .with_recurring(self.committed_recurring.values().map(|record| read(record)).collect());
        // The faults of the start itself are those of any other event, but a daemon that never starts proves nothing.
        let faults = std::mem::take(&mut self.faults);
        self.happened(Event::Configured(Box::new(self.world.clone())));
        self.happened(Event::Recovered);
        self.faults = faults;
    }

    /// The rules that hold whatever happens.
    fn check(&mut self) -> Result<(), String> {
        for site in &self.world.sites {
            let used = self.executor.in_use(&site.id);
            if !site.capacity.holds(&used) {
                return Err(format!("at {} {} holds {:?} but {used:?} run there", self.now, site.id, site.capacity));
            }
        }
        if let Some(job) = self.executor.job_running_twice() {
            return Err(format!("at {} job {job} runs twice", self.now));
        }
        if let Some(job) = self.engine.jobs.misfiled().first() {
            return Err(format!("at {} job {job} is filed otherwise than it is", self.now));
        }
        for job in self.engine.jobs().filter(|job| job.state.is_final()) {
            let first = self.ended.entry(job.id).or_insert_with(|| job.state.clone());
            if *first != job.state {
                return Err(format!("at {} job {} was {first:?} and is {:?}", self.now, job.id, job.state));
            }
        }
        if let Some(id) = self.ended.keys().find(|id| !self.engine.job(**id).is_some_and(|job| job.state.is_final())) {
            return Err(format!("at {} job {id} was over and is not any more", self.now));
        }
        Ok(())
    }
}

/// What was committed, read again.
fn read<T: serde::de::DeserializeOwned>(record: &str) -> T {
    serde_json::from_str(record).expect("what was committed can be read")
}

/// What a simulated attempt occupies.
pub(crate) type Occupied = (SiteId, Resources);
