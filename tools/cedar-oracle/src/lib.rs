//! Translates a tenant's policies to [Cedar](https://www.cedarpolicy.com). The differential test compares the policy
//! engine's decisions with Cedar's, and the benchmark compares their speed.
//!
//! - [`CedarOracle`]: a tenant's translated policies, which Cedar evaluates
//! - `condition.rs`: translates a condition to two expressions, one for true and one for false
//! - `oracle.rs`: translates policies and requests, and evaluates them
//!
//! The input is what is stored: names, ids and conditions as JSON. This crate deliberately doesn't use the engine's
//! types, parser or comparisons, so that it doesn't repeat their bugs.

mod condition;
mod input;
mod oracle;

pub use input::{BoxResult, PolicyCondition, PolicyInput, Tenant};
pub use oracle::{CedarOracle, OracleDecision};
