//! lowtide's planning on forecasts as they were issued, against the optimum with everything known: half a year of a real grid.
#![expect(clippy::print_stderr, reason = "a skipped test must be seen")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use lowtide_model::identity::PolicyId;
use lowtide_planner::baseline::awhile::Semantics;
use lowtide_planner::policy;
use lowtide_simulator::carbon::CarbonTrace;
use lowtide_simulator::forecast::{Believed, Issues};
use lowtide_simulator::jobs::JobTrace;
use lowtide_simulator::planned;
use lowtide_simulator::replay::World;
use lowtide_simulator::setting::Setting;

/// Length known, each start and stop at a tenth of an hour: planning anew each hour is to come this near the optimum.
const OVER_OPTIMUM: f64 = 1.025;

#[test]
fn planning_anew_each_hour_comes_near_the_optimum_and_misses_no_deadline() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.is_dir() {
        eprintln!("SKIPPED: the reference data are not here ({})", data.display());
        return;
    }
    let read = |path: &str| fs::read_to_string(data.join(path)).expect("the data are there");
    let carbon = CarbonTrace::read(&[&read("carbon/carboncast/CISO_2020-2021.csv")]).expect("a trace");
    let start: Timestamp = "2021-07-01T00:00:00Z".parse().expect("a time");
    let end = Timestamp::from_second(carbon.end_s()).expect("a time");
    let zones = [carbon.series(start, end).expect("half a year")];
    let issues = Issues::read(&read("forecast/carboncast/CISO_lifecycle_96h.csv"), start.as_second());
    let believed = [Believed::Issued(issues.expect("forecasts"))];
    // Every third day from the sixteenth on, one job at 2:00 and one at 15:00.
    let mut jobs = String::from("arrival_h,length_h,max_wait_h\n");
    for day in (16..176).step_by(3) {
        let _ = writeln!(jobs, "{},12,36\n{},12,36", day * 24 + 2, day * 24 + 15);
    }
    let jobs = JobTrace::read(&jobs, start.as_second(), None).expect("jobs").jobs;
    let setting = Setting {
        start,
        slot_h: 1.0,
        queues: vec![],
        flexibility: None,
        semantics: Semantics::Honest,
        capacity: None,
        switching: 0.1,
        profile: None,
    };
    let policy = policy::parse(PolicyId::new("tide").expect("a name"), "minimum_saving = 0").expect("a policy");
    let world = World { setting: &setting, zones: &zones, believed: &believed };
    let outcome = planned::replay(&policy, world, &jobs, |_| true, |_| {}).expect("a replay");
    let over = outcome.policy_g / outcome.oracle_g.expect("an optimum");
    assert_eq!((outcome.jobs, outcome.deadline_misses), (108, 0));
    assert!((1.0..OVER_OPTIMUM).contains(&over), "{over} times the optimum");
}
