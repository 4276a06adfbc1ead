//! Two spirals, one inside the other: the task of Lang and Witbrock (1988) that no straight line can solve.

use std::f32::consts::{PI, TAU};

use super::Example;
use super::random::Random;

pub(super) const INPUTS: usize = 2;
pub(super) const CLASSES: usize = 2;

/// How often a spiral winds around the middle.
const TURNS: f32 = 1.25;
/// Deviation of a point from its spiral, where the outermost points are 1 from the middle.
const NOISE: f32 = 0.02;
/// Points are stretched by this, so that tanh sees more than its straight part.
const STRETCH: f32 = 3.0;

/// A point near one of the spirals.
pub(super) fn example(random: &mut Random) -> Example {
    let class = random.below(CLASSES);
    // The root spreads the points evenly along the spiral, whose outer turns are longer.
    let radius = 0.1 + 0.9 * random.share().sqrt();
    let angle = radius * TURNS * TAU + if class == 0 { 0.0 } else { PI };
    let around = |value: f32, random: &mut Random| STRETCH * (value + NOISE * random.normal());
    let input = vec![around(radius * angle.cos(), random), around(radius * angle.sin(), random)];
    Example { input, class }
}
