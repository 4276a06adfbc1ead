//! What policies and defaults wish for, by the real binary: money beside carbon, blackouts, urgency, defaults of users and projects.

use std::fmt::Write as _;
use std::fs;

use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use crate::world::World;

/// The full hour in which a test began: it may end in the next one.
#[derive(Clone, Copy)]
struct Begun(i64);

impl Begun {
    fn now() -> Self {
        Self(Timestamp::now().as_second() / 3600)
    }

    /// The full hour so many hours later.
    fn hour(self, ahead: i64) -> Timestamp {
        Timestamp::from_second((self.0 + ahead) * 3600).expect("in range")
    }
}

/// A site whose grid is clean in four hours, where power is dear then and cheap in eight.
fn world() -> (World, Begun) {
    let begun = Begun::now();
    let hour = |ahead| begun.hour(ahead);
    let world = World::empty();
    let folder = world.config().parent().expect("a folder").to_path_buf();
    let mut grid = "hour,intensity\n".to_owned();
    let mut prices = "time,eur_per_mwh\n".to_owned();
    let clean = hour(4).as_second() / 3600 % 24;
    for at in 0..24 {
        let _ = writeln!(grid, "{at},{}", if at == clean { 100 } else { 400 });
    }
    for ahead in 0..48 {
        let price = match ahead {
            4 => 500,
            8 => 50,
            _ => 300,
        };
        let _ = writeln!(prices, "{},{price}", hour(ahead));
    }
    fs::write(folder.join("grid.csv"), grid).expect("written");
    fs::write(folder.join("prices.csv"), prices).expect("written");
    fs::create_dir(folder.join("policies")).expect("made");
    let policy =
        |name: &str, text: &str| fs::write(folder.join(format!("policies/{name}.toml")), text).expect("written");
    let base = "max_delay = \"20h\"\npausable = false\nminimum_saving = 0\n";
    policy("green", base);
    policy("thrifty", &format!("{base}[weights]\ncarbon = 0.01\ngrams_per_money = 1000\n"));
    let closed = hour(4) - 30.minutes();
    let cron = closed.to_zoned(jiff::tz::TimeZone::UTC).strftime("%M %H * * *").to_string();
    let blackout = "[[blackouts]]\nduration = \"2h\"\nzone = \"UTC\"\n";
    policy("siesta", &format!("extends = \"green\"\n{blackout}cron = \"{cron}\"\n"));
    fs::write(
        world.config(),
        "[[sites]]\nname = \"home\"\nzone = \"TEST-A\"\ncpus = 4\n\
         [zones.TEST-A]\nplugin = \"csv\"\nprices = \"prices.csv\"\n\
         config = { file = \"grid\", repeat = \"day\", kind = \"forecast\" }\ngrants = { assets = { grid = \"grid.csv\" } }\n\
         [defaults.project.vision]\npolicy = \"green\"\n[defaults.user.ada]\npolicy = \"thrifty\"\n",
    )
    .expect("written");
    (world, begun)
}

fn tried(world: &World, flags: &[&str]) -> Value {
    let submit = ["submit", "--dry-run", "--json", "--duration", "1h", "--power", "1000W"];
    world.json(&[&submit, flags, &["--", "true"]].concat())
}

fn start(job: &Value) -> Timestamp {
    job["plan"]["segments"][0]["start"].as_str().expect("it is planned").parse().expect("a time")
}

#[test]
fn money_beside_carbon_moves_a_job_and_both_are_told() {
    let (world, begun) = world();
    let hour = |ahead| begun.hour(ahead);
    let green = tried(&world, &["--policy", "green"]);
    assert_eq!(start(&green), hour(4), "{green}");
    let cost = &green["plan"]["cost"];
    assert_eq!(cost["currency"], "EUR");
    assert!((cost["amount"].as_f64().expect("a number") - 0.5).abs() < 0.01, "{cost}");
    let thrifty = tried(&world, &["--policy", "thrifty"]);
    assert_eq!(start(&thrifty), hour(8), "{thrifty}");
    assert!((thrifty["plan"]["footprint_g"]["median"].as_f64().expect("a number") - 400.0).abs() < 8.0, "{thrifty}");
    let said =
        world.ok(&["submit", "--dry-run", "--duration", "1h", "--power", "1000W", "--policy", "thrifty", "--", "true"]);
    assert!(said.contains("0.05 EUR"), "{said}");
    // What was given up for that: 300 g, for 45 cents.
    assert!(green["plan"].get("cleanest").is_none(), "{green}");
    let cleanest = &thrifty["plan"]["cleanest"];
    assert!((cleanest["footprint_g"].as_f64().expect("a number") - 100.0).abs() < 3.0, "{cleanest}");
    assert!((cleanest["cost"].as_f64().expect("a number") - 0.5).abs() < 0.01, "{cleanest}");
    let id = world.submit(&["--duration", "1h", "--power", "1000W", "--policy", "thrifty"], &["true"]).to_string();
    for told in [said, world.ok(&["explain", &id])] {
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("traded 300 g more than the cleanest") && told.contains("0.45 EUR less"), "{told}");
    }
    let shown = world.ok(&["policy", "show", "thrifty"]);
    for (setting, from) in [
        ("weights.carbon = 0.01", "thrifty"),
        ("weights.grams_per_money = 1000", "thrifty"),
        ("weights.grams_per_hour = 0", "default"),
    ] {
        let told = |line: &str| line.starts_with(setting) && line.ends_with(&format!("# {from}"));
        assert!(shown.lines().any(told), "{setting} of {from} is not in {shown}");
    }
}

