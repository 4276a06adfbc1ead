//! The policies a daemon knows: the built-in ones and the files of the user's directory.

use std::path::Path;

use lowtide_model::identity::PolicyId;
use lowtide_planner::policy::{self, Policy};

/// A policy, its text and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct KnownPolicy {
    /// What it says.
    pub(crate) policy: Policy,
    /// Its text: what the journal keeps.
    pub(crate) text: String,
    /// `built-in`, or its file.
    pub(crate) origin: String,
}

impl KnownPolicy {
    /// Its settings as its file spells them: every line that is not a comment.
    #[must_use]
    pub(crate) fn settings(&self) -> Vec<String> {
        let lines = self.text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }
}

/// The built-in policies and those of `directory`, by name. A file that cannot be used is left out and told of: one
/// broken policy must not keep the daemon from starting, and jobs under it keep the text they were planned by.
pub(crate) fn load(directory: Option<&Path>) -> (Vec<KnownPolicy>, Vec<String>) {
    let mut known: Vec<KnownPolicy> = policy::builtin_texts()
        .into_iter()
        .filter_map(|(id, text)| {
            let policy = policy::parse(id, text).ok()?;
            Some(KnownPolicy { policy, text: text.to_owned(), origin: "built-in".to_owned() })
        })
        .collect();
    let mut problems = Vec::new();
    let Some(directory) = directory else { return (known, problems) };
    let files = match std::fs::read_dir(directory) {
        Ok(files) => files,
        Err(error) => {
            problems.push(format!("the policies in {} cannot be read: {error}", directory.display()));
            return (known, problems);
        }
    };
    let mut paths: Vec<_> = files.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    for path in paths {
        match read(&path) {
            Ok(policy) => {
                // A file may replace a built-in policy of its name.
                known.retain(|other| other.policy.id != policy.policy.id);
                known.push(policy);
            }
            Err(problem) => problems.push(format!("policy {} is left out: {problem}", path.display())),
        }
    }
    known.sort_by(|a, b| a.policy.id.cmp(&b.policy.id));
    (known, problems)
}

fn read(path: &Path) -> Result<KnownPolicy, String> {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let id = PolicyId::new(name).map_err(|error| error.to_string())?;
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let policy = policy::parse(id, &text).map_err(|error| error.to_string())?;
    Ok(KnownPolicy { policy, text, origin: path.display().to_string() })
}
