//! Compares the server with a minimal baseline and with other frameworks, measures it with many tenants, and compares
//! its decisions with those of other policy engines. `docs/performance.md` has the recipes and the results.
//!
//! These are benchmarks, not tests: no duration is asserted. Programs are measured side by side and results are ratios.

pub mod chart;
pub mod load;
pub mod member_list;
pub mod process;
pub mod token;

use sqlx::PgConnection;

/// The result of a benchmark step. An error ends the benchmark.
pub type BoxResult<T> = Result<T, Box<dyn std::error::Error>>;

/// Returns the median of positive values, or NaN if there are none. Of two middle values, returns the geometric mean, so
/// that the median of the inverses is the inverse of the median.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    (middle(values.len().wrapping_sub(1) / 2) * middle(values.len() / 2)).sqrt()
}

/// Returns the median of the ratios of each round. Both values of a round are affected by the same noise.
#[must_use]
pub fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    median(&ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>())
}

/// Returns the CPU time of a server's processes and of all backends of the connection's database, in clock ticks. While
/// one server is under load, the others on that database must be idle.
///
/// # Errors
/// The database can't be read.
pub async fn cpu_ticks_with_backends(connection: &mut PgConnection, server: u32) -> BoxResult<u64> {
    let pids = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    #[expect(clippy::disallowed_methods, reason = "the benchmark asks the server about its processes")]
    let pids: Vec<i32> = sqlx::query_scalar(pids).fetch_all(connection).await?;
    let backends: u64 = pids.into_iter().map(|pid| process::cpu_ticks(pid.unsigned_abs())).sum();
    let server: u64 = process::process_tree(server).into_iter().map(process::cpu_ticks).sum();
    Ok(server + backends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_inverses_is_inverse_of_median() {
        let is_close = |one: f64, other: f64| (one - other).abs() < 1e-9;
        assert!(is_close(median(&[4.0, 1.0, 2.0]), 2.0));
        assert!(is_close(median(&[8.0, 4.0, 1.0, 2.0]), 8.0_f64.sqrt()));
        assert!(is_close(ratio(&[1.0, 2.0], &[2.0, 1.0]) * ratio(&[2.0, 1.0], &[1.0, 2.0]), 1.0));
        assert!(median(&[]).is_nan());
    }
}
