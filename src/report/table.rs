//! Small aligned tables for lists.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use super::Style;
use super::escape::clean;
use super::line::{Ink, paint};

/// A table; columns are as wide as their widest cell, the last one is not padded.
#[derive(Debug, Clone)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column titles.
    pub fn new<T: Into<String>>(header: impl IntoIterator<Item = T>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells beyond the last column are dropped, missing ones stay empty.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().take(self.header.len()).map(Into::into).collect());
    }

    /// Writes it; the titles are written even when there is no row.
    ///
    /// # Errors
    /// The writer's own.
    pub fn write(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let cleaned: Vec<Vec<_>> = std::iter::once(&self.header)
            .chain(&self.rows)
            .map(|row| row.iter().map(|cell| clean(cell)).collect())
            .collect();
        let mut widths = vec![0; self.header.len()];
        for row in &cleaned {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        for (number, row) in cleaned.iter().enumerate() {
            let mut text = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                text.push_str(cell);
                text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + 2));
            }
            let ink = if number == 0 { Ink::Bold } else { Ink::Plain };
            writeln!(out, "{}", paint(text.trim_end(), ink, style))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_blanks() {
        let mut table = Table::new(["ADDRESS", "KIND", "NOTE"]);
        table.row(["a/disk/default", "disk", ""]);
        table.row(["日本/x", "Deployment", "with\u{1b}[31m", "dropped"]);
        table.row(["short"]);
        let mut out = Vec::new();
        table.write(&mut out, &Style::PLAIN).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        ADDRESS         KIND        NOTE
        a/disk/default  disk
        日本/x          Deployment  with\u{1b}[31m
        short
        "#);
        assert!(!table.rows.is_empty());
    }
}
