//! What the commands print.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// An error that ends a command. It is printed once, on one line of standard error.
pub(super) type CliError = Box<dyn std::error::Error + Send + Sync>;

/// Prints a line to standard output. Ignores errors, because `println!` panics if standard output is closed.
pub(super) fn print(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Formats rows as a table with box-drawing characters.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED).set_header(header.to_vec());
    table.add_rows(rows);
    table
}
