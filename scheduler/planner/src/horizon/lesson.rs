//! What the present hour, the days before and the forecast's own spread tell beyond the forecast: a small regression that
//! learns from each day that has come true.
//!
//! To the corrected forecast of a lead of `k` hours four terms are added, each with a learned weight: the present error
//! fading fast (`0.8^k`) and slowly (`0.99^k`); the distance of the mean of the last seven days by hour of day, and that of
//! the forecast from its own mean, both growing with the lead (`k/48`). The last one shrinks a forecast that is less sure
//! of far hours than it looks. Weights are those of a ridge regression (Hoerl and Kennard, 1970) towards 0, that is towards
//! the corrected forecast, over all hours since the beginning, fading by 1.5 % a day. Nothing is looked at before it was
//! measured.

use super::drift::Drift;
use super::outlook::{Outlook, Recipe};

/// Leads that are learned from, and the furthest that an hour is planned for in the setting it was made for.
const LEADS: usize = 48;
/// From this lead on errors count as those after long.
const LONG: usize = 20;
/// Issues before the first lesson: fewer correct nothing yet.
const FIRST_ISSUES: usize = 3;
/// What a day's rows weigh against those of the day after.
const FADING: f64 = 0.985;
/// What an hour leaves of the present error, fading fast and slowly.
const FAST: f64 = 0.8;
const SLOW: f64 = 0.99;
/// Weight of the wish to be 0, in rows of a term as large as a tenth of the mean intensity: a day and four days of rows.
const PENALTIES: [f64; TERMS] = [700.0, 700.0, 2300.0, 2300.0];
const TERMS: usize = 4;
/// What an error keeps from hour to hour. Errors of the seven zones grow with the lead as those of such a walk.
const PERSISTENCE: f64 = 0.95;

/// Learns hour by hour of one zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// The next hour to learn from.
    next: Option<usize>,
    /// When it was last learned.
    day: usize,
    squares: [[f64; TERMS]; TERMS],
    products: [f64; TERMS],
    weights: [f64; TERMS],
    error: f64,
    errors: f64,
}

impl Default for Lesson {
    fn default() -> Self {
        let squares = [[0.0; TERMS]; TERMS];
        Self { next: None, day: 0, squares, products: [0.0; TERMS], weights: [0.0; TERMS], error: 0.0, errors: 0.0 }
    }
}

impl Lesson {
    /// Whether a day has gone by since it last learned, or it never has.
    #[must_use]
    pub const fn is_due(&self, now: usize) -> bool {
        self.day + 24 <= now
    }

    /// Learns, day by day, from all hours whose next 48 were measured by the hour `now`. To be called at any hours in order;
    /// once a day is enough.
    pub fn learn(&mut self, outlook: &Outlook, now: usize) {
        let Some((first, _)) = outlook.issues.get(FIRST_ISSUES) else { return };
        let lesson = self.next.get_or_insert(first + 24);
        let mut next = *lesson;
        self.day = self.day.max(first + 48);
        let now = now.min((outlook.first + outlook.measured.len()).saturating_sub(1));
        while self.day + 24 <= now {
            self.day += 24;
            self.fade();
            while next + LEADS <= self.day {
                self.take_in(outlook, next);
                next += 1;
            }
            let Some(mean) = outlook.mean_before(self.day) else { continue };
            let unit = 0.1 * mean;
            self.weights = solve(self.squares, self.products, unit * unit);
        }
        self.next = Some(next);
    }

    /// The curve as by [`Outlook::curve`], and what was learned added to it.
    #[must_use]
    pub fn curve(&self, outlook: &Outlook, now: usize, hours: usize) -> Option<Vec<f64>> {
        let told = outlook.told(now, hours.max(LEADS), Recipe::FADING)?;
        let seen = Seen::of(outlook, now, &told);
        let believed = |lead: usize| {
            if lead == 0 && seen.present == now {
                return told[0] + seen.off;
            }
            let terms = seen.terms(outlook, &told, lead);
            told[lead] + terms.iter().zip(self.weights).map(|(term, weight)| term * weight).sum::<f64>()
        };
        Some((0..hours).map(believed).collect())
    }

