//! Predicting recorded trainings as they went, and scoring the predictor beside the baselines.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use lowtide_model::course::Course;
use lowtide_model::identity::PolicyId;
use lowtide_model::job::{EnergySource, Epoch, JobSpec};
use lowtide_model::quantity::{Joules, Seconds};
use lowtide_model::window::Window;
use lowtide_planner::predict::{Observed, PastRun, predict};

use super::baselines::{BASELINES, median};
use super::recorded::{Group, Run};

/// What is known besides the epochs so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// The number of epochs it will run, and no other run.
    Cold,
    /// The number of epochs, and all other runs of the family.
    Warm,
    /// The number of epochs, and those runs of the family that ended before.
    WarmEarlier,
    /// The number of epochs planned, and that it may stop earlier; no other run.
    EarlyCold,
    /// The number of epochs planned, if any, and all other runs of the family, which stopped earlier.
    EarlyWarm,
    /// Likewise with only those runs that ended before.
    EarlyWarmEarlier,
}

impl Setting {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cold => "count known, no history",
            Self::Warm => "count known, family",
            Self::WarmEarlier => "count known, earlier runs",
            Self::EarlyCold => "may stop early, no history",
            Self::EarlyWarm => "may stop early, family",
            Self::EarlyWarmEarlier => "may stop early, earlier runs",
        }
    }

    const fn stops_early(self) -> bool {
        matches!(self, Self::EarlyCold | Self::EarlyWarm | Self::EarlyWarmEarlier)
    }

    const fn has_history(self) -> bool {
        !matches!(self, Self::Cold | Self::EarlyCold)
    }

    const fn only_earlier(self) -> bool {
        matches!(self, Self::WarmEarlier | Self::EarlyWarmEarlier)
    }
}

/// When a prediction is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Seen {
    /// After so many epochs.
    Epochs(usize),
    /// After this part of the epochs.
    Share(f64),
    /// After so many epochs of the second phase.
    AfterShift(usize),
}

impl Seen {
    fn epochs(self, run: &Run) -> Option<usize> {
        let count = run.epochs.len();
        let seen = match self {
            Self::Epochs(epochs) => epochs,
            Self::Share(share) => (1..=count).find(|epochs| share * count as f64 <= *epochs as f64)?,
            Self::AfterShift(epochs) => run.shift? - 1 + epochs,
        };
        (seen < count).then_some(seen)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Epochs(epochs) => format!("{epochs}"),
            Self::Share(share) => format!("{:.0} %", share * 100.0),
            Self::AfterShift(epochs) => format!("shift + {epochs}"),
        };
        f.pad(&text)
    }
}

/// Time or energy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    Time,
    Energy,
}

/// Relative errors of one predictor.
#[derive(Debug, Clone, Default)]
pub(crate) struct Errors(Vec<f64>);

impl Errors {
    pub(crate) fn median(&self) -> f64 {
        median(self.0.iter().map(|error| error.abs()).collect())
    }

    pub(crate) fn rmse(&self) -> f64 {
        (self.0.iter().map(|error| error * error).sum::<f64>() / self.0.len() as f64).sqrt()
    }
}

/// One line of the comparison.
#[derive(Debug)]
pub(crate) struct Score {
    pub(crate) group: String,
    pub(crate) seen: Seen,
    pub(crate) runs: usize,
    pub(crate) ours: Errors,
    /// In the order of [`BASELINES`], each with the number of epochs that was planned or, where that is known, run.
    pub(crate) baselines: Vec<Errors>,
    /// `N x mean` with the true number of epochs, whatever was planned.
    pub(crate) generous: Errors,
    /// How many of the intervals held the truth.
    pub(crate) covered: usize,
    /// Widths of the intervals, relative to the truth.
    pub(crate) widths: Vec<f64>,
}

impl Score {
    pub(crate) fn coverage(&self) -> f64 {
        self.covered as f64 / self.runs as f64
    }

    /// The best of the other baselines by its median error.
    pub(crate) fn best_other(&self) -> (&'static str, &Errors) {
        let names = BASELINES.iter().map(|baseline| baseline.0);
        let by_median = |a: &(&str, &Errors), b: &(&str, &Errors)| a.1.median().total_cmp(&b.1.median());
        names.zip(&self.baselines).skip(1).min_by(by_median).expect("one")
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |errors: &Errors| format!("{:6.2} {:6.2}", 100.0 * errors.median(), 100.0 * errors.rmse());
        let (name, best) = self.best_other();
        write!(
            f,
            "{:<22} {:>9} {:>5} | {} | {} | {} | {} {:<9} | {:5.1} {:6.1}",
            self.group,
            self.seen,
            self.runs,
            pair(&self.baselines[0]),
            pair(&self.generous),
            pair(&self.ours),
            pair(best),
            name,
            100.0 * self.coverage(),
            100.0 * median(self.widths.clone()),
        )
    }
}

/// The head of the lines, all errors in per cent.
pub(crate) const HEAD: &str = "group                       seen  runs |  N x mean     |  same, true N |  lowtide      |  best other \
                        (by median)    | 90 % int. width\n                                        |     med  RMSE |     med  RMSE \
                        |     med  RMSE |     med  RMSE           | covers  (med)";

