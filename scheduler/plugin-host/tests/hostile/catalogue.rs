//! The guests: what each does, and what has to come of it.

use std::collections::BTreeMap;

use crate::guest::{
    DATA, FETCHED, GOOD, Guest, Point, START, Told, answering, brought, fetching, refused, refusing, saying_yes,
};

/// What has to come of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An error of one of these kinds.
    Refused(&'static [&'static str]),
    /// So many points.
    Points(usize),
    /// No series, or one without points.
    Nothing,
}

/// One guest.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) wasm: Vec<u8>,
    /// Hosts it is granted.
    pub(crate) hosts: Vec<String>,
    /// Its settings.
    pub(crate) config: BTreeMap<String, String>,
    /// More of its manifest.
    pub(crate) manifest: String,
    pub(crate) outcome: Outcome,
    /// Whether it is its `describe` that is called.
    pub(crate) describes: bool,
}

const TRAPPED: Outcome = Outcome::Refused(&["trapped"]);
const MALFORMED: Outcome = Outcome::Refused(&["malformed"]);
const NOT_A_PLUGIN: Outcome = Outcome::Refused(&["not-a-plugin"]);
const TIMED_OUT: Outcome = Outcome::Refused(&["timed-out"]);
const OUT_OF_MEMORY: Outcome = Outcome::Refused(&["out-of-memory"]);
/// The guest saw what the test asks for.
const YES: Outcome = Outcome::Refused(&["out-of-range"]);
/// Numbers of the contract's `fetch-error`.
const DENIED: u8 = 0;
const TOO_LARGE: u8 = 1;
const TIMEOUT: u8 = 2;
const NETWORK: u8 = 3;
const INVALID_REQUEST: u8 = 4;
const BUDGET_EXHAUSTED: u8 = 5;
/// A secret of the user's.
pub(crate) const SECRET: &str = "geheim-4711";

fn case(name: impl Into<String>, guest: &Guest, outcome: Outcome) -> Case {
    bytes(name, guest.assemble(), outcome)
}

fn bytes(name: impl Into<String>, wasm: Vec<u8>, outcome: Outcome) -> Case {
    Case {
        name: name.into(),
        wasm,
        hosts: Vec::new(),
        config: BTreeMap::new(),
        manifest: String::new(),
        outcome,
        describes: false,
    }
}

/// All of them. `server` is the root of the misbehaving server.
pub(crate) fn all(server: &str) -> Vec<Case> {
    let mut cases = computing();
    cases.extend(memories());
    cases.extend(answers());
    cases.extend(texts());
    cases.extend(addresses());
    cases.extend(bodies(server));
    cases.extend(secrets(server));
    cases.extend(no_plugins());
    cases
}

