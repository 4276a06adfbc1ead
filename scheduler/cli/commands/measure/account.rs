//! What is known of a measured command: epochs, predictions, footprint; and whether it may run on.

use std::time::Duration;

use jiff::Timestamp;
use lowtide_agent::{Happening, Verdict};
use lowtide_api::v1::job::{EpochView, EstimateView, Interval};
use lowtide_meters::{Activity, Meter, MeterConfig};
use lowtide_model::event::AttemptReport;
use lowtide_model::forecast::Kind;
use lowtide_model::job::{EnergySource, Epoch, EpochProgress, Exit, JobSpec};
use lowtide_model::quantity::{GramsCo2e, Joules, Pue, Seconds};
use lowtide_model::window::Window;
use lowtide_planner::curve::IntensityCurve;
use lowtide_planner::equivalents::equivalents;
use lowtide_planner::predict::{Observed, Progress, predict};

use super::grid::LiveGrid;
use super::journal::Journal;
use super::summary::{Actual, Coming, Ended, EquivalentView, Hour, Intensity, Summary};
use crate::follow::epoch_line;
use crate::output::words::{self, Clock};
use crate::printer::Printer;

/// How long the first answer of a provider is waited for when the command is over already.
const LAST_WAIT: Duration = Duration::from_secs(3);
/// Hours ahead that are shown, and within which a better start is looked for.
const HOURS_SHOWN: i64 = 24;
/// A later start is mentioned where it would have saved this share.
const WORTH_MENTIONING: f64 = 0.05;

/// When a command is ended, or its user asked.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Bounds {
    /// Ask after the first epoch.
    pub(super) confirm: bool,
    /// The footprint above which it is ended.
    pub(super) footprint: Option<GramsCo2e>,
    /// The energy above which it is ended.
    pub(super) energy: Option<Joules>,
}

/// What is known of the command so far.
pub(super) struct Account<'a> {
    spec: &'a JobSpec,
    printer: Printer,
    clock: Clock,
    pue: Pue,
    bounds: Bounds,
    grid: LiveGrid,
    journal: Option<Journal>,
    started: Option<Timestamp>,
    epochs: Vec<Epoch>,
    estimates: Vec<EstimateView>,
    warnings: Vec<String>,
    ran: Seconds,
    energy: Joules,
    ended: Option<Ended>,
    shown_grid: bool,
    asked: bool,
}

impl<'a> Account<'a> {
    pub(super) fn new(
        spec: &'a JobSpec,
        printer: Printer,
        clock: Clock,
        pue: Pue,
        bounds: Bounds,
        grid: LiveGrid,
        journal: Option<Journal>,
    ) -> Self {
        let mut account = Self {
            spec,
            printer,
            clock,
            pue,
            bounds,
            grid,
            journal,
            started: None,
            epochs: Vec::new(),
            estimates: Vec::new(),
            warnings: Vec::new(),
            ran: Seconds::ZERO,
            energy: Joules::ZERO,
            ended: None,
            shown_grid: false,
            asked: false,
        };
        account.log(&format!("lowtide {}: {}", env!("CARGO_PKG_VERSION"), spec.command.join(" ")));
        account
    }

    /// Takes in what happens, and says what is to become of the command.
    pub(super) fn judge(&mut self, happening: Happening<'_>) -> Verdict {
        if self.grid.refresh() && !self.shown_grid {
            self.show_grid();
        }
        match happening {
            Happening::Report(report) => self.take(report),
            Happening::Metered(energy) => {
                self.energy = energy;
                self.over_bounds(None)
            }
            Happening::Answered(true) => {
                self.say("Going on");
                Verdict::GoOn
            }
            Happening::Answered(false) => {
                self.ended = Some(Ended::Answer);
                self.say("Ended, as you said");
                Verdict::End
            }
        }
    }

    fn take(&mut self, report: &AttemptReport) -> Verdict {
        match report {
            AttemptReport::Started { at } => self.started = Some(*at),
            AttemptReport::Warning { at: _, message } | AttemptReport::PowerCapRefused { at: _, message } => {
                self.warn(message.clone());
            }
            AttemptReport::Epoch(epoch) => return self.epoch(epoch),
            AttemptReport::Progress(progress) => return self.progress(*progress),
            AttemptReport::Exited { at, exit: _, energy, asked_to_leave: _ } => {
                self.ran = Seconds::between(self.began(*at), *at);
                self.energy = *energy;
            }
        }
        Verdict::GoOn
    }

    /// A long epoch says how far it is: what it comes to may be known long before it ends.
    fn progress(&mut self, progress: EpochProgress) -> Verdict {
        let Some(estimate) = self.estimate(progress.at, Some(progress)) else { return Verdict::GoOn };
        if self.epochs.is_empty() {
            let share = words::percent(progress.share);
            self.say(&format!(
                "Epoch {}, {share} done; in all about {}",
                progress.index,
                words::footprint(&estimate.footprint_g)
            ));
        }
        self.over_bounds(Some(&estimate))
    }

