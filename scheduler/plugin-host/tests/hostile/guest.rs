//! Guests written as text and assembled here, with no toolchain but this crate's: a core module and the contract make a
//! component.

use std::fmt::Write as _;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The first second of the time asked for.
pub(crate) const START: i64 = 1_700_000_000;
/// Where a guest leaves its answer, and where its data begin.
const ANSWER: u32 = 64;
pub(crate) const DATA: u32 = 1024;
/// Where a fetch leaves what came of it.
pub(crate) const FETCHED: u32 = 256;

/// A guest in the making.
#[derive(Clone, Default)]
pub(crate) struct Guest {
    /// What its `series` does before it returns.
    pub(crate) series: String,
    /// What its `describe` does; it may end in a trap.
    pub(crate) describe: String,
    /// More of the module: functions, globals, memories.
    pub(crate) module: String,
    /// More imports.
    pub(crate) imports: String,
    /// Bytes of its memory from [`DATA`] on.
    pub(crate) data: Vec<u8>,
    /// Pages of its memory.
    pub(crate) pages: Option<u32>,
    /// What `cabi_realloc` answers, if not what it should.
    pub(crate) realloc: Option<&'static str>,
    /// Changes of the contract it is written for: this text by that.
    pub(crate) contract: Vec<(&'static str, &'static str)>,
}

impl Guest {
    /// A guest whose `series` does this.
    pub(crate) fn doing(series: impl Into<String>) -> Self {
        Self { series: series.into(), ..Self::default() }
    }

    /// The component.
    pub(crate) fn assemble(&self) -> Vec<u8> {
        let data = self.data.iter().fold(String::new(), |mut text, byte| {
            write!(text, "\\{byte:02x}").expect("a string takes everything");
            text
        });
        let pages = self.pages.unwrap_or(8);
        let realloc = self.realloc.unwrap_or(
            "(local.set $at (global.get $heap))
             (global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get 3)) (i32.const 15)) (i32.const -16)))
             (local.get $at)",
        );
        let Self { series, describe, module, imports, .. } = self;
        let describe = if describe.is_empty() { "(unreachable)" } else { describe };
        let mut text = format!(
            r#"(module
                (import "lowtide:region/host@0.1.0" "fetch"
                    (func $fetch (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
                (import "lowtide:region/host@0.1.0" "log" (func $log (param i32 i32 i32)))
                (import "lowtide:region/host@0.1.0" "config-get" (func $config (param i32 i32 i32)))
                (import "lowtide:region/host@0.1.0" "asset" (func $asset (param i32 i32 i32)))
                {imports}
                (memory (export "memory") {pages})
                (data (i32.const {DATA}) "{data}")
                (global $heap (mut i32) (i32.const 262144))
                {module}
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    {realloc})
                (func $recurse (param i32) (result i32)
                    (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
                (func (export "lowtide:region/region@0.1.0#describe") (result i32)
                    {describe}
                    (i32.const {ANSWER}))
                (func (export "lowtide:region/region@0.1.0#series") (param i32 i32 i32 i64 i64) (result i32)
                    (local $count i32)
                    {series}
                    (i32.const {ANSWER})))"#
        );
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/wit/region-0.1/region.wit");
        let mut contract = std::fs::read_to_string(path).expect("the contract");
        for (from, to) in &self.contract {
            contract = contract.replace(from, to);
            text = text.replace(from, to);
        }
        let mut module = wat::parse_str(&text).expect("the guest's text is well-formed");
        let mut resolve = Resolve::default();
        let package = resolve.push_str("region.wit", &contract).expect("the contract is well-formed");
        let world = resolve.select_world(&[package], Some("region-plugin")).expect("the world");
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("embedded");
        let encoder = ComponentEncoder::default().validate(true).module(&module);
        encoder.and_then(|mut encoder| encoder.encode()).unwrap_or_else(|error| panic!("{error:#}: {:?}", self.series))
    }
}

/// Answers with a typed error: its number in the contract, and a text at an address.
pub(crate) fn refusing(error: u32, text_at: u32, length: u32) -> String {
    format!(
        "(i32.store8 (i32.const {ANSWER}) (i32.const 1)) (i32.store8 (i32.const 68) (i32.const {error}))
         (i32.store (i32.const 72) (i32.const {text_at})) (i32.store (i32.const 76) (i32.const {length}))"
    )
}

/// Answers that there is nothing of the asked time: how a guest says yes to what a test asks.
pub(crate) fn saying_yes() -> String {
    refusing(4, 0, 0)
}

/// One point of an answer.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) start: i64,
    pub(crate) duration: u32,
    pub(crate) intensity: f64,
    pub(crate) band: Option<(f64, f64)>,
    pub(crate) kind: u64,
}

