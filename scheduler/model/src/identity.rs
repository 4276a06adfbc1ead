//! Names of things. Each kind has its own type, so that one cannot be taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The number of a job, given in order of submission from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of an attempt within its job, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptNumber(pub u32);

impl fmt::Display for AttemptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What names one attempt at its executor: starting the same key twice is starting it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AttemptKey {
    /// The job.
    pub job: JobId,
    /// The attempt within the job.
    pub attempt: AttemptNumber,
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.job, self.attempt)
    }
}

impl FromStr for AttemptKey {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let refused = || NotAName { text: text.to_owned(), kind: "attempt key" };
        let (job, attempt) = text.split_once('-').ok_or_else(refused)?;
        Ok(Self {
            job: JobId(job.parse().map_err(|_| refused())?),
            attempt: AttemptNumber(attempt.parse().map_err(|_| refused())?),
        })
    }
}

/// A text that is no name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}")]
pub struct NotAName {
    /// The refused text.
    pub text: String,
    /// What it was to name.
    pub kind: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// One to 64 characters: ASCII letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
            pub fn new(text: impl Into<String>) -> Result<Self, NotAName> {
                let text = text.into();
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                let fits = (1..=64).contains(&text.len())
                    && text.chars().all(plain)
                    && text.starts_with(|c: char| c.is_ascii_alphanumeric());
                if fits { Ok(Self(text)) } else { Err(NotAName { text, kind: $kind }) }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAName;
            fn try_from(text: String) -> Result<Self, NotAName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl FromStr for $name {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                Self::new(text)
            }
        }
    };
}

name!(
    /// A place where jobs run, as the configuration names it.
    SiteId,
    "site name"
);
name!(
    /// A grid zone, such as `GB`, `DK1` or `US-CAL-CISO`.
    ZoneId,
    "zone name"
);
name!(
    /// A region plugin, such as `gb-neso`.
    PluginId,
    "plugin name"
);
name!(
    /// A policy: a built-in or a file of the user's.
    PolicyId,
    "policy name"
);
name!(
    /// A carbon budget, as the configuration names it.
    BudgetId,
    "budget name"
);
