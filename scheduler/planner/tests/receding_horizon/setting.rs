//! Seven grids, half a year of forecasts as issued, 756 jobs: the setting that whole policies are compared in. Each policy is
//! replayed hour by hour with nothing but what was known by then.

#![allow(dead_code, unreachable_pub, reason = "an example and a test use different parts of it")]

use std::path::Path;

use lowtide_planner::horizon::{Drift, Horizon, Lesson, Outlook, Recipe, Remaining};

pub const REGIONS: [&str; 7] = ["CISO", "DE", "ERCO", "NL", "PJM", "PL", "SE"];
/// Hours from arrival to deadline.
pub const WINDOW: usize = 48;
/// Known lengths: no price is too high for a miss.
const NEVER: f64 = 1e9;
/// The rule for predicted lengths: chance to miss that waiting may add, and the least price of a miss in hours at the mean.
pub const CHANCE: f64 = 0.02;
pub const LEAST_PRICE: f64 = 5.0;

pub struct Region {
    pub name: &'static str,
    pub measured: Vec<f64>,
    pub issues: Vec<(usize, Vec<f64>)>,
    /// Price of a start or a stop: a tenth of the mean intensity.
    pub change: f64,
}

/// A job as it arrived, and what was believed in each hour from then on.
pub struct Arrival {
    pub hour: usize,
    pub month: usize,
    /// Which half it counts to: every other day.
    pub half: usize,
    /// By how many hours after the arrival: the curves of each of the recipes, and the drift of the last.
    pub curves: Vec<[Vec<f64>; 3]>,
    pub drift: Vec<Drift>,
}

/// Which of an arrival's curves.
pub const RAW: usize = 0;
pub const BIAS: usize = 1;
pub const LEARNED: usize = 2;

impl Region {
    pub fn read(folder: &Path, name: &'static str) -> std::io::Result<Self> {
        let number = |text: &str| text.parse::<f64>().expect("a number");
        let text = std::fs::read_to_string(folder.join(format!("carbon/carboncast/{name}_2020-2021.csv")))?;
        let measured: Vec<f64> =
            text.lines().skip(1).map(|line| number(line.split(',').nth(1).expect("a column"))).collect();
        let text = std::fs::read_to_string(folder.join(format!("forecast/carboncast/{name}_lifecycle_96h.csv")))?;
        // Two rows of some regions bear the same time of issue: they count as written.
        let issues = text.lines().skip(1).map(|line| {
            let part = |from: usize| line[from..from + 2].parse::<usize>().expect("a date");
            let day = [0, 31, 62, 92, 123, 153][part(5) - 7] + part(8) - 1;
            (13_128 + 24 * day, line.split(',').skip(1).map(number).collect())
        });
        let issues = issues.collect();
        let change = 0.1 * measured.iter().sum::<f64>() / measured.len() as f64;
        Ok(Self { name, measured, issues, change })
    }

    /// Every `step`-th job, with all curves it needs.
    pub fn arrivals(&self, step: usize) -> Vec<Arrival> {
        let outlook = Outlook { first: 0, measured: &self.measured, issues: &self.issues };
        let mut lesson = Lesson::default();
        let mut arrivals = Vec::new();
        let jobs = (16..=175).step_by(3).enumerate().flat_map(|(day, issue)| [(day, issue, 2), (day, issue, 15)]);
        for (day, issue, hour) in jobs.step_by(step) {
            let hour = self.issues[issue].0 + hour;
            let mut arrival = Arrival { hour, month: month(hour), half: day % 2, curves: vec![], drift: vec![] };
            for now in hour..hour + WINDOW {
                let hours = hour + WINDOW - now;
                // A job may overlap with the one before it: what was learned for that one later is forgotten.
                let mut learned = lesson.clone();
                learned.learn(&outlook, now);
                let plain = |recipe| outlook.curve(now, hours, recipe).expect("more than a day was measured");
                let curve = learned.curve(&outlook, now, hours).expect("more than a day was measured");
                arrival.curves.push([plain(Recipe::RAW), plain(Recipe::BIAS), curve]);
                arrival.drift.push(learned.drift());
                if now == hour {
                    lesson = learned;
                }
            }
            arrivals.push(arrival);
        }
        arrivals
    }

    /// Cost of the hours run, with a price for every start and stop, the last stop too.
    pub fn cost(&self, arrival: usize, ran: &[bool]) -> f64 {
        let (mut sum, mut before) = (0.0, false);
        for (hour, run) in ran.iter().chain([&false]).enumerate() {
            sum += if *run { self.measured[arrival + hour] } else { 0.0 };
            sum += if *run == before { 0.0 } else { self.change };
            before = *run;
        }
        sum
    }