    fn epoch(&mut self, epoch: &Epoch) -> Verdict {
        self.epochs.push(epoch.clone());
        let at = epoch.window.end();
        let estimate = self.estimate(at, None);
        let line = epoch_line(&epoch_view(epoch), self.epochs_total(), estimate.as_ref());
        self.say(&line);
        let first = estimate.as_ref().filter(|_| self.epochs.len() == 1);
        if let Some(advice) = first.and_then(|estimate| self.later_start(at, estimate)) {
            self.say(&advice);
        }
        let verdict = self.over_bounds(estimate.as_ref());
        self.estimates.extend(estimate);
        self.keep_account();
        if verdict == Verdict::GoOn && self.bounds.confirm && !self.asked {
            self.asked = true;
            return Verdict::Ask(match self.estimates.last() {
                Some(EstimateView { duration_s, energy_kwh, footprint_g, .. }) => format!(
                    "In all about {}, {}, {}. Go on?",
                    words::duration(duration_s.median),
                    words::energy(energy_kwh.median),
                    words::footprint(footprint_g)
                ),
                None => "How many epochs there are is not known (--epochs N says it), so nothing is predicted. Go on?"
                    .to_owned(),
            });
        }
        verdict
    }

    /// Whether what was used, or will be, is more than may be.
    fn over_bounds(&mut self, estimate: Option<&EstimateView>) -> Verdict {
        let used_kwh = self.energy.kwh().max(self.epochs.iter().map(|epoch| epoch.energy).sum::<Joules>().kwh());
        let predicted_kwh = estimate.map(|estimate| estimate.energy_kwh.median);
        let now = self.epochs.last().map_or_else(Timestamp::now, |epoch| epoch.window.end());
        let mean = self.curve(now).and_then(|curve| Some(curve.mean(Window::new(self.began(now), now).ok()?)));
        let used_g = mean.map(|mean| used_kwh * self.pue.get() * mean.get());
        let predicted_g = estimate.map(|estimate| estimate.footprint_g.median);
        let over = |bound: Option<f64>, used: Option<f64>, predicted: Option<f64>| {
            let bound = bound?;
            let passed = |value: Option<f64>| value.filter(|value| bound < *value);
            passed(used)
                .map(|used| (bound, used, false))
                .or(passed(predicted).map(|predicted| (bound, predicted, true)))
        };
        let footprint = over(self.bounds.footprint.map(GramsCo2e::get), used_g, predicted_g)
            .map(|(bound, value, predicted)| (words::grams(bound), words::grams(value), predicted));
        let energy = over(self.bounds.energy.map(Joules::kwh), Some(used_kwh), predicted_kwh)
            .map(|(bound, value, predicted)| (words::energy(bound), words::energy(value), predicted));
        let Some((bound, value, predicted)) = footprint.or(energy).filter(|_| self.ended.is_none()) else {
            return Verdict::GoOn;
        };
        let fact =
            if predicted { format!("it would come to {value} in all") } else { format!("it has come to {value}") };
        self.ended = Some(Ended::Limit);
        self.warn(format!("the command is asked to end: {fact}, and {bound} is the most it may"));
        Verdict::End
    }

    fn epochs_total(&self) -> Option<u32> {
        self.epochs.iter().filter_map(|epoch| epoch.total).next_back().or(self.spec.epochs)
    }

    fn began(&self, otherwise: Timestamp) -> Timestamp {
        self.started.unwrap_or(otherwise)
    }

    fn curve(&self, now: Timestamp) -> Option<IntensityCurve> {
        self.grid.curve(self.began(now), now)
    }

