//! Fair share: what accounts have used of late, and how that compares with what they are to get.
//!
//! An attempt uses the larger of its parts of all processors and of all GPUs of all sites (its dominant share; Ghodsi et al., NSDI
//! 2011), times the hours it runs. What was used fades with a half-life. An account's factor is Slurm's classic fair-share
//! factor, `F = 2^(-U/S)`: `U` its part of all that was used, `S` its part of the shares of all accounts that used anything
//! (<https://slurm.schedmd.com/classic_fair_share.html>). 1 is of an account that used nothing, 0.5 of one that used just its share.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lowtide_model::identity::JobId;
use lowtide_model::job::Attempt;
use lowtide_model::priority::FairShare;
use lowtide_model::quantity::Seconds;
use lowtide_model::site::{Resources, Site};

use crate::engine::Engine;

/// Factors nearer to each other than one part in so many are equal, so that every minute of running does not turn the order round.
const LEVELS: f64 = 20.0;

/// How much an account has used, in steps of a twentieth of its factor: 0 for one that used nothing, at most 20. The less the sooner.
pub(crate) type Level = u8;

/// What accounts have used.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    config: Option<FairShare>,
    /// Hours of everything there is, faded up to `faded_to`, of attempts that are over.
    ended: BTreeMap<String, f64>,
    faded_to: Option<Timestamp>,
    /// The factors as they were last worked out, those of running attempts included.
    factors: BTreeMap<String, f64>,
}

impl Shares {
    /// The factor of a job's account; nothing where fair share is not configured.
    fn factor(&self, account: impl FnOnce(&FairShare) -> String) -> Option<(String, f64)> {
        let account = account(self.config.as_ref()?);
        let factor = self.factors.get(&account).copied().unwrap_or(1.0);
        Some((account, factor))
    }

