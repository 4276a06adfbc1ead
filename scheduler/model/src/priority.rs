//! Who goes first, as users and configurations say it: the priority of a job and the shares of accounts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::job::JobSpec;
use crate::quantity::Seconds;

/// How important a job is to its submitter, from -100 to 100; the higher goes first, 0 where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Priority(i8);

/// A number that is no priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no priority: it is a whole number from -100 to 100, the higher the sooner")]
pub struct NoPriority(i64);

impl Priority {
    /// That of a job of which nothing is said.
    pub const NORMAL: Self = Self(0);
    /// The farthest from it, in both directions.
    const MOST: i64 = 100;

    /// The priority of this number.
    pub fn new(number: i64) -> Result<Self, NoPriority> {
        let within = (-Self::MOST..=Self::MOST).contains(&number);
        within.then(|| i8::try_from(number).ok().map(Self)).flatten().ok_or(NoPriority(number))
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> i8 {
        self.0
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_normal(&self) -> bool {
        *self == Self::NORMAL
    }
}

impl TryFrom<i64> for Priority {
    type Error = NoPriority;

    fn try_from(number: i64) -> Result<Self, NoPriority> {
        Self::new(number)
    }
}

impl From<Priority> for i64 {
    fn from(priority: Priority) -> Self {
        priority.0.into()
    }
}

impl std::fmt::Display for Priority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Among jobs of one priority those of an account go first that has used less of what there is, measured by its share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FairShare {
    /// What an account is.
    pub by: AccountBy,
    /// After this long what was used counts half; positive.
    pub half_life: Seconds,
    /// What accounts are to get, relative to one another, each positive; an account that is not named has 1.
    pub shares: BTreeMap<String, f64>,
}

/// What the jobs of one account have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountBy {
    /// Their user.
    #[default]
    User,
    /// Their project; for jobs without one, their user.
    Project,
}

impl FairShare {
    /// A week, as Slurm's `PriorityDecayHalfLife` has it by default.
    pub const HALF_LIFE_DAYS: f64 = 7.0;

    /// The account of a job.
    #[must_use]
    pub fn account<'a>(&self, spec: &'a JobSpec) -> &'a str {
        match self.by {
            AccountBy::User => &spec.user,
            AccountBy::Project => spec.project.as_deref().unwrap_or(&spec.user),
        }
    }

    /// The share of an account.
    #[must_use]
    pub fn share(&self, account: &str) -> f64 {
        self.shares.get(account).copied().unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_is_a_number_between_two_bounds() {
        assert_eq!(Priority::new(-100).map(Priority::get), Ok(-100));
        assert_eq!(Priority::new(101), Err(NoPriority(101)));
        assert!(serde_json::from_str::<Priority>("-101").is_err(), "nor can one be read");
        assert!(Priority::new(-1).expect("one") < Priority::new(3).expect("one"), "the higher is the greater");
    }
}
