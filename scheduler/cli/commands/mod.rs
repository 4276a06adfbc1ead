//! One file for each verb.

pub(crate) mod act;
pub(crate) mod agent;
pub(crate) mod approvals;
pub(crate) mod budget;
pub(crate) mod completions;
pub(crate) mod daemon;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod forecast;
pub(crate) mod import;
pub(crate) mod jobs;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod measure;
pub(crate) mod plugin;
pub(crate) mod policy;
pub(crate) mod recurring;
pub(crate) mod report;
pub(crate) mod show;
pub(crate) mod simulate;
pub(crate) mod site;
pub(crate) mod submit;
pub(crate) mod trial;