    /// The whole, by the predictor of the queue. Without a number of epochs there is no whole to predict.
    fn estimate(&mut self, at: Timestamp, progress: Option<EpochProgress>) -> Option<EstimateView> {
        let total = self.epochs_total()?;
        let under_way = progress.map_or(Joules::ZERO, |progress| progress.energy);
        let used = self.epochs.iter().map(|epoch| epoch.energy).sum::<Joules>() + under_way;
        let prediction = predict(&Observed {
            spec: self.spec,
            epochs: &self.epochs,
            epochs_total: Some(total),
            epochs_done: self.epochs.last().map_or(0, |epoch| epoch.index),
            ran: Seconds::between(self.began(at), at),
            energy_so_far: used,
            history: &[],
            may_stop_early: self.spec.may_stop_early,
            progress: progress.map(|EpochProgress { index: _, at: _, share, ran, energy }| Progress {
                share,
                ran,
                energy,
            }),
        });
        if self.grid.source().is_none() {
            self.grid.wait(LAST_WAIT);
        }
        let curve = self.curve(at)?;
        let in_epochs: GramsCo2e =
            self.epochs.iter().map(|epoch| curve.integrate(epoch.energy, epoch.window).median).sum();
        let since = progress.and_then(|progress| Window::new(progress.ran.before(at), at).ok());
        let done = in_epochs + since.map_or(GramsCo2e::ZERO, |since| curve.integrate(under_way, since).median);
        let ahead = Window::new(at, prediction.remaining.median.after(at)).ok();
        let intensity = ahead.map(|ahead| curve.mean_interval(ahead));
        let energy = prediction.remaining_energy;
        let come = intensity.map_or(Interval { median: 0.0, low: 0.0, high: 0.0 }, |intensity| {
            // Two errors without a common cause: their relative widths add in quadrature.
            let median = energy.median.kwh() * intensity.median.get();
            let share = |part: f64, whole: f64| if 0.0 < whole { (part - whole).abs() / whole } else { 0.0 };
            let width = |energy_end: Joules, intensity_end: f64| {
                share(energy_end.kwh(), energy.median.kwh()).hypot(share(intensity_end, intensity.median.get()))
            };
            Interval {
                median,
                low: median * (1.0 - width(energy.low, intensity.low.get())).max(0.0),
                high: median * (1.0 + width(energy.high, intensity.high.get())),
            }
        });
        let with_pue = |grams: f64| (done.get() + grams) * self.pue.get();
        Some(EstimateView {
            at,
            after_epoch: prediction.after_epoch,
            source: "measured".to_owned(),
            duration_s: Interval::seconds(&prediction.duration),
            energy_kwh: Interval::kwh(&prediction.energy),
            footprint_g: Interval { median: with_pue(come.median), low: with_pue(come.low), high: with_pue(come.high) },
        })
    }

    /// What the same command would have emitted if begun at a better hour of the next day, where that is worth a word.
    fn later_start(&self, at: Timestamp, estimate: &EstimateView) -> Option<String> {
        let curve = self.curve(at).filter(|_| self.grid.has_hours())?;
        let length = Seconds::saturating(estimate.duration_s.median);
        let mean = |start: Timestamp| Some(curve.mean(Window::new(start, length.after(start)).ok()?).get());
        let now = mean(self.began(at)).filter(|mean| 0.0 < *mean)?;
        let (start, best) = (1..=HOURS_SHOWN)
            .filter_map(|hours| {
                let start = full_hour(at)?.checked_add(jiff::SignedDuration::from_hours(hours)).ok()?;
                Some((start, mean(start)?))
            })
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        let saving = 1.0 - best / now;
        (WORTH_MENTIONING <= saving).then(|| {
            format!(
                "Begun {} it would emit {} less; `lowtide submit` waits for such hours",
                words::moment(start, &self.clock),
                words::percent(saving)
            )
        })
    }

    /// The intensity now and over the coming hours, once.
    fn show_grid(&mut self) {
        self.shown_grid = true;
        let now = Timestamp::now();
        let Some(coming) = self.coming(now) else { return };
        let Some((zone, _)) = self.grid.zone.clone() else { return };
        let source = self.grid.source().unwrap_or_default();
        let text = coming.text(&zone, &source, &self.clock);
        self.say(&text);
    }

    fn coming(&self, now: Timestamp) -> Option<Coming> {
        if !self.grid.has_hours() {
            return None;
        }
        let curve = self.curve(now)?;
        let hour = |hours: i64| {
            let start = full_hour(now)?.checked_add(jiff::SignedDuration::from_hours(hours)).ok()?;
            let window = Window::new(start, Seconds::from_hours(1.0).after(start)).ok()?;
            Some(Hour {
                start,
                intensity_g_per_kwh: curve.mean(window).get(),
                kind: lowtide_api::v1::job::kind_name(curve.weakest_kind(window)),
            })
        };
        let hours: Vec<Hour> = (0..HOURS_SHOWN).filter_map(hour).collect();
        Some(Coming { now_g_per_kwh: curve.at(now).get(), hours })
    }

    /// The account of a command that is over.
    pub(super) fn settle(mut self, exit: Exit) -> Summary {
        self.grid.refresh();
        self.grid.wait(LAST_WAIT);
        if !self.shown_grid {
            self.show_grid();
        }
        if self.grid.source().is_none() {
            let why = self.grid.problem.clone().unwrap_or_default();
            self.warn(format!("no footprint is told: the intensity is not known: {why}"));
        }
        let summary = self.summary(Some(exit));
        self.log(summary.text(usize::MAX).trim_end());
        self.keep(&summary);
        summary
    }

