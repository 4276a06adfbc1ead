//! The heart: one thread that owns the engine and the store. It takes a batch of requests, steps the engine for each,
//! commits everything in one transaction, and only then lets effects be carried out and answers be given. The batch is
//! the group commit: however many clients wait, they share one fsync.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use lowtide_api::v1::problem::{Problem, ProblemKind};
use lowtide_engine::{DAYS_READ_BACK, Effect, Engine, Event, Refusal, Saying, UserAction, World};
use lowtide_model::forecast::Role;
use lowtide_model::history::ImportedRun;
use lowtide_model::identity::JobId;
use lowtide_model::job::{Job, JobSpec};
use lowtide_model::plan::{Reason, Segment};
use lowtide_model::quantity::Seconds;
use lowtide_model::recurring::{Recurrence, RecurringId};
use lowtide_store::{Batch, Decision, EffectRow, Issued, JournalEntry, Store, StoreError};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::refusal::problem_of;

/// How many requests may wait; more make their senders wait.
const REQUESTS_WAITING: usize = 4096;
/// How many requests share a transaction at most: beyond this the gain is small and the first ones wait long.
const REQUESTS_A_BATCH: usize = 512;
/// A tick comes at least this often, so that plans follow a clock that was set or a machine that slept.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// Ticks come no more often than this, however fast a virtual clock runs.
const SHORTEST_SLEEP: Duration = Duration::from_millis(5);

/// Forecasts are kept as issued for so long, to look at a decision with what was known then.
const ARCHIVE_KEPT_DAYS: f64 = 90.0;

/// Something to read from the store.
type Looking = Box<dyn FnOnce(&Store) + Send>;

/// Something to read from the engine, with the time.
type Reading = Box<dyn FnOnce(&mut Engine, Timestamp) + Send>;

enum Request {
    Happened(Event),
    Submit { spec: Box<JobSpec>, key: Option<String>, answer: Answer },
    DryRun { spec: Box<JobSpec>, answer: Answer },
    Act { job: JobId, action: UserAction, saying: Saying, answer: Answer },
    Schedule { asked: Box<Schedule>, answer: oneshot::Sender<Result<RecurringId, Problem>> },
    Unschedule { id: RecurringId, saying: Saying, answer: oneshot::Sender<Result<RecurringId, Problem>> },
    Import { runs: Vec<ImportedRun>, answer: oneshot::Sender<Result<usize, Problem>> },
    Read(Reading),
    Look(Looking),
    Confirm(i64),
    Stop,
}

/// A job that is to recur.
struct Schedule {
    spec: JobSpec,
    recurrence: Recurrence,
    key: Option<String>,
}

/// The way to the loop.
#[derive(Clone)]
pub(crate) struct Handle {
    requests: mpsc::Sender<Request>,
    revisions: watch::Receiver<Revisions>,
}

/// When each job changed last, as a count of commits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revisions {
    commits: u64,
    of_jobs: std::sync::Arc<HashMap<JobId, u64>>,
}

impl Revisions {
    /// The revision of a job: 1 for one that has not changed since the daemon started.
    #[must_use]
    pub(crate) fn of(&self, job: JobId) -> u64 {
        self.of_jobs.get(&job).copied().unwrap_or(0) + 1
    }
}

impl Handle {
    /// Tells the loop that something happened.
    pub(crate) async fn happened(&self, event: Event) {
        // Fails only when the loop has ended; then nothing is to be told any more.
        let _ = self.requests.send(Request::Happened(event)).await;
    }

    /// Queues a job. Durable when this returns.
    pub(crate) async fn submit(&self, spec: JobSpec, key: Option<String>) -> Result<Job, Problem> {
        self.ask(|answer| Request::Submit { spec: Box::new(spec), key, answer }).await?
    }

    /// Takes in runs of other tools and says how many were not known. Durable when this returns.
    pub(crate) async fn import(&self, runs: Vec<ImportedRun>) -> Result<usize, Problem> {
        self.ask(|answer| Request::Import { runs, answer }).await?
    }

    /// Plans a job without queueing it.
    pub(crate) async fn dry_run(&self, spec: JobSpec) -> Result<Job, Problem> {
        self.ask(|answer| Request::DryRun { spec: Box::new(spec), answer }).await?
    }

    /// Asks something of a job. Durable when this returns.
    pub(crate) async fn act(&self, job: JobId, action: UserAction, saying: Saying) -> Result<Job, Problem> {
        self.ask(|answer| Request::Act { job, action, saying, answer }).await?
    }

