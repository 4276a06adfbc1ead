//! Power caps: to how little power the GPUs of a job can be held, and what it is then.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::quantity::Watts;

/// More caps than this are no profile but a mistake, and each is planned for.
const MOST_POINTS: usize = 16;
/// No driver of a GPU takes more, watts; an order of magnitude above the largest there are.
const MOST_WATTS: u32 = 20_000;

/// The most power one GPU may draw, as it is set at its driver: whole watts, from 1 to 20,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct PowerCap(NonZeroU32);

impl PowerCap {
    /// A cap of so many watts; an error beyond what a GPU can be held to.
    pub fn new(watts: u32) -> Result<Self, CappingError> {
        let some = NonZeroU32::new(watts).filter(|watts| watts.get() <= MOST_WATTS);
        some.map(Self).ok_or(CappingError::BadCap(watts))
    }

    /// The power.
    #[must_use]
    pub fn watts(self) -> Watts {
        Watts::saturating(f64::from(self.0.get()))
    }

    /// The power in thousandths of a watt, as drivers have it.
    #[must_use]
    pub const fn milliwatts(self) -> u32 {
        self.0.get() * 1_000
    }
}

impl TryFrom<u32> for PowerCap {
    type Error = CappingError;

    fn try_from(watts: u32) -> Result<Self, CappingError> {
        Self::new(watts)
    }
}

impl From<PowerCap> for u32 {
    fn from(PowerCap(watts): PowerCap) -> Self {
        watts.get()
    }
}

impl fmt::Display for PowerCap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} W", self.0)
    }
}

/// A job with its GPUs held to one cap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CappedPoint {
    /// The cap of each GPU.
    pub cap: PowerCap,
    /// Work done in a time, beside that without a cap: above 0, at most 1.
    pub speed: f64,
    /// Power of the whole job, beside that without a cap: above 0, less than its speed.
    pub power: f64,
}

/// The caps a job was measured with, as `200:0.96:0.82,150:0.85:0.66` has them: watts of each GPU, speed and power beside those without
/// a cap. Without any, its GPUs are left alone.
///
/// GPUs lose less speed than power when they are held to less than they may draw; the caps worth their time depend on the training
/// (You et al., Zeus, NSDI 2023), so they are told of each job.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<CappedPoint>", into = "Vec<CappedPoint>")]
pub struct Capping(Vec<CappedPoint>);

/// Why a cap or a profile is none.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CappingError {
    /// No power a GPU can be held to.
    #[error("a cap of {0} W cannot be: from 1 to {MOST_WATTS} W")]
    BadCap(u32),
    /// A part is not `watts:speed:power`.
    #[error("`{0}` is not a cap in watts with its speed and power beside those without a cap, as `200:0.96:0.82`")]
    NotAPoint(String),
    /// A speed or power that cannot be.
    #[error(
        "with a cap of {cap}, speed is {speed} and power {power}: both have to be above 0, and at most 1, as a cap adds nothing"
    )]
    BadPace {
        /// With which cap.
        cap: PowerCap,
        /// The speed told.
        speed: f64,
        /// The power told.
        power: f64,
    },
    /// A lower cap has to be slower, and take less energy for the work.
    #[error(
        "a cap of {lower} comes after {higher} and has to be lower and slower, and to take less energy for the same work \
         (power divided by speed), or it would never be worth its time; leave it out"
    )]
    NotFalling {
        /// The cap before, or none.
        higher: Before,
        /// The one that is not lower, slower or more frugal.
        lower: PowerCap,
    },
    /// Too many.
    #[error("{0} caps are told, {MOST_POINTS} at most are planned for")]
    TooMany(usize),
}

/// What comes before a cap in a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// No cap at all.
    Uncapped,
    /// A higher one.
    Cap(PowerCap),
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uncapped => f.write_str("no cap"),
            Self::Cap(cap) => cap.fmt(f),
        }
    }
}

impl Capping {
    /// A profile of these caps, the highest first.
    pub fn new(points: Vec<CappedPoint>) -> Result<Self, CappingError> {
        if MOST_POINTS < points.len() {
            return Err(CappingError::TooMany(points.len()));
        }
        let mut before = (Before::Uncapped, 1.0, 1.0);
        for CappedPoint { cap, speed, power } in points.iter().copied() {
            let can_be = |share: f64| 0.0 < share && share <= 1.0;
            if !(can_be(speed) && can_be(power)) {
                return Err(CappingError::BadPace { cap, speed, power });
            }
            let (higher, faster, per_work) = before;
            let lower = match higher {
                // The first may cost no time: some trainings never draw what their GPUs may.
                Before::Uncapped => speed <= faster,
                Before::Cap(higher) => cap < higher && speed < faster,
            };
            if !lower || per_work <= power / speed {
                return Err(CappingError::NotFalling { higher, lower: cap });
            }
            before = (Before::Cap(cap), speed, power / speed);
        }
        Ok(Self(points))
    }

