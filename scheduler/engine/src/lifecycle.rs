//! The way of one job: what users ask of it, what its attempts report, and the orders that follow.

use jiff::Timestamp;
use lowtide_model::event::{AttemptReport, ProbeFinding};
use lowtide_model::identity::{AttemptKey, AttemptNumber, JobId, SiteId};
use lowtide_model::job::{Attempt, Ending, Epoch, Exit, Job, StartOrder};
use lowtide_model::operating_point::OperatingPoint;
use lowtide_model::quantity::{Joules, Seconds};
use lowtide_model::state::{AfterLeaving, JobState, StateChange};

use crate::engine::{Engine, Refusal};
use crate::event::{Effect, Leave, Saying, UserAction};

/// What tells an elastic job how many workers it has.
const WORKERS: &str = "LOWTIDE_WORKERS";
/// An epoch counts as having just ended while less than this share of its length has passed since: to leave now loses
/// next to nothing then, while waiting for the next end would cost a whole epoch.
const JUST_ENDED: f64 = 0.25;
/// How long an executor is left alone after it refused a start.
const START_AGAIN_AFTER: f64 = 30.0;

impl Engine {
    /// Whether a user's request is possible. Asked before [`crate::Event::Asked`]: an event in the journal is a fact.
    pub fn may_act(&self, id: JobId, action: UserAction) -> Result<(), Refusal> {
        let job = self.jobs.get(&id).ok_or(Refusal::NoSuchJob(id))?;
        if action == UserAction::Pause && job.spec.checkpoint.is_none() && job.state.attempt().is_some() {
            return Err(Refusal::NoCheckpoint(id));
        }
        let change = match action {
            UserAction::Cancel => StateChange::Cancel,
            UserAction::Hold => StateChange::Hold { why: lowtide_model::state::HeldBecause::User },
            UserAction::Release => StateChange::Release,
            UserAction::Pause => StateChange::Pause { then: AfterLeaving::Wait },
            UserAction::Resume => StateChange::Resume,
            // What runs already needs no push; what waits for a person does.
            UserAction::RunNow if job.state.awaits_a_window() || job.state.attempt().is_some() => return Ok(()),
            UserAction::RunNow => StateChange::Start { attempt: AttemptNumber(0) },
            // It decides over waiting, now or after a pause.
            UserAction::Prioritise(_) if !job.state.is_final() => return Ok(()),
            UserAction::Prioritise(_) => return Err(Refusal::Over { job: id, state: job.state.name() }),
        };
        job.state.next(&change).map(|_| ()).map_err(|refused| Refusal::Illegal { job: id, refused })
    }

    pub(crate) fn act(&mut self, now: Timestamp, id: JobId, action: UserAction, saying: Saying) {
        if self.may_act(id, action).is_err() {
            return;
        }
        self.note_saying(now, id, action, &saying);
        match action {
            UserAction::Cancel => self.cancel(now, id),
            UserAction::Hold => {
                let why = lowtide_model::state::HeldBecause::User;
                if self.change(now, id, &StateChange::Hold { why }).is_ok() {
                    self.forget_plan(id);
                }
            }
            UserAction::Release => {
                self.approve(now, id, saying);
                if self.change(now, id, &StateChange::Release).is_ok() {
                    self.plan_anew(now, id);
                }
            }
            UserAction::Pause => self.ask_to_pause(now, id, AfterLeaving::Wait),
            UserAction::Resume => {
                self.approve(now, id, saying);
                if self.change(now, id, &StateChange::Resume).is_ok() {
                    self.plan_anew(now, id);
                }
            }
            UserAction::RunNow => {
                self.edit(id, |job| job.run_now = true);
                self.plan_anew(now, id);
            }
            UserAction::Prioritise(priority) => {
                let before = self.jobs.get(&id).map(|job| job.spec.priority);
                let Some(before) = before.filter(|before| *before != priority) else { return };
                let plan = self.jobs.get(&id).and_then(|job| job.plan.as_ref());
                let stood_at = plan.into_iter().flat_map(|plan| &plan.segments).map(|segment| segment.site.clone());
                let stood_at: Vec<SiteId> = stood_at.collect();
                self.edit(id, |job| job.spec.priority = priority);
                self.note(now, id, format!("has priority {priority} from now on, {before} before"));
                self.plan_anew(now, id);
                if priority < before {
                    // It stood where others now have a right to be.
                    self.sweep_freed(id, stood_at);
                }
            }
        }
    }

