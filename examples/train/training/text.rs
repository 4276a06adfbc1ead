//! The next letter of a poem, from the three before it.

use super::Example;
use super::random::Random;

/// Letters seen before the one to tell.
const CONTEXT: usize = 3;
/// 26 letters and all else, which counts as a space.
const LETTERS: usize = 27;
pub(super) const INPUTS: usize = CONTEXT * LETTERS;
pub(super) const CLASSES: usize = LETTERS;

/// Alfred Tennyson, Crossing the Bar (1889), in the public domain.
const POEM: &str = "\
Sunset and evening star,
And one clear call for me!
And may there be no moaning of the bar,
When I put out to sea,
But such a tide as moving seems asleep,
Too full for sound and foam,
When that which drew from out the boundless deep
Turns again home.
Twilight and evening bell,
And after that the dark!
And may there be no sadness of farewell,
When I embark;
For though from out our bourne of Time and Place
The flood may bear me far,
I hope to see my Pilot face to face
When I have crossed the bar.
";

/// A place in the poem.
pub(super) fn example(random: &mut Random) -> Example {
    let letters = POEM.as_bytes();
    let place = random.below(letters.len() - CONTEXT);
    let mut input = vec![0.0; INPUTS];
    for (position, letter) in letters[place..place + CONTEXT].iter().enumerate() {
        input[position * LETTERS + class_of(*letter)] = 1.0;
    }
    Example { input, class: class_of(letters[place + CONTEXT]) }
}

fn class_of(letter: u8) -> usize {
    match letter.to_ascii_lowercase() {
        letter @ b'a'..=b'z' => usize::from(letter - b'a'),
        _ => LETTERS - 1,
    }
}
