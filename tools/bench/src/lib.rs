//! Compares the server with a minimal baseline. Run with `just bench`; `docs/performance.md` has the results.
//!
//! These are benchmarks, not tests: no duration is asserted. Programs are measured side by side and results are ratios.

pub mod load;
pub mod process;
pub mod ratio;

/// The result of a benchmark step. An error ends the benchmark.
pub type BoxResult<T> = Result<T, Box<dyn std::error::Error>>;
