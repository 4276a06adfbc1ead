//! `lowtide policy list|show|check`: what users allow and prefer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lowtide_api::v1::listing::Policies;
use lowtide_model::identity::PolicyId;
use lowtide_planner::policy::{self, Policy, PolicyError};

use crate::context::{self, Context};
use crate::failure::{Failure, Kind};
use crate::output::{layout, listing};
use crate::printer::Printer;

/// Names this alike are taken for a slip of the finger, by Jaro-Winkler.
const ALIKE: f64 = 0.8;
/// A policy is some hundred lines at most; a larger file is another file.
const LARGEST_FILE_BYTES: u64 = 1 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Print `{"policies": […]}` instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Name of the policy
    name: String,

    /// Print the policy as one JSON value
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The file; a policy is called after it
    file: PathBuf,

    /// Print `{"policy", "advice"}` instead of sentences
    #[arg(long)]
    json: bool,
}

pub(crate) async fn list(args: &ListArgs, context: &Context) -> Result<(), Failure> {
    let known = context.ask_or_start(async |client| client.policies().await).await?;
    if args.json {
        return context.printer.json(&known);
    }
    context.printer.data(&listing::policies(&known.policies, context.look()))
}

pub(crate) async fn show(args: &ShowArgs, context: &Context) -> Result<(), Failure> {
    let Policies { policies } = context.ask_or_start(async |client| client.policies().await).await?;
    let Some(policy) = policies.iter().find(|policy| policy.id == args.name) else {
        let alike = |name: &str| strsim::jaro_winkler(name, &args.name);
        let likeliest = policies
            .iter()
            .map(|policy| policy.id.as_str())
            .filter(|name| ALIKE < alike(name))
            .max_by(|a, b| alike(a).total_cmp(&alike(b)));
        let hint = match likeliest {
            Some(name) => format!("did you mean `{name}`?"),
            None => "`lowtide policy list` lists them".to_owned(),
        };
        return Err(Failure::new(Kind::NotFound, format!("there is no policy `{}`", args.name)).hint(hint));
    };
    if args.json {
        return context.printer.json(policy);
    }
    context.printer.data(&listing::policy(policy))
}

/// A policy of a file's text, which may extend a built-in one or one that lies beside it.
pub(crate) fn of_file(file: &Path, id: &PolicyId, text: String) -> Result<Policy, PolicyError> {
    let texts = policy::builtin_texts().into_iter().map(|(id, text)| (id, text.to_owned())).chain(beside(file));
    let mut texts: BTreeMap<PolicyId, String> = texts.collect();
    texts.insert(id.clone(), text);
    let known = policy::read_all(texts.iter().map(|(id, text)| (id.clone(), text.as_str()))).remove(id);
    known.unwrap_or_else(|| unreachable!("it was among those that were read")).map(|known| known.policy)
}

/// The policies that lie beside a file: it may extend one of them.
fn beside(file: &Path) -> Vec<(PolicyId, String)> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let policy = |path: PathBuf| {
        let is_policy = path.extension().is_some_and(|extension| extension == "toml");
        let small = std::fs::metadata(&path).is_ok_and(|data| data.is_file() && data.len() <= LARGEST_FILE_BYTES);
        let id = PolicyId::new(path.file_stem()?.to_string_lossy().into_owned()).ok()?;
        let text = std::fs::read_to_string(&path).ok()?;
        (is_policy && small).then_some((id, text))
    };
    entries.filter_map(|entry| policy(entry.ok()?.path())).collect()
}

/// Reads a file as the daemon would, or says what is wrong where.
pub(crate) fn read_file(path: &Path) -> Result<Policy, Failure> {
    let file = path.display();
    let unread = |error: &std::io::Error| Failure::io(format!("the policy file {file} cannot be read"), error);
    let length = std::fs::metadata(path).map_err(|error| unread(&error))?.len();
    if LARGEST_FILE_BYTES < length {
        return Err(Failure::invalid(format!("{file} is {length} bytes long: that is no policy")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unread(&error))?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let id = PolicyId::new(stem).map_err(|error| {
        Failure::invalid(format!("{file}: a policy is called after its file, and {error}"))
            .hint("a name is of letters, digits, `-`, `_` and `.`")
    })?;
    of_file(path, &id, text).map_err(|error| {
        let PolicyError { line, column, message, suggestion } = error;
        let failure = Failure::invalid(format!("{file}:{line}:{column}: {message}"));
        match suggestion {
            Some(suggestion) => failure.hint(suggestion),
            None => failure,
        }
    })
}

/// Reads the file as the daemon would, and says what is wrong where.
pub(crate) fn check(args: &CheckArgs, printer: Printer) -> Result<ExitCode, Failure> {
    let file = args.file.display();
    let policy = read_file(&args.file)?;
    let advice = policy::advise(&policy);
    if args.json {
        printer.json(&serde_json::json!({
            "policy": { "id": policy.id, "description": policy.description },
            "advice": advice,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    printer.data(&format!("{file}: policy `{}` can be used", policy.id))?;
    if !advice.is_empty() {
        printer.data(&format!("\nWorth a look\n{}", layout::bullets(&advice, context::look(printer).width)))?;
    }
    Ok(ExitCode::SUCCESS)
}
