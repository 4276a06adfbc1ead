//! Closing a job's account, and closing it again when better intensities are known.

use jiff::Timestamp;
use lowtide_model::forecast::Kind;
use lowtide_model::identity::{JobId, SiteId, ZoneId};
use lowtide_model::job::Job;
use lowtide_model::quantity::Seconds;
use lowtide_model::site::Site;
use lowtide_planner::review::{ReviewInput, SiteRecord, review};

use crate::engine::Engine;

/// For how long after a job's end better intensities are taken in.
const SETTLED_FOR_GOOD_AFTER_HOURS: f64 = 24.0 * 7.0;

impl Engine {
    /// Writes the review of a job that is over, if it has run.
    pub(crate) fn settle(&mut self, now: Timestamp, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        if !job.attempts.iter().any(|attempt| attempt.started_at.is_some()) {
            return;
        }
        let records: Vec<SiteRecord<'_>> = self
            .sites
            .iter()
            .filter_map(|site| {
                let curve = self.outlook.curve(&site.zone)?;
                Some(SiteRecord { site: &site.id, curve, pue: site.pue })
            })
            .collect();
        let review =
            review(ReviewInput { job, at: now, sites: &records, run_at_once_site: self.run_at_once_site(job) });
        let measured = review.actual.intensity_kind == Kind::Measured;
        self.edit(id, |job| job.review = Some(review));
        self.claim(now, id);
        if measured {
            self.unsettled.remove(&id);
        } else {
            self.unsettled.insert(id);
        }
    }

    /// Where the job would have run had it been run at once: the first site, in the order of the configuration, that
    /// it may use and that is large enough. That is what a queue without lowtide would have done.
    fn run_at_once_site(&self, job: &Job) -> Option<&SiteId> {
        let policy = self.policy_in_force(&job.spec);
        let allowed = |site: &&Site| {
            (job.spec.sites.is_empty() || job.spec.sites.contains(&site.id))
                && (policy.sites.is_empty() || policy.sites.contains(&site.id))
                && (policy.zones.is_empty() || policy.zones.contains(&site.zone))
                && site.capacity.holds(&job.spec.least_resources())
        };
        self.sites.iter().find(allowed).map(|site| &site.id)
    }

    /// New values of a zone arrived: accounts that rested on weaker ones are closed again.
    pub(crate) fn settle_again(&mut self, now: Timestamp, zone: &ZoneId) {
        self.refresh_curves(now);
        for id in self.unsettled.clone() {
            let Some(job) = self.jobs.get(&id) else { continue };
            let Some(review) = &job.review else { continue };
            if Seconds::from_hours(SETTLED_FOR_GOOD_AFTER_HOURS) < Seconds::between(review.at.min(job.state_since), now)
            {
                self.unsettled.remove(&id);
                continue;
            }
            let ran_there =
                job.attempts.iter().any(|attempt| self.site(&attempt.site).is_some_and(|site| site.zone == *zone));
            if ran_there {
                self.settle(now, id);
            }
        }
    }
}
