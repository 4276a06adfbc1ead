//! `lowtide-powercap [FROM] [TO]`: run by root, it keeps a coarse copy of the RAPL counters that users may read, until
//! it is ended. Its whole input is these two folders; it opens no socket and takes no orders. See `export.rs`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lowtide_meters::{DEFAULT_POWERCAP_ROOT, Export, ExportError, HELPER_POWERCAP_ROOT};

/// How often the copy is renewed. Not more often on purpose: see `export.rs`.
const INTERVAL: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let from = arguments.next().unwrap_or_else(|| DEFAULT_POWERCAP_ROOT.into());
    let to = arguments.next().unwrap_or_else(|| HELPER_POWERCAP_ROOT.into());
    let Err(error) = Export::begin(&from, &to).and_then(keep);
    let _ = writeln!(std::io::stderr(), "lowtide-powercap: {error}");
    ExitCode::FAILURE
}

/// Renews the copy for as long as that can be done.
fn keep(export: Export) -> Result<std::convert::Infallible, ExportError> {
    loop {
        std::thread::sleep(INTERVAL);
        if let Err(error) = export.renew() {
            export.end();
            return Err(error);
        }
    }
}
