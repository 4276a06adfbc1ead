//! Reviews of many jobs in a table: sums of what was used and saved, medians of how far predictions were off.

use std::collections::BTreeMap;

use lowtide_model::job::Job;
use lowtide_model::quantity::{GramsCo2e, Joules};
use lowtide_model::review::{ErrorSplit, Review};

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// One job.
    Job,
    /// The project, `-` for jobs without one.
    Project,
    /// The site of the last attempt, `-` for jobs without one.
    Site,
    /// The policy.
    Policy,
    /// Who submitted it.
    User,
}

impl GroupBy {
    /// Its name, as users write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Project => "project",
            Self::Site => "site",
            Self::Policy => "policy",
            Self::User => "user",
        }
    }

    fn key(self, job: &Job) -> String {
        const NONE: &str = "-";
        match self {
            // Padded in the order of numbers; the padding is taken off again in the row.
            Self::Job => format!("{:020}", job.id.0),
            Self::Project => job.spec.project.clone().unwrap_or_else(|| NONE.to_owned()),
            Self::Site => job.attempts.last().map_or_else(|| NONE.to_owned(), |attempt| attempt.site.to_string()),
            Self::Policy => job.spec.policy.to_string(),
            Self::User => job.spec.user.clone(),
        }
    }
}

/// One group of jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The group.
    pub key: String,
    /// How many jobs.
    pub jobs: u64,
    /// Energy, before PUE.
    pub energy: Joules,
    /// Footprint.
    pub footprint: GramsCo2e,
    /// Footprint that was predicted for them: after the first epoch, else at submission.
    pub predicted: GramsCo2e,
    /// Footprint had they run at once.
    pub run_at_once: GramsCo2e,
    /// `run_at_once - footprint` in grams; negative where waiting did harm.
    pub saving_g: f64,
    /// Median of the absolute relative errors of the footprint, over jobs that have one.
    pub footprint_error: Option<f64>,
    /// Likewise of the energy.
    pub energy_error: Option<f64>,
    /// Likewise of the time.
    pub duration_error: Option<f64>,
    /// Likewise of the intensity.
    pub intensity_error: Option<f64>,
}

/// Rows in the order of their keys, and all together.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What the rows stand for.
    pub by: GroupBy,
    /// One for each group.
    pub rows: Vec<Row>,
    /// All jobs.
    pub total: Row,
}

/// The report over those of the jobs that have a review; the others are left out.
#[must_use]
pub fn report<'a>(jobs: impl IntoIterator<Item = &'a Job>, by: GroupBy) -> Report {
    let mut groups: BTreeMap<String, Vec<&Review>> = BTreeMap::new();
    for job in jobs {
        if let Some(review) = &job.review {
            groups.entry(by.key(job)).or_default().push(review);
        }
    }
    let all: Vec<&Review> = groups.values().flatten().copied().collect();
    let total = row("total".to_owned(), &all);
    let shown = |key: String| match by {
        GroupBy::Job => key.trim_start_matches('0').to_owned(),
        GroupBy::Project | GroupBy::Site | GroupBy::Policy | GroupBy::User => key,
    };
    Report { by, rows: groups.into_iter().map(|(key, reviews)| row(shown(key), &reviews)).collect(), total }
}

fn row(key: String, reviews: &[&Review]) -> Row {
    let judged = |review: &&&Review| review.after_first_epoch.as_ref().or(review.at_submit.as_ref()).cloned();
    let error = |of: fn(&ErrorSplit) -> f64| {
        median(reviews.iter().filter_map(|review| review.error.as_ref().map(|error| of(error).abs())).collect())
    };
    Row {
        key,
        jobs: reviews.len() as u64,
        energy: reviews.iter().map(|review| review.actual.energy).sum(),
        footprint: reviews.iter().map(|review| review.actual.footprint).sum(),
        predicted: reviews.iter().filter_map(|review| judged(&review)).map(|made| made.footprint.median).sum(),
        run_at_once: reviews.iter().map(|review| review.run_at_once).sum(),
        saving_g: reviews.iter().map(|review| review.saving_g).sum(),
        footprint_error: error(|error| error.footprint),
        energy_error: error(|error| error.energy),
        duration_error: error(|error| error.duration),
        intensity_error: error(|error| error.intensity),
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use lowtide_model::forecast::Kind;
    use lowtide_model::identity::JobId;
    use lowtide_model::quantity::Seconds;
    use lowtide_model::review::Actual;

    use super::*;
    use crate::testing::{hour, job, spec};

    fn reviewed(id: u64, project: Option<&str>, grams: f64, at_once: f64, error: Option<f64>) -> Job {
        let mut job = job(spec());
        job.id = JobId(id);
        job.spec.project = project.map(str::to_owned);
        job.review = Some(Review {
            at: hour(0.0),
            at_submit: None,
            after_first_epoch: None,
            actual: Actual {
                duration: Seconds::from_hours(1.0),
                energy: Joules::from_kwh(1.0).expect("positive"),
                footprint: GramsCo2e::saturating(grams),
                intensity_kind: Kind::Measured,
            },
            run_at_once: GramsCo2e::saturating(at_once),
            method: String::new(),
            saving_g: at_once - grams,
            error: error.map(|error| ErrorSplit { energy: error, duration: error, intensity: error, footprint: error }),
        });
        job
    }

    #[test]
    fn groups_add_up_to_the_total_and_errors_are_medians() {
        let jobs = [
            reviewed(2, Some("vision"), 100.0, 300.0, Some(-0.2)),
            reviewed(10, Some("vision"), 50.0, 40.0, Some(0.1)),
            reviewed(3, None, 10.0, 10.0, None),
            job(spec()),
        ];
        let by_project = report(&jobs, GroupBy::Project);
        let keys: Vec<&str> = by_project.rows.iter().map(|row| row.key.as_str()).collect();
        assert_eq!(keys, ["-", "vision"]);
        let vision = &by_project.rows[1];
        assert_eq!((vision.jobs, vision.footprint.get(), vision.saving_g), (2, 150.0, 190.0));
        assert!((vision.energy_error.expect("two errors") - 0.15).abs() < 1e-9);
        assert_eq!(by_project.rows[0].energy_error, None);
        assert_eq!((by_project.total.jobs, by_project.total.saving_g), (3, 190.0));
        let by_job: Vec<String> = report(&jobs, GroupBy::Job).rows.into_iter().map(|row| row.key).collect();
        assert_eq!(by_job, ["2", "3", "10"]);
    }
}
