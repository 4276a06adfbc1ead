//! Errors as people read them: one line of fact, then, after a blank line, a hint at the way out.
//!
//! With `--json` the same goes to stderr as one object, `{"error": {"kind", "message", "hint"}}`, and stdout stays empty.

use std::fmt;
use std::process::ExitCode;

use lowtide_api::client::ClientError;
use lowtide_api::v1::problem::{Problem, ProblemKind};
use serde::Serialize;

/// Sorts of failure; each has its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// There is no such job, policy, site, zone, plugin or file.
    NotFound,
    /// The request says something that cannot be.
    Invalid,
    /// The job's state does not allow it.
    Conflict,
    /// It cannot be done now.
    Unavailable,
    /// A fault of lowtide's own.
    Internal,
    /// The command line itself makes no sense.
    Usage,
    /// No daemon answers, and none could be started.
    Unreachable,
    /// Whoever read our output has left. Nothing is said about it.
    OutputClosed,
}

/// Why a verb did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure without a hint. The message names what happened, to what; no full stop.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// The request says something that cannot be.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// A file or a system call refused: `doing` says what was tried.
    pub(crate) fn io(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        let kind = if error.kind() == std::io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Unavailable };
        Self::new(kind, format!("{doing}: {error}"))
    }

    /// The same with what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, where it means that no daemon can be had.
    #[must_use]
    pub(crate) fn unreachable(mut self) -> Self {
        self.kind = Kind::Unreachable;
        self
    }

    /// What sort of failure it is.
    #[must_use]
    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// What happened, in one line.
    #[must_use]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    #[must_use]
    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// 1 the request failed, 2 usage, 3 daemon unreachable. A closed output is what `| head` does: no failure.
    #[must_use]
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::NotFound | Kind::Invalid | Kind::Conflict | Kind::Unavailable | Kind::Internal => ExitCode::from(1),
            Kind::Usage => ExitCode::from(2),
            Kind::Unreachable => ExitCode::from(3),
            Kind::OutputClosed => ExitCode::SUCCESS,
        }
    }

    /// As programs read it.
    #[must_use]
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let Self { kind, message, hint } = self;
        serde_json::json!({ "error": { "kind": kind, "message": message, "hint": hint } })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Problem> for Failure {
    fn from(Problem { kind, message, hint }: Problem) -> Self {
        let kind = match kind {
            ProblemKind::NotFound => Kind::NotFound,
            ProblemKind::Invalid => Kind::Invalid,
            ProblemKind::Conflict => Kind::Conflict,
            ProblemKind::Unavailable => Kind::Unavailable,
            ProblemKind::Internal => Kind::Internal,
        };
        Self { kind, message, hint }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(problem) => problem.into(),
            ClientError::Unreachable { ref cause, .. } => Self::new(Kind::Unreachable, format!("{error}: {cause}"))
                .hint("`lowtide daemon start` starts one; `lowtide doctor` looks for what is wrong"),
            ClientError::NotUnderstood { ref cause, .. } => Self::new(Kind::Internal, format!("{error}: {cause}"))
                .hint("is the daemon of another version? `lowtide daemon stop` lets the next command start this one's"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_names_kind_message_and_hint() {
        let failure = Failure::new(Kind::NotFound, "there is no job 7").hint("`lowtide jobs` lists them");
        assert_eq!(
            failure.to_json().to_string(),
            r#"{"error":{"hint":"`lowtide jobs` lists them","kind":"not-found","message":"there is no job 7"}}"#
        );
    }
}