/// Guests that compute, recurse and trap.
fn computing() -> Vec<Case> {
    let spin = "(loop $again (br $again))";
    let doing = |name: &str, series: &str, outcome| case(name, &Guest::doing(series), outcome);
    let mut cases = vec![
        doing("spins in series", spin, TIMED_OUT),
        doing(
            "spins and calls the host",
            "(loop $again (call $log (i32.const 0) (i32.const 1024) (i32.const 1)) (br $again))",
            TIMED_OUT,
        ),
        Case {
            describes: true,
            ..case("spins in describe", &Guest { describe: spin.into(), ..Guest::default() }, TIMED_OUT)
        },
        case(
            "spins when it is started",
            &Guest { module: format!("(func $s {spin}) (start $s)"), ..Guest::doing(saying_yes()) },
            TIMED_OUT,
        ),
        case(
            "traps when it is started",
            &Guest { module: "(func $s (unreachable)) (start $s)".into(), ..Guest::doing(saying_yes()) },
            TRAPPED,
        ),
        doing("recurses for ever", "(drop (call $recurse (i32.const 0)))", TRAPPED),
        doing("is unreachable", "(unreachable)", TRAPPED),
        doing("divides by zero", "(drop (i32.div_s (i32.const 1) (i32.const 0)))", TRAPPED),
        doing("overflows a division", "(drop (i32.div_s (i32.const -2147483648) (i32.const -1)))", TRAPPED),
        doing("makes a whole number of no number", "(drop (i32.trunc_f64_s (f64.const nan)))", TRAPPED),
        doing("reads beyond its memory", "(drop (i32.load (i32.const -4)))", TRAPPED),
        doing("writes beyond its memory", "(i64.store (i32.const 2147483640) (i64.const 1))", TRAPPED),
        Case { describes: true, ..case("traps in describe", &Guest::default(), TRAPPED) },
    ];
    let table = |name: &str, series: &str, outcome| {
        let module = "(table $t 2 funcref) (type $other (func (param i64))) (elem (i32.const 0) $recurse)";
        case(name, &Guest { module: module.into(), ..Guest::doing(series) }, outcome)
    };
    cases.push(table(
        "calls through an empty place",
        "(call_indirect (type $other) (i64.const 0) (i32.const 1))",
        TRAPPED,
    ));
    cases.push(table(
        "calls a function of another type",
        "(call_indirect (type $other) (i64.const 0) (i32.const 0))",
        TRAPPED,
    ));
    cases.push(table("calls beyond its table", "(call_indirect (type $other) (i64.const 0) (i32.const 9))", TRAPPED));
    let counting = Guest {
        module: "(global $calls (mut i32) (i32.const 0))".into(),
        ..Guest::doing(format!(
            "(if (global.get $calls) (then (unreachable))) (global.set $calls (i32.const 1)) {}",
            saying_yes()
        ))
    };
    cases.push(case("remembers its last call", &counting, YES));
    cases
}

/// Guests that want more than they may have.
fn memories() -> Vec<Case> {
    let many = |what: &str, count: u32| (0..count).map(|_| format!("({what})")).collect::<Vec<_>>().join(" ");
    let module = |fields: &str| {
        wat::parse_str(format!("(component (core module $m {fields}) (core instance (instantiate $m)))"))
            .expect("well-formed")
    };
    vec![
        case(
            "grows for ever",
            &Guest::doing(
                "(loop $again (if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) (then (unreachable))) (br $again))",
            ),
            OUT_OF_MEMORY,
        ),
        case(
            "grows at once to 4 GiB",
            &Guest::doing("(if (i32.eq (memory.grow (i32.const 65535)) (i32.const -1)) (then (unreachable)))"),
            OUT_OF_MEMORY,
        ),
        case("begins with 128 MiB", &Guest { pages: Some(2048), ..Guest::doing(saying_yes()) }, OUT_OF_MEMORY),
        case(
            "grows a table for ever",
            &Guest {
                module: "(table $t 1 funcref)".into(),
                ..Guest::doing(
                    "(loop $again (if (i32.eq (table.grow $t (ref.null func) (i32.const 4096)) (i32.const -1)) (then (unreachable))) (br $again))",
                )
            },
            OUT_OF_MEMORY,
        ),
        case(
            "begins with a large table",
            &Guest { module: "(table 1000000 funcref)".into(), ..Guest::doing(saying_yes()) },
            OUT_OF_MEMORY,
        ),
        case(
            "has a hundred large tables",
            &Guest { module: many("table 1000 funcref", 100), ..Guest::doing(saying_yes()) },
            Outcome::Refused(&["out-of-memory", "trapped"]),
        ),
        bytes("has more tables than a module may", module(&many("table 1 funcref", 101)), NOT_A_PLUGIN),
        bytes("has more memories than a module may", module(&many("memory 1", 101)), NOT_A_PLUGIN),
    ]
}

