//! Many jobs planned in bulk, held against planning them one after the other.

use lowtide_model::identity::PolicyId;
use lowtide_model::job::{Job, JobSpec};
use lowtide_model::quantity::{GramsPerKwh, Seconds};
use lowtide_model::scaling::Scaling;
use lowtide_model::site::{Resources, Site};
use proptest::prelude::*;

use super::*;
use crate::curve::IntensityCurve;
use crate::plan::Overhead;
use crate::policy::{self, Policy};
use crate::predict::Prediction;
use crate::testing::{TAGS, certain, forecast, hour, job, site, spec, window};

const POLICIES: [&str; 5] = [
    "route = true\npausable = false",
    "route = true\npausable = false\ndelay_grams_per_hour = 40.0",
    "route = true\npausable = false\nminimum_saving = 0.2\nmax_delay = \"9h\"",
    "route = true",
    "route = true\npausable = false\nspread = 0.03",
];

/// A job, what is thought of it, when it is released, and its policy.
struct Asked {
    job: Job,
    prediction: Prediction,
    released: f64,
    policy: Policy,
}

impl Asked {
    fn input<'a>(&'a self, sites: &'a [SiteView<'a>]) -> PlanningInput<'a> {
        PlanningInput {
            now: hour(self.released),
            job: &self.job,
            prediction: &self.prediction,
            policy: &self.policy,
            sites,
            current: None,
            last_site: None,
            overhead: Overhead { stop: Seconds::ZERO, start: Seconds::ZERO },
            horizon: Seconds::from_hours(36.0),
            slot: Seconds::from_hours(0.25),
            probing: false,
            comparable: false,
            seed: 0,
        }
    }
}

/// One after the other by [`choose_stretches`], each around those before it.
fn one_by_one(views: &[SiteView], asked: &[Asked]) -> Vec<Option<Choice>> {
    let mut taken: Vec<Occupancy> = views.iter().map(|view| view.occupancy.clone()).collect();
    let mut choose = |asked: &Asked| {
        let sites: Vec<SiteView> =
            views.iter().zip(&taken).map(|(view, occupancy)| SiteView { occupancy, ..*view }).collect();
        let choice = choose_stretches(&asked.input(&sites));
        for segment in choice.iter().flat_map(|choice| &choice.segments) {
            let at = views.iter().position(|view| view.site.id == segment.site).expect("one of the sites");
            taken[at].add(segment.window, segment.takes(asked.job.spec.resources));
        }
        choice
    };
    asked.iter().map(&mut choose).collect()
}

fn placed(choices: &[Option<Choice>]) -> Vec<Option<(&[lowtide_model::plan::Segment], lowtide_model::plan::Reason)>> {
    choices.iter().map(|choice| choice.as_ref().map(|choice| (&*choice.segments, choice.reason))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn jobs_planned_in_bulk_go_where_they_would_go_one_by_one(
        sites in prop::collection::vec((
            prop::collection::vec(prop::sample::select(vec![0.0, 20.0, 21.5, 300.0, 302.0, 500.0]), 48),
            prop::sample::select(vec![0.5, 1.0, 1.25]), 2_u32..7,
        ), 1..5),
        jobs in prop::collection::vec(
            (0_u32..40, prop::option::weighted(0.5, 0_u32..900), 1_u32..4, 0_u32..20, prop::option::weighted(0.3, 5_u32..40),
             prop::sample::select(vec![0_usize, 0, 0, 1, 2, 3, 4]), prop::bool::weighted(0.1)),
            1..60,
        ),
        batch in 1_usize..20,
        // Below zero in some cases, where bounds by cells say nothing.
        toll in prop::sample::select(vec![0.0, 0.0, 0.0, -100.0]),
    ) {
        let places: Vec<(Site, IntensityCurve, Occupancy)> = sites.iter().enumerate().map(|(number, (levels, speed, cpus))| {
            let mut site = site(&format!("s{number}"), *cpus);
            site.speed = *speed;
            let curve =
                IntensityCurve::build(Some(&forecast("GB", levels)), GramsPerKwh::ZERO, hour(0.0), window(0.0, 60.0));
            let curve = curve.with_tolls(hour(0.0), Seconds::from_hours(1.0), &[toll; 60]);
            let occupancy = Occupancy::new(site.capacity);
            (site, curve, occupancy)
        }).collect();
        let views: Vec<SiteView> = places.iter().map(|(site, curve, occupancy)| SiteView { tags: Some(TAGS), ..SiteView::of(site, curve, occupancy) }).collect();
        let asked: Vec<Asked> = jobs.iter().map(|(slots, odd, cpus, released, deadline, policy, elastic)| Asked {
            job: job(JobSpec {
                resources: Resources { cpus: *cpus, gpus: 0 },
                deadline: deadline.map(|hours| hour(f64::from(hours))),
                scaling: if *elastic { "1:1,2:1.9".parse().expect("a profile") } else { Scaling::default() },
                ..spec()
            }),
            prediction: certain(f64::from(*slots) * 0.25 + f64::from(odd.unwrap_or(0)) / 3600.0),
            released: f64::from(*released) * 0.3,
            policy: policy::parse(PolicyId::new("test").expect("a name"), POLICIES[*policy]).expect("a policy"),
        }).collect();
        let expected = one_by_one(&views, &asked);

        let mut bulk = Bulk::new(&views);
        let each: Vec<_> = asked.iter().map(|asked| bulk.choose(&asked.input(&[]))).collect();
        prop_assert_eq!(placed(&each), placed(&expected));

        // Each half of a batch is looked at by a thread of its own.
        let (mut bulk, mut together) = (Bulk::new(&views), Vec::new());
        for batch in asked.chunks(batch) {
            let look = |asked: &[Asked]| -> Vec<Proposal> {
                asked.iter().map(|asked| bulk.propose(&asked.input(&[]))).collect()
            };
            let (one, other) = batch.split_at(batch.len() / 2);
            let (one, other) = rayon::join(|| look(one), || look(other));
            let proposals = [one, other].concat();
            for (asked, proposal) in batch.iter().zip(proposals) {
                together.push(bulk.commit(&asked.input(&[]), proposal));
            }
        }
        prop_assert_eq!(placed(&together), placed(&expected));
    }
}
