//! The built-in plugins: the committed components, embedded.

use std::sync::LazyLock;

use crate::host::sha256_of;
use crate::manifest::Manifest;

/// One of them.
#[derive(Debug)]
pub struct Builtin {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The component.
    pub wasm: &'static [u8],
    /// The hash of the component.
    pub sha256: String,
}

macro_rules! embedded {
    ($($id:literal),* $(,)?) => {
        [$((
            include_str!(concat!("../../../plugins/", $id, "/plugin.toml")),
            include_bytes!(concat!("../../../plugins/dist/", $id, ".wasm")).as_slice(),
        )),*]
    };
}

/// Manifest and component of each.
const EMBEDDED: [(&str, &[u8]); 9] = embedded![
    "csv",
    "eia",
    "electricitymaps",
    "energi-data-service",
    "energy-charts",
    "gb-neso",
    "openelectricity",
    "static-annual",
    "watttime",
];

pub(crate) static BUILTINS: LazyLock<Vec<Builtin>> = LazyLock::new(|| {
    EMBEDDED
        .iter()
        .map(|(manifest, wasm)| Builtin {
            manifest: Manifest::parse(manifest).expect("the manifests of built-in plugins are tested"),
            wasm,
            sha256: sha256_of(wasm),
        })
        .collect()
});
