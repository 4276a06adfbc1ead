//! What a refusal of the engine is to a person.

use lowtide_api::v1::problem::{Problem, ProblemKind};
use lowtide_engine::Refusal;
use lowtide_model::identity::{PolicyId, SiteId};

/// The problem a client is told.
#[must_use]
pub(crate) fn problem_of(refusal: &Refusal) -> Problem {
    let problem = |kind| Problem::new(kind, refusal.to_string());
    match refusal {
        Refusal::NoSuchJob(_) => problem(ProblemKind::NotFound).hint("`lowtide jobs --all` lists them"),
        Refusal::Illegal { .. } | Refusal::Over { .. } => problem(ProblemKind::Conflict),
        Refusal::NoCheckpoint(_) => problem(ProblemKind::Conflict).hint("let it run, or end it with `lowtide cancel`"),
        Refusal::NoSuchPolicy { name, known } => problem(ProblemKind::NotFound).hint(did_you_mean(
            name.as_str(),
            known.iter().map(PolicyId::as_str),
            "policies",
        )),
        Refusal::NoSuchSite { name, known } => {
            problem(ProblemKind::NotFound).hint(did_you_mean(name.as_str(), known.iter().map(SiteId::as_str), "sites"))
        }
        Refusal::BadDependency(..) => problem(ProblemKind::Invalid),
        Refusal::DeadlinePassed { .. } => {
            problem(ProblemKind::Invalid).hint("give a later one, such as `--deadline 36h`")
        }
        Refusal::BadRecurrence(_) => problem(ProblemKind::Invalid).hint(
            "five fields as in crontab, such as `--cron '0 2 * * *'`, and an IANA zone such as Europe/Copenhagen",
        ),
        Refusal::NoSuchRecurring(_) => problem(ProblemKind::NotFound).hint("`lowtide jobs --recurring` lists them"),
        Refusal::RecursNoMore(_) => problem(ProblemKind::Conflict),
        Refusal::TooLarge { .. } => {
            problem(ProblemKind::Invalid).hint("`lowtide site list` shows how large the sites are")
        }
    }
}

/// The likeliest of the names there are, or all of them.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>, what: &str) -> String {
    let known: Vec<&str> = known.collect();
    let likeliest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(similarity, _)| 0.8 < *similarity);
    match likeliest {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None => format!("the {what} are {}", known.join(", ")),
    }
}
