//! One job before its choices: the sites it may use, what they cost it, and the rules that bind it.

use jiff::Timestamp;
use lowtide_model::estimate::Interval;
use lowtide_model::forecast::Tags;
use lowtide_model::identity::SiteId;
use lowtide_model::operating_point::OperatingPoint;
use lowtide_model::plan::Segment;
use lowtide_model::quantity::{GramsCo2e, Joules, Seconds};
use lowtide_model::site::Resources;
use lowtide_model::window::Window;

use super::course::{Course, Stretch};
use super::{PlanningInput, SiteView};
use crate::policy::timetable;

/// Work is never taken to be less than this, so that a job about to end still has a stretch of time.
const LEAST_WORK: f64 = 1.0;
/// More sites than this are not planned over at once; the rest is left out in the order of preference.
const MOST_SITES: usize = 200;

/// Windows later than this after the horizon are not looked for, days.
const FURTHEST_OPENING_DAYS: f64 = 60.0;

/// The rules a course is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// The policy's windows.
    pub windows: bool,
    /// The longest delay.
    pub delay: bool,
    /// The deadline.
    pub deadline: bool,
    /// That the high quantile of the remaining time is kept in reserve before it.
    pub reserve: bool,
}

/// One site the job may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub view: SiteView<'a>,
    /// With how many workers and how much power: each such point is a place of its own at the same site.
    pub point: OperatingPoint,
    /// What the job occupies here.
    pub resources: Resources,
    /// Its number among the sites of the input.
    pub number: usize,
    /// Power while the job runs here, PUE included, in kW: times g/kWh·h that is grams.
    pub kilowatts: f64,
    /// The median of the remaining work takes this long here, without losses.
    pub run_time: Seconds,
    /// What a cap of its power takes longer: a delay like waiting, and counted as such.
    pub slowed: Seconds,
    /// What the high quantile takes longer.
    pub reserve: Seconds,
    /// The first moment the job can be here.
    pub earliest: Timestamp,
}

/// A job, its sites and its rules.
#[derive(Debug, Clone)]
pub(super) struct Situation<'a> {
    pub input: &'a PlanningInput<'a>,
    /// Allowed sites in the order of preference: where it runs, where its checkpoint lies, then the user's order.
    pub places: Vec<Place<'a>>,
    /// The place it runs at.
    pub current: Option<usize>,
    /// The place its checkpoint or data lie at, if it does not run.
    pub rests_at: Option<usize>,
    /// Whether a start goes on from a checkpoint, with the loss of time that takes.
    pub resumes: bool,
    /// Whether pausing is possible and allowed.
    pub can_pause: bool,
    pub deadline: Option<Timestamp>,
    /// How much more it may wait.
    pub allowance: Option<Seconds>,
    /// The times the policy lets it run over the time planned; empty if it has neither windows nor blackouts.
    pub openings: Vec<Window>,
    pub warnings: Vec<String>,
}

impl<'a> Situation<'a> {
    /// The situation, or why no site can take the job.
    pub(super) fn of(input: &'a PlanningInput<'a>) -> Result<Self, Vec<String>> {
        let (views, warnings) = allowed_sites(input)?;
        let places = places(input, &views);
        let place_of =
            |id: Option<&SiteId>| id.and_then(|id| places.iter().position(|place| place.view.site.id == *id));
        let as_it_runs = |place: &Place| input.current == Some(&place.view.site.id) && place.point == running_at(input);
        let current = places.iter().position(as_it_runs).or_else(|| place_of(input.current));
        let running = current.is_some();
        let rests_at = if running { None } else { place_of(input.last_site) };
        let has_run = input.job.attempts.iter().any(|attempt| attempt.started_at.is_some());
        let can_pause = input.job.spec.checkpoint.is_some() && input.policy.pausable;
        let deadline =
            [input.job.spec.deadline, input.policy.deadline.map(|deadline| deadline.after(input.job.submitted_at))];
        let deadline = deadline.into_iter().flatten().min();
        let longest = places.iter().map(|place| place.run_time).fold(Seconds::ZERO, Seconds::max);
        let openings = openings(input, longest);
        Ok(Self {
            input,
            places,
            current,
            rests_at,
            resumes: running || has_run,
            can_pause,
            deadline,
            allowance: allowance(input, deadline),
            openings,
            warnings,
        })
    }

    /// The place the job is at, or would go to without any plan.
    pub(super) fn home(&self) -> usize {
        self.current.or(self.rests_at).unwrap_or(0)
    }

    /// Whether two places are of one site: going from one to the other takes a stop and a start, and no transfer.
    pub(super) fn is_one_site(&self, one: usize, other: usize) -> bool {
        self.places[one].view.site.id == self.places[other].view.site.id
    }

