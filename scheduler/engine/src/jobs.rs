//! All jobs, and which of them are open, wait or run where: so that no step looks through all of them.
//!
//! A job can only be changed through [`Jobs::edit`], which files it anew where its state or its place became another one. So what is
//! filed is at every moment what a look through all jobs would find; a test compares the two after every event.

use std::collections::btree_map::Values;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::Timestamp;
use lowtide_model::identity::{JobId, SiteId};
use lowtide_model::job::{Attempt, Job};

/// All jobs by number.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    all: BTreeMap<JobId, Job>,
    /// Not over.
    open: BTreeSet<JobId>,
    /// Awaiting a window.
    waiting: BTreeSet<JobId>,
    /// Open, and awaiting none.
    aside: BTreeSet<JobId>,
    /// Ordered to a site or running there, by site.
    at: BTreeMap<SiteId, BTreeSet<JobId>>,
    /// The same of all sites.
    begun: BTreeSet<JobId>,
    /// Open, and nowhere yet, by their planned starts.
    coming: BTreeSet<(Timestamp, JobId)>,
}

/// Where a job is filed.
#[derive(PartialEq)]
struct Filed {
    open: bool,
    waiting: bool,
    at: Option<SiteId>,
    comes: Option<Timestamp>,
}

impl Filed {
    fn of(job: &Job) -> Self {
        let open = !job.state.is_final();
        let waiting = job.state.awaits_a_window();
        let at = job.current_attempt().map(|attempt| attempt.site.clone());
        let start = job.plan.as_ref().filter(|_| waiting).and_then(|plan| plan.segments.first());
        // Nobody knows when one starts that has no plan, or waits for a person: after all others.
        let comes = (open && at.is_none()).then(|| start.map_or(Timestamp::MAX, |first| first.window.start()));
        Self { open, waiting, at, comes }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "asked as any map is")]
impl Jobs {
    pub(crate) fn get(&self, id: &JobId) -> Option<&Job> {
        self.all.get(id)
    }

    pub(crate) fn contains_key(&self, id: &JobId) -> bool {
        self.all.contains_key(id)
    }

    /// All of them, oldest first.
    pub(crate) fn values(&self) -> Values<'_, JobId, Job> {
        self.all.values()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &JobId> {
        self.all.keys()
    }

    pub(crate) fn last_key_value(&self) -> Option<(&JobId, &Job)> {
        self.all.last_key_value()
    }

