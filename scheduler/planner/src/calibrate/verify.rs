//! What forecasts were worth: their errors by lead hour, and what they cost the jobs that followed them.
//!
//! The second is what counts: a forecast that is wrong by the same amount at every hour costs nothing, one that is right on
//! average and confuses the hours costs all. Regret is the footprint of the hours chosen, over that of the best hours.

use jiff::Timestamp;

use super::archive::{Archive, Hour, LEADS, hour_of, start_of};
use super::correct::LeadError;
use super::profile::Profile;

/// Lead hours that are told together.
const GROUPS: [(usize, usize); 5] = [(0, 6), (6, 12), (12, 24), (24, 48), (48, 96)];
/// Hours in which a job of the regret may be placed, at most.
const PLACED_WITHIN: usize = 24;
/// A forecast that reaches less far is not asked where to place a job.
const SHORTEST_REACH: usize = 6;

/// How the forecasts of a zone came true.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// Issues of which something was measured since.
    pub issues: usize,
    /// The first and the last of them.
    pub between: Option<(Timestamp, Timestamp)>,
    /// Errors by lead hour.
    pub leads: Vec<LeadErrors>,
    /// What following them would have cost.
    pub regret: Vec<Regret>,
}

/// Errors of some lead hours, in g/kWh: forecast minus measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeadErrors {
    /// From this lead hour on.
    pub from: usize,
    /// Up to and without this one.
    pub to: usize,
    /// Hours that were forecast and measured.
    pub hours: usize,
    /// Mean error as issued.
    pub bias: f64,
    /// Mean absolute error as issued.
    pub absolute: f64,
    /// The same relative to the measured mean.
    pub relative: f64,
    /// Mean absolute error after correction by the mean error of fourteen issues, as known at the time; `None` where nothing could be
    /// corrected.
    pub corrected: Option<f64>,
    /// Share of the measured hours that lay in the 90 % band; `None` where there was no band.
    pub covered: Option<f64>,
}

/// What following a forecast cost, against knowing everything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regret {
    /// `as issued`, `corrected` or `profile`.
    pub of: &'static str,
    /// Jobs that were placed, one for each issue.
    pub jobs: usize,
    /// A job of four hours in one piece: footprint over the least possible, less one.
    pub contiguous: f64,
    /// The share of the saving over running at once that it kept.
    pub contiguous_kept: f64,
    /// A job of half the hours, in pieces.
    pub interruptible: f64,
    /// The same share for it.
    pub interruptible_kept: f64,
}

impl Archive {
    /// How the forecasts came true, as far as it was measured by `now`.
    #[must_use]
    pub fn verify(&self, now: Timestamp) -> Verification {
        let now = hour_of(now);
        let mut sums = [Sums::default(); GROUPS.len()];
        let mut placed = [Placed::default(); 3];
        let mut settled = Vec::new();
        for (issued, leads) in self.issues() {
            let measured: Vec<Option<f64>> =
                (0..).take(LEADS).map(|lead: Hour| self.measured(issued + lead, now)).collect();
            if !measured.iter().zip(leads).any(|(measured, told)| measured.is_some() && told.is_finite()) {
                continue;
            }
            settled.push(issued);
            let errors = self.lead_errors(issued, issued);
            for (group, sums) in GROUPS.iter().zip(&mut sums) {
                for lead in group.0..group.1 {
                    if let Some(measured) = measured[lead].filter(|_| leads[lead].is_finite()) {
                        sums.add(f64::from(leads[lead]), measured, errors[lead].as_ref());
                    }
                }
            }
            self.place(issued, leads, &measured, &errors, &mut placed);
        }
        let between = settled.first().zip(settled.last()).map(|(first, last)| (start_of(*first), start_of(*last)));
        let leads = GROUPS.iter().zip(sums).filter_map(|(group, sums)| sums.errors(*group)).collect();
        let regret = ["as issued", "corrected", "profile"];
        let regret = regret.into_iter().zip(placed).filter_map(|(of, placed)| placed.regret(of)).collect();
        Verification { issues: settled.len(), between, leads, regret }
    }

