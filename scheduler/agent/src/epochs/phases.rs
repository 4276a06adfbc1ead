//! What a mark changes: from the first that is seen to the way a job marks its epochs, and on from there.

use super::{Epochs, Known, Phase, REPEATED_RESULTS, Said, Stamp};

impl Epochs {
    pub(super) fn take(&mut self, said: Said, at: Stamp) {
        match (self.phase, said) {
            (Phase::Unmarked, _) => self.phase = self.first(said, at),
            // Something before the training named a later epoch, such as a print of the settings.
            (Phase::Header { epoch, .. } | Phase::FirstEnd { epoch, .. }, _) if said.epoch() < epoch => {
                self.phase = self.first(said, at);
            }
            (Phase::Header { epoch, at: header, step_bars }, Said::Header(second)) if second > epoch => {
                let before = header.at.saturating_sub(self.start.at);
                let between = at.at.saturating_sub(header.at);
                if step_bars || before < between / 2 {
                    self.begin(epoch - 1, header, at);
                    self.follow(said, at);
                } else {
                    self.headers_at_end = true;
                    self.two_ends(epoch, header, second, at);
                }
            }
            (Phase::Header { .. }, Said::Header(_)) => {}
            (Phase::Header { epoch, at: header, .. }, Said::Running(_) | Said::Ended(_)) => {
                self.begin(epoch - 1, header, at);
                self.follow(said, at);
            }
            (Phase::FirstEnd { epoch, at: end }, Said::Ended(second)) => {
                if second > epoch {
                    self.two_ends(epoch, end, second, at);
                }
            }
            (Phase::FirstEnd { epoch, at: end }, Said::Header(next) | Said::Running(next)) => {
                if next > epoch {
                    self.two_ends(epoch, end, epoch, at);
                    self.follow(said, at);
                }
            }
            (Phase::Known(_), _) => self.follow(said, at),
        }
    }

    fn first(&self, said: Said, at: Stamp) -> Phase {
        let known = |done, marked, since, open| Phase::Known(Known::new(done, marked, since, open, at));
        match said {
            Said::Header(epoch) => Phase::Header { epoch, at, step_bars: false },
            Said::Running(epoch) => known(epoch - 1, epoch - 1, at, true),
            Said::Ended(epoch) if epoch == 1 || self.resumed => known(epoch - 1, epoch, self.start, false),
            Said::Ended(epoch) => Phase::FirstEnd { epoch, at },
        }
    }

    /// Epochs begin: `done` are over, the next began at `since`.
    fn begin(&mut self, done: u32, since: Stamp, now: Stamp) {
        // What was held back by a buffer and came at once began long before it was seen.
        let since = if since.at == now.at { self.start } else { since };
        self.phase = Phase::Known(Known::new(done, done, since, true, now));
    }

    /// The first mark said that `first` had ended at `end`, the next says that `second` has.
    fn two_ends(&mut self, first: u32, end: Stamp, second: u32, now: Stamp) {
        let stride = (second - first).max(1);
        // `Epoch 10`, `Epoch 20`: the first stands for ten as well. `Epoch 57`, `Epoch 58`: it goes on from 56.
        let share = if self.resumed || stride == 1 { 1 } else { stride.min(first) };
        let known = |done, since| Phase::Known(Known::new(done, second, since, false, now));
        self.phase = if end.at == now.at {
            known(first - share, self.start)
        } else {
            let since = self.tell(first - share, first, self.start, end);
            known(first, since)
        };
    }

    fn follow(&mut self, said: Said, at: Stamp) {
        let headers_at_end = self.headers_at_end;
        let Phase::Known(known) = &mut self.phase else { return };
        let several_results = known.repeated >= REPEATED_RESULTS;
        let said = match said {
            Said::Header(epoch) if headers_at_end => Said::Ended(epoch),
            Said::Header(epoch) => Said::Running(epoch),
            Said::Ended(epoch) if several_results => Said::Running(epoch),
            other => other,
        };
        match said {
            Said::Ended(epoch) if epoch > known.marked => {
                known.marked = epoch;
                known.open = false;
                known.repeated = 0;
                known.result = (at.at, at.at.saturating_sub(known.since.at));
            }
            Said::Ended(epoch) if epoch == known.marked && !known.open && known.is_apart(at) => {
                known.repeated += 1;
            }
            Said::Running(epoch) if epoch > known.marked => {
                if several_results && !known.open && epoch == known.marked + 1 {
                    // The epoch before was cut off at the first of its results; this one begins now.
                    known.since = at;
                }
                known.marked = epoch - 1;
                known.open = true;
            }
            Said::Header(_) | Said::Running(_) | Said::Ended(_) => {}
        }
    }
}
