//! `lowtide logs`.

use crate::world::World;

#[test]
fn both_streams_keep_apart_and_bytes_are_kept() {
    let world = World::new();
    let id = world.submit(&["--policy", "run-now"], &["sh", "-c", "printf 'a\\r\\033[1mb'; echo oops >&2"]);
    world.wait_for_state(id, "succeeded");
    let said = world.run(&["logs", &id.to_string()]);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, "a\r\u{1b}[1mb", "oops\n"));
}

#[test]
fn following_goes_on_until_the_job_is_over() {
    let world = World::new();
    let id = world.submit(&["--policy", "run-now"], &["sh", "-c", "echo one; sleep 1; echo two"]);
    assert_eq!(world.ok(&["logs", "-f", &id.to_string()]), "one\ntwo\n");
    assert_eq!(world.json(&["show", &id.to_string(), "--json"])["state"], "succeeded");
}

#[test]
fn more_than_a_piece_comes_whole() {
    let world = World::new();
    let id = world.submit(&["--policy", "run-now"], &["sh", "-c", "seq 1 400000"]);
    world.wait_for_state(id, "succeeded");
    let text = world.ok(&["logs", &id.to_string()]);
    assert_eq!((text.lines().count(), text.lines().last()), (400_000, Some("400000")));
}