/// Guests whose answers make no sense.
fn answers() -> Vec<Case> {
    let points = |name: &str, points: &[Point], outcome| case(name, &answering(&[Told::points(points)]), outcome);
    let one = |name: &str, change: fn(&mut Point), outcome| {
        let mut point = GOOD;
        change(&mut point);
        points(name, &[point], outcome)
    };
    let told = |name: &str, change: fn(&mut Told), outcome| {
        let mut told = Told::points(&[GOOD]);
        change(&mut told);
        case(name, &answering(&[told]), outcome)
    };
    let minutes =
        |count: i64| (0..count).map(|n| Point { start: START + 60 * n, duration: 60, ..GOOD }).collect::<Vec<_>>();
    let later = Point { start: START + 3600, ..GOOD };
    let raw = |name: &str, series: &str, outcome| case(name, &Guest::doing(series), outcome);
    let list = |at: i64, length: i64| {
        format!("(i32.store (i32.const 68) (i32.const {at})) (i32.store (i32.const 72) (i32.const {length}))")
    };
    let mut cases = vec![
        one("tells no number", |p| p.intensity = f64::NAN, MALFORMED),
        one("tells infinity", |p| p.intensity = f64::INFINITY, MALFORMED),
        one("tells less than infinity", |p| p.intensity = f64::NEG_INFINITY, MALFORMED),
        one("tells less than nothing", |p| p.intensity = -1.0, MALFORMED),
        one("tells more than can be", |p| p.intensity = 5001.0, MALFORMED),
        one("tells the least there is", |p| p.intensity = f64::MIN_POSITIVE / 2.0, Outcome::Points(1)),
        one("tells nothing as a number", |p| p.intensity = 0.0, Outcome::Points(1)),
        one("tells of no time", |p| p.duration = 0, MALFORMED),
        one("tells of less than a minute", |p| p.duration = 59, MALFORMED),
        one("tells of a century", |p| p.duration = u32::MAX, Outcome::Points(1)),
        one("travels to the end of time", |p| p.start = i64::MAX, MALFORMED),
        one("travels beyond the end of time", |p| p.start = -1, MALFORMED),
        one("travels to the year 9999", |p| p.start = 253_402_300_000, MALFORMED),
        one("tells a band that is no number", |p| p.band = Some((f64::NAN, 1.0)), MALFORMED),
        one("tells a band beside its value", |p| p.band = Some((1.0, 2.0)), MALFORMED),
        one("tells a band upside down", |p| p.band = Some((200.0, 50.0)), MALFORMED),
        one("tells a band without end", |p| p.band = Some((0.0, f64::INFINITY)), MALFORMED),
        one("tells of yesterday only", |p| p.start = START - 86_400, Outcome::Nothing),
        one("tells of next year only", |p| p.start = START + 31_536_000, Outcome::Nothing),
        one("tells a kind that is none", |p| p.kind = 9, TRAPPED),
        points("tells out of order", &[later, GOOD], MALFORMED),
        points("tells overlapping hours", &[GOOD, Point { start: START + 1800, ..GOOD }], MALFORMED),
        points("tells the same hour twice", &[GOOD, GOOD], MALFORMED),
        points("tells no points", &[], Outcome::Nothing),
        points("tells 2,016 points", &minutes(1440), Outcome::Points(1440)),
        points("tells 2,017 points", &minutes(2017), MALFORMED),
        points("tells 200,000 points", &minutes(200_000), Outcome::Refused(&["trapped", "malformed"])),
        told("was issued in the future", |t| t.issued_at = Some(START + 999_999), Outcome::Points(1)),
        told("was issued at the end of time", |t| t.issued_at = Some(i64::MAX), MALFORMED),
        told("tells another signal", |t| t.tags = [1, 0, 0], MALFORMED),
        told("tells a signal that is none", |t| t.tags = [7, 0, 0], TRAPPED),
        told("tells a basis that is none", |t| t.tags = [0, 7, 0], TRAPPED),
        told("tells of a zone nobody asked for", |t| t.zone = "FR".into(), MALFORMED),
        told("tells of a zone without a name", |t| t.zone = String::new(), MALFORMED),
        told("tells of a zone with a name of a megabyte", |t| t.zone = "G".repeat(1 << 20), MALFORMED),
        case("tells of a zone twice", &answering(&[Told::points(&[GOOD]), Told::points(&[GOOD])]), MALFORMED),
        raw("lies about the length of its list", &list(1024, 268_435_455), TRAPPED),
        raw("tells a list beyond its memory", &list(-16, 1), TRAPPED),
        raw("tells a list that is not aligned", &list(1025, 1), TRAPPED),
        raw("answers with what is no answer", "(i32.store8 (i32.const 64) (i32.const 7))", TRAPPED),
        raw(
            "refuses with what is no error",
            "(i32.store8 (i32.const 64) (i32.const 1)) (i32.store8 (i32.const 68) (i32.const 200))",
            TRAPPED,
        ),
    ];
    for (name, realloc) in [
        ("gives memory at its beginning", "(i32.const 0)"),
        ("gives memory beyond its own", "(i32.const -8)"),
        ("gives memory that is not aligned", "(i32.const 262145)"),
        ("gives no memory", "(unreachable)"),
    ] {
        let guest = Guest { realloc: Some(realloc), ..Guest::doing(saying_yes()) };
        // Memory at 0 is odd and its own; the rest cannot be written to.
        let outcome = if realloc == "(i32.const 0)" { YES } else { TRAPPED };
        cases.push(case(name, &guest, outcome));
    }
    cases
}