    pub(crate) fn cancel(&mut self, now: Timestamp, id: JobId) {
        let running = self.jobs.get(&id).and_then(Self::key_of);
        if self.change(now, id, &StateChange::Cancel).is_err() {
            return;
        }
        match running {
            Some((site, key)) => self.effects.push(Effect::AskToLeave { site, key, leave: Leave::Cancel }),
            None => self.over(now, id),
        }
    }

    /// Asks a running job to leave a checkpoint, or a paused one to stay away.
    pub(crate) fn ask_to_pause(&mut self, now: Timestamp, id: JobId, then: AfterLeaving) {
        let Some(job) = self.jobs.get(&id) else { return };
        let just_ended = job
            .current_attempt()
            .and_then(|attempt| attempt.epochs.last())
            .is_some_and(|epoch| Seconds::between(epoch.window.end(), now) < epoch.window.duration().times(JUST_ENDED));
        let leave = if just_ended { Leave::Now } else { Leave::AtEpochEnd };
        let running = Self::key_of(job);
        let already = matches!(job.state, JobState::Pausing { .. });
        if self.change(now, id, &StateChange::Pause { then }).is_err() {
            return;
        }
        match running {
            Some((site, key)) if !already => self.effects.push(Effect::AskToLeave { site, key, leave }),
            Some(_) => {}
            None => self.forget_plan(id),
        }
    }

    /// Orders an attempt at a site where there is room now.
    pub(crate) fn start(&mut self, now: Timestamp, id: JobId, site: &SiteId, point: OperatingPoint) {
        let Some(job) = self.jobs.get(&id) else { return };
        let number = AttemptNumber(job.attempts.last().map_or(1, |attempt| attempt.number.0 + 1));
        let resume = matches!(job.state, JobState::Paused { .. });
        let resources = job.spec.resources.of(point.workers);
        let devices = self.free_devices(site, resources.gpus);
        let spec = &job.spec;
        let (_, power) = self.pace_at(site, point, job);
        let told = point.workers.map(|workers| (WORKERS.to_owned(), workers.to_string()));
        let order = StartOrder {
            key: AttemptKey { job: id, attempt: number },
            command: spec.command.clone(),
            directory: spec.directory.clone(),
            environment: spec.environment.clone().into_iter().chain(told).collect(),
            resources,
            devices: devices.clone(),
            power_cap: point.power_cap,
            resume,
            checkpoint: spec.checkpoint,
            epoch_pattern: spec.epoch_pattern.clone(),
            epochs: spec.epochs,
            // It was told of the reference site, the fewest workers and no cap.
            declared_power: spec.declared_power.map(|declared| declared.times(power)),
            time: self.settings.time,
        };
        if self.change(now, id, &StateChange::Start { attempt: number }).is_err() {
            return;
        }
        let attempt = Attempt {
            number,
            site: site.clone(),
            point,
            devices,
            ordered_at: now,
            started_at: None,
            ended_at: None,
            exit: None,
            epochs: Vec::new(),
            progress: None,
            energy: None,
            reports_seen: 0,
        };
        self.edit(id, |job| job.attempts.push(attempt));
        self.claim(now, id);
        self.effects.push(Effect::Start { site: site.clone(), order: Box::new(order) });
    }

    /// The lowest GPU numbers at a site that no attempt has.
    fn free_devices(&self, site: &SiteId, count: u32) -> Vec<u32> {
        let taken: Vec<u32> = self.attempts_at(site).flat_map(|(_, attempt)| attempt.devices.clone()).collect();
        (0..).filter(|device| !taken.contains(device)).take(count as usize).collect()
    }

