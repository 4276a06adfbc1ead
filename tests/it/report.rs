//! `lowtide report`.

use crate::world::World;

#[test]
fn finished_jobs_are_summed_by_project() {
    let world = World::new();
    assert!(world.ok(&["report"]).contains("No job"));
    for project in ["vision", "vision", "speech"] {
        let id = world.submit(&["--policy", "run-now", "--project", project], &["sh", "-c", "sleep 0.3"]);
        world.wait_for_state(id, "succeeded");
    }
    let report = world.json(&["report", "--by", "project", "--json"]);
    let jobs = |key: &str| {
        let rows = report["rows"].as_array().expect("a list");
        rows.iter().find(|row| row["key"] == key).and_then(|row| row["jobs"].as_u64())
    };
    assert_eq!(
        (jobs("vision"), jobs("speech"), report["total"]["jobs"].as_u64()),
        (Some(2), Some(1), Some(3)),
        "{report:#}"
    );
    let csv = world.ok(&["report", "--by", "project", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let table = world.ok(&["report", "--since", "1h", "--by", "project"]);
    assert!(table.contains("vision") && table.contains("total"), "{table}");
}
