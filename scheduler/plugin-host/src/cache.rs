//! Compiled components, kept on disk so that a start of the daemon does not compile again.
//!
//! A compiled component is native code. It is taken only from a folder that belongs to this user and that nobody else can
//! enter, by a name made of the component's hash and the engine's own; it is never taken from outside.
#![expect(unsafe_code, reason = "loading compiled code is unsafe by nature; the reasons it is sound are at the call")]

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::private::PrivateFolder;

/// A private folder of compiled components.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PrivateFolder,
}

impl Cache {
    /// The folder, if it is private; made if it is not there. `None` means that everything is compiled anew.
    pub(crate) fn open(folder: PathBuf) -> Option<Self> {
        PrivateFolder::open(folder).map(|folder| Self { folder })
    }

    /// Whether the compiled form is there.
    pub(crate) fn holds(&self, engine: &Engine, sha256: &str) -> bool {
        self.folder.is_private() && self.folder.path().join(name_of(engine, sha256)).is_file()
    }

    /// The compiled form of a component: from the folder, else compiled now and kept there.
    pub(crate) fn component(&self, engine: &Engine, wasm: &[u8], sha256: &str) -> wasmtime::Result<Component> {
        let name = name_of(engine, sha256);
        let path = self.folder.path().join(&name);
        if self.folder.is_private() && path.is_file() {
            // SAFETY: the file lies in a folder that only this user can enter (checked just now) and was written by
            // `keep` from `Engine::precompile_component` of the same engine configuration, which the name holds;
            // it was renamed into place whole. Someone who can replace it can run code as this user without our help.
            if let Ok(component) = unsafe { Component::deserialize_file(engine, &path) } {
                return Ok(component);
            }
        }
        let compiled = engine.precompile_component(wasm)?;
        if self.folder.keep(&name, &compiled).is_err() {
            return Component::new(engine, wasm);
        }
        // SAFETY: these bytes come from the line above.
        unsafe { Component::deserialize(engine, &compiled) }
    }
}

fn name_of(engine: &Engine, sha256: &str) -> String {
    format!("{sha256}-{}.cwasm", engine_name(engine))
}

/// What distinguishes engines whose compiled code does not fit each other.
fn engine_name(engine: &Engine) -> String {
    struct Hashed(Sha256);
    impl std::hash::Hasher for Hashed {
        fn finish(&self) -> u64 {
            let digest = self.0.clone().finalize();
            u64::from_be_bytes(digest[..8].try_into().expect("a digest has more than 8 bytes"))
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut hashed = Hashed(Sha256::new());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hashed);
    format!("{:016x}", std::hash::Hasher::finish(&hashed))
}
