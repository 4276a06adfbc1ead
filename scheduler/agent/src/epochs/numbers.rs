//! From the numbers that a job uses to epochs from 1 on: jobs that count from 0, trainings one after the other, and
//! numbers too high to tell each.

use super::{Epochs, MOST_EPOCHS, Phase, Said};
use crate::marks::{Mark, Meaning};

impl Epochs {
    /// The mark with numbers from 1 on, or `None` if it makes no sense.
    pub(super) fn said(&mut self, Mark { epoch, total, meaning, from_zero }: Mark) -> Option<Said> {
        if let Meaning::Completed | Meaning::RunningAfter = meaning {
            if total.is_some_and(|total| epoch > total) {
                return None;
            }
            self.total = total.or(self.total);
            return Some(match meaning {
                Meaning::Completed if epoch > 0 => Said::Ended(epoch),
                _ => Said::Running(epoch + 1),
            });
        }
        // Of epochs that the settings count 25 of, the last is number 24: `Epoch 13/24`.
        let last_announced = total.is_some_and(|total| self.announced == Some(total.saturating_add(1)));
        // A job that goes on shows no epoch 0: how its framework counts tells.
        let goes_on = self.resumed && (from_zero || self.from_zero);
        let from_zero = *self.counts_from_zero.get_or_insert(epoch == 0 || last_announced || goes_on);
        let epoch = if from_zero { epoch + 1 } else { epoch };
        // A total below the number is no total: `Epoch 3/2`. Counting from 0, it may be the number of the last.
        if epoch == 0 || total.is_some_and(|total| epoch > total + u32::from(from_zero)) {
            return None;
        }
        self.total = total.or(self.total).map(|total| total.max(epoch));
        let epoch = self.counted_on(epoch)?;
        Some(match meaning {
            Meaning::Running => Said::Running(epoch),
            Meaning::Ended => Said::Ended(epoch),
            Meaning::Header | Meaning::Completed | Meaning::RunningAfter => Said::Header(epoch),
        })
    }

    /// The number of an epoch after those of the trainings before, or `None` if it is of one of them.
    fn counted_on(&mut self, epoch: u32) -> Option<u32> {
        let (Some(training), Some(declared), Phase::Known(known)) = (self.total, self.declared, self.phase) else {
            return Some(epoch);
        };
        let unit = self.unit.unwrap_or(1);
        let last = self.before + training;
        let is_over = unit == 1 && (known.marked >= last || (known.open && known.marked + 1 >= last));
        if epoch == 1 && training > 1 && is_over && last < declared {
            self.before = last;
        }
        let counted = self.before + epoch;
        // What an earlier training says late, of a high number, is not of this one.
        (self.before == 0 || counted <= known.marked.max(self.before) + 2).then_some(counted)
    }

    /// With numbers of groups for those of epochs, if there are too many.
    pub(super) fn grouped(&mut self, said: Said) -> Said {
        let total = self.raw_total();
        let unit = *self.unit.get_or_insert_with(|| total.map_or(1, |total| total.div_ceil(MOST_EPOCHS)).max(1));
        if unit == 1 {
            return said;
        }
        match said {
            Said::Header(epoch) | Said::Running(epoch) => Said::Running((epoch - 1) / unit + 1),
            Said::Ended(epoch) if epoch.is_multiple_of(unit) || total == Some(epoch) => {
                Said::Ended(epoch.div_ceil(unit))
            }
            Said::Ended(epoch) => Said::Running(epoch / unit + 1),
        }
    }

    /// How many epochs there will be, as they are numbered here.
    pub(super) fn shown_total(&self) -> Option<u32> {
        self.raw_total().map(|total| total.div_ceil(self.unit.unwrap_or(1)))
    }

    /// How many there will be, as the job counts.
    pub(super) fn raw_total(&self) -> Option<u32> {
        if self.before > 0 {
            return self.declared;
        }
        if self.counts_from_zero != Some(true) {
            return self.total.or(self.declared).or(self.announced);
        }
        // Counting from 0, the number shown may be that of the last epoch: then the user, or the settings, know better.
        let announced = self.announced.filter(|announced| self.total.is_none_or(|total| total + 1 == *announced));
        self.declared.or(announced).or(self.total)
    }
}
