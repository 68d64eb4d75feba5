//! What people see: text in tones, wrapped to the terminal.
//!
//! All text goes through [`Piece`], which takes the teeth out of it: names, messages and values come from clusters, and
//! a terminal obeys control characters whoever wrote them.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table};
use owo_colors::{OwoColorize, Style};

/// How a piece of text stands out. Colour is never the only sign: every tone has words or marks beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Strong,
    Faint,
    Good,
    Warning,
    Bad,
}

/// A piece of text that is safe to show.
#[derive(Debug, Clone)]
pub struct Piece {
    text: String,
    tone: Tone,
}

impl Piece {
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: harmless(text.as_ref()), tone }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }

    fn style(&self) -> Style {
        match self.tone {
            Tone::Plain => Style::new(),
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dimmed(),
            Tone::Good => Style::new().green(),
            Tone::Warning => Style::new().yellow(),
            Tone::Bad => Style::new().red().bold(),
        }
    }

    fn cell(&self) -> Cell {
        let cell = Cell::new(&self.text);
        match self.tone {
            Tone::Plain => cell,
            Tone::Strong => cell.add_attribute(Attribute::Bold),
            Tone::Faint => cell.add_attribute(Attribute::Dim),
            Tone::Good => cell.fg(Color::DarkGreen),
            Tone::Warning => cell.fg(Color::DarkYellow),
            Tone::Bad => cell.fg(Color::DarkRed).add_attribute(Attribute::Bold),
        }
    }
}

pub fn plain(text: impl AsRef<str>) -> Piece {
    Piece::new(text, Tone::Plain)
}

pub fn strong(text: impl AsRef<str>) -> Piece {
    Piece::new(text, Tone::Strong)
}

pub fn faint(text: impl AsRef<str>) -> Piece {
    Piece::new(text, Tone::Faint)
}

pub fn good(text: impl AsRef<str>) -> Piece {
    Piece::new(text, Tone::Good)
}

pub fn warning(text: impl AsRef<str>) -> Piece {
    Piece::new(text, Tone::Warning)
}

pub fn bad(text: impl AsRef<str>) -> Piece {
    Piece::new(text, Tone::Bad)
}

/// The text without anything that a terminal would obey: line breaks become spaces, other control characters and marks
/// that turn the direction of a line are shown as their code.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => out.push(' '),
            _ if obeyed(character) => out.extend(character.escape_unicode()),
            _ => out.push(character),
        }
    }
    out
}

/// Whether a terminal does something at this character instead of showing it.
pub fn obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The text, cut to `longest` characters.
pub fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// `1 file`, `2 files`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A text, or a dash where there is none.
pub fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// Text under construction.
#[derive(Debug)]
pub struct Screen {
    out: String,
    /// Of the terminal; none where the text goes into a file or a pipe.
    width: Option<usize>,
    /// Whether everything was asked for: more columns, and nothing folded.
    wide: bool,
    /// Whether something was folded.
    folded: bool,
}

impl Screen {
    pub fn new(width: Option<usize>, wide: bool) -> Self {
        Self { out: String::new(), width, wide, folded: false }
    }

    /// Everything, with the codes of its colours. How to see what was folded is said once, at the end.
    pub fn finish(mut self) -> String {
        if self.folded {
            self.blank();
            self.line(2, &[faint("lists are folded: -o wide shows all")]);
        }
        self.out
    }

    /// Whether everything was asked for.
    pub fn is_wide(&self) -> bool {
        self.wide
    }

