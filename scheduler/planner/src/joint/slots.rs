//! A crowd in whole slots, as prices of room are found for it ([`super::market`]).
//!
//! It is coarser than the plans: times are rounded up to slots, a site's speed and power are those of each job's first site, and of an
//! elastic job the fewest workers count. That decides where room is dear, never what a plan is.

use jiff::Timestamp;
use lowtide_model::quantity::Seconds;
use lowtide_model::site::Resources;
use lowtide_model::window::Window;

use super::inputs::{Inputs, Unit};
use super::market::{Case, Place, Task};
use super::{Crowd, Taken};
use crate::plan::{PlanningInput, SiteView, needs};

/// No more slots than this, however far ahead is planned: prices need not be finer than the hours of a forecast.
const MOST_SLOTS: usize = 96;

/// A crowd in whole slots.
#[derive(Debug, Clone, PartialEq)]
pub struct InSlots {
    /// The jobs and sites.
    pub case: Case,
    /// When the first slot begins.
    pub start: Timestamp,
    /// How long each is.
    pub slot: Seconds,
    /// What room is counted in.
    pub unit: Unit,
}

impl InSlots {
    /// The crowd of these inputs with what others have taken; `None` of an empty one. Jobs that can have no course in whole slots
    /// are left out.
    #[must_use]
    pub fn of(crowd: &Inputs, fixed: &Taken) -> Option<Self> {
        let PlanningInput { now, horizon, slot, sites, .. } = *crowd.inputs.first()?;
        let count = (horizon.get() / slot.get().max(1.0)).ceil().max(1.0);
        let longer = (count / MOST_SLOTS as f64).ceil().max(1.0);
        let slot = slot.times(longer);
        // Forecasts change at full hours and their parts: so do slots.
        let start = slot_begin(now, slot);
        let windows = windows(start, slot, count / longer + 1.0)?;
        let earliest = usize::from(start < now);
        let unit = Unit::of((0..crowd.len()).map(|member| crowd.resources(member)));
        let place = |view: &SiteView| {
            let capacity = view.site.capacity;
            let free = |window: &Window| {
                let taken = fixed.get(&view.site.id).map(|taken| taken.most_taken(*window)).unwrap_or_default();
                unit.count(capacity.minus(&taken))
            };
            Place {
                intensities: windows.iter().map(|window| view.curve.mean(*window).get()).collect(),
                room: windows.iter().map(free).collect(),
                transfer_kwh: view.site.transfer.energy.kwh(),
                transfer_slots: whole((view.site.transfer.time.get() / slot.get()).ceil()),
            }
        };
        let places = sites.iter().map(place).collect();
        let task = |(member, input)| {
            let needs = needs(input)?;
            let length = whole((needs.run_time.get() / slot.get()).ceil()).max(1);
            let end = whole((Seconds::between(start, needs.latest_end).get() / slot.get()).floor()).min(windows.len());
            (earliest + length <= end).then(|| Task {
                length,
                width: unit.count(crowd.resources(member)),
                kilowatts: needs.kilowatts,
                earliest,
                end,
                pausable: needs.can_pause,
                home: input.last_site.and_then(|home| sites.iter().position(|view| view.site.id == *home)),
                places: needs.sites,
            })
        };
        let tasks: Vec<Task> = crowd.inputs.iter().enumerate().filter_map(task).collect();
        let case = Case { slot_h: slot.hours(), places, tasks };
        (!case.tasks.is_empty()).then_some(Self { case, start, slot, unit })
    }
}

/// The beginning of the slot a moment lies in; slots are counted from 1970 on.
fn slot_begin(now: Timestamp, slot: Seconds) -> Timestamp {
    let length = slot.get().max(1.0);
    let since = now.as_second() as f64 + f64::from(now.subsec_nanosecond()) * 1e-9;
    Seconds::saturating((since / length).floor() * length).after(Timestamp::UNIX_EPOCH)
}

fn windows(start: Timestamp, slot: Seconds, count: f64) -> Option<Vec<Window>> {
    let at = |number: usize| slot.times(number as f64).after(start);
    (0..whole(count.ceil())).map(|number| Window::new(at(number), at(number + 1)).ok()).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count that is not negative")]
const fn whole(count: f64) -> usize {
    count.max(0.0) as usize
}

impl Unit {
    /// GPUs where any of these takes some: they are what there are fewest of. Else processors.
    pub(super) fn of(all: impl IntoIterator<Item = Resources>) -> Self {
        if all.into_iter().any(|resources| 0 < resources.gpus) { Self::Gpus } else { Self::Cpus }
    }
}