/// Predicts the runs of a group, each with the runs of its family as history.
pub(crate) fn score(group: &Group, setting: Setting, seen: Seen, quantity: Quantity) -> Option<Score> {
    let past = pasts(group, setting);
    let mut score = Score {
        group: group.name.clone(),
        seen,
        runs: 0,
        ours: Errors::default(),
        baselines: vec![Errors::default(); BASELINES.len()],
        generous: Errors::default(),
        covered: 0,
        widths: Vec::new(),
    };
    for (at, run) in group.runs.iter().enumerate() {
        let Some(done) = seen.epochs(run) else { continue };
        let history = if setting.has_history() { history(group, &past, at, setting) } else { Vec::new() };
        if setting.has_history() && history.is_empty() {
            continue;
        }
        let count = run.epochs.len();
        let planned = if setting.stops_early() { run.planned } else { u32::try_from(count).ok() };
        let values: Vec<f64> = run.epochs.iter().map(|epoch| of(*epoch, quantity)).collect();
        let (truth, so_far) = (values.iter().sum::<f64>(), values[..done].iter().sum::<f64>());
        let told = observe(run, done, planned, setting, &history, quantity);
        score.runs += 1;
        score.ours.0.push(told[1] / truth - 1.0);
        score.covered += usize::from((told[0]..=told[2]).contains(&truth));
        score.widths.push((told[2] - told[0]) / truth);
        // Who knows no number of epochs takes the median of the family.
        let counts = || history.iter().filter_map(|run| run.epochs.map(f64::from)).collect::<Vec<f64>>();
        let assumed = planned.map_or_else(|| median(counts()).max(done as f64), f64::from);
        for ((_, baseline), errors) in BASELINES.iter().zip(&mut score.baselines) {
            errors.0.push((so_far + baseline(&values[..done], assumed - done as f64)) / truth - 1.0);
        }
        score.generous.0.push(so_far / done as f64 * count as f64 / truth - 1.0);
    }
    (0 < score.runs).then_some(score)
}

fn of(epoch: (f64, f64), quantity: Quantity) -> f64 {
    match quantity {
        Quantity::Time => epoch.0,
        Quantity::Energy => epoch.1,
    }
}

fn pasts(group: &Group, setting: Setting) -> Vec<PastRun> {
    let past = |run: &Run| {
        let epochs: Vec<(Seconds, Joules)> =
            run.epochs.iter().map(|(time, energy)| (Seconds::saturating(*time), Joules::saturating(*energy))).collect();
        PastRun {
            duration: epochs.iter().map(|epoch| epoch.0).sum(),
            energy: epochs.iter().map(|epoch| epoch.1).sum(),
            epochs: u32::try_from(epochs.len()).ok(),
            // Where the number of epochs is known beforehand nothing was stopped.
            course: Course::of(run.planned.filter(|_| setting.stops_early()), &epochs),
        }
    };
    group.runs.iter().map(past).collect()
}

/// The runs of the family besides this, the last 40 of them or the last 40 before it.
fn history(group: &Group, past: &[PastRun], at: usize, setting: Setting) -> Vec<PastRun> {
    const REMEMBERED: usize = 40;
    let family = &group.runs[at].family;
    let eligible = |other: &usize| {
        *other != at && (!setting.only_earlier() || *other < at) && group.runs[*other].family == *family
    };
    // Of a long row those around the run, lest all have the same.
    let mut others: Vec<usize> = (0..past.len()).filter(eligible).collect();
    others.sort_by_key(|other| other.abs_diff(at));
    others.truncate(REMEMBERED);
    others.sort_unstable();
    others.into_iter().map(|other| past[other].clone()).collect()
}

/// Low, median and high of the total after `done` epochs.
fn observe(
    run: &Run,
    done: usize,
    planned: Option<u32>,
    setting: Setting,
    history: &[PastRun],
    quantity: Quantity,
) -> [f64; 3] {
    let epochs = reported(&run.epochs[..done]);
    let spec = spec();
    let prediction = predict(&Observed {
        spec: &spec,
        epochs: &epochs,
        epochs_total: planned,
        epochs_done: u32::try_from(done).expect("few"),
        ran: epochs.iter().map(|epoch| epoch.window.duration()).sum(),
        energy_so_far: epochs.iter().map(|epoch| epoch.energy).sum(),
        history,
        may_stop_early: setting.stops_early(),
        progress: None,
    });
    match quantity {
        Quantity::Time => {
            [prediction.duration.low, prediction.duration.median, prediction.duration.high].map(Seconds::get)
        }
        Quantity::Energy => [prediction.energy.low, prediction.energy.median, prediction.energy.high].map(Joules::get),
    }
}

/// A job of which nothing is known.
pub(crate) fn spec() -> JobSpec {
    let policy = PolicyId::new("patient").expect("a name");
    JobSpec::of_command(vec!["python".to_owned()], PathBuf::from("/"), "ada".to_owned(), policy)
}

/// Epochs one after the other.
pub(crate) fn reported(epochs: &[(f64, f64)]) -> Vec<Epoch> {
    let mut at = Timestamp::UNIX_EPOCH;
    let mut report = |(index, (seconds, joules)): (u32, &(f64, f64))| {
        let end = Seconds::saturating(*seconds).after(at);
        let window = Window::new(at, end).expect("start before end");
        at = end;
        Epoch { index, total: None, window, energy: Joules::saturating(*joules), source: EnergySource::Measured }
    };
    (1..).zip(epochs).map(&mut report).collect()
}
