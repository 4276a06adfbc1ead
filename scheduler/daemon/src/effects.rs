//! Carrying out what the engine ordered. Effects of one attempt are carried out in their order, those of different
//! attempts side by side; results go back to the loop as events, and each effect is confirmed when it is done.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lowtide_engine::{Effect, Event, Leave};
use lowtide_executors::{Executor, Notice, StartError};
use lowtide_model::event::ProbeFinding;
use lowtide_model::identity::{AttemptKey, SiteId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::event_loop::Handle;

/// How many reports may wait on their way to the loop.
const REPORTS_WAITING: usize = 1024;

/// The executors by site.
#[derive(Clone)]
pub(crate) struct Executors {
    by_site: BTreeMap<SiteId, Arc<dyn Executor>>,
}

impl Executors {
    /// These executors.
    #[must_use]
    pub(crate) const fn new(by_site: BTreeMap<SiteId, Arc<dyn Executor>>) -> Self {
        Self { by_site }
    }

    /// The executor of a site. A site that the configuration no longer names has none.
    #[must_use]
    pub(crate) fn of(&self, site: &SiteId) -> Option<&Arc<dyn Executor>> {
        // Attempts of a site that was renamed lie in the same place as long as there is only one kind of executor.
        self.by_site.get(site).or_else(|| self.by_site.values().next())
    }
}

/// Takes effects from the loop and carries them out until the loop ends.
pub(crate) async fn run(mut effects: mpsc::UnboundedReceiver<(i64, Effect)>, executors: Executors, events: Handle) {
    let (reports, reported) = mpsc::channel(REPORTS_WAITING);
    let forwarder = tokio::spawn(forward(reported, events.clone()));
    let runner = Arc::new(Runner { executors, events, reports });
    let mut last_of: HashMap<AttemptKey, JoinHandle<()>> = HashMap::new();
    while let Some((id, effect)) = effects.recv().await {
        last_of.retain(|_, task| !task.is_finished());
        let before = last_of.remove(&effect.key());
        let key = effect.key();
        let runner = runner.clone();
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                // A fault in carrying out an earlier one is its own.
                let _ = before.await;
            }
            runner.carry_out(effect).await;
            runner.events.confirm(id).await;
        });
        last_of.insert(key, task);
    }
    forwarder.abort();
}

/// What agents report becomes events.
async fn forward(mut reported: mpsc::Receiver<Notice>, events: Handle) {
    while let Some(notice) = reported.recv().await {
        let event = match notice {
            Notice::Report { key, number, report } => Event::Reported { key, number, report },
            Notice::Gone { key } => Event::Probed { key, finding: ProbeFinding::Gone },
        };
        events.happened(event).await;
    }
}

struct Runner {
    executors: Executors,
    events: Handle,
    reports: mpsc::Sender<Notice>,
}

impl Runner {
    async fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Start { site, order } => self.start(&site, *order).await,
            Effect::AskToLeave { site, key, leave } => {
                let Some(executor) = self.executors.of(&site) else { return };
                let leave = match leave {
                    Leave::AtEpochEnd => lowtide_executors::Leave::AtEpochEnd,
                    Leave::Now => lowtide_executors::Leave::Now,
                    Leave::Cancel => lowtide_executors::Leave::Kill,
                };
                if let Err(error) = executor.ask_to_leave(key, leave).await {
                    tracing::warn!(%key, "asking it to leave: {error}");
                }
            }
            Effect::Probe { site, key } => {
                let Some(executor) = self.executors.of(&site) else { return };
                match executor.probe(key).await {
                    Ok(finding) => self.events.happened(Event::Probed { key, finding }).await,
                    // Unknown stays unknown: the next start of the daemon asks again.
                    Err(error) => tracing::error!(%key, "looking for it: {error}"),
                }
            }
            Effect::Follow { site, key, from } => self.follow(&site, key, from),
        }
    }

    async fn start(&self, site: &SiteId, order: lowtide_model::job::StartOrder) {
        let key = order.key;
        let Some(executor) = self.executors.of(site) else {
            let message = format!("the configuration has no site `{site}` any more");
            self.events.happened(Event::StartRefused { key, message }).await;
            return;
        };
        match executor.start(&order).await {
            Ok(()) => self.follow(site, key, 0),
            Err(error @ StartError::Refused { .. }) => {
                self.events.happened(Event::StartRefused { key, message: error.to_string() }).await;
            }
            Err(error @ StartError::Impossible { .. }) => {
                self.events.happened(Event::StartImpossible { key, message: error.to_string() }).await;
            }
        }
    }

    fn follow(&self, site: &SiteId, key: AttemptKey, from: u64) {
        let Some(executor) = self.executors.of(site).cloned() else { return };
        let reports = self.reports.clone();
        // Ends by itself with the attempt, or with the daemon's runtime.
        tokio::spawn(async move {
            if let Err(error) = executor.follow(key, from, reports).await {
                tracing::error!(%key, "following its reports: {error}");
            }
        });
    }
}