    /// Time lost at the beginning of the first stretch, if it begins here and then.
    pub(super) fn first_loss(&self, place: usize, start: Timestamp) -> Seconds {
        let goes_on = self.current == Some(place) && start == self.input.now;
        if self.resumes && !goes_on { self.input.overhead.start } else { Seconds::ZERO }
    }

    /// The latest end of the median of the work at a place.
    pub(super) fn bound(&self, place: usize, rules: Rules) -> Timestamp {
        let place_view = &self.places[place];
        let mut bound = Timestamp::MAX;
        if let (true, Some(deadline)) = (rules.deadline, self.deadline) {
            bound = if rules.reserve { place_view.reserve.before(deadline) } else { deadline };
        }
        if let (true, Some(allowance)) = (rules.delay, self.allowance) {
            let at_once = self.first_loss(place, place_view.earliest) + place_view.run_time.minus(place_view.slowed);
            bound = bound.min((allowance + at_once).after(place_view.earliest));
        }
        bound
    }

    /// Whether a stretch may lie here: room, windows. The caller looks after its end.
    pub(super) fn open(&self, place: usize, window: Window, rules: Rules) -> bool {
        let stays = self.current == Some(place) && window.start() == self.input.now;
        let room = stays || self.places[place].view.occupancy.fits(window, self.places[place].resources);
        room && (!rules.windows || self.in_windows(window))
    }

    /// Whether the policy's windows let the job run in `window`.
    fn in_windows(&self, window: Window) -> bool {
        if self.input.policy.is_always_open() {
            return true;
        }
        let at = self.openings.partition_point(|opening| opening.start() <= window.start());
        let Some(opening) = at.checked_sub(1).map(|at| self.openings[at]) else { return false };
        let whole = window.end() <= opening.end();
        whole || (opening.contains(window.start()) && !self.can_pause && !self.fits_an_opening(window.duration()))
    }

    fn fits_an_opening(&self, duration: Seconds) -> bool {
        self.openings.iter().any(|opening| duration <= opening.duration())
    }

    /// Whether a course keeps the rules.
    pub(super) fn admits(&self, course: &Course, rules: Rules) -> bool {
        let last = course.stretches[course.stretches.len() - 1];
        course.end() <= self.bound(last.place, rules)
            && course.stretches.iter().all(|stretch| self.open(stretch.place, stretch.window, rules))
    }

    /// What the high quantile of the work takes longer than the course.
    pub(super) fn reserve(&self, course: &Course) -> Seconds {
        self.places[course.stretches[course.stretches.len() - 1].place].reserve
    }

    /// Whether the deadline lets the job start not a slot later than this.
    pub(super) fn no_latitude(&self, course: &Course) -> bool {
        let latest = self.reserve(course).after(course.end());
        self.deadline.is_some_and(|deadline| deadline < self.input.slot.after(latest))
    }

    /// Grams of running at a place for a time.
    pub(super) fn grams_of(&self, stretch: Stretch) -> f64 {
        let place = &self.places[stretch.place];
        let integral =
            place.view.curve.integral_to(stretch.window.end()) - place.view.curve.integral_to(stretch.window.start());
        place.kilowatts * integral / 3600.0
    }

    /// Grams of losing time at a place at a moment: a stop or a start.
    pub(super) fn grams_of_loss(&self, place: usize, at: Timestamp, loss: Seconds) -> f64 {
        let place = &self.places[place];
        place.kilowatts * place.view.curve.at(at).get() * loss.hours()
    }

    /// Grams of moving the job to a place, started there at that moment.
    pub(super) fn grams_of_transfer(&self, place: usize, at: Timestamp) -> f64 {
        let view = &self.places[place].view;
        (view.site.transfer.energy * view.curve.at(at)).get()
    }

    /// A course of these stretches with all it emits.
    pub(super) fn course(&self, stretches: Vec<Stretch>) -> Course {
        Course { grams: self.grams(&stretches), stretches }
    }

    /// All that a course of these stretches emits, in grams.
    pub(super) fn grams(&self, stretches: &[Stretch]) -> f64 {
        let mut grams: f64 = stretches.iter().map(|stretch| self.grams_of(*stretch)).sum();
        let mut at = self.current.or(self.rests_at);
        for stretch in stretches {
            if at.is_some_and(|at| !self.is_one_site(at, stretch.place)) {
                grams += self.grams_of_transfer(stretch.place, stretch.window.start());
            }
            at = Some(stretch.place);
        }
        if let (Some(current), Some(first)) = (self.current, stretches.first())
            && (first.place != current || self.input.now < first.window.start())
        {
            grams += self.grams_of_loss(current, self.input.now, self.input.overhead.stop);
        }
        grams
    }

