//! Names and versions that several files need.

/// Role of the application's connections.
pub(crate) const APP_ROLE: &str = "tenantry_app";
/// Role of system transactions.
pub(crate) const SYSTEM_ROLE: &str = "tenantry_system";

/// The oldest supported major version of PostgreSQL; the oldest one that is tested.
pub(crate) const MIN_MAJOR_VERSION: u32 = 15;

/// The application's database on the embedded server.
#[cfg(feature = "embedded")]
pub(crate) const EMBEDDED_DATABASE: &str = "tenantry";
