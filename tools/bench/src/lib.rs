//! Measures the program against a bare one. `just bench` runs it; `docs/performance.md` has its table.
//!
//! Nothing here is a test, and no duration is ever asserted: only ratios of what was measured side by side are printed.

pub mod load;
pub mod process;
