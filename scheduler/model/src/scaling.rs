//! Elastic jobs: with how many workers a job can run, and how fast it is then.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// More counts than this are no profile but a mistake, and each is planned for.
const MOST_POINTS: usize = 16;

/// One count of workers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScalingPoint {
    /// How many.
    pub workers: NonZeroU32,
    /// Work done in a time beside that of other counts; any unit.
    pub speed: f64,
}

/// The counts of workers a job can run with, as `1:1,2:1.9,4:3.5` has them: count and throughput. Without any, a job runs with just
/// what it asks for. The first count is the reference: durations and power declared are those of it.
///
/// A worker draws what every other one does, as in CarbonScaler (Hanafy et al., SIGMETRICS 2024): twice the workers, twice the power.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<ScalingPoint>", into = "Vec<ScalingPoint>")]
pub struct Scaling(Vec<ScalingPoint>);

/// Why a profile is none.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScalingError {
    /// A part is not `count:throughput`.
    #[error("`{0}` is not a count of workers and its throughput, as `2:1.9`")]
    NotAPoint(String),
    /// A throughput that cannot be.
    #[error("the throughput of {workers} workers is {speed}: it has to be a number above 0")]
    BadSpeed {
        /// Of how many.
        workers: NonZeroU32,
        /// What was told.
        speed: f64,
    },
    /// More workers have to do more.
    #[error(
        "{more} workers come after {fewer} and have to be more and faster, or would never be worth their power; leave them out"
    )]
    NotRising {
        /// The count before.
        fewer: NonZeroU32,
        /// The one that is not more, or not faster.
        more: NonZeroU32,
    },
    /// Too many.
    #[error("{0} counts of workers are told, {MOST_POINTS} at most are planned for")]
    TooMany(usize),
}

impl Scaling {
    /// A profile of these counts.
    pub fn new(points: Vec<ScalingPoint>) -> Result<Self, ScalingError> {
        if MOST_POINTS < points.len() {
            return Err(ScalingError::TooMany(points.len()));
        }
        for ScalingPoint { workers, speed } in &points {
            if !(0.0 < *speed && speed.is_finite()) {
                return Err(ScalingError::BadSpeed { workers: *workers, speed: *speed });
            }
        }
        for pair in points.windows(2) {
            if pair[1].workers <= pair[0].workers || pair[1].speed <= pair[0].speed {
                return Err(ScalingError::NotRising { fewer: pair[0].workers, more: pair[1].workers });
            }
        }
        Ok(Self(points))
    }

    /// Whether there is but what the job asks for.
    #[must_use]
    pub const fn is_fixed(&self) -> bool {
        self.0.is_empty()
    }

    /// The counts to choose from, fewest first; a single `None` for a job that is not elastic.
    pub fn choices(&self) -> impl Iterator<Item = Option<NonZeroU32>> + '_ {
        let fixed = self.is_fixed().then_some(None);
        fixed.into_iter().chain(self.0.iter().map(|point| Some(point.workers)))
    }

    /// The fewest workers; `None` for a job that is not elastic.
    #[must_use]
    pub fn fewest(&self) -> Option<NonZeroU32> {
        self.0.first().map(|point| point.workers)
    }

    /// Speed and power with so many workers, relative to the fewest. A count that is not told is taken to be the fewest.
    #[must_use]
    pub fn pace(&self, workers: Option<NonZeroU32>) -> (f64, f64) {
        let told = self.0.iter().find(|point| Some(point.workers) == workers);
        let (Some(first), Some(told)) = (self.0.first(), told) else { return (1.0, 1.0) };
        (told.speed / first.speed, f64::from(told.workers.get()) / f64::from(first.workers.get()))
    }
}

impl TryFrom<Vec<ScalingPoint>> for Scaling {
    type Error = ScalingError;

    fn try_from(points: Vec<ScalingPoint>) -> Result<Self, ScalingError> {
        Self::new(points)
    }
}

impl From<Scaling> for Vec<ScalingPoint> {
    fn from(scaling: Scaling) -> Self {
        scaling.0
    }
}

impl FromStr for Scaling {
    type Err = ScalingError;

    fn from_str(text: &str) -> Result<Self, ScalingError> {
        let point = |part: &str| {
            let (workers, speed) = part.split_once(':')?;
            Some(ScalingPoint { workers: workers.trim().parse().ok()?, speed: speed.trim().parse().ok()? })
        };
        let parts = text.split(',').map(str::trim);
        let points = parts.map(|part| point(part).ok_or_else(|| ScalingError::NotAPoint(part.to_owned())));
        Self::new(points.collect::<Result<_, _>>()?)
    }
}

impl fmt::Display for Scaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, ScalingPoint { workers, speed }) in self.0.iter().enumerate() {
            write!(f, "{}{workers}:{speed}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_as_it_is_written() {
        let scaling: Scaling = "1:1, 2:1.9,8:6".parse().expect("a profile");
        assert_eq!(scaling.to_string(), "1:1,2:1.9,8:6");
        assert_eq!(scaling.choices().flatten().map(NonZeroU32::get).collect::<Vec<_>>(), [1, 2, 8]);
        assert_eq!(scaling.pace(NonZeroU32::new(8)), (6.0, 8.0));
        assert_eq!(scaling.pace(NonZeroU32::new(5)), (1.0, 1.0));
        let journal = serde_json::to_string(&scaling).expect("writable");
        assert_eq!(serde_json::from_str::<Scaling>(&journal).expect("readable"), scaling);
    }

    #[test]
    fn the_first_count_is_the_reference() {
        let scaling: Scaling = "2:10,4:18".parse().expect("a profile");
        assert_eq!(scaling.pace(NonZeroU32::new(4)), (1.8, 2.0));
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        let why = |text: &str| text.parse::<Scaling>().expect_err(text).to_string();
        assert!(why("1:1,2").contains("`2` is not a count of workers"));
        assert!(why("0:1").contains("`0:1` is not"));
        assert!(why("1:1,2:0").contains("above 0"));
        assert!(why("1:1,2:nan").contains("above 0"));
        assert!(why("1:1,4:3,2:1.9").contains("2 workers come after 4"));
        assert!(why("1:1,2:1").contains("never be worth their power"));
        assert!(serde_json::from_str::<Scaling>(r#"[{"workers":1,"speed":-1.0}]"#).is_err());
    }
}
