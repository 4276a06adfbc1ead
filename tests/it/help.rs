//! What needs neither a daemon nor a home: help, completions, manual pages, and usage errors.

use serde_json::Value;

use crate::world::World;

#[test]
fn help_shows_an_example_and_every_verb() {
    let help = World::empty().ok(&["--help"]);
    for word in
        ["submit", "explain", "measure", "lowtide submit --deadline 36h -- python train.py", "Exit codes: 0 done"]
    {
        assert!(help.contains(word), "{word} is missing in {help}");
    }
}

#[test]
fn what_is_not_understood_is_a_usage_error() {
    let world = World::empty();
    for arguments in [
        &["frobnicate"][..],
        &["submit"],
        &["submit", "python", "train.py"],
        &["submit", "--deadline", "soon", "--", "true"],
        &["submit", "--power", "300", "--", "true"],
        &["submit", "--signal", "USR1", "--", "true"],
        &["submit", "--epoch-regex", "(", "--", "true"],
        &["jobs", "--limit", "0"],
        &["jobs", "--state", "runing"],
        &["jobs", "--held", "--limit", "5"],
        &["show"],
        &["show", "0"],
        &["show", "all"],
        &["report", "--by", "colour"],
        &["forecast", "--hours", "0"],
        &["measure"],
        &["daemon", "start", "--time-scale", "0"],
    ] {
        let said = world.run(arguments);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{arguments:?}: {said:?}");
        assert!(said.stderr.starts_with("error: "), "{said:?}");
    }
    assert!(!world.state().exists(), "a usage error starts nothing");
}

#[test]
fn a_usage_error_is_json_where_json_was_asked_for() {
    let said = World::empty().run(&["report", "--json", "--by", "colour"]);
    let error: Value = serde_json::from_str(&said.stderr).expect("JSON");
    assert_eq!((said.code, said.stdout.as_str(), error["error"]["kind"].as_str()), (2, "", Some("usage")));
}

#[test]
fn no_home_and_no_state_directory_is_said() {
    let said = World::empty().lowtide(&["jobs"]).env_remove("HOME").output().expect("it runs");
    let stderr = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(1));
    assert!(stderr.contains("--state-dir"), "{stderr}");
}

#[test]
fn completions_and_manual_pages_are_made() {
    let world = World::empty();
    assert!(world.ok(&["completions", "bash"]).contains("lowtide"));
    let directory = world.work();
    world.ok(&["man", &directory.display().to_string()]);
    assert!(directory.join("lowtide-submit.1").exists());
    assert_eq!(world.run(&["man", "/does/not/exist"]).code, 1);
}
