//! The measured epochs of a job as a series: which of them tell the pace, and where each lies in the run.

use lowtide_model::job::Epoch;

use super::Progress;
use super::interval::median;

/// An epoch after a start is warm-up if it takes this many times the median of the others.
const WARM_UP_RATIO: f64 = 1.3;
/// A gap between two epochs longer than this share of the median epoch is a pause and not part of the pace.
const PAUSE_SHARE: f64 = 0.5;
/// An epoch of which less than this is done says nothing yet of the whole of it.
const SHARE_THAT_TELLS: f64 = 0.1;
/// Of a run with epochs behind it, an epoch under way counts as one of them from this share on.
const SHARE_AMONG_OTHERS: f64 = 0.5;

/// One epoch as part of the pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Period {
    /// How many epochs of the run lie before it.
    pub(super) position: u32,
    pub(super) seconds: f64,
    pub(super) joules: f64,
    /// How much of it has been measured: 1 but for the epoch under way.
    pub(super) share: f64,
    /// Whether it is the first after a start or a pause.
    after_start: bool,
}

/// The epochs that tell the pace: those after a start are left out where they are seen to be warm-up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) periods: Vec<Period>,
    /// Whether no epoch follows another: what there is may be warm-up or not.
    pub(super) only_first: bool,
}

impl Series {
    pub(super) fn of(epochs: &[Epoch], progress: Option<Progress>) -> Self {
        let mut periods = periods(epochs);
        if let Some(under_way) = progress.and_then(|progress| of_progress(progress, periods.last())) {
            periods.push(under_way);
        }
        let typical = median(periods.iter().filter(|period| !period.after_start).map(|period| period.seconds));
        let warm = |period: &Period| {
            typical.is_none_or(|typical| !period.after_start || period.seconds <= WARM_UP_RATIO * typical)
        };
        periods.retain(warm);
        Self { periods, only_first: typical.is_none() }
    }
}

/// The epoch under way as it will be if it goes on as it began.
fn of_progress(progress: Progress, last: Option<&Period>) -> Option<Period> {
    let share = progress.share.clamp(0.0, 1.0);
    let needed = if last.is_some() { SHARE_AMONG_OTHERS } else { SHARE_THAT_TELLS };
    (needed <= share).then(|| Period {
        position: last.map_or(0, |last| last.position.saturating_add(1)),
        seconds: progress.ran.get() / share,
        joules: progress.energy.get() / share,
        share,
        after_start: last.is_none(),
    })
}

/// What passes between the ends of two epochs belongs to the pace (validation, logging), unless the job was away.
fn periods(epochs: &[Epoch]) -> Vec<Period> {
    let typical = median(epochs.iter().map(|epoch| epoch.window.duration().get())).unwrap_or_default();
    let mut periods = Vec::with_capacity(epochs.len());
    let mut previous: Option<&Epoch> = None;
    for epoch in epochs {
        let length = epoch.window.duration().get();
        // Negative where the epoch before ran at another site, whose time axis is another.
        let gap = previous.map(|previous| epoch.window.start().duration_since(previous.window.end()).as_secs_f64());
        let follows = previous.is_some_and(|previous| previous.index < epoch.index);
        let position = epoch.index.saturating_sub(1);
        let (mut seconds, mut joules, mut after_start) = (length, epoch.energy.get(), true);
        if let Some(gap) = gap.filter(|gap| follows && gap.abs() <= PAUSE_SHARE * typical) {
            let gap = gap.max(0.0);
            // The agent counts no energy between epochs; it goes on at the power of the epoch.
            joules *= (length + gap) / length;
            seconds += gap;
            after_start = false;
        }
        periods.push(Period { position, seconds, joules, share: 1.0, after_start });
        previous = Some(epoch);
    }
    periods
}