    /// The footprint with its 90 % interval: energy and intensity err independently, so relative widths add in
    /// quadrature. How long the job takes is part of how much energy it takes and not counted again.
    pub(super) fn footprint(&self, course: &Course) -> Interval<GramsCo2e> {
        let energy = self.input.prediction.remaining_energy;
        let mut grams = Interval::exactly(0.0);
        for stretch in &course.stretches {
            let place = &self.places[stretch.place];
            let joules = Joules::saturating(place.kilowatts * 1e3 * stretch.window.duration().get());
            let part = place.view.curve.integrate(joules, stretch.window);
            grams.low += part.low.get();
            grams.median += part.median.get();
            grams.high += part.high.get();
        }
        let share = |part: f64, whole: f64| if 0.0 < whole { part / whole } else { 1.0 };
        let below = (1.0 - share(energy.low.get(), energy.median.get())).hypot(1.0 - share(grams.low, grams.median));
        let above = (share(energy.high.get(), energy.median.get()) - 1.0).hypot(share(grams.high, grams.median) - 1.0);
        Interval {
            low: course.grams * (1.0 - below).max(0.0),
            median: course.grams,
            high: course.grams * (1.0 + above),
        }
        .map(GramsCo2e::saturating)
    }

    pub(super) fn segments(&self, course: &Course) -> Vec<Segment> {
        course
            .stretches
            .iter()
            .map(|stretch| {
                let Place { view, point, .. } = &self.places[stretch.place];
                Segment { site: view.site.id.clone(), window: stretch.window, point: *point }
            })
            .collect()
    }
}

/// How it runs, of a job that does.
fn running_at(input: &PlanningInput) -> OperatingPoint {
    input.job.current_attempt().map(|attempt| attempt.point).unwrap_or_default()
}

/// The places of these sites: one for each, or for each operating point there is room for at all.
fn places<'a>(input: &PlanningInput, views: &[Numbered<'a>]) -> Vec<Place<'a>> {
    let running_at = running_at(input);
    let mut places = Vec::with_capacity(views.len());
    for (number, view) in views {
        let here = input.current == Some(&view.site.id);
        let mut add = |point: OperatingPoint| {
            let resources = input.job.spec.resources.of(point.workers);
            let goes_on = here && point == running_at;
            if view.occupancy.capacity().holds(&resources) || goes_on {
                places.push(place(input, (*number, *view), point, goes_on));
            }
        };
        let points = || input.job.spec.operating_points(&view.site.power_caps);
        points().for_each(&mut add);
        if here && !points().any(|point| point == running_at) {
            // What was allowed when it started goes on.
            add(running_at);
        }
    }
    // Where it runs comes first, as it runs.
    places.sort_by_key(|place: &Place| input.current != Some(&place.view.site.id) || place.point != running_at);
    places
}

/// What a site means for the job at an operating point; `goes_on` where that is how it runs now.
pub(super) fn place<'a>(
    input: &PlanningInput,
    (number, view): Numbered<'a>,
    point: OperatingPoint,
    goes_on: bool,
) -> Place<'a> {
    let remaining = input.prediction.remaining;
    let work = remaining.median.max(Seconds::saturating(LEAST_WORK));
    let watts = input.prediction.remaining_energy.median.get() / work.get();
    // A site that is configured without a sensible speed counts as the reference.
    let speed = if view.site.speed.is_finite() && 0.0 < view.site.speed { view.site.speed } else { 1.0 };
    let power = if view.site.power.is_finite() && 0.0 < view.site.power { view.site.power } else { 1.0 };
    let (faster, stronger) = input.job.spec.pace(point);
    let (uncapped, _) = input.job.spec.pace(point.uncapped());
    let slowed = work.times(1.0 / (speed * faster)).minus(work.times(1.0 / (speed * uncapped)));
    let (speed, power) = (speed * faster, power * stronger);
    let (now, transfer) = (input.now, view.site.transfer.time);
    let elsewhere = |id: Option<&SiteId>| id.is_some_and(|id| *id != view.site.id);
    // At another point it has to leave first, where it is too.
    let leaves = if input.current.is_some() && !goes_on { input.overhead.stop } else { Seconds::ZERO };
    let moves = elsewhere(input.current.or(input.last_site));
    let earliest = (if moves { leaves + transfer } else { leaves }).after(now);
    Place {
        view,
        point,
        resources: input.job.spec.resources.of(point.workers),
        number,
        kilowatts: watts * power * view.site.pue.get() / 1e3,
        run_time: work.times(1.0 / speed),
        slowed,
        reserve: remaining.high.minus(work).times(1.0 / speed),
        earliest,
    }
}