    /// Whether no cap is told.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The choices at a site that allows these caps: none first, then the highest.
    pub fn choices<'a>(&'a self, allowed: &'a [PowerCap]) -> impl Iterator<Item = Option<PowerCap>> + 'a {
        let caps = self.0.iter().map(|point| point.cap).filter(|cap| allowed.contains(cap));
        std::iter::once(None).chain(caps.map(Some))
    }

    /// Speed and power with a cap, relative to none. A cap that is not told is taken to change nothing.
    #[must_use]
    pub fn pace(&self, cap: Option<PowerCap>) -> (f64, f64) {
        let told = self.0.iter().find(|point| Some(point.cap) == cap);
        told.map_or((1.0, 1.0), |point| (point.speed, point.power))
    }
}

impl TryFrom<Vec<CappedPoint>> for Capping {
    type Error = CappingError;

    fn try_from(points: Vec<CappedPoint>) -> Result<Self, CappingError> {
        Self::new(points)
    }
}

impl From<Capping> for Vec<CappedPoint> {
    fn from(capping: Capping) -> Self {
        capping.0
    }
}

impl FromStr for Capping {
    type Err = CappingError;

    fn from_str(text: &str) -> Result<Self, CappingError> {
        let point = |part: &str| -> Option<(u32, f64, f64)> {
            let mut numbers = part.split(':').map(str::trim);
            let read = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
            numbers.next().is_none().then_some(read)
        };
        let points = text.split(',').map(str::trim).map(|part| {
            let (watts, speed, power) = point(part).ok_or_else(|| CappingError::NotAPoint(part.to_owned()))?;
            Ok(CappedPoint { cap: PowerCap::new(watts)?, speed, power })
        });
        Self::new(points.collect::<Result<_, _>>()?)
    }
}

impl fmt::Display for Capping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, CappedPoint { cap: PowerCap(watts), speed, power }) in self.0.iter().enumerate() {
            write!(f, "{}{watts}:{speed}:{power}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(watts: u32) -> PowerCap {
        PowerCap::new(watts).expect("a cap")
    }

    #[test]
    fn a_profile_is_read_as_it_is_written() {
        let capping: Capping = "250:1:0.9, 200:0.96:0.82,150:0.85:0.66".parse().expect("a profile");
        assert_eq!(capping.to_string(), "250:1:0.9,200:0.96:0.82,150:0.85:0.66");
        assert_eq!(capping.pace(Some(cap(150))), (0.85, 0.66));
        assert_eq!(capping.pace(None), (1.0, 1.0));
        assert_eq!(capping.pace(Some(cap(175))), (1.0, 1.0));
        let journal = serde_json::to_string(&capping).expect("writable");
        assert_eq!(serde_json::from_str::<Capping>(&journal).expect("readable"), capping);
    }

    #[test]
    fn a_site_is_offered_what_it_allows_and_no_cap_first() {
        let capping: Capping = "200:0.96:0.82,150:0.85:0.66".parse().expect("a profile");
        let at = |allowed: &[PowerCap]| capping.choices(allowed).collect::<Vec<_>>();
        assert_eq!(at(&[cap(150), cap(300)]), [None, Some(cap(150))]);
        assert_eq!(at(&[]), [None]);
        assert_eq!(Capping::default().choices(&[cap(150)]).collect::<Vec<_>>(), [None]);
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        let why = |text: &str| text.parse::<Capping>().expect_err(text).to_string();
        assert!(why("200").contains("`200` is not a cap in watts"));
        assert!(why("200:1:1:1").contains("`200:1:1:1` is not"));
        assert!(why("0:0.9:0.8").contains("a cap of 0 W cannot be"));
        assert!(why("250000:0.9:0.8").contains("from 1 to 20000 W"));
        assert!(why("200:1.1:0.8").contains("a cap adds nothing"));
        assert!(why("200:nan:0.8").contains("above 0"));
        assert!(why("200:0.8:0.9").contains("a cap of 200 W comes after no cap"));
        assert!(why("200:0.9:0.8,250:0.8:0.7").contains("a cap of 250 W comes after 200 W"));
        assert!(why("200:0.9:0.7,150:0.8:0.65").contains("power divided by speed"));
        assert!(serde_json::from_str::<Capping>(r#"[{"cap":200,"speed":2.0,"power":1.0}]"#).is_err());
        assert!(serde_json::from_str::<PowerCap>("0").is_err());
    }

    #[test]
    fn a_driver_is_told_thousandths() {
        assert_eq!(cap(200).milliwatts(), 200_000);
        assert_eq!(cap(20_000).milliwatts(), 20_000_000);
    }
}