    pub(crate) fn reported(&mut self, now: Timestamp, key: AttemptKey, number: u64, report: AttemptReport) {
        let current = self.jobs.get(&key.job).and_then(|job| job.current_attempt());
        // A report that comes again, or of an attempt that is over, changes nothing.
        if !current.is_some_and(|attempt| attempt.number == key.attempt && attempt.reports_seen == number) {
            return;
        }
        self.edit_attempt(key, |attempt| attempt.reports_seen = number + 1);
        match report {
            AttemptReport::Started { at } => {
                self.edit_attempt(key, |attempt| attempt.started_at = Some(at));
                // Fails only for a state that has gone beyond: the news is old then.
                let _ = self.change(now, key.job, &StateChange::Started);
            }
            AttemptReport::Epoch(epoch) => self.epoch_ended(now, key, epoch),
            AttemptReport::Progress(progress) => {
                self.edit_attempt(key, |attempt| attempt.progress = Some(progress));
                self.plan_anew(now, key.job);
            }
            AttemptReport::Warning { at, message } => self.note(at, key.job, message),
            AttemptReport::PowerCapRefused { at, message } => self.power_cap_refused(now, key, at, message),
            AttemptReport::Exited { at, exit, energy, asked_to_leave } => {
                self.exited(now, key, at, exit, energy, asked_to_leave);
            }
        }
    }

    /// The GPUs of its site cannot be held to less power: the job runs without a cap, and no plan counts on one there until the site is
    /// configured anew.
    fn power_cap_refused(&mut self, now: Timestamp, key: AttemptKey, at: Timestamp, message: String) {
        self.note(at, key.job, message);
        self.edit_attempt(key, |attempt| attempt.point = attempt.point.uncapped());
        let here = self.jobs.get(&key.job).and_then(Job::current_attempt).map(|attempt| &attempt.site);
        if let Some(site) = self.sites.iter_mut().find(|site| Some(&site.id) == here) {
            site.power_caps.clear();
        }
        self.plan_anew(now, key.job);
        self.sweep_all();
    }

    fn epoch_ended(&mut self, now: Timestamp, key: AttemptKey, epoch: Epoch) {
        self.edit_attempt(key, |attempt| {
            attempt.epochs.push(epoch);
            attempt.progress = None;
        });
        self.plan_anew(now, key.job);
        self.move_if_planned(now, key.job);
    }

    fn exited(
        &mut self,
        now: Timestamp,
        key: AttemptKey,
        at: Timestamp,
        exit: Exit,
        energy: Joules,
        asked_to_leave: bool,
    ) {
        self.edit_attempt(key, |attempt| {
            attempt.started_at.get_or_insert(at);
            attempt.ended_at = Some(at);
            attempt.exit = Some(exit);
            attempt.energy = Some(energy);
        });
        let Some(job) = self.jobs.get(&key.job) else { return };
        let ending = Ending::of(exit, job.spec.checkpoint.as_ref(), asked_to_leave);
        if self.change(now, key.job, &StateChange::Exited { ending }).is_ok() {
            self.left_its_site(now, key.job);
        }
    }

    pub(crate) fn start_refused(&mut self, now: Timestamp, key: AttemptKey, message: &str) {
        if !self.is_current(key) {
            return;
        }
        self.edit_attempt(key, |attempt| attempt.ended_at = Some(now));
        if self.change(now, key.job, &StateChange::StartRefused).is_ok() {
            let text = format!("could not be started: {message}; it will be tried again");
            self.note_once(now, key.job, message, &text);
            self.left_its_site(now, key.job);
            // Not at once: what refused a moment ago would refuse again.
            self.unplanned.remove(&key.job);
            self.turns.remove(key.job);
            self.wake(key.job, Some(Seconds::saturating(START_AGAIN_AFTER).after(now)));
        }
    }

    pub(crate) fn start_impossible(&mut self, now: Timestamp, key: AttemptKey, message: String) {
        if !self.is_current(key) {
            return;
        }
        self.edit_attempt(key, |attempt| attempt.ended_at = Some(now));
        if self.change(now, key.job, &StateChange::StartFailed { message }).is_ok() {
            self.left_its_site(now, key.job);
        }
    }