    /// The first of a list, so that at most `most` lines come of it, and how many are left out. One more line is no
    /// more than the line that would say so.
    pub fn fold<'a, T>(&mut self, all: &'a [T], most: usize) -> (&'a [T], usize) {
        self.fold_behind(all, most, most)
    }

    /// Names in a sentence, with the number of those that are left out.
    pub fn names<T: AsRef<str>>(&mut self, all: &[T], most: usize) -> String {
        let (shown, more) = self.fold(all, most);
        let text = shown.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
        if more > 0 { format!("{text} and {more} more") } else { text }
    }

    /// Like [`Self::fold`], of which no more than the first are of interest at all.
    pub fn fold_behind<'a, T>(&mut self, all: &'a [T], of_interest: usize, most: usize) -> (&'a [T], usize) {
        if self.wide || all.len() <= most + 1 {
            return (all, 0);
        }
        self.folded = true;
        let shown = of_interest.min(most);
        (&all[..shown], all.len() - shown)
    }

    /// Lines of a list, and the number of those that are left out.
    pub fn list(&mut self, indent: usize, all: &[impl AsRef<str>], most: usize) {
        let margin = " ".repeat(indent);
        let (shown, more) = self.fold(all, most);
        for text in shown {
            self.line(indent + 2, &[plain(&margin), plain(text)]);
        }
        if more > 0 {
            self.line(indent, &[plain(&margin), faint(format!("… {more} more"))]);
        }
    }

    /// A fact with its name, which stands in a column of its own.
    pub fn field(&mut self, indent: usize, title: &str, pieces: &[Piece]) {
        const COLUMN: usize = 12;
        let hang = indent + COLUMN;
        let mut line = vec![plain(" ".repeat(indent)), faint(format!("{title:<COLUMN$}"))];
        line.extend_from_slice(pieces);
        self.line(hang, &line);
    }

    /// A command to type, in a line of its own and never broken, so that it can be copied.
    pub fn command(&mut self, text: impl AsRef<str>) {
        self.block(2, text.as_ref(), Tone::Strong);
    }

    /// How wide a line may be.
    pub fn width(&self) -> usize {
        self.width.unwrap_or(usize::MAX)
    }

    pub fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// Pieces one after the other, wrapped between words. Later lines are indented by `hang`.
    pub fn line(&mut self, hang: usize, pieces: &[Piece]) {
        let width = self.width();
        let mut line: Vec<Piece> = Vec::new();
        let mut column = 0;
        for word in pieces.iter().flat_map(words) {
            // A word that would be no further to the left in the next line stays, however long it is.
            let visible = word.text.trim_end().chars().count();
            if visible > 0 && column > hang && column + visible > width {
                self.paint_line(&line);
                line = vec![plain(" ".repeat(hang))];
                column = hang;
            }
            column += word.width();
            line.push(word);
        }
        self.paint_line(&line);
    }

    /// Lines of text as they are.
    pub fn block(&mut self, indent: usize, text: &str, tone: Tone) {
        for line in text.lines() {
            self.out.push_str(&" ".repeat(indent));
            self.paint(&Piece::new(line, tone));
            self.out.push('\n');
        }
    }

    /// A table as kubectl makes them: no borders, capitals above. Only the columns in `wrapped` are broken in a narrow
    /// terminal.
    pub fn table(&mut self, header: &[&str], wrapped: &[usize], rows: &[Vec<Piece>]) {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING).enforce_styling();
        table.style_text_only();
        match self.width.and_then(|width| u16::try_from(width).ok()) {
            Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        table.set_header(header.iter().map(|title| faint(title).cell()).collect::<Vec<_>>());
        table.add_rows(rows.iter().map(|row| row.iter().map(Piece::cell).collect::<Vec<_>>()));
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index + 1 == header.len() { 0 } else { 2 }));
            if !wrapped.contains(&index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        self.out.push_str(&table.trim_fmt());
        self.out.push('\n');
    }

    /// Rows of which the last column, all pieces that are left, is broken between words only.
    pub fn columns(&mut self, header: &[&str], rows: &[Vec<Piece>]) {
        let header: Vec<Piece> = header.iter().map(faint).collect();
        let fixed = header.len().saturating_sub(1);
        let all = || std::iter::once(&header).chain(rows);
        let content: Vec<usize> =
            (0..fixed).map(|column| widest(all().filter_map(|row| row.get(column)))).collect();
        let last = all().map(|row| row.iter().skip(fixed).map(Piece::width).sum()).max().unwrap_or(0);
        let wide = |gap: usize| content.iter().sum::<usize>() + gap * fixed + last;
        // Where one space between columns instead of two keeps the last one whole, one has to do.
        let gap = if wide(2) > self.width() && wide(1) <= self.width() { 1 } else { 2 };
        let widths: Vec<usize> = content.iter().map(|width| width + gap).collect();
        let hang = widths.iter().sum();
        for row in all() {
            let (first, last) = row.split_at(fixed.min(row.len()));
            let cells = first.iter().cloned().zip(&widths);
            let mut line: Vec<Piece> = cells.flat_map(|(piece, width)| padded(piece, *width)).collect();
            line.extend_from_slice(last);
            self.line(hang, &line);
        }
    }

    fn paint_line(&mut self, line: &[Piece]) {
        let end = line.iter().rposition(|piece| !piece.text.trim_end().is_empty()).map_or(0, |last| last + 1);
        for (index, piece) in line[..end].iter().enumerate() {
            let text = if index + 1 == end { piece.text.trim_end() } else { &piece.text };
            self.paint(&Piece { text: text.to_owned(), tone: piece.tone });
        }
        self.out.push('\n');
    }

    fn paint(&mut self, piece: &Piece) {
        let styled = piece.text.style(piece.style()).to_string();
        self.out.push_str(if piece.tone == Tone::Plain { &piece.text } else { &styled });
    }
}