/// Guests that talk too much, or in a way that is not text.
fn texts() -> Vec<Case> {
    let logging = |name: &str, times: u32, data: &[u8], length: u32| {
        let series = format!(
            "(loop $again
                (call $log (i32.const 3) (i32.const {DATA}) (i32.const {length}))
                (local.set $count (i32.add (local.get $count) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $count) (i32.const {times})))) {}",
            saying_yes()
        );
        case(
            name,
            &Guest { data: data.to_vec(), ..Guest::doing(series) },
            Outcome::Refused(&["out-of-range", "timed-out"]),
        )
    };
    let refusal = |name: &str, data: &[u8], length: u32, outcome| {
        case(name, &Guest { data: data.to_vec(), ..Guest::doing(refusing(7, DATA, length)) }, outcome)
    };
    let other = Outcome::Refused(&["other"]);
    vec![
        logging("logs a million lines", 1_000_000, b"\x1b[31mred\n", 9),
        logging("logs control characters", 3, b"\x1b]0;title\x07\r\nforged line\x00", 24),
        logging("logs lines of 400 kB", 5, b"x", 400_000),
        refusal("refuses with control characters", b"\x1b[2J\x07bell\r\n", 13, other),
        refusal("refuses with 400 kB", b"x", 400_000, other),
        refusal("refuses with what is no UTF-8", b"\xff\xfe\xc0", 3, TRAPPED),
        refusal("refuses with a text beyond its memory", b"", 0x7fff_ffff, TRAPPED),
    ]
}

/// Guests that go where they may not.
fn addresses() -> Vec<Case> {
    let granted = ["https://api.example.org", "https://localhost"].map(String::from).to_vec();
    let mut cases: Vec<Case> = [
        "https://evil.example.net/",
        "http://api.example.org/",
        "https://api.example.org:8443/",
        "https://api.example.org.evil.net/",
        "https://sub.api.example.org/",
        "https://user:pass@api.example.org/",
        "https://api.example.org@evil.net/",
        // A backslash is a slash: this goes to the host before it, which is this machine.
        "https://localhost\\@evil.net/",
        "https://evil.net/https://api.example.org/",
        "https://evil.net#@api.example.org/",
        "https://api.example。org.evil.net/",
        "https://xn--pi-7ia.example.org/",
        "http://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/",
        "http://10.0.0.1/",
        "http://127.0.0.1:22/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "file:///etc/passwd",
        "ftp://api.example.org/",
        "data:text/plain,hello",
        "gopher://api.example.org/",
        "//api.example.org/",
        "",
        // Granted by name, but the name leads to this machine.
        "https://localhost/",
    ]
    .into_iter()
    .map(|address| {
        let guest = fetching(address, 1, &refused(DENIED));
        Case { hosts: granted.clone(), ..case(format!("fetches `{address}`"), &guest, YES) }
    })
    .collect();
    cases.push(case(
        "fetches a ninth time",
        &fetching("https://evil.example.net/", 9, &refused(BUDGET_EXHAUSTED)),
        YES,
    ));
    cases.push(case(
        "asks for a file nobody granted",
        &{
            let series = format!(
                "(call $asset (i32.const {DATA}) (i32.const 11) (i32.const {FETCHED}))
             (if (i32.eqz (i32.load8_u (i32.const {FETCHED}))) (then {}) (else (unreachable)))",
                saying_yes()
            );
            Guest { data: b"/etc/passwd".to_vec(), ..Guest::doing(series) }
        },
        YES,
    ));
    cases
}