    fn fade(&mut self, now: Timestamp, half_life: Seconds) {
        if let Some(before) = self.faded_to.filter(|before| *before < now) {
            let left = fading(Seconds::between(before, now), half_life);
            self.ended.values_mut().for_each(|used| *used *= left);
        }
        self.faded_to = Some(self.faded_to.map_or(now, |before| before.max(now)));
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 20, as a factor is of 0 to 1")]
fn level(factor: f64) -> Level {
    ((1.0 - factor) * LEVELS).round() as Level
}

/// What is left of something after a time.
fn fading(after: Seconds, half_life: Seconds) -> f64 {
    (-after.get() / half_life.get()).exp2()
}

/// Hours from `start` to `end`, each faded by its age at `now`: the integral of `2^(-age / half_life)`.
fn faded_hours(start: Timestamp, end: Timestamp, now: Timestamp, half_life: Seconds) -> f64 {
    let left = |at: Timestamp| fading(Seconds::between(at, now), half_life);
    half_life.hours() / std::f64::consts::LN_2 * (left(end) - left(start)).max(0.0)
}

/// The larger of the parts of processors and GPUs.
fn dominant_share(of: Resources, all: Resources) -> f64 {
    let part = |of: u32, all: u32| f64::from(of) / f64::from(all.max(1));
    part(of.cpus, all.cpus).max(part(of.gpus, all.gpus))
}

/// The factor of each account that used anything.
fn factors(config: &FairShare, used: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let (all_used, all_shares) =
        used.iter().fold((0.0, 0.0), |(sum, shares), (account, used)| (sum + used, shares + config.share(account)));
    let factor = |(account, used): (&String, &f64)| {
        let (used, share) = (used / all_used, config.share(account) / all_shares);
        (account.clone(), (-used / share).exp2())
    };
    used.iter().filter(|(_, used)| 0.0 < **used).map(factor).collect()
}

impl Engine {
    /// A new configuration: what has been used is counted anew from the jobs there are.
    pub(crate) fn share_fairly(&mut self, now: Timestamp, config: Option<FairShare>) {
        self.shares = Shares { config, ..Shares::default() };
        let over = self.jobs.values().flat_map(|job| {
            let over = job.attempts.iter().filter(|attempt| attempt.ended_at.is_some());
            over.map(|attempt| (job.id, attempt.clone()))
        });
        let over: Vec<(JobId, Attempt)> = if self.shares.config.is_some() { over.collect() } else { Vec::new() };
        for (id, attempt) in over {
            self.count_as_used(now, id, &attempt);
        }
        self.work_out_shares(now);
    }

    /// The latest attempt of a job is over: what it used counts from now on and fades.
    pub(crate) fn count_latest_attempt(&mut self, now: Timestamp, id: JobId) {
        if self.shares.config.is_none() {
            return;
        }
        if let Some(attempt) = self.jobs.get(&id).and_then(|job| job.attempts.last()).cloned() {
            self.count_as_used(now, id, &attempt);
        }
    }

    fn count_as_used(&mut self, now: Timestamp, id: JobId, attempt: &Attempt) {
        let (Some(config), Some(job)) = (&self.shares.config, self.jobs.get(&id)) else { return };
        let (account, half_life) = (config.account(&job.spec).to_owned(), config.half_life);
        let hours = self.used_by(now, job.spec.resources.of(attempt.point.workers), attempt, half_life);
        if 0.0 < hours {
            self.shares.fade(now, half_life);
            *self.shares.ended.entry(account).or_default() += hours;
        }
    }

    /// Hours of everything there is that an attempt has used up to `now`, faded.
    fn used_by(&self, now: Timestamp, resources: Resources, attempt: &Attempt, half_life: Seconds) -> f64 {
        let Some(started) = attempt.started_at else { return 0.0 };
        let all = |sum: Resources, site: &Site| sum.plus(&site.capacity);
        let share = dominant_share(resources, self.sites.iter().fold(Resources::default(), all));
        share * faded_hours(started, attempt.ended_at.unwrap_or(now), now, half_life)
    }

    /// Works the factors out as of now. Before anything is decided in a step.
    pub(crate) fn work_out_shares(&mut self, now: Timestamp) {
        let Some(half_life) = self.shares.config.as_ref().map(|config| config.half_life) else { return };
        self.shares.fade(now, half_life);
        let mut used = self.shares.ended.clone();
        let Some(config) = &self.shares.config else { return };
        for (job, attempt) in self.jobs.begun() {
            let hours = self.used_by(now, job.spec.resources.of(attempt.point.workers), attempt, half_life);
            *used.entry(config.account(&job.spec).to_owned()).or_default() += hours;
        }
        let factors = factors(config, &used);
        let levels = |factors: &BTreeMap<String, f64>| -> BTreeMap<String, Level> {
            factors.iter().map(|(account, factor)| (account.clone(), level(*factor))).collect()
        };
        let changed = levels(&factors) != levels(&self.shares.factors);
        self.shares.factors = factors;
        if changed {
            self.rank_anew(now);
        }
    }

    /// How much the account of a job has used.
    pub(crate) fn level_of(&self, job: &lowtide_model::job::Job) -> Level {
        let factor = self.shares.factor(|config| config.account(&job.spec).to_owned());
        factor.map_or(0, |(_, factor)| level(factor))
    }

    /// A job's account and its fair-share factor as last worked out, from 0 (used far more than its share) to 1 (used nothing);
    /// nothing where fair share is not configured.
    #[must_use]
    pub fn fair_share_of(&self, job: &lowtide_model::job::Job) -> Option<(String, f64)> {
        self.shares.factor(|config| config.account(&job.spec).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use lowtide_model::priority::AccountBy;

    use super::*;

    fn at(hours: f64) -> Timestamp {
        Seconds::from_hours(hours).after(Timestamp::UNIX_EPOCH)
    }

    fn config(shares: &[(&str, f64)]) -> FairShare {
        let shares = shares.iter().map(|(account, share)| ((*account).to_owned(), *share)).collect();
        FairShare { by: AccountBy::User, half_life: Seconds::from_hours(168.0), shares }
    }

    fn used(used: &[(&str, f64)]) -> BTreeMap<String, f64> {
        used.iter().map(|(account, used)| ((*account).to_owned(), *used)).collect()
    }

    #[test]
    fn who_used_just_the_share_has_one_half_whatever_the_shares_are() {
        // The fixed point of Slurm's formula.
        for (shares, hours) in [([1.0, 1.0], [5.0, 5.0]), ([2.0, 1.0], [8.0, 4.0]), ([0.5, 7.0], [1.0, 14.0])] {
            let factors = factors(
                &config(&[("ada", shares[0]), ("bob", shares[1])]),
                &used(&[("ada", hours[0]), ("bob", hours[1])]),
            );
            assert!(factors.values().all(|factor| (factor - 0.5).abs() < 1e-12), "{factors:?}");
        }
    }

    #[test]
    fn twice_the_share_is_a_quarter() {
        // All of the usage with half of the shares: U/S = 2.
        let factors = factors(&config(&[]), &used(&[("ada", 10.0), ("bob", 1e-9)]));
        assert!((factors["ada"] - 0.25).abs() < 1e-6, "{factors:?}");
    }

    #[test]
    fn an_hour_of_a_half_life_ago_counts_half_and_a_long_run_counts_each_hour_by_its_own_age() {
        let half_life = Seconds::from_hours(168.0);
        let recent = faded_hours(at(1000.0), at(1000.01), at(1000.01), half_life);
        let older = faded_hours(at(832.0), at(832.01), at(1000.01), half_life);
        assert!((older / recent - 0.5).abs() < 1e-6, "{older} of {recent}");
        let pieces: f64 = (0..100)
            .map(|piece| f64::from(piece) * 3.0)
            .map(|start| faded_hours(at(start), at(start + 3.0), at(400.0), half_life))
            .sum();
        let whole = faded_hours(at(0.0), at(300.0), at(400.0), half_life);
        assert!((pieces - whole).abs() < 1e-9, "{pieces}, {whole}");
    }

    #[test]
    fn a_job_uses_what_it_takes_most_of() {
        let all = Resources { cpus: 100, gpus: 4 };
        assert!((dominant_share(Resources { cpus: 10, gpus: 2 }, all) - 0.5).abs() < 1e-12);
        assert!(
            (dominant_share(Resources { cpus: 10, gpus: 0 }, Resources { cpus: 100, gpus: 0 }) - 0.1).abs() < 1e-12
        );
    }
}