    /// After a start of the daemon every attempt is looked for.
    pub(crate) fn recover(&mut self) {
        let probes =
            self.jobs.begun().filter_map(|(job, _)| Self::key_of(job)).map(|(site, key)| Effect::Probe { site, key });
        let probes: Vec<Effect> = probes.collect();
        self.effects.extend(probes);
    }

    pub(crate) fn probed(&mut self, now: Timestamp, key: AttemptKey, finding: ProbeFinding) {
        if !self.is_current(key) {
            return;
        }
        let Some(job) = self.jobs.get(&key.job) else { return };
        let Some(attempt) = job.current_attempt() else { return };
        let (site, from) = (attempt.site.clone(), attempt.reports_seen);
        match finding {
            ProbeFinding::Alive | ProbeFinding::Ended => {
                let leave = match (&job.state, finding) {
                    (JobState::Pausing { then: AfterLeaving::Cancel, .. }, ProbeFinding::Alive) => Some(Leave::Cancel),
                    (JobState::Pausing { .. }, ProbeFinding::Alive) => Some(Leave::AtEpochEnd),
                    _ => None,
                };
                self.effects.push(Effect::Follow { site: site.clone(), key, from });
                self.effects.extend(leave.map(|leave| Effect::AskToLeave { site, key, leave }));
            }
            ProbeFinding::NeverStarted => {
                self.edit_attempt(key, |attempt| attempt.ended_at = Some(now));
                let leaving = self.jobs.get(&key.job).is_some_and(|job| matches!(job.state, JobState::Pausing { .. }));
                let change = if leaving { StateChange::StartRefused } else { StateChange::Vanished };
                // An attempt that was seen to run and that the executor denies is gone.
                if self.change(now, key.job, &change).is_ok() {
                    self.left_its_site(now, key.job);
                }
            }
            ProbeFinding::Gone => self.vanished(now, key),
        }
    }

    fn vanished(&mut self, now: Timestamp, key: AttemptKey) {
        self.edit_attempt(key, |attempt| attempt.ended_at = Some(now));
        // What was started and has gone may have run: it is never started again by itself.
        let _ = self.change(now, key.job, &StateChange::Started);
        if self.change(now, key.job, &StateChange::Vanished).is_ok() {
            self.note(
                now,
                key.job,
                "vanished without a record of its exit, as after a reboot or a kill of its agent: submit it again if it \
                 was not done",
            );
            self.left_its_site(now, key.job);
        }
    }

    /// What follows when an attempt no longer occupies its site.
    fn left_its_site(&mut self, now: Timestamp, id: JobId) {
        self.count_latest_attempt(now, id);
        let Some(job) = self.jobs.get(&id) else { return };
        let left = job.attempts.last().map(|attempt| attempt.site.clone());
        if job.state.is_final() {
            self.over(now, id);
        } else if job.state.awaits_a_window() {
            self.plan_anew(now, id);
        } else {
            self.forget_plan(id);
        }
        self.sweep_freed(id, left);
    }

    /// What follows when a job is over.
    pub(crate) fn over(&mut self, now: Timestamp, id: JobId) {
        self.release_plan(id);
        self.settle(now, id);
        self.claim(now, id);
        if let Some(job) = self.jobs.get(&id).cloned() {
            self.remember_run(&job);
        }
        let succeeded = self.jobs.get(&id).is_some_and(|job| job.state == JobState::Succeeded);
        for dependent in self.dependents.remove(&id).unwrap_or_default() {
            if succeeded {
                self.unplanned.insert(dependent);
            } else {
                self.note(now, dependent, format!("cancelled: it waits for job {id}, which has not succeeded"));
                self.cancel(now, dependent);
            }
        }
    }

    fn is_current(&self, key: AttemptKey) -> bool {
        self.jobs.get(&key.job).and_then(|job| job.state.attempt()) == Some(key.attempt)
    }

    fn edit_attempt(&mut self, key: AttemptKey, edit: impl FnOnce(&mut Attempt)) {
        self.edit(key.job, |job| {
            if let Some(attempt) = job.attempts.iter_mut().find(|attempt| attempt.number == key.attempt) {
                edit(attempt);
            }
        });
    }
}
