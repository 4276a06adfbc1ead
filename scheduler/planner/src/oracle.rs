//! The best that could have been done, with everything known: what policies are measured against.
//!
//! One job: exact, by dynamic programming over slots, slots done, and on or off ([`switching`]). Many jobs on limited capacity,
//! all of one power for each processor: exact for jobs that can be paused and narrowed, by the cleanest slot first ([`flow`]);
//! with jobs that cannot, a lower bound. Jobs of unequal power: [`flow::cheapest`], a minimum-cost flow.
//! Several sites with transfers: [`multi`].

pub mod flow;
pub mod multi;
pub mod switching;