pub(crate) const GOOD: Point = Point { start: START, duration: 3600, intensity: 100.0, band: None, kind: 1 };

/// A series of an answer.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) zone: String,
    /// Signal, basis and accounting by their numbers.
    pub(crate) tags: [u8; 3],
    pub(crate) issued_at: Option<i64>,
    pub(crate) points: Vec<Point>,
}

impl Told {
    /// These points of Great Britain.
    pub(crate) fn points(points: &[Point]) -> Self {
        Self { zone: "GB".to_owned(), tags: [0; 3], issued_at: None, points: points.to_vec() }
    }
}

/// A guest that answers with these series.
pub(crate) fn answering(told: &[Told]) -> Guest {
    let mut data = Vec::new();
    let at = |data: &Vec<u8>| DATA + u32::try_from(data.len()).expect("small");
    let mut parts = Vec::new();
    for series in told {
        let zone = at(&data);
        data.extend_from_slice(series.zone.as_bytes());
        data.resize(data.len().next_multiple_of(8), 0);
        let points = at(&data);
        for Point { start, duration, intensity, band, kind } in &series.points {
            data.extend_from_slice(&start.to_le_bytes());
            data.extend_from_slice(&duration.to_le_bytes());
            data.extend_from_slice(&[0; 4]);
            data.extend_from_slice(&intensity.to_le_bytes());
            data.extend_from_slice(&u64::from(band.is_some()).to_le_bytes());
            let (low, high) = band.unwrap_or_default();
            data.extend_from_slice(&low.to_le_bytes());
            data.extend_from_slice(&high.to_le_bytes());
            data.extend_from_slice(&kind.to_le_bytes());
        }
        parts.push((zone, points));
    }
    let list = at(&data);
    for (series, (zone, points)) in told.iter().zip(parts) {
        data.extend_from_slice(&zone.to_le_bytes());
        data.extend_from_slice(&u32::try_from(series.zone.len()).expect("small").to_le_bytes());
        data.extend_from_slice(&series.tags);
        data.extend_from_slice(&[0; 5]);
        data.extend_from_slice(&u64::from(series.issued_at.is_some()).to_le_bytes());
        data.extend_from_slice(&series.issued_at.unwrap_or_default().to_le_bytes());
        data.extend_from_slice(&points.to_le_bytes());
        data.extend_from_slice(&u32::try_from(series.points.len()).expect("small").to_le_bytes());
    }
    let pages = u32::try_from((DATA as usize + data.len()) / 65_536 + 2).expect("small").max(8);
    let series = format!(
        "(i32.store8 (i32.const {ANSWER}) (i32.const 0))
         (i32.store (i32.const 68) (i32.const {list}))
         (i32.store (i32.const 72) (i32.const {}))",
        told.len()
    );
    Guest { data, pages: Some(pages), ..Guest::doing(series) }
}

/// Fetches an address so many times and says yes if `expected` holds of what came last, else breaks off.
pub(crate) fn fetching(address: &str, times: u32, expected: &str) -> Guest {
    let length = address.len();
    let series = format!(
        "(loop $again
            (call $fetch (i32.const 0) (i32.const {DATA}) (i32.const {length}) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const {FETCHED}))
            (local.set $count (i32.add (local.get $count) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $count) (i32.const {times}))))
         (if {expected} (then {}) (else (unreachable)))",
        saying_yes()
    );
    Guest { data: address.as_bytes().to_vec(), ..Guest::doing(series) }
}

/// Whether the last fetch was refused so: the number of the contract's `fetch-error`.
pub(crate) fn refused(error: u8) -> String {
    format!(
        "(i32.and (i32.eq (i32.load8_u (i32.const {FETCHED})) (i32.const 1))
                  (i32.eq (i32.load8_u (i32.const {})) (i32.const {error})))",
        FETCHED + 8
    )
}

/// Whether the last fetch brought this status and a body of at most so many bytes.
pub(crate) fn brought(status: u16, most: u32) -> String {
    format!(
        "(i32.and (i32.eqz (i32.load8_u (i32.const {FETCHED})))
            (i32.and (i32.eq (i32.load16_u (i32.const {})) (i32.const {status}))
                     (i32.le_u (i32.load (i32.const {})) (i32.const {most}))))",
        FETCHED + 8,
        FETCHED + 24
    )
}
