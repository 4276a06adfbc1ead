//! The only place of the daemon that reads the wall's clock.

use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use lowtide_model::quantity::Seconds;
use lowtide_model::timescale::TimeScale;

/// The daemon's clock, which may run faster than the wall's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    time: TimeScale,
}

/// The file that keeps a virtual clock through a restart: jobs and reports were stamped by it.
const CLOCK_FILE: &str = "clock.json";

impl Clock {
    /// The clock of a state directory: the one kept there, else a new one of this scale, which is kept.
    pub(crate) fn of(directory: &Path, scale: f64, virtual_start: Option<Timestamp>) -> anyhow::Result<Self> {
        let path = directory.join(CLOCK_FILE);
        if let Ok(text) = std::fs::read_to_string(&path) {
            let time = serde_json::from_str(&text)
                .with_context(|| format!("the clock kept in {} cannot be read", path.display()))?;
            return Ok(Self { time });
        }
        let now = Timestamp::now();
        #[expect(clippy::float_cmp, reason = "1 is given as such, not computed")]
        let time = if scale == 1.0 && virtual_start.is_none() {
            TimeScale::real()
        } else {
            let time = TimeScale::new(now, virtual_start.unwrap_or(now), scale)?;
            let text = serde_json::to_string(&time).context("a clock can be written down")?;
            std::fs::write(&path, text).with_context(|| format!("writing the clock to {}", path.display()))?;
            time
        };
        Ok(Self { time })
    }

    /// The wall's own.
    #[must_use]
    pub(crate) const fn real_time() -> Self {
        Self { time: TimeScale::real() }
    }

    /// The time now.
    #[must_use]
    pub(crate) fn now(&self) -> Timestamp {
        self.time.at(Timestamp::now())
    }

    /// The map from the wall's time.
    #[must_use]
    pub(crate) const fn time(&self) -> TimeScale {
        self.time
    }

    /// How long the wall's clock takes for this much of this one's.
    #[must_use]
    pub(crate) fn real(&self, time: Seconds) -> std::time::Duration {
        self.time.real_time(time).to_std()
    }
}