    fn summary(&self, exit: Option<Exit>) -> Summary {
        let latest = self.epochs.last().map(|epoch| epoch.window.end());
        let start = self.started.or(latest).unwrap_or_else(Timestamp::now);
        let end = if exit.is_some() { self.ran.after(start) } else { latest.unwrap_or(start) };
        let in_epochs: Joules = self.epochs.iter().map(|epoch| epoch.energy).sum();
        let energy = self.energy.max(in_epochs);
        let (footprint, kind) = self.footprint(start, end, energy.minus(in_epochs));
        let source = self.epochs.iter().map(|epoch| epoch.source).max().unwrap_or_else(meter_source);
        let footprint_g = footprint.map(GramsCo2e::get);
        let mean = footprint_g.map(|grams| grams / (energy.kwh() * self.pue.get())).filter(|mean| mean.is_finite());
        let intensity =
            self.grid.zone.as_ref().zip(self.grid.source()).map(|((zone, zone_origin), source)| Intensity {
                zone: zone.clone(),
                zone_origin: zone_origin.clone(),
                g_per_kwh: mean,
                kind,
                source,
                problem: self.grid.problem.clone().filter(|_| !self.grid.has_hours()),
                coming: self.coming(end),
            });
        Summary {
            command: self.spec.command.clone(),
            started_at: start,
            exit_code: exit.map(Exit::shell_code),
            ended_by: self.ended,
            epochs_total: self.epochs_total(),
            epochs: self.epochs.iter().map(epoch_view).collect(),
            estimates: self.estimates.clone(),
            actual: Actual {
                duration_s: Seconds::between(start, end).get(),
                energy_kwh: energy.kwh(),
                energy_source: source_name(source),
                pue: self.pue.get(),
                footprint_g,
            },
            intensity,
            equivalents: equivalents(footprint, energy.times(self.pue.get()))
                .into_iter()
                .map(EquivalentView::of)
                .collect(),
            warnings: self.warnings.clone(),
        }
    }

    /// Operational footprint: each epoch at the intensity of its own time, the rest at that of the whole run.
    fn footprint(&self, start: Timestamp, end: Timestamp, rest: Joules) -> (Option<GramsCo2e>, Option<&'static str>) {
        let Some(curve) = self.curve(end) else { return (None, None) };
        let of_epochs: GramsCo2e =
            self.epochs.iter().map(|epoch| curve.integrate(epoch.energy, epoch.window).median).sum();
        // A command may end within the clock's last digit.
        let whole = Window::new(start, end.max(Seconds::saturating(0.001).after(start))).ok();
        let of_rest = whole.map_or(GramsCo2e::ZERO, |whole| curve.integrate(rest, whole).median);
        let kind: Option<Kind> = whole.map(|whole| curve.weakest_kind(whole));
        (Some((of_epochs + of_rest).times(self.pue.get())), kind.map(lowtide_api::v1::job::kind_name))
    }

    /// For the user and the log.
    fn say(&mut self, text: &str) {
        self.printer.note(text);
        self.log(text);
    }

    fn warn(&mut self, text: String) {
        self.printer.warning(&text);
        self.log(&format!("warning: {text}"));
        self.warnings.push(text);
    }

    fn log(&mut self, text: &str) {
        let fault = self.journal.as_mut().and_then(|journal| journal.line(Timestamp::now(), text));
        self.complain(fault);
    }

    fn keep_account(&mut self) {
        if self.journal.is_some() {
            let summary = self.summary(None);
            self.keep(&summary);
        }
    }

    fn keep(&mut self, summary: &Summary) {
        let fault = self.journal.as_mut().and_then(|journal| journal.account(summary));
        self.complain(fault);
    }

    fn complain(&mut self, fault: Option<String>) {
        if let Some(fault) = fault {
            self.printer.warning(&fault);
            self.warnings.push(fault);
        }
    }
}

fn full_hour(at: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(at.as_second().div_euclid(3600) * 3600).ok()
}

/// What this machine's meter rests on, for a command that told of no epoch.
fn meter_source() -> EnergySource {
    let mut meter = Meter::open(&MeterConfig::from_environment(|name| std::env::var(name).ok()));
    let idle = Activity::default();
    meter.read(Duration::ZERO, &idle);
    meter.read(Duration::from_millis(1), &idle).source
}

fn epoch_view(epoch: &Epoch) -> EpochView {
    let Epoch { index, total: _, window, energy, source } = epoch;
    EpochView {
        index: *index,
        attempt: 1,
        start: window.start(),
        duration_s: window.duration().get(),
        energy_kwh: energy.kwh(),
        energy_source: source_name(*source).to_owned(),
    }
}

const fn source_name(source: EnergySource) -> &'static str {
    match source {
        EnergySource::Measured => "measured",
        EnergySource::Shared => "shared",
        EnergySource::Mixed => "mixed",
        EnergySource::Modelled => "modelled",
    }
}
