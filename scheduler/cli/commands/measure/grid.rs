//! The grid while a command runs: asked in the background, so that the command never waits for a provider.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use jiff::Timestamp;
use lowtide_daemon::{Grid, Question};
use lowtide_model::forecast::{Forecast, Kind};
use lowtide_model::quantity::{GramsPerKwh, Seconds};
use lowtide_model::window::Window;
use lowtide_planner::curve::IntensityCurve;

/// How long one question may take, and how often it is asked: most providers issue anew every half hour.
const PATIENCE: Duration = Duration::from_secs(30);
const REFRESH: Duration = Duration::from_mins(30);
/// How far ahead the curve reaches, in hours: a prediction's own end, if that is later, takes the mean.
const AHEAD_HOURS: f64 = 96.0;

/// What the asking thread tells.
enum Told {
    Zone {
        zone: String,
        origin: String,
    },
    Annual {
        mean: GramsPerKwh,
        source: String,
    },
    Forecast(Box<Forecast>),
    /// Nothing but the annual mean is to be had, and why.
    Silent(String),
}

/// What is known of the zone's intensity.
pub(super) struct LiveGrid {
    told: Receiver<Told>,
    /// The zone and how it is known.
    pub(super) zone: Option<(String, String)>,
    annual: Option<(GramsPerKwh, String)>,
    forecast: Option<Forecast>,
    /// Why there is no forecast.
    pub(super) problem: Option<String>,
}

impl LiveGrid {
    /// Begins to ask. Offline, only the annual mean is looked up.
    pub(super) fn ask(question: Question, offline: bool) -> Self {
        let (tell, told) = channel();
        // Without a thread nothing is told, and that is said as any other silence.
        let _ =
            std::thread::Builder::new().name("grid".to_owned()).spawn(move || keep_asking(&question, offline, &tell));
        Self { told, zone: None, annual: None, forecast: None, problem: None }
    }

    /// Takes in what was told since. True if a forecast came.
    pub(super) fn refresh(&mut self) -> bool {
        let mut news = false;
        while let Ok(told) = self.told.try_recv() {
            news |= self.take(told);
        }
        news
    }

    /// Waits for the first answer, for a command that was over before it came.
    pub(super) fn wait(&mut self, patience: Duration) {
        let until = std::time::Instant::now() + patience;
        while self.forecast.is_none() && self.problem.is_none() {
            let left = until.saturating_duration_since(std::time::Instant::now());
            match self.told.recv_timeout(left) {
                Ok(told) => {
                    self.take(told);
                }
                Err(_) => {
                    self.problem = Some("the provider has not answered yet".to_owned());
                }
            }
        }
    }

    fn take(&mut self, told: Told) -> bool {
        match told {
            Told::Zone { zone, origin } => self.zone = Some((zone, origin)),
            Told::Annual { mean, source } => self.annual = Some((mean, source)),
            Told::Silent(problem) => self.problem = Some(problem),
            Told::Forecast(new) => {
                self.problem = None;
                self.forecast = Some(match self.forecast.take() {
                    Some(old) => joined(&old, *new),
                    None => *new,
                });
                return true;
            }
        }
        false
    }

    /// The intensity from `start` on, without gaps; nothing where not even an annual mean is known.
    pub(super) fn curve(&self, start: Timestamp, now: Timestamp) -> Option<IntensityCurve> {
        let (annual, _) = self.annual.as_ref()?;
        // From before the hour it began in: hours are shown whole.
        let begin = Seconds::from_hours(1.0).before(start.min(now));
        let horizon = Window::new(begin, Seconds::from_hours(AHEAD_HOURS).after(now)).ok()?;
        Some(IntensityCurve::build(self.forecast.as_ref(), *annual, now, horizon))
    }

    /// What the values rest on, for people.
    pub(super) fn source(&self) -> Option<String> {
        match (&self.forecast, &self.annual) {
            (Some(forecast), _) => Some(forecast.source.clone()),
            (None, annual) => annual.as_ref().map(|(_, source)| source.clone()),
        }
    }

    /// Whether its hours are known apart.
    pub(super) fn has_hours(&self) -> bool {
        self.forecast.as_ref().is_some_and(|forecast| forecast.slots().iter().any(|slot| slot.kind != Kind::Static))
    }
}

/// What was told earlier of hours that the new forecast no longer covers, and the new one.
fn joined(old: &Forecast, new: Forecast) -> Forecast {
    let begin = new.window().start();
    let mut slots: Vec<_> = old.slots().iter().filter(|slot| slot.window.end() <= begin).copied().collect();
    slots.extend_from_slice(new.slots());
    let attribution = new.attribution.clone();
    let joined = Forecast::new(
        new.zone.clone(),
        new.tags,
        new.issued_at,
        new.fetched_at,
        new.source.clone(),
        attribution,
        slots,
    );
    joined.unwrap_or(new)
}

fn keep_asking(question: &Question, offline: bool, tell: &Sender<Told>) {
    let silent = |why: String| {
        let _ = tell.send(Told::Silent(why));
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return silent(format!("no provider can be asked: {error}")),
    };
    let grid = Grid::open(question).or_else(|error| {
        silent(format!("{error:#}; it is left out of account"));
        Grid::open(&Question { config: None, ..question.clone() })
    });
    let grid = match grid {
        Ok(grid) => grid,
        Err(error) => return silent(format!("{error:#}")),
    };
    runtime.block_on(async {
        let (zone, origin) = grid.zone();
        let _ = tell.send(Told::Zone { zone: zone.to_string(), origin: origin.to_owned() });
        let (mean, source) = grid.annual_mean().await;
        let _ = tell.send(Told::Annual { mean, source });
        if offline {
            return silent("nobody was asked (--offline)".to_owned());
        }
        loop {
            let told = match grid.ask(PATIENCE).await {
                Ok(forecast) => Told::Forecast(Box::new(forecast)),
                Err(problem) => Told::Silent(problem),
            };
            // Nobody listens any more: the command is over.
            if tell.send(told).is_err() {
                return;
            }
            tokio::time::sleep(REFRESH).await;
        }
    });
}
