//! What may happen, and what may be done about it: two closed lists.

use std::collections::BTreeMap;

use lowtide_model::budget::Budget;
use lowtide_model::event::{AttemptReport, ProbeFinding};
use lowtide_model::forecast::{Forecast, Role};
use lowtide_model::history::ImportedRun;
use lowtide_model::identity::{AttemptKey, JobId, PolicyId, SiteId};
use lowtide_model::job::{JobSpec, StartOrder};
use lowtide_model::price::PriceSeries;
use lowtide_model::priority::{FairShare, Priority};
use lowtide_model::quantity::Seconds;
use lowtide_model::recurring::{Recurrence, RecurringId};
use lowtide_model::site::Site;
use lowtide_model::timescale::TimeScale;
use serde::{Deserialize, Serialize};

/// Something that happened. Events are what the journal holds: the state is what they add up to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The daemon has started or read its configuration anew: this is the world from now on.
    Configured(Box<World>),
    /// The daemon has started: what it was doing when it ended is unknown and has to be looked into.
    Recovered,
    /// The user submitted a job.
    Submitted {
        /// Its number.
        id: JobId,
        /// What was asked.
        spec: Box<JobSpec>,
    },
    /// The user asked something of a job.
    Asked {
        /// The job.
        job: JobId,
        /// What.
        action: UserAction,
        /// Who asked and why, where that is known.
        #[serde(default, flatten)]
        saying: Saying,
    },
    /// The user submitted a job that recurs.
    Scheduled {
        /// Its number.
        id: RecurringId,
        /// What each occurrence is.
        spec: Box<JobSpec>,
        /// When they come.
        recurrence: Box<Recurrence>,
        /// The client's own key of the request.
        #[serde(default)]
        key: Option<String>,
    },
    /// The user wants no more occurrences.
    Unscheduled {
        /// The recurring job.
        id: RecurringId,
        /// Who asked and why, where that is known.
        #[serde(default, flatten)]
        saying: Saying,
    },
    /// A region plugin told the intensity of a zone.
    ForecastArrived(Box<Forecast>),
    /// A region plugin told the marginal intensity of a zone, beside the one that decides.
    MarginalArrived(Box<Forecast>),
    /// What electricity costs in a zone became known, or is known anew.
    PricesTold(Box<PriceSeries>),
    /// Runs that another tool recorded were imported.
    Imported {
        /// The runs; one of a known origin takes the place of what was known of it.
        runs: Vec<ImportedRun>,
    },
    /// An agent reported about its attempt.
    Reported {
        /// The attempt.
        key: AttemptKey,
        /// The number of the report within the attempt, from 0 on.
        number: u64,
        /// What it says.
        report: AttemptReport,
    },
    /// An executor could not start an attempt now, by no fault of the job.
    StartRefused {
        /// The attempt.
        key: AttemptKey,
        /// Why, for people.
        message: String,
    },
    /// An executor says that this command can never start.
    StartImpossible {
        /// The attempt.
        key: AttemptKey,
        /// Why, for people.
        message: String,
    },
    /// An executor has looked for an attempt whose fate was unknown.
    Probed {
        /// The attempt.
        key: AttemptKey,
        /// What it found.
        finding: ProbeFinding,
    },
    /// Time has passed.
    Tick,
}

/// What a user may ask of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserAction {
    /// End it.
    Cancel,
    /// Put it aside.
    Hold,
    /// Let a held job go.
    Release,
    /// Leave a checkpoint and stay away.
    Pause,
    /// Go on.
    Resume,
    /// Run at once, whatever the plan.
    RunNow,
    /// Have this priority from now on.
    Prioritise(Priority),
}

/// Who asked something of a job, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saying {
    /// The user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// In the user's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The configuration, as far as it decides anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// Where jobs run, in the order of the configuration.
    pub sites: Vec<Site>,
    /// The text of every policy, already checked. The text and not its meaning is journalled, so that an old journal
    /// is read by the rules of the program that replays it.
    pub policies: BTreeMap<PolicyId, String>,
    /// The IANA time zone that policies mean by `local`; UTC where it is not known.
    pub time_zone: Option<String>,
    /// The carbon budgets, in the order of the configuration.
    #[serde(default)]
    pub budgets: Vec<Budget>,
    /// How accounts share what there is; `None` where first come is first served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fair_share: Option<FairShare>,
    /// The rest.
    pub settings: Settings,
}

/// Numbers the planner works with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// How far ahead windows are looked for.
    pub horizon: Seconds,
    /// How finely.
    pub slot: Seconds,
    /// Time lost by leaving: from the signal to the exit.
    pub stop_overhead: Seconds,
    /// Time lost by coming back: from the start to where the checkpoint was left.
    pub start_overhead: Seconds,
    /// Whether the user has said that zones with different tags may be ranked against each other.
    pub comparable: bool,
    /// The installation's own number, by which its jobs spread over starts that are nearly as good; made once and kept.
    #[serde(default)]
    pub seed: u64,
    /// The clock by which agents stamp their reports.
    pub time: TimeScale,
}