    /// How far the intensity will wander from that curve; not at all where nothing was learned yet.
    #[must_use]
    pub fn drift(&self) -> Drift {
        if self.errors <= 0.0 {
            return Drift::NONE;
        }
        Drift { spread: (self.error / self.errors).sqrt(), persistence: PERSISTENCE }
    }

    fn fade(&mut self) {
        let all = self.squares.iter_mut().flatten().chain(&mut self.products);
        for sum in all.chain([&mut self.error, &mut self.errors]) {
            *sum *= FADING;
        }
    }

    /// Learns from the forecast of one hour that was measured, of every other lead.
    fn take_in(&mut self, outlook: &Outlook, hour: usize) {
        let Some(told) = outlook.told(hour, LEADS, Recipe::FADING) else { return };
        let seen = Seen::of(outlook, hour, &told);
        if seen.present != hour {
            return;
        }
        for lead in (1..LEADS).step_by(2) {
            let Some(measured) = outlook.measured(hour + lead) else { continue };
            let terms = seen.terms(outlook, &told, lead);
            let off = measured - told[lead];
            if LONG <= lead {
                // What was believed then is not known any more; what would be believed by the day's weights comes near.
                let rest = off - terms.iter().zip(self.weights).map(|(term, weight)| term * weight).sum::<f64>();
                self.error += rest * rest;
                self.errors += 1.0;
            }
            for (row, term) in terms.iter().enumerate() {
                self.products[row] += term * off;
                for (square, other) in self.squares[row].iter_mut().zip(terms) {
                    *square += term * other;
                }
            }
        }
    }
}

/// What the terms of an hour rest on.
struct Seen {
    now: usize,
    /// The last hour measured,
    present: usize,
    /// and how far it was off what was told of it; 0 where none was measured for a day.
    off: f64,
    /// The mean of what is told.
    mean: f64,
}

impl Seen {
    fn of(outlook: &Outlook, now: usize, told: &[f64]) -> Self {
        let off = |(hour, measured): (usize, f64)| {
            // Where measured values come late, what was told of the last one is looked up.
            let told = if hour == now { told.first().copied() } else { first_told(outlook, hour) };
            Some((hour, measured - told?))
        };
        let (present, off) = outlook.present(now).and_then(off).unwrap_or((now.saturating_sub(1), 0.0));
        Self { now, present, off, mean: told[..LEADS].iter().sum::<f64>() / LEADS as f64 }
    }

    fn terms(&self, outlook: &Outlook, told: &[f64], lead: usize) -> [f64; TERMS] {
        let since = (self.now + lead - self.present) as f64;
        let share = lead as f64 / LEADS as f64;
        let beyond = outlook.profile(self.now + lead, self.now).map_or(0.0, |profile| profile - told[lead]);
        [self.off * FAST.powf(since), self.off * SLOW.powf(since), beyond * share, (told[lead] - self.mean) * share]
    }
}

fn first_told(outlook: &Outlook, hour: usize) -> Option<f64> {
    outlook.told(hour, 1, Recipe::FADING)?.first().copied()
}

/// Weights of least squares with penalties, by elimination: the matrix is positive definite as every penalty is positive.
fn solve(mut squares: [[f64; TERMS]; TERMS], mut products: [f64; TERMS], unit: f64) -> [f64; TERMS] {
    for (at, penalty) in PENALTIES.iter().enumerate() {
        squares[at][at] += penalty * unit;
    }
    for pivot in 0..TERMS {
        let (above, product) = (squares[pivot], products[pivot]);
        if above[pivot] <= 0.0 || !above[pivot].is_finite() {
            return [0.0; TERMS];
        }
        for row in (0..TERMS).filter(|row| *row != pivot) {
            let share = squares[row][pivot] / above[pivot];
            for (value, above) in squares[row].iter_mut().zip(above).skip(pivot) {
                *value -= share * above;
            }
            products[row] -= share * product;
        }
    }
    std::array::from_fn(|at| products[at] / squares[at][at])
}