    /// Lets a job recur. Durable when this returns.
    pub(crate) async fn schedule(
        &self,
        spec: JobSpec,
        recurrence: Recurrence,
        key: Option<String>,
    ) -> Result<RecurringId, Problem> {
        let asked = Box::new(Schedule { spec, recurrence, key });
        self.ask(|answer| Request::Schedule { asked, answer }).await?
    }

    /// Lets it recur no more. Durable when this returns.
    pub(crate) async fn unschedule(&self, id: RecurringId, saying: Saying) -> Result<RecurringId, Problem> {
        self.ask(|answer| Request::Unschedule { id, saying, answer }).await?
    }

    /// Reads something from the engine.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Engine, Timestamp) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        self.ask(|answer| {
            Request::Read(Box::new(move |engine, now| {
                // The asker may have gone away meanwhile.
                let _ = answer.send(read(engine, now));
            }))
        })
        .await
    }

    /// Reads something from the store, which nobody else may open. Everything waits for it: it has to be little.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let found = self.ask(|answer| {
            Request::Look(Box::new(move |store| {
                // The asker may have gone away meanwhile.
                let _ = answer.send(look(store));
            }))
        });
        found.await?.map_err(|error| unwritten(&error))
    }

    /// Says that an effect was carried out.
    pub(crate) async fn confirm(&self, effect: i64) {
        let _ = self.requests.send(Request::Confirm(effect)).await;
    }

    /// Ends the loop after what waits before this.
    pub(crate) async fn stop(&self) {
        let _ = self.requests.send(Request::Stop).await;
    }

    /// The revisions, to look at or to wait for.
    #[must_use]
    pub(crate) fn revisions(&self) -> watch::Receiver<Revisions> {
        self.revisions.clone()
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Problem> {
        let (answer, answered) = oneshot::channel();
        let ended = || Problem::new(ProblemKind::Unavailable, "the daemon is stopping");
        self.requests.send(request(answer)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())
    }
}

/// The loop itself.
pub(crate) struct EventLoop {
    engine: Engine,
    store: Store,
    clock: Clock,
    world: World,
    requests: mpsc::Receiver<Request>,
    effects: mpsc::UnboundedSender<(i64, Effect)>,
    revisions: watch::Sender<Revisions>,
    /// What the last decision recorded of each job comes to: where, when and why.
    in_force: HashMap<JobId, Option<(Vec<Segment>, Reason)>>,
    next_job: u64,
    next_effect: i64,
}

/// Where a client waits for its job.
type Answer = oneshot::Sender<Result<Job, Problem>>;

/// What a client that asks about a recurring job is told.
type RecurringResult = Result<RecurringId, Problem>;

/// What one batch has gathered.
#[derive(Default)]
struct Gathered {
    batch: Batch,
    effects: Vec<(i64, Effect)>,
    answers: Vec<(Answer, Result<JobId, Problem>)>,
    submissions: BTreeMap<String, JobId>,
    imports: Vec<(oneshot::Sender<Result<usize, Problem>>, usize)>,
    recurring: Vec<(oneshot::Sender<RecurringResult>, RecurringResult)>,
}

impl EventLoop {
    /// A loop over what the store holds. Its first batch configures the engine and lets it look for its attempts.
    pub(crate) fn new(
        store: Store,
        clock: Clock,
        world: World,
        effects: mpsc::UnboundedSender<(i64, Effect)>,
    ) -> anyhow::Result<(Self, Handle)> {
        let (sender, requests) = mpsc::channel(REQUESTS_WAITING);
        let (revisions, watched) = watch::channel(Revisions::default());
        let mut event_loop = Self {
            engine: Engine::new(),
            store,
            clock,
            world,
            requests,
            effects,
            revisions,
            in_force: HashMap::new(),
            next_job: 1,
            next_effect: 1,
        };
        event_loop.load()?;
        Ok((event_loop, Handle { requests: sender, revisions: watched }))
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self, runtime: &tokio::runtime::Handle) {
        loop {
            let now = self.clock.now();
            let sleep = self.engine.until_next_wake(now).map_or(LONGEST_SLEEP, |time| self.clock.real(time));
            let sleep = sleep.clamp(SHORTEST_SLEEP, LONGEST_SLEEP);
            let first = runtime.block_on(async { tokio::time::timeout(sleep, self.requests.recv()).await });
            let mut gathered = Gathered::default();
            let go_on = match first {
                Ok(Some(request)) => {
                    let go_on = self.take_batch(request, &mut gathered);
                    // However many ask without a pause, what waits to be looked at gets its turn.
                    if self.engine.next_wake(now).is_some_and(|at| at <= now) {
                        self.step(Event::Tick, &mut gathered);
                    }
                    go_on
                }
                Ok(None) => return self.end(),
                Err(_) => {
                    self.step(Event::Tick, &mut gathered);
                    true
                }
            };
            self.commit(gathered);
            if !go_on {
                return self.end();
            }
        }
    }

