//! What the modules share, and the only thing they share.
//!
//! - [`contracts`]: ids, tokens, module interfaces, and the three proofs ([`contracts::Identity`],
//!   [`contracts::TenantScope`], [`contracts::Permit`]) that make up the way to a tenant's data
//! - [`request`]: the two components that alone make the first two proofs
//! - [`db`]: drivers, the ways into the database, the migration runner
//! - [`shaku_value`]: values as components
//!
//! Absent on purpose: tables, `query!`, HTTP, the environment, anything that only one module needs.

pub mod clock;
pub mod contracts;
pub mod db;
pub mod shaku_value;
mod id;
pub mod request;