#[test]
fn a_blackout_keeps_a_job_out_of_its_cleanest_hour() {
    let (world, begun) = world();
    let hour = |ahead| begun.hour(ahead);
    let job = tried(&world, &["--policy", "siesta"]);
    let (begins, ends) =
        (start(&job), job["plan"]["end"].as_str().expect("an end").parse::<Timestamp>().expect("a time"));
    let (closed, open) = (hour(4) - 30.minutes(), hour(5) + 30.minutes());
    assert!(ends <= closed || open <= begins, "{begins} to {ends} lies in {closed} to {open}");
}

#[test]
fn urgency_shortens_the_wait_and_defaults_name_who_chose() {
    let (world, begun) = world();
    let hour = |ahead| begun.hour(ahead);
    let now = tried(&world, &["--policy", "green", "--urgency", "now"]);
    assert!(start(&now) < hour(2), "{now}");
    assert_eq!((&now["urgency"], &now["policy_chosen_by"]), (&"now".into(), &"job".into()));
    let refused = world.run(&["submit", "--urgency", "hgh", "--", "true"]);
    assert!(refused.code == 2 && refused.stderr.contains("high"), "{refused:?}");
    let by = |user: &str, flags: &[&str]| -> Value {
        let submit = [&["submit", "--dry-run", "--json"], flags, &["--", "true"]].concat();
        let said = crate::world::said(world.lowtide(&submit).env("USER", user).output().expect("it runs"));
        let job: Value = serde_json::from_str(&said.stdout).expect("JSON");
        serde_json::json!([job["policy"], job["policy_chosen_by"]])
    };
    assert_eq!(by("bob", &[]), serde_json::json!(["patient", "default"]));
    assert_eq!(by("bob", &["--project", "vision"]), serde_json::json!(["green", "project"]));
    assert_eq!(by("ada", &["--project", "vision"]), serde_json::json!(["thrifty", "user"]));
    assert_eq!(by("ada", &["--policy", "patient"]), serde_json::json!(["patient", "job"]));
    let listed = world.ok(&["policy", "list"]);
    assert!(listed.contains("thrifty for jobs of user ada that name none"), "{listed}");
    let shown = world.ok(&["policy", "show", "green"]);
    assert!(shown.contains("for jobs of project vision that name none"), "{shown}");
}

#[test]
fn a_default_that_does_not_exist_is_told_when_the_daemon_starts() {
    let world = World::new();
    let mut config = fs::read_to_string(world.config()).expect("it is there");
    config.push_str("[defaults.project.vision]\npolicy = \"patiant\"\n");
    fs::write(world.config(), config).expect("written");
    let said = world.run(&["submit", "--", "true"]);
    assert_ne!(said.code, 0);
    assert!(said.stderr.contains("project `vision`") && said.stderr.contains("`patient`"), "{}", said.stderr);
}

#[test]
fn a_policy_is_tried_on_the_jobs_that_have_run() {
    let (world, _) = world();
    // At an hour a second, jobs of some hours run in seconds. The grid is that of every day.
    world.ok(&["daemon", "start", "--time-scale", "3600"]);
    let ids = [1, 2].map(|_| world.submit(&["--policy", "run-now", "--project", "past"], &["sleep", "2"]));
    for id in ids {
        world.wait_for_state(id, "succeeded");
    }
    world.wait_for_state(world.submit(&["--policy", "run-now"], &["false"]), "failed");
    let folder = world.config().with_file_name("policies");
    // A day and more, so that the clean hour lies ahead however long the machine took.
    let longer = "extends = \"green\"\nmax_delay = \"30h\"\n";
    fs::write(folder.join("longer.toml"), longer).expect("written");
    let longer = folder.join("longer.toml").display().to_string();
    let told = world.json(&["policy", "try", &longer, "--since", "30d", "--json"]);
    assert_eq!((&told["policy"], &told["jobs"]), (&"longer".into(), &2.into()), "{told:#}");
    let number =
        |pointer: &str| told.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}: {told:#}"));
    let (happened, at_once, tried) =
        (number("/happened/footprint_g"), number("/at_once_g"), number("/tried/footprint_g"));
    assert!((happened / at_once - 1.0).abs() < 0.1, "they ran at once: {told:#}");
    assert!(0.0 < tried && tried <= at_once * 1.001, "{told:#}");
    assert!(tried < 0.9 * at_once && 1.0 < number("/tried/mean_wait_h"), "{told:#}");
    assert_eq!(told["tried"]["deadline_misses"], 0);
    assert!(told["notes"].to_string().contains("it failed"), "{told:#}");
    let text = world.ok(&["policy", "try", &longer, "--project", "past"]);
    assert!(text.contains("what happened") && text.contains("longer"), "{text}");
    let none = world.run(&["policy", "try", &longer, "--project", "elsewhere"]);
    assert!(none.code == 1 && none.stderr.contains("no job of that time"), "{none:?}");
    let slip = world.file("slip.toml", "max_dealy = \"6h\"\n").display().to_string();
    let refused = world.run(&["policy", "try", &slip]);
    assert!(refused.code == 1 && refused.stderr.contains("max_delay"), "{refused:?}");
}
