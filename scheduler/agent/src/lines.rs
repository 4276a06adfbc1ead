//! Lines out of a stream of bytes: as a reader of the terminal would see them, whatever bars and colours do.
//!
//! Ends of lines are line feeds, carriage returns and backspaces (progress bars overwrite themselves with either), and
//! escape sequences are left out. What the bytes mean is not decided here; they need not be UTF-8.

/// The longest line kept, in bytes. What a line has beyond is dropped: no mark of an epoch comes that late.
const LONGEST_LINE: usize = 4096;

/// Cuts one stream into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
    escape: Escape,
}

/// Where in an escape sequence (ECMA-48) the stream stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Escape {
    #[default]
    Outside,
    /// After ESC.
    Begun,
    /// In a control sequence: `ESC [ … letter`.
    Control,
    /// In a string such as a window title: `ESC ] … BEL` or `ESC ] … ESC \`.
    Text,
    /// After an ESC within such a string.
    TextMayEnd,
}

impl Lines {
    /// Takes in more of the stream and calls `line` for each line that is complete now. Empty lines are left out.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) {
        for &byte in bytes {
            self.escape = match (self.escape, byte) {
                (Escape::Outside, 0x1b) => Escape::Begun,
                (Escape::Outside, b'\n' | b'\r' | 0x08) => {
                    if !self.partial.is_empty() {
                        line(&self.partial);
                        self.partial.clear();
                    }
                    Escape::Outside
                }
                (Escape::Outside, _) => {
                    if self.partial.len() < LONGEST_LINE {
                        self.partial.push(byte);
                    }
                    Escape::Outside
                }
                (Escape::Begun, b'[') => Escape::Control,
                (Escape::Begun, b']' | b'P' | b'_' | b'^') => Escape::Text,
                (Escape::Begun | Escape::TextMayEnd, _) => Escape::Outside,
                (Escape::Control, 0x40..=0x7e) => Escape::Outside,
                (Escape::Text, 0x1b) => Escape::TextMayEnd,
                // A line end within a sequence: it was cut off, and must not swallow the rest of the output.
                (Escape::Text, 0x07) | (Escape::Control | Escape::Text, b'\n' | b'\r') => Escape::Outside,
                (Escape::Control | Escape::Text, _) => self.escape,
            };
        }
    }

    /// The stream has ended: what is left is a line too.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            line(&std::mem::take(&mut self.partial));
        }
        self.escape = Escape::Outside;
    }

    /// A part of the stream was left out: what came before it and what comes now are not one line.
    pub(crate) fn skip(&mut self) {
        self.partial.clear();
        self.escape = Escape::Outside;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(pieces: &[&str]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        let mut keep = |line: &[u8]| seen.push(String::from_utf8_lossy(line).into_owned());
        for piece in pieces {
            lines.feed(piece.as_bytes(), &mut keep);
        }
        lines.finish(&mut keep);
        seen
    }

    #[test]
    fn a_line_may_come_in_pieces_and_the_last_without_an_end() {
        assert_eq!(lines_of(&["Ep", "och 1", "/3\nEpoch 2/3\r", "\n", "rest"]), ["Epoch 1/3", "Epoch 2/3", "rest"]);
    }

    #[test]
    fn bars_that_overwrite_themselves_are_lines() {
        assert_eq!(
            lines_of(&["\rEpoch 1:  0%|\rEpoch 1: 50%|", "\x08\x08\x08 9/10"]),
            ["Epoch 1:  0%|", "Epoch 1: 50%|", " 9/10"]
        );
    }

    #[test]
    fn colours_titles_and_sequences_cut_in_two_are_left_out() {
        assert_eq!(lines_of(&["\x1b[1;32mEpoch\x1b", "[0m 4\x1b]0;train\x07/9\x1b[A\n"]), ["Epoch 4/9"]);
        assert_eq!(lines_of(&["\x1b]0;never ended\nEpoch 5\n"]), ["Epoch 5"]);
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.feed(&[b'x'; 1000], |_| panic!("no line has ended"));
        }
        lines.finish(|line| assert_eq!(line.len(), LONGEST_LINE));
    }
}
