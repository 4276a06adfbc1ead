//! A moment of the past: the journal up to there, replayed in an engine of its own, and what was really in force then.

use jiff::Timestamp;
use lowtide_api::v1::problem::{Problem, ProblemKind};
use lowtide_engine::{Event, Replay};
use lowtide_model::identity::JobId;
use lowtide_store::{Decision, JournalEntry};

use crate::event_loop::Handle;

/// So many events are read at once: the loop, which alone may read the store, is kept for some milliseconds at a time.
const EVENTS_A_LOOK: i64 = 500;

/// What the journal makes of a moment.
pub(crate) struct Past {
    pub(crate) replay: Replay,
    /// Events up to the moment.
    pub(crate) events: u64,
    /// Forecasts among them that are no longer kept.
    pub(crate) forgotten: u64,
    /// What was in force for the job then; `None` where no decision of that time is kept.
    pub(crate) in_force: Option<Decision>,
}

impl Past {
    /// Replays the journal up to a moment, to the millisecond.
    pub(crate) async fn of(events: &Handle, job: JobId, at: Timestamp) -> Result<Self, Problem> {
        let in_force = events.look(move |store| store.decision_as_of(job, at)).await?;
        let mut past = Self { replay: Replay::default(), events: 0, forgotten: 0, in_force };
        let mut from = 1;
        loop {
            let read = move |store: &lowtide_store::Store| {
                let mut entries = Vec::new();
                store.journal_part(from, EVENTS_A_LOOK, |number, entry| entries.push((number, entry)))?;
                Ok(entries)
            };
            let entries: Vec<(i64, JournalEntry)> = events.look(read).await?;
            let Some((last, _)) = entries.last() else { return Ok(past) };
            from = last + 1;
            // Planning again takes its time; requests must not wait for it.
            let step = tokio::task::spawn_blocking(move || past.through(entries, at)).await;
            let (stepped, over) = step.map_err(|error| broken(&error))??;
            past = stepped;
            if over {
                return Ok(past);
            }
        }
    }

    /// Takes in these events, and says whether the moment has come.
    fn through(mut self, entries: Vec<(i64, JournalEntry)>, at: Timestamp) -> Result<(Self, bool), Problem> {
        for (_, entry) in entries {
            if at.as_millisecond() < entry.at.as_millisecond() {
                return Ok((self, true));
            }
            self.events += 1;
            let event = match entry.told {
                Some(issued) => Event::told(issued.role, issued.forecast),
                None if entry.payload.is_empty() => {
                    self.forgotten += 1;
                    continue;
                }
                None => serde_json::from_str(&entry.payload).map_err(|error| broken(&error))?,
            };
            self.replay.take(entry.at, event);
        }
        Ok((self, false))
    }
}

fn broken(error: &dyn std::error::Error) -> Problem {
    Problem::new(ProblemKind::Internal, format!("the journal cannot be replayed: {error}"))
}