    /// Everything known: the optimum.
    pub fn optimum(&self, arrival: &Arrival, length: usize) -> f64 {
        let course = &self.measured[arrival.hour..arrival.hour + WINDOW];
        let ran = replay(length, |at, done, running| self.known(&course[at..], Drift::NONE, length - done, running));
        self.cost(arrival.hour, &ran)
    }

    fn known(&self, curve: &[f64], drift: Drift, left: usize, running: bool) -> bool {
        let remaining = Remaining::known(left);
        let horizon =
            Horizon { intensity: curve, drift, remaining: &remaining, change: self.change, running, miss: NEVER };
        horizon.decide().run
    }

    /// Re-planned each hour on one of the curves, with the length known.
    pub fn length_known(&self, arrival: &Arrival, length: usize, curve: usize) -> Vec<bool> {
        replay(length, |at, done, running| {
            let drift = if curve == LEARNED { arrival.drift[at] } else { Drift::NONE };
            self.known(&arrival.curves[at][curve], drift, length - done, running)
        })
    }

    /// The reference: planned for the median on the bias-corrected curve, and run without choice as soon as the time left is
    /// no more than a quantile of the total less the work done.
    pub fn with_reserve(&self, arrival: &Arrival, length: usize, z: f64, quantile: f64) -> Vec<bool> {
        let quantile = normal(quantile);
        replay(length, |at, done, running| {
            let (median, s) = predicted(length, done, z);
            let left = |total: f64| whole(total - done as f64);
            let curve = &arrival.curves[at][BIAS];
            curve.len() <= left(median * (quantile * s).exp())
                || curve.len() <= left(median)
                || self.known(curve, Drift::NONE, left(median), running)
        })
    }

    /// As [`Region::with_reserve`], but the median is planned to end so much before the deadline that the quantile has room:
    /// what the daemon's planner does for jobs that the rule is not for.
    pub fn with_the_end_moved(&self, arrival: &Arrival, length: usize, z: f64, quantile: f64) -> Vec<bool> {
        let quantile = normal(quantile);
        replay(length, |at, done, running| {
            let (median, s) = predicted(length, done, z);
            let left = |total: f64| whole(total - done as f64);
            let curve = &arrival.curves[at][BIAS];
            let reserve = left(median * (quantile * s).exp()) - left(median);
            let room = curve.len().saturating_sub(reserve);
            room <= left(median) || self.known(&curve[..room], Drift::NONE, left(median), running)
        })
    }

    /// The rule: a curve, the distribution of the length, a chance to miss. The learned curve comes with its drift.
    pub fn length_predicted(
        &self,
        arrival: &Arrival,
        length: usize,
        beliefs: &[Remaining],
        curve: usize,
        how: Rule,
    ) -> Vec<bool> {
        replay(length, |at, done, running| {
            let price = if let Rule::Price(hours) = how { hours } else { LEAST_PRICE };
            let horizon = Horizon {
                intensity: &arrival.curves[at][curve],
                drift: if curve == LEARNED { arrival.drift[at] } else { Drift::NONE },
                remaining: &beliefs[done],
                change: self.change,
                running,
                miss: price * 10.0 * self.change,
            };
            match how {
                Rule::Price(_) => horizon.decide().run,
                Rule::Chance(chance) => horizon.decide_within(chance).run,
            }
        })
    }
}

/// Runs a job hour by hour. `decide` is asked what to do so many hours after the arrival, with so many done, running or
/// not; after the deadline there is nothing to decide.
fn replay(length: usize, decide: impl Fn(usize, usize, bool) -> bool) -> Vec<bool> {
    let (mut ran, mut done) = (Vec::new(), 0);
    while done < length {
        let run = WINDOW <= ran.len() || decide(ran.len(), done, ran.last().copied().unwrap_or(false));
        done += usize::from(run);
        ran.push(run);
    }
    ran
}

/// What a miss counts.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// So many hours at the mean intensity.
    Price(f64),
    /// As much as makes this the chance that waiting may add.
    Chance(f64),
}

