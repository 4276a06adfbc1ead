//! How long each value holds, read off the times: they are 15 or 60 minutes apart, in one answer one or both.

use lowtide_region_sdk::{Error, Timestamp};

/// What a single value without a neighbour holds for: the finest step there is.
const FINEST: u32 = 900;
const SHORTEST: u64 = 60;
const LONGEST: u64 = 86_400;

/// The length of each value, of times in order.
///
/// A value holds until the next one, unless a gap follows: a distance longer than the one before that does not come twice.
/// Then it holds as long as the one before. The last value holds as long as the one before it.
pub(crate) fn steps_of(times: &[Timestamp]) -> Result<Vec<u32>, Error> {
    let distances: Vec<u64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    let mut steps: Vec<u64> = Vec::with_capacity(times.len());
    for index in 0..times.len() {
        let before = index.checked_sub(1).and_then(|before| distances.get(before)).copied();
        let (next, second) = (distances.get(index).copied(), distances.get(index + 1).copied());
        let step = match (before, next) {
            (_, Some(next)) if second == Some(next) => next,
            (Some(before), Some(next)) => next.min(before),
            (None, Some(next)) => second.map_or(next, |second| next.min(second)),
            (Some(before), None) => steps.last().map_or(before, |held| before.min(*held)),
            (None, None) => u64::from(FINEST),
        };
        steps.push(step);
    }
    let step = |step: u64| match u32::try_from(step) {
        Ok(seconds) if (SHORTEST..=LONGEST).contains(&step) => Ok(seconds),
        _ => Err(Error::Malformed(format!("{} times, one of them with a step of {step} s", times.len()))),
    };
    steps.into_iter().map(step).collect()
}