/// Guests whose provider is as bad as they are.
fn bodies(server: &str) -> Vec<Case> {
    let fetched = |path: &str, expected: String| {
        let guest = fetching(&format!("{server}{path}"), 1, &expected);
        Case { hosts: vec![server.to_owned()], ..case(format!("is answered by {path}"), &guest, YES) }
    };
    let mut cases = vec![
        fetched("/redirect-301", brought(301, 0)),
        fetched("/redirect-302", brought(302, 0)),
        fetched("/redirect-307", brought(307, 0)),
        // The bomb stays what it is: 64 MiB in 64 kB.
        fetched("/bomb", brought(200, 128 << 10)),
        fetched("/large", refused(TOO_LARGE)),
        fetched("/endless", refused(TOO_LARGE)),
        fetched("/slow-head", refused(TIMEOUT)),
        fetched("/slow-body", refused(TIMEOUT)),
        fetched("/short", refused(NETWORK)),
        fetched("/nonsense", refused(NETWORK)),
        fetched("/closed", refused(NETWORK)),
    ];
    // One header: its name and its value in the data, and the list that points at them.
    let with_header = |name: &str, header: (&str, &str), expected: &str| {
        let address = format!("{server}/headers");
        let mut data = address.as_bytes().to_vec();
        let at = |data: &Vec<u8>| DATA + u32::try_from(data.len()).expect("small");
        let (name_at, value_at) = (at(&data), at(&data) + u32::try_from(header.0.len()).expect("small"));
        data.extend_from_slice(header.0.as_bytes());
        data.extend_from_slice(header.1.as_bytes());
        data.resize(data.len().next_multiple_of(4), 0);
        let list = at(&data);
        for (place, text) in [(name_at, header.0), (value_at, header.1)] {
            data.extend_from_slice(&place.to_le_bytes());
            data.extend_from_slice(&u32::try_from(text.len()).expect("small").to_le_bytes());
        }
        let series = format!(
            "(call $fetch (i32.const 0) (i32.const {DATA}) (i32.const {}) (i32.const {list}) (i32.const 1)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const {FETCHED}))
             (if {expected} (then {}) (else (unreachable)))",
            address.len(),
            saying_yes()
        );
        Case { hosts: vec![server.to_owned()], ..case(name, &Guest { data, ..Guest::doing(series) }, YES) }
    };
    cases.push(with_header("sends a host of its own", ("Host", "evil.net"), &brought(200, 0)));
    cases.push(with_header("breaks a line in a header", ("x-a", "b\r\nHost: evil.net"), &refused(INVALID_REQUEST)));
    cases.push(with_header("breaks a line in a header's name", ("x\r\nHost: evil", "b"), &refused(INVALID_REQUEST)));
    cases
}