fn month(hour: usize) -> usize {
    [0, 31, 62, 92, 123, 153].iter().rposition(|days| 13_128 + 24 * days <= hour).expect("in the half year") + 7
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, at least 1, at most some hundred")]
fn whole(hours: f64) -> usize {
    (hours - 1e-9).ceil().max(1.0) as usize
}

/// Median and logarithmic spread of the total, predicted after so many hours done.
fn predicted(length: usize, done: usize, z: f64) -> (f64, f64) {
    let s = 0.4 * (1.0 - done as f64 / length as f64);
    (length as f64 * (s * z).exp(), s)
}

/// The twenty quantiles that errors of prediction are replayed for.
pub fn errors() -> Vec<f64> {
    (0..20).map(|at| normal(0.025 + 0.05 * f64::from(at))).collect()
}

/// What is believed to be left after each hour done: the lognormal distribution of the total, of which only what has not
/// been outlived remains.
pub fn beliefs(length: usize, z: f64) -> Vec<Remaining> {
    let belief = |done: usize| {
        let (median, s) = predicted(length, done, z);
        let totals = (0..100).map(|at| median * (s * normal((f64::from(at) + 0.5) / 100.0)).exp() - done as f64);
        let left: Vec<f64> = totals.filter(|left| 1e-9 < *left).map(|left| left - 1e-9).collect();
        Remaining::from_equal_quantiles(&left)
    };
    (0..length).map(belief).collect()
}

/// The standard normal quantile, by bisection of the series of its integral.
pub fn normal(quantile: f64) -> f64 {
    let below = |x: f64| {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while 1e-15 < f64::abs(term) {
            n += 1.0;
            term *= x * x / (2.0 * n + 1.0);
            sum += term;
        }
        0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
    };
    let (mut low, mut high) = (-6.0, 6.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if below(middle) < quantile { low = middle } else { high = middle }
    }
    low
}

/// What a policy came to in one region, at one length.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Sum of cost over optimum and of jobs, by half.
    pub ratio: [(f64, f64); 2],
    pub late: f64,
    /// Sum of costs and of those of running at once, by month from July on.
    pub months: [(f64, f64); 6],
}

impl Tally {
    pub fn add(&mut self, region: &Region, arrival: &Arrival, optimum: f64, length: usize, share: f64, ran: &[bool]) {
        let cost = region.cost(arrival.hour, ran);
        let half = &mut self.ratio[arrival.half];
        half.0 += share * cost / optimum;
        half.1 += share;
        self.late += if WINDOW < ran.len() { share } else { 0.0 };
        let month = &mut self.months[arrival.month - 7];
        month.0 += share * cost;
        month.1 += share * region.cost(arrival.hour, &vec![true; length]);
    }

    pub fn mean(&self) -> f64 {
        (self.ratio[0].0 + self.ratio[1].0) / (self.ratio[0].1 + self.ratio[1].1)
    }

    pub fn half(&self, half: usize) -> f64 {
        self.ratio[half].0 / self.ratio[half].1
    }

    pub fn misses(&self) -> f64 {
        self.late / (self.ratio[0].1 + self.ratio[1].1)
    }
}

/// A policy: given the region, arrival, length and error of prediction with its beliefs.
pub type Policy<'a> = &'a (dyn Fn(&Region, &Arrival, usize, f64, &[Remaining]) -> Vec<bool> + Sync);

/// Replays a policy on all regions, in parallel, for both lengths. Policies that know the length take one error, 0.
pub fn tally(regions: &[(Region, Vec<Arrival>)], errors: &[f64], policy: Policy) -> Vec<[Tally; 2]> {
    let beliefs: Vec<[Vec<Remaining>; 2]> = errors.iter().map(|z| [beliefs(12, *z), beliefs(24, *z)]).collect();
    let one = |(region, arrivals): &(Region, Vec<Arrival>)| {
        let mut tallies = [Tally::default(), Tally::default()];
        for arrival in arrivals {
            for (at, length) in [12, 24].into_iter().enumerate() {
                let optimum = region.optimum(arrival, length);
                for (z, beliefs) in errors.iter().zip(&beliefs) {
                    let ran = policy(region, arrival, length, *z, &beliefs[at]);
                    tallies[at].add(region, arrival, optimum, length, 1.0 / errors.len() as f64, &ran);
                }
            }
        }
        tallies
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = regions.iter().map(|region| scope.spawn(move || one(region))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a policy does not panic")).collect()
    })
}

/// The regions with every `step`-th job.
pub fn load(folder: &Path, step: usize) -> std::io::Result<Vec<(Region, Vec<Arrival>)>> {
    let regions = REGIONS.into_iter().map(|name| Region::read(folder, name)).collect::<Result<Vec<_>, _>>()?;
    Ok(std::thread::scope(|scope| {
        let read = |region: Region| {
            let arrivals = region.arrivals(step);
            (region, arrivals)
        };
        let threads: Vec<_> = regions.into_iter().map(|region| scope.spawn(move || read(region))).collect();
        threads.into_iter().map(|thread| thread.join().expect("curves are made of what is there")).collect()
    }))
}
