//! Lines and tables that fit the terminal. Knows nothing of jobs.

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table};
use unicode_width::UnicodeWidthStr;

/// How much room there is, and whether colour may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Columns a line may have.
    pub(crate) width: usize,
    /// Whether colour may be used.
    pub(crate) color: bool,
}

/// A line of a description: a label, what is so, and a remark beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    label: &'static str,
    text: String,
    remark: String,
}

impl Field {
    /// A line without a remark.
    pub(crate) fn new(label: &'static str, text: impl Into<String>) -> Self {
        Self { label, text: text.into(), remark: String::new() }
    }

    /// The same with a remark.
    #[must_use]
    pub(crate) fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = remark.into();
        self
    }
}

/// Columns before a label, and between the columns.
const INDENT: usize = 2;
const GAP: usize = 2;
const REMARK_GAP: usize = 4;

/// Labels, texts and remarks in columns. A remark that does not fit beside its text goes below it.
#[must_use]
pub(crate) fn fields(fields: &[Field], width: usize) -> String {
    let labels = fields.iter().map(|field| field.label.width()).max().unwrap_or(0);
    let margin = INDENT + labels + GAP;
    let room = width.saturating_sub(margin).max(20);
    let beside =
        |field: &&Field| !field.remark.is_empty() && field.text.width() + REMARK_GAP + field.remark.width() <= room;
    let texts = fields.iter().filter(beside).map(|field| field.text.width()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for field in fields {
        let label = format!("{:INDENT$}{:<labels$}{:GAP$}", "", field.label, "");
        let text = clean(&field.text);
        if beside(&field) && texts + REMARK_GAP + field.remark.width() <= room {
            let pad = texts - field.text.width() + REMARK_GAP;
            lines.push(format!("{label}{text}{:pad$}{}", "", clean(&field.remark)));
            continue;
        }
        let below = if field.remark.is_empty() { Vec::new() } else { wrap(&clean(&field.remark), room) };
        for (number, line) in wrap(&text, room).into_iter().chain(below).enumerate() {
            let start = if number == 0 { label.clone() } else { " ".repeat(margin) };
            lines.push(format!("{start}{line}").trim_end().to_owned());
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Sentences as a list, each wrapped under its dash.
#[must_use]
pub(crate) fn bullets(sentences: &[String], width: usize) -> String {
    let room = width.saturating_sub(4).max(20);
    let mut text = String::new();
    for sentence in sentences {
        for (number, line) in wrap(&clean(sentence), room).into_iter().enumerate() {
            text.push_str(if number == 0 { "  - " } else { "    " });
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// Text broken between words so that no line is wider than `width`, words allowing.
#[must_use]
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a first line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Text from elsewhere without what a terminal would obey.
#[must_use]
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// At most `width` columns of the text, with an ellipsis where some is missing.
#[must_use]
pub(crate) fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if width < short.width() + c.to_string().width() + 1 {
            break;
        }
        short.push(c);
    }
    format!("{}…", short.trim_end())
}

/// A column of a table: its head, how its cells stand, and how soon it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its head.
    pub(crate) head: &'static str,
    /// Numbers stand to the right.
    pub(crate) right: bool,
    /// Where the terminal is too narrow, columns of the highest rank go first; those of rank 0 stay.
    pub(crate) rank: u8,
}

impl Column {
    /// A column of words.
    #[must_use]
    pub(crate) const fn words(head: &'static str, rank: u8) -> Self {
        Self { head, right: false, rank }
    }

    /// A column of numbers.
    #[must_use]
    pub(crate) const fn numbers(head: &'static str, rank: u8) -> Self {
        Self { head, right: true, rank }
    }
}

/// A table without lines. Columns that do not fit are left out, least important first; what is then still too wide is
/// shortened in the widest column of words.
#[must_use]
pub(crate) fn table(columns: &[Column], rows: &[Vec<String>], look: Look) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let width_of = |column: usize| {
        let cells = rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
        cells.max(columns[column].head.width())
    };
    let mut widths: Vec<(usize, usize)> = (0..columns.len()).map(|column| (column, width_of(column))).collect();
    let total = |widths: &[(usize, usize)]| {
        widths.iter().map(|(_, width)| width).sum::<usize>() + GAP * widths.len().saturating_sub(1)
    };
    while look.width < total(&widths) {
        let least = widths
            .iter()
            .filter(|(column, _)| 0 < columns[*column].rank)
            .max_by_key(|(column, _)| columns[*column].rank);
        let Some(least) = least.map(|(column, _)| *column) else { break };
        widths.retain(|(column, _)| *column != least);
    }
    let excess = total(&widths).saturating_sub(look.width);
    if 0 < excess
        && let Some((_, width)) =
            widths.iter_mut().filter(|(column, _)| !columns[*column].right).max_by_key(|(_, w)| *w)
    {
        *width = width.saturating_sub(excess).max(8);
    }

    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if look.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let head =
        widths.iter().map(|(column, _)| Cell::new(columns[*column].head).add_attribute(comfy_table::Attribute::Dim));
    table.set_header(head);
    for row in &rows {
        table.add_row(widths.iter().map(|(column, width)| cell(&shorten(&row[*column], *width))));
    }
    for (position, (column, _)) in widths.iter().enumerate() {
        if let Some(shown) = table.column_mut(position) {
            shown.set_padding((0, 2));
            if columns[*column].right {
                shown.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A cell; words for states have their colour wherever they stand.
fn cell(text: &str) -> Cell {
    let color = match text {
        "running" | "starting" => Some(Color::Cyan),
        "succeeded" | "ok" => Some(Color::Green),
        "failed" | "lost" | "fail" => Some(Color::Red),
        "held" | "cancelled" | "paused" | "pausing" | "warn" => Some(Color::Yellow),
        _ => None,
    };
    color.map_or_else(|| Cell::new(text), |color| Cell::new(text).fg(color))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Look = Look { width: 40, color: false };

    #[test]
    fn a_remark_goes_below_where_there_is_no_room_beside() {
        let lines =
            [Field::new("footprint", "1.8 kgCO2e").remark("from earlier jobs like it"), Field::new("plan", "now")];
        insta::assert_snapshot!(fields(&lines, 60), @r"
        footprint  1.8 kgCO2e    from earlier jobs like it
        plan       now
        ");
        insta::assert_snapshot!(fields(&lines, 40), @r"
        footprint  1.8 kgCO2e
                   from earlier jobs like it
        plan       now
        ");
    }

    #[test]
    fn columns_of_little_importance_go_first() {
        let columns =
            [Column::numbers("id", 0), Column::words("name", 0), Column::words("policy", 2), Column::words("site", 1)];
        let rows = [vec!["1".to_owned(), "resnet-on-imagenet".to_owned(), "patient".to_owned(), "home".to_owned()]];
        insta::assert_snapshot!(table(&columns, &rows, Look { width: 60, ..PLAIN }), @r"
        id  name                policy   site
         1  resnet-on-imagenet  patient  home
        ");
        insta::assert_snapshot!(table(&columns, &rows, Look { width: 30, ..PLAIN }), @r"
        id  name                site
         1  resnet-on-imagenet  home
        ");
        insta::assert_snapshot!(table(&columns, &rows, Look { width: 18, ..PLAIN }), @r"
        id  name
         1  resnet-on-ima…
        ");
    }

    #[test]
    fn a_name_cannot_command_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }

    proptest! {
        #[test]
        fn a_table_of_short_numbers_and_any_words_fits(words in "\\PC{0,80}", width in 30_usize..120) {
            let columns = [Column::numbers("id", 0), Column::words("name", 0), Column::words("more", 1)];
            let rows = [vec!["123".to_owned(), words.clone(), words]];
            for line in table(&columns, &rows, Look { width, color: false }).lines() {
                prop_assert!(line.width() <= width, "{line:?} is wider than {width}");
            }
        }
    }
}
