//! How much power memory is taken to draw, by how much of it there is.
//!
//! Memory draws power by the module, busy or not. How many modules there are only root may read (SMBIOS), so their
//! number is guessed from the size. Rule and constants are CodeCarbon's since version 3 (`external/ram.py`): 5 W a module
//! on x86, 1.5 W on ARM, a little less for each beyond the fourth, the eighth and the sixteenth, and never less than two
//! modules draw.

use lowtide_model::quantity::Watts;

const WATTS_PER_MODULE: f64 = 5.0;
const WATTS_PER_MODULE_ARM: f64 = 1.5;

/// Sizes of modules, in GB.
const SIZES_GB: [f64; 6] = [128.0, 64.0, 32.0, 16.0, 8.0, 4.0];

/// The most modules a machine is taken to have, and the fewest a large one.
const MOST: f64 = 32.0;
const LARGE: f64 = 8.0;

/// The number of modules that `gb` of memory are likely made of.
fn modules(gb: f64) -> f64 {
    match gb {
        gb if gb <= 2.0 => 1.0,
        gb if gb <= 16.0 => 2.0,
        gb if gb <= 64.0 => 4.0,
        gb if gb <= 128.0 => LARGE,
        gb => SIZES_GB.iter().find(|size| **size <= gb / LARGE).map_or(LARGE, |size| (gb / size).ceil().min(MOST)),
    }
}

/// Power of `gb` of memory, in GB of 10^9 bytes.
pub(crate) fn memory_power(gb: f64, is_arm: bool) -> Watts {
    let module = if is_arm { WATTS_PER_MODULE_ARM } else { WATTS_PER_MODULE };
    let modules = modules(gb);
    let between = |first: f64, last: f64| (modules - first).clamp(0.0, last - first);
    let counted = between(0.0, 4.0) + 0.9 * between(4.0, 8.0) + 0.8 * between(8.0, 16.0) + 0.7 * between(16.0, MOST);
    Watts::saturating(module * counted.max(2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_guessed_from_the_size() {
        for (gb, expected) in [
            (1.0, 1.0),
            (8.0, 2.0),
            (16.0, 2.0),
            (32.0, 4.0),
            (64.0, 4.0),
            (128.0, 8.0),
            (256.0, 8.0),
            (384.0, 12.0),
            (512.0, 8.0),
            (1024.0, 8.0),
            (2048.0, 16.0),
            (1e6, 32.0),
        ] {
            assert!((modules(gb) - expected).abs() < f64::EPSILON, "{gb} GB: {}", modules(gb));
        }
    }

    #[test]
    fn each_further_module_adds_a_little_less_and_two_are_the_least() {
        for (gb, is_arm, watts) in [
            (1.0, false, 10.0),
            (32.0, false, 20.0),
            (128.0, false, 38.0),
            (2048.0, false, 70.0),
            (1e6, false, 126.0),
            (1.0, true, 3.0),
            (64.0, true, 6.0),
        ] {
            assert!((memory_power(gb, is_arm).get() - watts).abs() < 1e-9, "{gb} GB: {:?}", memory_power(gb, is_arm));
        }
    }
}
