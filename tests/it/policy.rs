//! `lowtide policy list|show|check`.

use serde_json::Value;

use crate::world::World;

#[test]
fn a_good_file_can_be_used() {
    let world = World::empty();
    world.file("mine.toml", "description = \"Mine\"\nmax_delay = \"6h\"\n");
    assert_eq!(world.ok(&["policy", "check", "mine.toml"]), "mine.toml: policy `mine` can be used\n");
}

#[test]
fn a_slip_is_told_with_its_line_and_what_was_meant() {
    let world = World::empty();
    world.file("mine.toml", "description = \"Mine\"\nmax_dealy = \"6h\"\n");
    let said = world.run(&["policy", "check", "mine.toml"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(said.stderr.contains("error: mine.toml:2:1: "), "{}", said.stderr);
    assert!(said.stderr.contains("max_delay"), "{}", said.stderr);
    let said = world.run(&["policy", "check", "--json", "mine.toml"]);
    let error: Value = serde_json::from_str(&said.stderr).expect("JSON");
    assert_eq!((said.code, error["error"]["kind"].as_str()), (1, Some("invalid")));
}

#[test]
fn contradictions_are_advised_upon() {
    let world = World::empty();
    world.file("odd.toml", "delay = false\npausable = true\n");
    let said = world.ok(&["policy", "check", "odd.toml"]);
    assert!(said.contains("Worth a look") && said.contains("pausable"), "{said}");
}

#[test]
fn what_is_no_policy_file_is_refused() {
    let world = World::empty();
    world.file("a b.toml", "");
    std::fs::write(world.work().join("binary.toml"), [0xff, 0xfe, 0]).expect("written");
    for file in ["absent.toml", "a b.toml", "binary.toml", "."] {
        let said = world.run(&["policy", "check", file]);
        assert_eq!(said.code, 1, "{file}: {said:?}");
    }
}

#[test]
fn the_daemon_knows_built_in_policies_and_the_users() {
    let world = World::new();
    let policies = world.config().with_file_name("policies");
    std::fs::create_dir(&policies).expect("made");
    std::fs::write(policies.join("mine.toml"), "description = \"Mine\"\nmax_delay = \"6h\"\n").expect("written");
    let list = world.json(&["policy", "list", "--json"]);
    let names: Vec<&str> =
        list["policies"].as_array().expect("a list").iter().filter_map(|policy| policy["id"].as_str()).collect();
    assert!(names.contains(&"patient") && names.contains(&"mine"), "{names:?}");
    assert!(world.ok(&["policy", "show", "mine"]).contains("max_delay = \"6h\""));
    let said = world.run(&["policy", "show", "patiant"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("did you mean `patient`?"), "{}", said.stderr);
}

#[test]
fn a_policy_may_extend_another_and_show_says_who_set_what() {
    let world = World::new();
    let policies = world.config().with_file_name("policies");
    std::fs::create_dir(&policies).expect("made");
    let write = |name: &str, text: &str| std::fs::write(policies.join(name), text).expect("written");
    write("group.toml", "extends = \"patient\"\nminimum_saving = 0.2\n");
    write("mine.toml", "extends = \"group\"\nmax_delay = \"6h\"\n");
    let shown = world.ok(&["policy", "show", "mine"]);
    let says = |key: &str, from: &str| {
        shown.lines().any(|line| line.starts_with(&format!("{key} = ")) && line.ends_with(&format!("# {from}")))
    };
    assert!(says("max_delay", "mine") && says("minimum_saving", "group") && says("probe_epochs", "patient"), "{shown}");
    assert!(says("description", "default"), "what it is for is its own to say: {shown}");
    let file = policies.join("mine.toml").display().to_string();
    assert!(world.ok(&["policy", "check", &file]).contains("can be used"));
    // What it inherits decides about jobs: a job of six hours at most waits, whatever the group says.
    let id = world.submit(&["--policy", "mine"], &["true"]);
    world.wait_for(id, |job| job["state"] == "succeeded");

    write("mine.toml", "extends = \"grup\"\n");
    let said = world.run(&["policy", "check", &file]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains(":1:11: there is no policy `grup`") && said.stderr.contains("`group`"), "{said:?}");
}
