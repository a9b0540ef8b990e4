//! The binary. All code is in the library, where tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    tenantry::cli::main()
}