    /// Closes the database before anything else: it is what the next daemon waits for.
    fn end(self) {
        let Self { store, engine, in_force, .. } = self;
        drop(store);
        tracing::debug!("the database is closed");
        // To take a hundred thousand jobs apart takes longer than to end the process, which gives their memory back whole.
        std::mem::forget((engine, in_force));
    }

    /// Reads the store's jobs into a new engine, as at a start.
    fn load(&mut self) -> anyhow::Result<()> {
        tracing::debug!("reading the jobs");
        let jobs = self.store.all_jobs()?;
        tracing::debug!(jobs = jobs.len(), "the jobs are read");
        self.in_force.clear();
        let now = self.clock.now();
        self.store.forget_forecasts(Seconds::from_hours(ARCHIVE_KEPT_DAYS * 24.0).before(now))?;
        let told = self.store.recent_forecasts(Seconds::from_hours(DAYS_READ_BACK * 24.0).before(now))?;
        let told = told.into_iter().map(|issued| (issued.role, issued.forecast)).collect();
        self.next_job = self.store.highest_job_id()?.map_or(1, |JobId(id)| id + 1);
        self.next_effect = self.store.highest_effect_id()?.map_or(1, |id| id + 1);
        self.engine = Engine::restore(jobs, told, self.store.imports()?).with_recurring(self.store.recurring()?);
        tracing::debug!("the engine is restored");
        let mut gathered = Gathered::default();
        // What was intended and not confirmed is looked into by the probes that recovery orders.
        gathered.batch.confirmed = self.store.unconfirmed_effects()?.into_iter().map(|effect| effect.id).collect();
        self.step(Event::Configured(Box::new(self.world.clone())), &mut gathered);
        tracing::debug!("the engine is configured");
        self.step(Event::Recovered, &mut gathered);
        self.commit_or_fail(gathered)?;
        tracing::debug!("what that changed is written");
        Ok(())
    }

    fn take_batch(&mut self, first: Request, gathered: &mut Gathered) -> bool {
        let mut next = Some(first);
        for _ in 0..REQUESTS_A_BATCH {
            match next {
                None => break,
                Some(Request::Stop) => return false,
                Some(request) => self.take(request, gathered),
            }
            next = self.requests.try_recv().ok();
        }
        true
    }

    fn take(&mut self, request: Request, gathered: &mut Gathered) {
        match request {
            Request::Happened(event) => self.step(event, gathered),
            Request::Submit { spec, key, answer } => {
                let result = self.submit(*spec, key, gathered);
                gathered.answers.push((answer, result));
            }
            Request::DryRun { spec, answer } => {
                let job = self.engine.dry_run(self.clock.now(), *spec).map_err(|refusal| problem_of(&refusal));
                let _ = answer.send(job);
            }
            Request::Act { job, action, saying, answer } => {
                let result = self.engine.may_act(job, action).map_err(|refusal| problem_of(&refusal));
                if result.is_ok() {
                    self.step(Event::Asked { job, action, saying }, gathered);
                }
                gathered.answers.push((answer, result.map(|()| job)));
            }
            Request::Schedule { asked, answer } => {
                let result = self.schedule(*asked, gathered);
                gathered.recurring.push((answer, result));
            }
            Request::Unschedule { id, saying, answer } => {
                let result = self.engine.may_unschedule(id).map_err(|refusal| problem_of(&refusal));
                if result.is_ok() {
                    self.step(Event::Unscheduled { id, saying }, gathered);
                }
                gathered.recurring.push((answer, result.map(|()| id)));
            }
            Request::Import { mut runs, answer } => {
                runs.retain(|run| !self.engine.knows(run));
                gathered.imports.push((answer, runs.len()));
                if !runs.is_empty() {
                    self.step(Event::Imported { runs }, gathered);
                }
            }
            Request::Read(read) => read(&mut self.engine, self.clock.now()),
            Request::Look(look) => look(&self.store),
            Request::Confirm(effect) => gathered.batch.confirmed.push(effect),
            Request::Stop => {}
        }
    }

