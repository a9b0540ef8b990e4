//! Names and versions that several files need.

/// The oldest supported major version of PostgreSQL; the oldest one that is tested.
pub(crate) const MIN_MAJOR_VERSION: u32 = 15;

/// The application's database on the embedded server.
#[cfg(feature = "embedded")]
pub(crate) const EMBEDDED_DATABASE: &str = "tenantry";
