//! Compares the server with a minimal baseline. Run with `just bench`; `docs/performance.md` has the results.
//!
//! These are benchmarks, not tests: no duration is asserted. Programs are measured side by side and results are ratios.

pub mod load;
pub mod process;
pub mod ratio;