    /// Places two jobs at the hour of an issue by what it told, by that corrected, and by the profile.
    fn place(
        &self,
        issued: Hour,
        leads: &[f32],
        measured: &[Option<f64>],
        errors: &[Option<LeadError>],
        placed: &mut [Placed; 3],
    ) {
        let reach = leads.iter().zip(measured).take_while(|(told, measured)| told.is_finite() && measured.is_some());
        let reach = reach.count().min(PLACED_WITHIN);
        if reach < SHORTEST_REACH {
            return;
        }
        let actual: Vec<f64> = measured[..reach].iter().copied().flatten().collect();
        let raw: Vec<f64> = leads[..reach].iter().map(|told| f64::from(*told)).collect();
        let corrected: Option<Vec<f64>> =
            raw.iter().zip(errors).map(|(told, error)| Some(told - error.as_ref()?.mean)).collect();
        let profile = Profile::of(self, issued);
        let profile: Option<Vec<f64>> = (issued..).take(reach).map(|hour| profile.at_hour_of_day(hour)).collect();
        // All three are asked the same questions, or none is.
        let (Some(corrected), Some(profile)) = (corrected, profile) else { return };
        for (believed, placed) in [&raw, &corrected, &profile].into_iter().zip(placed) {
            placed.add(believed, &actual);
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    hours: usize,
    error: f64,
    absolute: f64,
    measured: f64,
    corrected: f64,
    corrected_hours: usize,
    covered: usize,
    banded: usize,
}

impl Sums {
    fn add(&mut self, told: f64, measured: f64, error: Option<&LeadError>) {
        self.hours += 1;
        self.error += told - measured;
        self.absolute += (told - measured).abs();
        self.measured += measured;
        if let Some(error) = error {
            let corrected = (told - error.mean).max(0.0);
            self.corrected += (corrected - measured).abs();
            self.corrected_hours += 1;
            if let Some((low, high)) = error.band {
                self.banded += 1;
                self.covered += usize::from((corrected + low..=corrected + high).contains(&measured));
            }
        }
    }

    fn errors(self, (from, to): (usize, usize)) -> Option<LeadErrors> {
        let share = |sum: f64, count: usize| (0 < count).then(|| sum / count as f64);
        Some(LeadErrors {
            from,
            to,
            hours: self.hours,
            bias: share(self.error, self.hours)?,
            absolute: share(self.absolute, self.hours)?,
            relative: if self.measured > 0.0 { self.absolute / self.measured } else { 0.0 },
            corrected: share(self.corrected, self.corrected_hours),
            covered: share(self.covered as f64, self.banded),
        })
    }
}

/// Footprints of jobs at 1 kW, in g: at once, as placed, and at best.
#[derive(Debug, Clone, Copy, Default)]
struct Placed {
    jobs: usize,
    contiguous: [f64; 3],
    interruptible: [f64; 3],
}

impl Placed {
    fn add(&mut self, believed: &[f64], actual: &[f64]) {
        self.jobs += 1;
        let length = (actual.len() / 2).min(4);
        let piece = |at: usize| actual[at..at + length].iter().sum::<f64>();
        for (sum, value) in self.contiguous.iter_mut().zip([
            piece(0),
            piece(cleanest_start(believed, length)),
            piece(cleanest_start(actual, length)),
        ]) {
            *sum += value;
        }
        let half = actual.len() / 2;
        let hours = |chosen: Vec<usize>| chosen.into_iter().map(|hour| actual[hour]).sum::<f64>();
        for (sum, value) in self.interruptible.iter_mut().zip([
            actual[..half].iter().sum(),
            hours(cleanest_hours(believed, half)),
            hours(cleanest_hours(actual, half)),
        ]) {
            *sum += value;
        }
    }

    fn regret(self, of: &'static str) -> Option<Regret> {
        let over = |[_, placed, best]: [f64; 3]| if best > 0.0 { placed / best - 1.0 } else { 0.0 };
        let kept = |[at_once, placed, best]: [f64; 3]| {
            if at_once > best { (at_once - placed) / (at_once - best) } else { 1.0 }
        };
        (0 < self.jobs).then(|| Regret {
            of,
            jobs: self.jobs,
            contiguous: over(self.contiguous),
            contiguous_kept: kept(self.contiguous),
            interruptible: over(self.interruptible),
            interruptible_kept: kept(self.interruptible),
        })
    }
}

/// Where the `length` hours with the least sum begin; the earliest of equals.
fn cleanest_start(values: &[f64], length: usize) -> usize {
    let sum = |at: usize| values[at..at + length].iter().sum::<f64>();
    let mut best = 0;
    for at in 1..=values.len() - length {
        if sum(at) < sum(best) {
            best = at;
        }
    }
    best
}

/// The `count` cleanest hours; the earliest of equals.
fn cleanest_hours(values: &[f64], count: usize) -> Vec<usize> {
    let mut hours: Vec<usize> = (0..values.len()).collect();
    hours.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    hours.truncate(count);
    hours
}