/// The policy's windows over the horizon and the run after it, and those around the next one beyond: a weekly window may
/// lie further away than is planned.
fn openings(input: &PlanningInput, run_time: Seconds) -> Vec<Window> {
    if input.policy.is_always_open() {
        return vec![];
    }
    let end = input.horizon.after(input.now);
    let stretch = |from: Timestamp, length: Seconds| Window::new(from, length.after(from)).ok();
    let mut after = run_time + run_time + Seconds::from_hours(1.0);
    loop {
        let near = stretch(input.now, input.horizon + after);
        let far = input.policy.next_opening(end).and_then(|next| stretch(next, after));
        let openings =
            timetable::merge(near.into_iter().chain(far).flat_map(|window| input.policy.openings(window)).collect());
        // A job that is paused between short windows needs many of them.
        let open: Seconds = openings.iter().map(Window::duration).sum();
        if run_time + run_time <= open || Seconds::from_hours(24.0 * FURTHEST_OPENING_DAYS) <= after {
            return openings;
        }
        after = after + after;
    }
}

/// How much more the job may wait: the longest delay minus what it has waited already.
fn allowance(input: &PlanningInput, deadline: Option<Timestamp>) -> Option<Seconds> {
    if !input.policy.delay {
        return Some(Seconds::ZERO);
    }
    let longest = [input.job.spec.max_delay, input.policy.max_delay].into_iter().flatten().min_by(Seconds::total_cmp);
    let longest = match (longest, deadline) {
        (Some(longest), _) => longest,
        (None, Some(_)) => return None,
        (None, None) => input.horizon,
    };
    let waited = Seconds::between(input.job.submitted_at, input.now).minus(input.job.ran(input.now));
    Some(longest.minus(waited))
}

/// A site with its number among those of the input.
type Numbered<'a> = (usize, SiteView<'a>);

/// The sites the job may use, in the order of preference, and whom that left out. An error says why there is none.
fn allowed_sites<'a>(input: &'a PlanningInput<'a>) -> Result<(Vec<Numbered<'a>>, Vec<String>), Vec<String>> {
    let (job, policy) = (input.job, input.policy);
    let mut views: Vec<Numbered> = input.sites.iter().copied().enumerate().collect();
    let wished = |id: &SiteId| job.spec.sites.iter().position(|wish| wish == id);
    views.sort_by_key(|(_, view)| {
        let here = input.current == Some(&view.site.id);
        let rests = input.last_site == Some(&view.site.id);
        (!here, !rests, wished(&view.site.id))
    });
    // Where the job runs it may go on, whatever has been said since about where it may run.
    views.retain(|(_, view)| {
        let id = &view.site.id;
        input.current == Some(id)
            || ((job.spec.sites.is_empty() || wished(id).is_some())
                && (policy.sites.is_empty() || policy.sites.contains(id))
                && (policy.zones.is_empty() || policy.zones.contains(&view.site.zone)))
    });
    if views.is_empty() {
        return Err(vec![format!("no site is allowed by both the job and the policy `{}`", policy.id)]);
    }
    let wanted = job.spec.least_resources();
    let holds = |(_, view): &Numbered| input.current == Some(&view.site.id) || view.occupancy.capacity().holds(&wanted);
    if !views.iter().any(holds) {
        return Err(views.iter().map(|(_, view)| lacks(input, view)).collect());
    }
    let mut warnings = Vec::new();
    views.retain(holds);
    if !policy.route {
        // Routing is for carbon; a site that can never take the job is passed over all the same.
        views.truncate(1);
    }
    views.truncate(MOST_SITES);
    if !input.comparable {
        let tags: Option<Tags> = views[0].1.tags;
        let alike = |(_, view): &Numbered| view.tags == tags;
        let others = views.iter().filter(|view| !alike(view)).map(|(_, view)| format!("`{}`", view.site.id));
        let names: Vec<String> = others.collect();
        if !names.is_empty() {
            warnings.push(format!(
                "left out {}: their carbon intensity counts other things than that of `{}`, so the numbers cannot be ranked \
                 (`comparable = true` in the configuration ranks them all the same)",
                names.join(", "),
                views[0].1.site.id
            ));
        }
        views.retain(alike);
    }
    Ok((views, warnings))
}

fn lacks(input: &PlanningInput, view: &SiteView) -> String {
    let (wanted, there) = (input.job.spec.least_resources(), view.occupancy.capacity());
    let mut missing = Vec::new();
    if there.cpus < wanted.cpus {
        missing.push(format!("{} processors (it has {})", wanted.cpus, there.cpus));
    }
    if there.gpus < wanted.gpus {
        missing.push(format!("{} GPUs (it has {})", wanted.gpus, there.gpus));
    }
    format!("site `{}` lacks the job's {}", view.site.id, missing.join(" and "))
}
