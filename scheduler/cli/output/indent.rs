//! JSON as the daemon sends it, indented as it comes: for long lists, of which nothing has to be read to be printed.

/// Gets JSON in pieces, as compact as a program writes it, and lays it out as `serde_json`'s pretty printer does. What stands in it is
/// not changed.
#[derive(Debug, Default)]
pub(crate) struct Indented {
    text: Vec<u8>,
    depth: usize,
    /// A bracket was opened and nothing stands in it yet.
    fresh: bool,
    place: Place,
}

/// Where the last piece ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Outside,
    InString,
    AfterBackslash,
}

impl Indented {
    /// The next piece, which may end anywhere.
    pub(crate) fn take(&mut self, piece: &[u8]) {
        // Line ends and blanks: a third more in lists of jobs.
        self.text.reserve(piece.len() + piece.len() / 2);
        for byte in piece.iter().copied() {
            match self.place {
                Place::Outside => self.take_outside(byte),
                Place::InString => {
                    self.text.push(byte);
                    self.place = match byte {
                        b'"' => Place::Outside,
                        b'\\' => Place::AfterBackslash,
                        _ => Place::InString,
                    };
                }
                Place::AfterBackslash => {
                    self.text.push(byte);
                    self.place = Place::InString;
                }
            }
        }
    }

    /// All of it, with a line end.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.text.push(b'\n');
        self.text
    }

    fn take_outside(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if !std::mem::take(&mut self.fresh) {
                    self.new_line();
                }
                self.text.push(byte);
            }
            _ => {
                if std::mem::take(&mut self.fresh) {
                    self.new_line();
                }
                self.text.push(byte);
                match byte {
                    b'{' | b'[' => {
                        self.depth += 1;
                        self.fresh = true;
                    }
                    b',' => self.new_line(),
                    b':' => self.text.push(b' '),
                    b'"' => self.place = Place::InString,
                    _ => {}
                }
            }
        }
    }

    fn new_line(&mut self) {
        self.text.push(b'\n');
        self.text.extend(std::iter::repeat_n(b' ', 2 * self.depth));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,8}|[\\\\\"{}\\[\\],: \n]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[a-z\\\\\"]{0,4}", inner), 0..5)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_what_the_pretty_printer_writes_wherever_pieces_end(value in any_json(), size in 1_usize..20) {
            let compact = serde_json::to_vec(&value).expect("it can be written");
            let mut indented = Indented::default();
            compact.chunks(size).for_each(|piece| indented.take(piece));
            let pretty = serde_json::to_string_pretty(&value).expect("it can be written") + "\n";
            prop_assert_eq!(String::from_utf8(indented.end()).expect("it is text"), pretty);
        }
    }
}
