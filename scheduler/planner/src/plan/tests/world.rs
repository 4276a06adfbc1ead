//! The world the plans of these tests are made in.

use super::*;

/// A world of sites with hourly forecasts, and one job.
pub(super) struct World {
    pub(super) now: f64,
    pub(super) job: Job,
    pub(super) policy: Policy,
    pub(super) prediction: Prediction,
    pub(super) sites: Vec<(Site, Option<Tags>, IntensityCurve, Occupancy)>,
    /// The marginal intensity of each site's zone, where that is told.
    pub(super) marginal: Vec<IntensityCurve>,
    /// The price at each site, where that is known.
    pub(super) prices: Vec<PriceCurve>,
    pub(super) current: Option<SiteId>,
    pub(super) last_site: Option<SiteId>,
    pub(super) overhead: Overhead,
    pub(super) probing: bool,
    pub(super) comparable: bool,
    pub(super) misled: Option<Misled>,
    pub(super) drift: Drift,
}

impl World {
    pub(super) fn new(hours_of_work: f64, policy: &str, forecasts: &[&[f64]]) -> Self {
        let sites = ["home", "north", "south"]
            .iter()
            .zip(forecasts)
            .map(|(name, levels)| {
                let site = site(name, 4);
                let forecast = forecast("GB", levels);
                let horizon = window(0.0, levels.len() as f64);
                let curve = IntensityCurve::build(Some(&forecast), GramsPerKwh::ZERO, hour(0.0), horizon);
                let occupancy = Occupancy::new(site.capacity);
                (site, Some(TAGS), curve, occupancy)
            })
            .collect();
        Self {
            now: 0.0,
            job: job(spec()),
            policy: policy::parse(PolicyId::new("test").expect("a name"), policy).expect("a policy"),
            prediction: certain(hours_of_work),
            sites,
            marginal: vec![],
            prices: vec![],
            current: None,
            last_site: None,
            overhead: Overhead { stop: Seconds::ZERO, start: Seconds::ZERO },
            probing: false,
            comparable: false,
            misled: None,
            drift: Drift::NONE,
        }
    }

    pub(super) fn marginal(mut self, forecasts: &[&[f64]]) -> Self {
        let curve = |levels: &&[f64]| {
            let horizon = window(0.0, levels.len() as f64);
            IntensityCurve::build(Some(&forecast("GB", levels)), GramsPerKwh::ZERO, hour(0.0), horizon)
        };
        self.marginal = forecasts.iter().map(curve).collect();
        self
    }

    /// Hourly prices of each site, per kWh.
    pub(super) fn prices(mut self, per_kwh: &[&[f64]]) -> Self {
        self.prices = per_kwh.iter().map(|values| prices(values)).collect();
        self
    }

    pub(super) fn spec(mut self, change: impl FnOnce(&mut JobSpec)) -> Self {
        change(&mut self.job.spec);
        self
    }

    /// The job runs at a site since so many hours before now.
    pub(super) fn running(mut self, site: &str) -> Self {
        self.current = Some(site_id(site));
        self.job.attempts.push(Attempt {
            number: AttemptNumber(1),
            site: site_id(site),
            point: OperatingPoint::default(),
            devices: vec![],
            ordered_at: hour(0.0),
            started_at: Some(hour(0.0)),
            ended_at: None,
            exit: None,
            epochs: vec![],
            progress: None,
            energy: None,
            reports_seen: 0,
        });
        self
    }

    pub(super) fn plan(&self) -> Plan {
        let views: Vec<SiteView> = self
            .sites
            .iter()
            .enumerate()
            .map(|(at, (site, tags, curve, occupancy))| SiteView {
                site,
                curve,
                marginal: self.marginal.get(at),
                price: self.prices.get(at),
                tags: *tags,
                misled: self.misled,
                drift: self.drift,
                occupancy,
            })
            .collect();
        plan(&PlanningInput {
            now: hour(self.now),
            job: &self.job,
            prediction: &self.prediction,
            policy: &self.policy,
            sites: &views,
            current: self.current.as_ref(),
            last_site: self.last_site.as_ref(),
            overhead: self.overhead,
            horizon: Seconds::from_hours(48.0),
            slot: Seconds::from_hours(1.0),
            probing: self.probing,
            comparable: self.comparable,
            seed: 0,
        })
    }
}

/// Site, first and last hour of each segment.
pub(super) fn shown(plan: &Plan) -> Vec<(String, f64, f64)> {
    let hours = |at: Timestamp| (at.duration_since(hour(0.0)).as_secs_f64() / 36.0).round() / 100.0;
    plan.segments
        .iter()
        .map(|segment| (segment.site.to_string(), hours(segment.window.start()), hours(segment.window.end())))
        .collect()
}

pub(super) fn at(site: &str, start: f64, end: f64) -> (String, f64, f64) {
    (site.to_owned(), start, end)
}

/// High by day, low for `low_hours` from hour 6 on and again from hour 20 on.
pub(super) fn two_tides(length: usize) -> Vec<f64> {
    (0..length)
        .map(|hour| if (6..9).contains(&(hour % 24)) || (20..23).contains(&(hour % 24)) { 100.0 } else { 400.0 })
        .collect()
}

pub(super) const PATIENT: &str = "max_delay = \"24h\"\nminimum_saving = 0.05";
pub(super) const ONE_PIECE: &str = "max_delay = \"24h\"\npausable = false";
