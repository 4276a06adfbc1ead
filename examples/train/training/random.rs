//! Random numbers that are the same on every machine: SplitMix64 (Steele, Lea and Flood, 2014). Its whole state is one
//! number, which a checkpoint can hold.

use std::f32::consts::TAU;

/// A source of random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub(super) const fn new(state: u64) -> Self {
        Self { state }
    }

    /// What to begin with to draw the same numbers from here on.
    pub(super) const fn state(&self) -> u64 {
        self.state
    }

    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Evenly from `[0, 1)`.
    pub(super) fn share(&mut self) -> f32 {
        // 24 bits are what an f32 holds exactly.
        (self.bits() >> 40) as f32 / (1_u32 << 24) as f32
    }

    /// Evenly from `0..count`; `count` is above zero.
    pub(super) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.bits() % count as u64).expect("less than count, which is a usize")
    }

    /// Of the normal distribution of mean 0 and deviation 1, by Box and Muller.
    pub(super) fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        radius * (TAU * self.share()).cos()
    }
}