    /// Those that are not over, oldest first.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Job> {
        self.each(&self.open)
    }

    /// Those after this one that are not over, oldest first.
    pub(crate) fn open_after(&self, id: JobId) -> impl Iterator<Item = &Job> {
        self.open.range((Bound::Excluded(id), Bound::Unbounded)).filter_map(|id| self.all.get(id))
    }

    /// All after this one, oldest first.
    pub(crate) fn after(&self, id: JobId) -> impl Iterator<Item = &Job> {
        self.all.range((Bound::Excluded(id), Bound::Unbounded)).map(|(_, job)| job)
    }

    /// Those that are not over: what occupies a site, oldest first, then by planned start, and last those that have none.
    pub(crate) fn open_by_start(&self) -> impl Iterator<Item = &Job> {
        self.each(&self.begun).chain(self.coming.iter().filter_map(|(_, id)| self.all.get(id)))
    }

    /// Those that are over, the latest first.
    pub(crate) fn over(&self) -> impl Iterator<Item = &Job> {
        self.all.values().rev().filter(|job| job.state.is_final())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Those that are open and await no window: they run, or wait for a person or for room in a budget.
    pub(crate) fn aside(&self) -> impl Iterator<Item = &Job> {
        self.each(&self.aside)
    }

    /// How many are not over.
    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Those that await a window, oldest first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Job> {
        self.each(&self.waiting)
    }

    /// Those that occupy a site, oldest first, with their attempts.
    pub(crate) fn begun(&self) -> impl Iterator<Item = (&Job, &Attempt)> {
        self.each(&self.begun).filter_map(|job| Some((job, job.current_attempt()?)))
    }

    /// How many occupy a site.
    pub(crate) fn begun_count(&self) -> usize {
        self.begun.len()
    }

    /// Those that occupy this site, oldest first, with their attempts.
    pub(crate) fn at(&self, site: &SiteId) -> impl Iterator<Item = (&Job, &Attempt)> {
        let here = self.at.get(site).into_iter().flat_map(|here| self.each(here));
        here.filter_map(|job| Some((job, job.current_attempt()?)))
    }

    fn each<'a>(&'a self, ids: &'a BTreeSet<JobId>) -> impl Iterator<Item = &'a Job> {
        ids.iter().filter_map(|id| self.all.get(id))
    }

    /// Takes a job in.
    pub(crate) fn insert(&mut self, id: JobId, job: Job) {
        let filed = Filed::of(&job);
        if let Some(before) = self.all.insert(id, job) {
            self.take_out(id, &Filed::of(&before));
        }
        self.file(id, filed);
    }

    /// Changes a job. Nothing else does.
    pub(crate) fn edit<T>(&mut self, id: JobId, edit: impl FnOnce(&mut Job) -> T) -> Option<T> {
        let job = self.all.get_mut(&id)?;
        let before = Filed::of(job);
        let told = edit(job);
        let now = Filed::of(job);
        if before != now {
            self.take_out(id, &before);
            self.file(id, now);
        }
        Some(told)
    }

    fn file(&mut self, id: JobId, Filed { open, waiting, at, comes }: Filed) {
        self.open.extend(open.then_some(id));
        self.waiting.extend(waiting.then_some(id));
        self.aside.extend((open && !waiting).then_some(id));
        self.coming.extend(comes.map(|at| (at, id)));
        if let Some(site) = at {
            self.at.entry(site).or_default().insert(id);
            self.begun.insert(id);
        }
    }

    fn take_out(&mut self, id: JobId, before: &Filed) {
        self.open.remove(&id);
        self.waiting.remove(&id);
        self.aside.remove(&id);
        self.begun.remove(&id);
        if let Some(at) = before.comes {
            self.coming.remove(&(at, id));
        }
        if let Some(here) = before.at.as_ref().and_then(|site| self.at.get_mut(site)) {
            here.remove(&id);
        }
    }

    /// What is filed otherwise than a look through all jobs says, for tests: nothing.
    pub(crate) fn misfiled(&self) -> Vec<JobId> {
        let comes: BTreeMap<JobId, Timestamp> = self.coming.iter().map(|(at, id)| (*id, *at)).collect();
        let filed = |id: &JobId| Filed {
            open: self.open.contains(id),
            waiting: self.waiting.contains(id),
            at: self.at.iter().find(|(_, here)| here.contains(id)).map(|(site, _)| site.clone()),
            comes: comes.get(id).copied(),
        };
        let places = self.at.values().map(BTreeSet::len).sum::<usize>();
        let wrong = self.all.iter().filter(|(id, job)| {
            let right = Filed::of(job);
            filed(id) != right
                || self.begun.contains(id) != right.at.is_some()
                || self.aside.contains(id) != (right.open && !right.waiting)
        });
        // A number filed without a job, at two sites or for two starts makes the counts differ.
        let known = |ids: &BTreeSet<JobId>| ids.clone().into_iter().filter(|id| !self.all.contains_key(id));
        let unknown: Vec<JobId> =
            [&self.open, &self.waiting, &self.aside, &self.begun].into_iter().flat_map(known).collect();
        let twice = if places == self.begun.len() { None } else { self.begun.first().copied() };
        let unknown_coming = comes.keys().copied().filter(|id| !self.all.contains_key(id));
        let coming_twice = if comes.len() == self.coming.len() { None } else { self.coming.first().map(|(_, id)| *id) };
        let unknown = unknown.into_iter().chain(unknown_coming);
        wrong.map(|(id, _)| *id).chain(unknown).chain(twice).chain(coming_twice).collect()
    }
}
