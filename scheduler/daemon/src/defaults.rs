//! Which policy a job runs under that names none: that of its user, else that of its project, else the general one.

use std::collections::BTreeMap;

use lowtide_model::identity::PolicyId;
use lowtide_model::job::ChosenBy;

/// The policies of jobs that name none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// Of jobs for which nothing else is said.
    pub policy: PolicyId,
    /// By user.
    pub of_users: BTreeMap<String, PolicyId>,
    /// By project.
    pub of_projects: BTreeMap<String, PolicyId>,
}

impl Defaults {
    /// The policy of a job, and who chose it.
    #[must_use]
    pub fn policy_for(&self, user: &str, project: Option<&str>) -> (PolicyId, ChosenBy) {
        let of_user = self.of_users.get(user).map(|policy| (policy, ChosenBy::User));
        let of_project = project.and_then(|project| self.of_projects.get(project));
        let of_project = of_project.map(|policy| (policy, ChosenBy::Project));
        let (policy, by) = of_user.or(of_project).unwrap_or((&self.policy, ChosenBy::Default));
        (policy.clone(), by)
    }

    /// All policies that are named, each with the place in the configuration that names it.
    pub fn named(&self) -> impl Iterator<Item = (String, &PolicyId)> {
        let users = self.of_users.iter().map(|(user, policy)| (format!("the policy of user `{user}`"), policy));
        let projects = self.of_projects.iter();
        let projects = projects.map(|(project, policy)| (format!("the policy of project `{project}`"), policy));
        std::iter::once(("the default policy".to_owned(), &self.policy)).chain(users).chain(projects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_default_is_taken() {
        let id = |name: &str| PolicyId::new(name).expect("a name");
        let one = |name: &str, policy: &str| BTreeMap::from([(name.to_owned(), id(policy))]);
        let defaults = Defaults {
            policy: id("patient"),
            of_users: one("ada", "run-now"),
            of_projects: one("vision", "overnight"),
        };
        assert_eq!(defaults.policy_for("bob", None), (id("patient"), ChosenBy::Default));
        assert_eq!(defaults.policy_for("bob", Some("vision")), (id("overnight"), ChosenBy::Project));
        assert_eq!(defaults.policy_for("ada", Some("vision")), (id("run-now"), ChosenBy::User));
        assert_eq!(defaults.named().count(), 3);
    }
}