    fn submit(&mut self, spec: JobSpec, key: Option<String>, gathered: &mut Gathered) -> Result<JobId, Problem> {
        if let Some(key) = &key {
            let known = gathered.submissions.get(key).copied();
            let stored = || self.store.submission(key).map_err(|error| unwritten(&error));
            if let Some(id) = known.map_or_else(stored, |id| Ok(Some(id)))? {
                return Ok(id);
            }
        }
        self.engine.may_submit(self.clock.now(), &spec).map_err(|refusal: Refusal| problem_of(&refusal))?;
        // Occurrences of recurring jobs take numbers, too.
        let id = self.engine.next_job_id().max(JobId(self.next_job));
        self.next_job = id.0 + 1;
        self.step(Event::Submitted { id, spec: Box::new(spec) }, gathered);
        if let Some(key) = key {
            gathered.batch.submissions.push((key.clone(), id));
            gathered.submissions.insert(key, id);
        }
        Ok(id)
    }

    fn schedule(&mut self, asked: Schedule, gathered: &mut Gathered) -> Result<RecurringId, Problem> {
        let Schedule { spec, recurrence, key } = asked;
        let known = self.engine.recurring().find(|known| key.is_some() && known.key == key);
        if let Some(known) = known {
            return Ok(known.id);
        }
        let now = self.clock.now();
        self.engine.may_schedule(now, &spec, &recurrence).map_err(|refusal| problem_of(&refusal))?;
        let id = self.engine.next_recurring_id();
        let (spec, recurrence) = (Box::new(spec), Box::new(recurrence));
        self.step(Event::Scheduled { id, spec, recurrence, key }, gathered);
        Ok(id)
    }

    fn step(&mut self, event: Event, gathered: &mut Gathered) {
        let now = self.clock.now();
        gathered.batch.events.push(entry(now, &event));
        if let Event::Imported { runs } = &event {
            gathered.batch.imports.extend(runs.iter().cloned());
        }
        let effects = self.engine.step(now, event);
        for job in self.engine.take_decided() {
            let decision = Decision { job: job.id, at: now, plan: job.plan.clone() };
            let gist = decision.plan.as_ref().map(|plan| (plan.segments.clone(), plan.reason));
            // A plan made anew that says the same is no other decision.
            if self.in_force.insert(job.id, gist.clone()) != Some(gist) {
                gathered.batch.decisions.push(decision);
            }
        }
        for effect in effects {
            let id = self.next_effect;
            self.next_effect += 1;
            gathered.batch.effects.push(EffectRow {
                id,
                at: now,
                job: effect.key().job,
                kind: effect.name().to_owned(),
                payload: serde_json::to_string(&effect).expect("an effect can be written down"),
            });
            gathered.effects.push((id, effect));
        }
    }

    fn commit(&mut self, mut gathered: Gathered) {
        let answers = std::mem::take(&mut gathered.answers);
        let imports = std::mem::take(&mut gathered.imports);
        let recurring = std::mem::take(&mut gathered.recurring);
        match self.commit_or_fail(gathered) {
            Ok(()) => {
                for (answer, result) in answers {
                    let job = result.and_then(|id| {
                        let gone = || Problem::new(ProblemKind::Internal, format!("job {id} was taken in and is gone"));
                        self.engine.job(id).cloned().ok_or_else(gone)
                    });
                    let _ = answer.send(job);
                }
                for (answer, count) in imports {
                    let _ = answer.send(Ok(count));
                }
                for (answer, result) in recurring {
                    let _ = answer.send(result);
                }
            }
            Err(error) => {
                // What is not on disk did not happen: the engine goes back to what is, as after a crash.
                let lost = answers.len() + imports.len() + recurring.len();
                tracing::error!("nothing of the last {lost} requests could be written: {error:#}");
                let problem =
                    Problem::new(ProblemKind::Unavailable, format!("it could not be written down: {error:#}"))
                        .hint("nothing was queued or changed; make room or mend the disk, then try again");
                for (answer, _) in answers {
                    let _ = answer.send(Err(problem.clone()));
                }
                for (answer, _) in imports {
                    let _ = answer.send(Err(problem.clone()));
                }
                for (answer, _) in recurring {
                    let _ = answer.send(Err(problem.clone()));
                }
                std::thread::sleep(Duration::from_millis(200));
                if let Err(error) = self.load() {
                    tracing::error!("the state could not be read again: {error:#}");
                }
            }
        }
    }

