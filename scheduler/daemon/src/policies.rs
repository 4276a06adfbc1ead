//! The policies a daemon knows: the built-in ones and the files of the user's directory.

use std::collections::BTreeMap;
use std::path::Path;

use lowtide_model::identity::PolicyId;
use lowtide_planner::policy::{self, Policy, Setting};

/// A policy, its text and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct KnownPolicy {
    /// What it says.
    pub(crate) policy: Policy,
    /// The policies it extends, the nearest first.
    pub(crate) extends: Vec<PolicyId>,
    /// Its keys as they are in force, and who set them.
    pub(crate) settings: Vec<Setting>,
    /// Its text: what the journal keeps.
    pub(crate) text: String,
    /// `built-in`, or its file.
    pub(crate) origin: String,
}

/// The built-in policies and those of `directory`, by name. A file that cannot be used is left out and told of: one
/// broken policy must not keep the daemon from starting, and jobs under it keep the text they were planned by.
pub(crate) fn load(directory: Option<&Path>) -> (Vec<KnownPolicy>, Vec<String>) {
    let built_in = policy::builtin_texts().into_iter();
    let mut texts: BTreeMap<PolicyId, (String, String)> =
        built_in.map(|(id, text)| (id, (text.to_owned(), "built-in".to_owned()))).collect();
    let mut problems = Vec::new();
    for path in directory.map(|directory| files(directory, &mut problems)).unwrap_or_default() {
        match read(&path) {
            // A file may replace a built-in policy of its name.
            Ok((id, text)) => drop(texts.insert(id, (text, path.display().to_string()))),
            Err(problem) => problems.push(left_out(&path.display().to_string(), &problem)),
        }
    }
    let known = policy::read_all(texts.iter().map(|(id, (text, _))| (id.clone(), text.as_str())));
    let mut usable = Vec::new();
    for (id, known) in known {
        let Some((text, origin)) = texts.remove(&id) else { continue };
        match known {
            Ok(known) => {
                let settings = known.settings();
                usable.push(KnownPolicy { policy: known.policy, extends: known.extends, settings, text, origin });
            }
            Err(error) => problems.push(left_out(&origin, &error.to_string())),
        }
    }
    (usable, problems)
}

fn left_out(origin: &str, problem: &str) -> String {
    format!("policy {origin} is left out: {problem}")
}

fn files(directory: &Path, problems: &mut Vec<String>) -> Vec<std::path::PathBuf> {
    let files = match std::fs::read_dir(directory) {
        Ok(files) => files,
        Err(error) => {
            problems.push(format!("the policies in {} cannot be read: {error}", directory.display()));
            return Vec::new();
        }
    };
    let mut paths: Vec<_> = files.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
}

fn read(path: &Path) -> Result<(PolicyId, String), String> {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let id = PolicyId::new(name).map_err(|error| error.to_string())?;
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Ok((id, text))
}
