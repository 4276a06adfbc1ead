//! `lowtide plugin …`: region plugins, from an author's first try to a site's consent.

pub(crate) mod build;
pub(crate) mod compile;
pub(crate) mod inspect;
pub(crate) mod install;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod remove;
mod subject;
pub(crate) mod test;
pub(crate) mod update;
