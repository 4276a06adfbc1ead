//! What a counter has counted between two looks at it, whatever it did in between: wrap around, or start anew.
//!
//! It knows neither what is counted nor where from.

use lowtide_model::quantity::{Joules, Seconds};

/// What happened to a counter since the last look at it, in its own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// The first look: nothing to compare with.
    First,
    /// It went on by this much.
    Plain(u64),
    /// It went on by this much over its end, or by at least this much since it began anew.
    Corrected(u64),
}

impl Difference {
    /// By how much it went on; nothing at the first look.
    pub(crate) const fn amount(self) -> u64 {
        match self {
            Self::First => 0,
            Self::Plain(amount) | Self::Corrected(amount) => amount,
        }
    }
}

/// A cumulative counter.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    /// The value after which it starts at 0 again, if it does.
    range: Option<u64>,
    last: Option<u64>,
}

impl Counter {
    /// A counter not looked at yet. Without a `range` a lower value means that it was reset.
    pub(crate) const fn new(range: Option<u64>) -> Self {
        Self { range, last: None }
    }

    /// Takes a look. At most one wrap is assumed: see [`missed_wraps`] for longer gaps.
    pub(crate) fn update(&mut self, value: u64) -> Difference {
        let difference = match self.last {
            None => Difference::First,
            Some(last) if value >= last => Difference::Plain(value - last),
            Some(last) => match self.range {
                Some(range) if last <= range => Difference::Corrected(range - last + value),
                // Begun anew: what it had counted before that is unknown, the rest is certain.
                _ => Difference::Corrected(value),
            },
        };
        self.last = Some(value);
        difference
    }

    /// The next look is the first again: what is counted until then is accounted for elsewhere.
    pub(crate) const fn forget(&mut self) {
        self.last = None;
    }
}

/// No package draws more for long: the largest processors are rated 500 W (AMD EPYC 9965), and the factor leaves room
/// for bursts. Used only to judge which gaps and differences are beyond doubt.
const MOST_WATTS: f64 = 1000.0;

/// How often a counter of this `range` wrapped unseen in a gap of `elapsed` in which it seems to have counted
/// `counted`, going by its mean power before the gap. Nothing where the gap is too short for that, or no power known.
pub(crate) fn missed_wraps(counted: Joules, range: Joules, elapsed: Seconds, before: Option<f64>) -> f64 {
    let Some(watts) = before else { return 0.0 };
    if range.get() <= 0.0 || elapsed.get() * MOST_WATTS < range.get() {
        return 0.0;
    }
    ((watts * elapsed.get() - counted.get()) / range.get()).round().max(0.0)
}

/// Whether what looks like a wrap must have been a reset: more than half the range at a power no package has.
pub(crate) fn is_reset(counted: Joules, range: Joules, elapsed: Seconds) -> bool {
    counted.get() > range.get() / 2.0 && counted.get() > elapsed.get() * MOST_WATTS * 5.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_first_look_counts_nothing_and_a_wrap_is_corrected() {
        let mut counter = Counter::new(Some(1000));
        assert_eq!(counter.update(900), Difference::First);
        assert_eq!(counter.update(950), Difference::Plain(50));
        assert_eq!(counter.update(30), Difference::Corrected(80));
        counter.forget();
        assert_eq!(counter.update(500), Difference::First);
    }

    #[test]
    fn without_a_range_a_fall_is_a_reset_and_what_was_counted_since_is_kept() {
        let mut counter = Counter::new(None);
        counter.update(1_000_000);
        assert_eq!(counter.update(250), Difference::Corrected(250));
    }

    #[test]
    fn wraps_in_a_long_gap_are_told_from_the_power_before_it() {
        let joules = Joules::saturating;
        let (range, hour) = (joules(262_144.0), Seconds::from_hours(1.0));
        // 300 W for an hour are 1,080,000 J: four wraps and 31,424 J.
        let wraps = missed_wraps(joules(31_424.0), range, hour, Some(290.0));
        assert!((wraps - 4.0).abs() < f64::EPSILON);
        assert!(missed_wraps(joules(3000.0), range, Seconds::saturating(10.0), Some(300.0)).abs() < f64::EPSILON);
        assert!(missed_wraps(joules(31_424.0), range, hour, None).abs() < f64::EPSILON);
    }

    #[test]
    fn a_wrap_no_package_could_have_caused_is_a_reset() {
        let (range, tick) = (Joules::saturating(262_144.0), Seconds::saturating(10.0));
        assert!(is_reset(Joules::saturating(200_000.0), range, tick));
        assert!(!is_reset(Joules::saturating(3000.0), range, tick));
    }

    proptest! {
        /// Whatever the range, the start and the steps (each below one range): the differences add up to the truth.
        #[test]
        fn differences_add_up_to_the_truth(
            range in 1_u64..1 << 40,
            start in 0_u64..1 << 40,
            steps in prop::collection::vec(0.0..1.0_f64, 1..200),
        ) {
            let mut truth = start % range;
            let mut counter = Counter::new(Some(range));
            counter.update(truth);
            let (mut expected, mut sum) = (0, 0);
            for share in steps {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the range")]
                let step = (share * range as f64) as u64 % range;
                truth += step;
                expected += step;
                sum += counter.update(truth % range).amount();
            }
            prop_assert_eq!(sum, expected);
        }

        /// However long the gap: with a steady power before it, no wrap is lost.
        #[test]
        fn a_steady_power_is_followed_over_any_gap(watts in 50.0..400.0_f64, gap in 1.0..86_400.0_f64) {
            let range = 65_536.0;
            let truth = watts * gap;
            let seen = Joules::saturating(truth % range);
            let elapsed = Seconds::saturating(gap);
            let wraps = missed_wraps(seen, Joules::saturating(range), elapsed, Some(watts));
            prop_assert!((seen.get() + wraps * range - truth).abs() < 1e-3);
        }
    }
}