/// The widest of some pieces.
pub fn widest<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> usize {
    pieces.into_iter().map(Piece::width).max().unwrap_or(0)
}

/// A piece, and the spaces that fill it up to a width.
pub fn padded(piece: Piece, width: usize) -> [Piece; 2] {
    let spaces = plain(" ".repeat(width.saturating_sub(piece.width())));
    [piece, spaces]
}

/// A piece in parts between which a line may break: each word with the spaces after it.
fn words(piece: &Piece) -> impl Iterator<Item = Piece> {
    piece.text.split_inclusive(' ').map(|word| Piece { text: word.to_owned(), tone: piece.tone })
}

/// What is drawn, without colours.
#[cfg(test)]
pub fn golden(width: usize, draw: impl Fn(&mut Screen)) -> String {
    golden_of(Screen::new(Some(width), false), draw)
}

/// What is drawn where everything is asked for, without colours.
#[cfg(test)]
pub fn golden_wide(width: usize, draw: impl Fn(&mut Screen)) -> String {
    golden_of(Screen::new(Some(width), true), draw)
}

#[cfg(test)]
fn golden_of(mut screen: Screen, draw: impl Fn(&mut Screen)) -> String {
    draw(&mut screen);
    anstream::adapter::strip_str(&screen.finish()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_golden() {
        let hostile = "a\u{1b}[2Jb\u{9b}1mc\rd\ne\u{7}\u{202e}f";
        assert_eq!(harmless(hostile), r"a\u{1b}[2Jb\u{9b}1mc d e\u{7}\u{202e}f");
        for draw in [
            (|screen: &mut Screen, text: &str| screen.line(0, &[bad(text)])) as fn(&mut Screen, &str),
            |screen, text| screen.table(&["A"], &[0], &[vec![plain(text)]]),
            |screen, text| screen.block(2, text, Tone::Faint),
        ] {
            let text = golden(200, |screen| draw(screen, hostile));
            assert!(text.chars().all(|character| character == '\n' || !obeyed(character)), "{text:?}");
        }
    }

    #[test]
    fn lines_break_between_words_and_hang() {
        let text =
            golden(20, |screen| screen.line(4, &[strong("one:  "), plain("two three four five six seven")]));
        assert_eq!(text, "one:  two three four\n    five six seven\n");
        let long = golden(10, |screen| screen.line(2, &[plain("a unbreakableword b")]));
        assert_eq!(long, "a unbreakableword\n  b\n");
    }

    #[test]
    fn a_gap_at_the_edge_makes_no_empty_line() {
        let [name, gap] = padded(plain("a-name-longer-than-the-line"), 30);
        let text =
            golden(20, |screen| screen.line(4, &[name.clone(), gap.clone(), plain("  "), faint("rule")]));
        assert_eq!(text, "a-name-longer-than-the-line\n    rule\n");
    }

    #[test]
    fn long_lists_are_folded_and_say_how_to_see_all() {
        let names = ["a", "b", "c", "d"];
        assert_eq!(golden(80, |screen| screen.list(2, &names, 3)), "  a\n  b\n  c\n  d\n");
        let folded = golden(80, |screen| screen.list(2, &names, 2));
        assert_eq!(folded, "  a\n  b\n  … 2 more\n\nlists are folded: -o wide shows all\n");
        assert_eq!(golden_wide(80, |screen| screen.list(2, &names, 2)), "  a\n  b\n  c\n  d\n");
        assert_eq!(Screen::new(None, false).names(&names, 2), "a, b and 2 more");
    }

    #[test]
    fn tables_have_no_trailing_spaces() {
        let rows = [vec![plain("a"), good("yes")], vec![plain("longer"), plain("")]];
        let text = golden(80, |screen| screen.table(&["NAME", "CONNECTED"], &[], &rows));
        assert_eq!(text, "NAME    CONNECTED\na       yes\nlonger\n");
    }
}
