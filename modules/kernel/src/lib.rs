//! What the modules share. Modules depend on each other only through this crate.
//!
//! - [`contracts`]: ids, traits for dependency injection, module interfaces, and the three proofs
//!   ([`contracts::Identity`], [`contracts::TenantScope`], [`contracts::Permit`]) that access to tenant data requires
//! - [`request`]: the two components that create the first two proofs
//! - [`db`]: server, pool, transactions, migrations
//! - [`shaku_value`]: values as shaku components
//!
//! Not allowed here: tables, `query!`, HTTP, environment variables, and anything that only one module needs.

pub mod clock;
pub mod contracts;
pub mod db;
mod id;
pub mod request;
pub mod shaku_value;
