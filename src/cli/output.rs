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

/// Formats a number of bytes in the largest fitting binary unit.
#[cfg(feature = "embedded")]
pub(super) fn format_size(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", tenths(1_024)),
        1_048_576..1_073_741_824 => format!("{} MiB", tenths(1_048_576)),
        _ => format!("{} GiB", tenths(1_073_741_824)),
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use super::*;

    #[test]
    fn size_uses_largest_unit() {
        let formatted = [0, 1_023, 1_024, 1_048_575, 1_572_864, 3_221_225_472].map(format_size);
        assert_eq!(formatted, ["0 bytes", "1023 bytes", "1.0 KiB", "1023.9 KiB", "1.5 MiB", "3.0 GiB"]);
    }
}
