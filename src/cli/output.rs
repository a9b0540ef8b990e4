//! What the commands print.

use std::{
    fmt::Display,
    io::{self, Write},
    sync::OnceLock,
};

/// An error that ends a command. It is printed once, on one line of standard error.
pub(super) type CliError = Box<dyn std::error::Error + Send + Sync>;

/// The first error of writing to standard output.
static OUTPUT_ERROR: OnceLock<io::Error> = OnceLock::new();

/// Prints a line to standard output. A command continues after an error, since its work matters more than its output;
/// [`check_output`] reports it at the end.
pub(super) fn print(line: impl Display) {
    record_error(writeln!(io::stdout(), "{line}"));
}

/// Keeps the first error. A reader that has closed the pipe, such as `head`, isn't an error.
pub(super) fn record_error(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = OUTPUT_ERROR.set(error);
    }
}

/// Fails if a part of the output could not be written, for example because the disk is full.
pub(super) fn check_output() -> Result<(), CliError> {
    record_error(io::stdout().flush());
    let message = |error| {
        format!(
            "standard output can't be written: {error}; the command has run, but its output is incomplete; free the \
             space, or redirect the output to another file"
        )
    };
    OUTPUT_ERROR.get().map_or(Ok(()), |error| Err(message(error).into()))
}

/// Formats rows as a table with box-drawing characters.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED).set_header(header.to_vec());
    table.add_rows(rows);
    table
}