    /// Commits a batch and lets its effects go. An empty one costs nothing.
    fn commit_or_fail(&mut self, gathered: Gathered) -> anyhow::Result<()> {
        let Gathered { mut batch, effects, .. } = gathered;
        batch.jobs = self.engine.take_changed().into_iter().cloned().collect();
        batch.recurring = self.engine.take_changed_recurring();
        let nothing = batch.events.is_empty() && batch.confirmed.is_empty() && batch.jobs.is_empty();
        if nothing {
            return Ok(());
        }
        self.store.commit(&batch)?;
        if !batch.jobs.is_empty() {
            self.revisions.send_modify(|revisions| {
                revisions.commits += 1;
                let of_jobs = std::sync::Arc::make_mut(&mut revisions.of_jobs);
                of_jobs.extend(batch.jobs.iter().map(|job| (job.id, revisions.commits)));
            });
        }
        for effect in effects {
            // Fails only while the daemon ends; the effect stays unconfirmed and is looked into at the next start.
            let _ = self.effects.send(effect);
        }
        Ok(())
    }
}

fn unwritten(error: &dyn std::error::Error) -> Problem {
    Problem::new(ProblemKind::Unavailable, format!("the database could not be read: {error}"))
}

/// An event as the journal keeps it. A forecast is kept by the archive, and referred to.
fn entry(at: Timestamp, event: &Event) -> JournalEntry {
    let told = match event {
        Event::ForecastArrived(forecast) => Some((Role::Main, forecast)),
        Event::MarginalArrived(forecast) => Some((Role::Beside, forecast)),
        _ => None,
    };
    let told = told.map(|(role, forecast)| Box::new(Issued { role, forecast: (**forecast).clone() }));
    let payload = match told {
        Some(_) => String::new(),
        None => serde_json::to_string(event).expect("an event can be written down"),
    };
    JournalEntry { at, kind: event.name().to_owned(), job: event.job(), payload, told }
}

#[cfg(test)]
mod tests {
    use lowtide_engine::Settings;
    use lowtide_model::identity::{PolicyId, SiteId, ZoneId};
    use lowtide_model::quantity::GramsPerKwh;
    use lowtide_model::site::{Resources, Site};
    use lowtide_planner::policy::builtin_texts;

    use super::*;

    fn world() -> World {
        let site = Site::like_the_reference(
            SiteId::new("home").expect("a name"),
            ZoneId::new("GB").expect("a name"),
            Resources { cpus: 1, gpus: 0 },
            GramsPerKwh::saturating(200.0),
        );
        World {
            sites: vec![site],
            policies: builtin_texts().into_iter().map(|(id, text)| (id, text.to_owned())).collect(),
            time_zone: None,
            budgets: Vec::new(),
            fair_share: None,
            settings: Settings::default(),
        }
    }

    fn spec() -> JobSpec {
        let policy = PolicyId::new("run-now").expect("a name");
        JobSpec::of_command(vec!["train".into()], "/".into(), "ada".into(), policy)
    }

    #[test]
    fn many_clients_share_one_commit_and_a_repeated_request_makes_one_job() {
        const CLIENTS: usize = 200;
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("lowtide.db")).expect("a new database");
        let (effects, _kept) = mpsc::unbounded_channel();
        let (event_loop, handle) = EventLoop::new(store, Clock::real_time(), world(), effects).expect("a loop");
        let before = handle.revisions().borrow().commits;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        // All wait before the loop begins, as when many clients come while a commit is under way.
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let handle = handle.clone();
                // Every second one repeats the request of the one before it.
                let key = format!("key-{}", client / 2);
                runtime.spawn(async move { handle.submit(spec(), Some(key)).await })
            })
            .collect();
        while handle.requests.max_capacity() - handle.requests.capacity() < CLIENTS {
            std::thread::yield_now();
        }
        let on = runtime.handle().clone();
        let thread = std::thread::spawn(move || event_loop.run(&on));
        let mut ids: Vec<u64> = clients
            .into_iter()
            .map(|client| runtime.block_on(client).expect("no panic").expect("taken in").id.0)
            .collect();
        let commits = handle.revisions().borrow().commits - before;
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), CLIENTS / 2);
        assert_eq!(commits, 1, "two hundred clients, one transaction");
        runtime.block_on(handle.stop());
        thread.join().expect("no panic");
    }
}
