# Thin recipes; logic belongs in Rust. `just check` is what CI runs, on a machine that has everything.
check: fmt lint test docs plugins

fmt:
    cargo fmt --all --check
    cargo fmt --all --check --manifest-path plugins/Cargo.toml

lint:
    cargo clippy --workspace --all-targets -- -D warnings

test:
    cargo test --workspace

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Rebuild the plugin components and compare them with the committed ones.
plugins:
    cargo run -p lowtide-plugin-host --example build-plugins -- --check

demo:
    cargo run --release -- demo

# Accept changed snapshots.
snap:
    INSTA_UPDATE=always cargo test --workspace
