//! The price of electricity as a total step function, and the curve that plans are ranked by where money counts.
//!
//! Prices are known for a day or two. After their end, before their begin and in gaps the mean of the same hour of the week stands
//! in, else that of the same hour of the day, else the mean of all: a guess, but tariffs and markets repeat by the week.

use jiff::Timestamp;
use lowtide_model::price::{PriceSeries, PriceSlot};
use lowtide_model::window::Window;

use crate::curve::IntensityCurve;

const HOUR_S: i64 = 3600;
const HOURS_A_WEEK: usize = 168;

/// The price of a zone at every moment.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceCurve {
    currency: String,
    slots: Vec<PriceSlot>,
    /// What stands in, by the hour of the week (UTC) from Thursday on, with which 1970 began.
    by_hour: Vec<f64>,
    mean: f64,
}

impl PriceCurve {
    /// Of prices as they were told.
    #[must_use]
    pub fn of(series: &PriceSeries) -> Self {
        let mut sums = [(0.0, 0.0); HOURS_A_WEEK];
        for slot in series.slots() {
            for piece in hours(slot.window) {
                let sum = &mut sums[hour_of_week(piece.start())];
                let length = piece.duration().get();
                *sum = (sum.0 + slot.per_kwh * length, sum.1 + length);
            }
        }
        let mean = |hours: &mut dyn Iterator<Item = &(f64, f64)>| {
            let (sum, length) = hours.fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
            (length > 0.0).then(|| sum / length)
        };
        let of_all = mean(&mut sums.iter()).unwrap_or_default();
        let by_hour = (0..HOURS_A_WEEK).map(|hour| {
            mean(&mut sums[hour..=hour].iter())
                .or_else(|| mean(&mut sums.iter().skip(hour % 24).step_by(24)))
                .unwrap_or(of_all)
        });
        Self {
            currency: series.currency().to_owned(),
            slots: series.slots().to_vec(),
            by_hour: by_hour.collect(),
            mean: of_all,
        }
    }

    /// The currency.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// Whether every price within `window` was told; else some stand in for those of the same hour of other days.
    #[must_use]
    pub fn tells(&self, window: Window) -> bool {
        let first = self.slots.partition_point(|slot| slot.window.end() <= window.start());
        let near = self.slots[first..].iter().map(|slot| slot.window).take_while(|told| told.start() < window.end());
        let told_to = near.fold(window.start(), |at, told| if told.start() <= at { told.end() } else { at });
        window.end() <= told_to
    }

    /// What a kilowatt drawn throughout `window` costs, in units of the currency.
    #[must_use]
    pub fn integral(&self, window: Window) -> f64 {
        self.pieces(window).map(|(piece, price)| piece.duration().hours() * price).sum()
    }

    /// The prices within `window`, in order and without gaps.
    pub fn pieces(&self, window: Window) -> impl Iterator<Item = (Window, f64)> + '_ {
        let mut at = window.start();
        let mut next = self.slots.partition_point(|slot| slot.window.end() <= at);
        std::iter::from_fn(move || {
            if window.end() <= at {
                return None;
            }
            let slot = self.slots.get(next);
            let (end, price) = match slot {
                Some(slot) if slot.window.start() <= at => {
                    next += 1;
                    (slot.window.end(), slot.per_kwh)
                }
                _ => {
                    let gap_end = slot.map_or(window.end(), |slot| slot.window.start());
                    (end_of_hour(at).min(gap_end), self.by_hour[hour_of_week(at)])
                }
            };
            let piece = Window::new(at, end.min(window.end())).ok()?;
            at = piece.end();
            Some((piece, price))
        })
    }

    /// The curve whose least is the least of `carbon` times intensity plus `grams` times price: what plans are ranked by. It is no
    /// intensity, and below zero where prices are far below it.
    #[must_use]
    pub fn weighed_with(&self, intensity: &IntensityCurve, carbon: f64, grams: f64) -> IntensityCurve {
        let priced = |window| self.pieces(window).map(|(piece, price)| (piece, grams * price)).collect::<Vec<_>>();
        intensity.weighed(carbon, priced, grams * self.mean)
    }
}

fn hour_of_week(at: Timestamp) -> usize {
    let week = i64::try_from(HOURS_A_WEEK).expect("a week is short");
    usize::try_from(at.as_second().div_euclid(HOUR_S).rem_euclid(week)).expect("a remainder is not negative")
}

fn end_of_hour(at: Timestamp) -> Timestamp {
    let next = (at.as_second().div_euclid(HOUR_S) + 1) * HOUR_S;
    Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
}

/// A window cut at full hours.
fn hours(window: Window) -> impl Iterator<Item = Window> {
    let mut at = window.start();
    std::iter::from_fn(move || {
        let piece = Window::new(at, end_of_hour(at).min(window.end())).ok()?;
        at = piece.end();
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use lowtide_model::quantity::GramsPerKwh;

    use super::*;
    use crate::testing::{forecast, hour, prices, window};

    #[test]
    fn beyond_their_end_prices_are_those_of_the_same_hour_before() {
        let day: Vec<f64> = (0..24).map(f64::from).collect();
        let curve = prices(&day);
        assert!((curve.integral(window(2.5, 4.0)) - (0.5 * 2.0 + 3.0)).abs() < 1e-9);
        // The next day knows the hour of the day, the next week the hour of the week.
        for later in [24.0, 24.0 * 7.0] {
            assert!((curve.integral(window(later + 5.0, later + 7.0)) - 11.0).abs() < 1e-9);
        }
        assert!((curve.integral(window(-1.0, 0.0)) - 23.0).abs() < 1e-9);
    }

    #[test]
    fn what_was_told_is_told_apart_from_what_stands_in() {
        let curve = prices(&[1.0, 2.0, 3.0]);
        assert!(curve.tells(window(0.0, 3.0)) && curve.tells(window(0.5, 2.5)));
        assert!(!curve.tells(window(2.5, 3.5)) && !curve.tells(window(-0.5, 1.0)) && !curve.tells(window(30.0, 31.0)));
    }

    #[test]
    fn the_pieces_make_up_the_window_whatever_the_gaps() {
        let curve = prices(&[1.0, 2.0, 3.0]);
        let window = window(-1.5, 30.25);
        let pieces: Vec<(Window, f64)> = curve.pieces(window).collect();
        assert_eq!((pieces[0].0.start(), pieces[pieces.len() - 1].0.end()), (window.start(), window.end()));
        assert!(pieces.windows(2).all(|pair| pair[0].0.end() == pair[1].0.start()));
    }

    #[test]
    fn a_weighed_curve_adds_price_to_intensity_step_by_step() {
        let told = forecast("GB", &[100.0, 300.0]);
        let intensity = IntensityCurve::build(Some(&told), GramsPerKwh::ZERO, hour(0.0), window(0.0, 4.0));
        let weighed = prices(&[0.1, 0.2]).weighed_with(&intensity, 0.5, 1000.0);
        let sum = weighed.integral_to(hour(2.0)) - weighed.integral_to(hour(0.5));
        assert!((sum / 3600.0 - (0.5 * 150.0 + 350.0)).abs() < 1e-6, "{sum}");
    }
}
