//! Measures the program against a bare one. `just bench` runs it; `docs/performance.md` has its table.
//!
//! Nothing here is a test, and no duration is ever asserted: what was measured side by side is printed as ratios.

pub mod load;
pub mod process;
pub mod ratio;