/// Guests that are after the user's key.
fn secrets(server: &str) -> Vec<Case> {
    let manifest = format!(
        "hosts = ['{server}']\n[config.key]\nhelp = 'k'\nsecret = true\nbind = {{ host = '{server}', query = 'api_key' }}\n"
    );
    let config: BTreeMap<String, String> = [("key".to_owned(), SECRET.to_owned())].into();
    let with_secret = |name: &str, guest: &Guest, outcome| Case {
        hosts: vec![server.to_owned()],
        config: config.clone(),
        manifest: manifest.clone(),
        ..case(name, guest, outcome)
    };
    let address = format!("{server}/echo");
    // The body lies where the answer of the fetch says; it becomes the text of an error.
    let telling = Guest {
        data: address.as_bytes().to_vec(),
        ..Guest::doing(format!(
            "(call $fetch (i32.const 0) (i32.const {DATA}) (i32.const {}) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const {FETCHED}))
             (i32.store8 (i32.const 64) (i32.const 1)) (i32.store8 (i32.const 68) (i32.const 7))
             (i32.store (i32.const 72) (i32.load (i32.const {})))
             (i32.store (i32.const 76) (i32.load (i32.const {})))",
            address.len(),
            FETCHED + 20,
            FETCHED + 24
        ))
    };
    let asking = Guest {
        data: b"key".to_vec(),
        ..Guest::doing(format!(
            "(call $config (i32.const {DATA}) (i32.const 3) (i32.const {FETCHED}))
             (if (i32.and (i32.load8_u (i32.const {FETCHED})) (i32.eq (i32.load (i32.const {})) (i32.const 5)))
                 (then {}) (else (unreachable)))",
            FETCHED + 8,
            saying_yes()
        ))
    };
    vec![
        with_secret("tells a secret in an error", &telling, Outcome::Refused(&["other"])),
        // `(set)` and no more.
        with_secret("asks for a secret", &asking, YES),
    ]
}

/// What is no plugin of this contract.
fn no_plugins() -> Vec<Case> {
    let good = answering(&[Told::points(&[GOOD])]);
    let text = |text: &str| wat::parse_str(text).expect("well-formed");
    let whole = good.assemble();
    let files = "interface files { open: func(); }\n\nworld region-plugin {\n  import files;";
    let stranger = Guest {
        contract: vec![("world region-plugin {", files)],
        imports: "(import \"lowtide:region/files@0.1.0\" \"open\" (func $open))".into(),
        ..Guest::doing("(call $open)")
    };
    let mut cases = vec![
        bytes("is nothing", Vec::new(), NOT_A_PLUGIN),
        bytes("is text", b"hello".to_vec(), NOT_A_PLUGIN),
        bytes("is half a component", whole[..whole.len() / 2].to_vec(), NOT_A_PLUGIN),
        bytes("is a core module", text("(module)"), NOT_A_PLUGIN),
        bytes("exports nothing", text("(component)"), NOT_A_PLUGIN),
        bytes("wants WASI", text(r#"(component (import "wasi:cli/environment@0.2.0" (instance)))"#), NOT_A_PLUGIN),
        bytes("has 100 MB", vec![0; 100 << 20], NOT_A_PLUGIN),
        bytes(
            "has 200 instances and no export",
            {
                let instances = "(core instance (instantiate $m))".repeat(200);
                text(&format!("(component (core module $m (memory 1)) {instances})"))
            },
            NOT_A_PLUGIN,
        ),
        bytes(
            "is nested a hundred deep",
            text(&format!("{}{}", "(component ".repeat(100), ")".repeat(100))),
            NOT_A_PLUGIN,
        ),
        case(
            "is of another version of the contract",
            &Guest { contract: vec![("@0.1.0", "@0.2.0")], ..good.clone() },
            NOT_A_PLUGIN,
        ),
        case("wants an interface nobody offers", &stranger, NOT_A_PLUGIN),
        case(
            "exports a function of another type",
            &Guest {
                contract: vec![
                    ("describe: func() -> result<info, error>;", "describe: func() -> result<query, error>;"),
                    ("use types.{query, zone-series, info, error};", "use types.{query, zone-series, error};"),
                ],
                ..good.clone()
            },
            Outcome::Refused(&["not-a-plugin", "trapped"]),
        ),
    ];
    // A flipped byte may hit what nobody reads: then it answers as before. It must not do anything else.
    for part in 1..8 {
        let mut flipped = whole.clone();
        let at = whole.len() * part / 8;
        flipped[at] ^= 0xff;
        cases.push(bytes(
            format!("has a flipped byte at {at}"),
            flipped,
            Outcome::Refused(&["not-a-plugin", "trapped", "malformed", "*"]),
        ));
    }
    cases
}