impl Default for Settings {
    /// Four days ahead, as far as the public forecasts reach, in half hours, as most of them are issued; a minute lost
    /// at each stop and start.
    fn default() -> Self {
        Self {
            horizon: Seconds::from_hours(96.0),
            slot: Seconds::from_hours(0.5),
            stop_overhead: Seconds::saturating(30.0),
            start_overhead: Seconds::saturating(60.0),
            comparable: false,
            seed: 0,
            time: TimeScale::real(),
        }
    }
}

/// Something to be done. Every effect can be carried out twice without harm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// Start an attempt and follow its reports.
    Start {
        /// Where.
        site: SiteId,
        /// What.
        order: Box<StartOrder>,
    },
    /// Ask an attempt to leave.
    AskToLeave {
        /// Where.
        site: SiteId,
        /// Which.
        key: AttemptKey,
        /// How soon.
        leave: Leave,
    },
    /// Find out what became of an attempt.
    Probe {
        /// Where.
        site: SiteId,
        /// Which.
        key: AttemptKey,
    },
    /// Follow the reports of an attempt that is known to exist.
    Follow {
        /// Where.
        site: SiteId,
        /// Which.
        key: AttemptKey,
        /// From this report on.
        from: u64,
    },
}

/// How soon an attempt is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leave {
    /// When its epoch ends.
    AtEpochEnd,
    /// Now: its epoch has just ended.
    Now,
    /// Now and for good: it is cancelled.
    Cancel,
}

impl Event {
    /// A forecast arrived, in this role.
    #[must_use]
    pub fn told(role: Role, forecast: Forecast) -> Self {
        match role {
            Role::Main => Self::ForecastArrived(Box::new(forecast)),
            Role::Beside => Self::MarginalArrived(Box::new(forecast)),
        }
    }

    /// Its name in the journal.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Configured(_) => "configured",
            Self::Recovered => "recovered",
            Self::Submitted { .. } => "submitted",
            Self::Asked { .. } => "asked",
            Self::Scheduled { .. } => "scheduled",
            Self::Unscheduled { .. } => "unscheduled",
            Self::ForecastArrived(_) => "forecast-arrived",
            Self::MarginalArrived(_) => "marginal-arrived",
            Self::PricesTold(_) => "prices-told",
            Self::Imported { .. } => "imported",
            Self::Reported { .. } => "reported",
            Self::StartRefused { .. } => "start-refused",
            Self::StartImpossible { .. } => "start-impossible",
            Self::Probed { .. } => "probed",
            Self::Tick => "tick",
        }
    }

    /// The job it is about, if it is about one.
    #[must_use]
    pub const fn job(&self) -> Option<JobId> {
        match self {
            Self::Submitted { id, .. } => Some(*id),
            Self::Asked { job, .. } => Some(*job),
            Self::Reported { key, .. }
            | Self::StartRefused { key, .. }
            | Self::StartImpossible { key, .. }
            | Self::Probed { key, .. } => Some(key.job),
            Self::Configured(_)
            | Self::Recovered
            | Self::Scheduled { .. }
            | Self::Unscheduled { .. }
            | Self::ForecastArrived(_)
            | Self::MarginalArrived(_)
            | Self::PricesTold(_)
            | Self::Imported { .. }
            | Self::Tick => None,
        }
    }
}

impl Effect {
    /// Its name in the store.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::AskToLeave { .. } => "ask-to-leave",
            Self::Probe { .. } => "probe",
            Self::Follow { .. } => "follow",
        }
    }

    /// The attempt it is about.
    #[must_use]
    pub const fn key(&self) -> AttemptKey {
        match self {
            Self::Start { order, .. } => order.key,
            Self::AskToLeave { key, .. } | Self::Probe { key, .. } | Self::Follow { key, .. } => *key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_from_before_budgets_and_reasons_is_still_read() {
        let asked = r#"{"event":"asked","job":7,"action":"release"}"#;
        let saying = Saying::default();
        let read: Event = serde_json::from_str(asked).expect("readable");
        assert_eq!(read, Event::Asked { job: JobId(7), action: UserAction::Release, saying });
        let world = World {
            sites: Vec::new(),
            policies: BTreeMap::new(),
            time_zone: None,
            budgets: Vec::new(),
            fair_share: None,
            settings: Settings::default(),
        };
        let mut text = serde_json::to_value(Event::Configured(Box::new(world.clone()))).expect("writable");
        text.as_object_mut().expect("an object").remove("budgets").expect("it stood there");
        assert_eq!(serde_json::from_value::<Event>(text).expect("readable"), Event::Configured(Box::new(world)));
    }

    #[test]
    fn a_change_of_priority_is_kept_with_its_number() {
        let action = UserAction::Prioritise(Priority::new(-7).expect("a priority"));
        let event = Event::Asked { job: JobId(7), action, saying: Saying::default() };
        let text = serde_json::to_string(&event).expect("writable");
        assert_eq!(serde_json::from_str::<Event>(&text).expect("readable"), event);
    }

    #[test]
    fn who_asked_and_why_is_kept() {
        let saying = Saying { by: Some("ada".into()), reason: Some("due".into()) };
        let event = Event::Asked { job: JobId(7), action: UserAction::Hold, saying };
        let text = serde_json::to_string(&event).expect("writable");
        assert_eq!(serde_json::from_str::<Event>(&text).expect("readable"), event);
    }
}
