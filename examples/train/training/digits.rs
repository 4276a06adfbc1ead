//! Digits of eight by eight pixels, each drawn a little aside and with noise on every pixel.

use super::Example;
use super::random::Random;

const SIDE: usize = 8;
pub(super) const INPUTS: usize = SIDE * SIDE;
pub(super) const CLASSES: usize = 10;

/// Deviation of the noise on a pixel; ink is 1 and paper 0.
const NOISE: f32 = 0.35;

/// A row each, the leftmost pixel in the highest bit.
const SHAPES: [[u8; SIDE]; CLASSES] = [
    [0x3c, 0x66, 0x66, 0x6e, 0x76, 0x66, 0x66, 0x3c],
    [0x18, 0x38, 0x78, 0x18, 0x18, 0x18, 0x18, 0x7e],
    [0x3c, 0x66, 0x06, 0x0c, 0x18, 0x30, 0x60, 0x7e],
    [0x3c, 0x66, 0x06, 0x1c, 0x06, 0x06, 0x66, 0x3c],
    [0x0c, 0x1c, 0x3c, 0x6c, 0x7e, 0x0c, 0x0c, 0x0c],
    [0x7e, 0x60, 0x60, 0x7c, 0x06, 0x06, 0x66, 0x3c],
    [0x1c, 0x30, 0x60, 0x7c, 0x66, 0x66, 0x66, 0x3c],
    [0x7e, 0x06, 0x0c, 0x0c, 0x18, 0x18, 0x30, 0x30],
    [0x3c, 0x66, 0x66, 0x3c, 0x66, 0x66, 0x66, 0x3c],
    [0x3c, 0x66, 0x66, 0x66, 0x3e, 0x06, 0x0c, 0x38],
];

/// A digit, up to a pixel aside in each direction.
pub(super) fn example(random: &mut Random) -> Example {
    let class = random.below(CLASSES);
    let (down, right) = (random.below(3), random.below(3));
    let ink = |row: usize, column: usize| {
        // Where the pixel would be if the digit stood in its place; outside the shape there is paper.
        let (row, column) = ((row + 1).checked_sub(down)?, (column + 1).checked_sub(right)?);
        let bits = SHAPES[class].get(row)?;
        (column < SIDE).then(|| bits >> (SIDE - 1 - column) & 1)
    };
    let input = (0..INPUTS)
        .map(|pixel| f32::from(ink(pixel / SIDE, pixel % SIDE).unwrap_or(0)) + NOISE * random.normal())
        .collect();
    Example { input, class }
}
