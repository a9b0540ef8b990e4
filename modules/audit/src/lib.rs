//! The audit log: who changed what, and when.
//!
//! - [`AuditModule`]: the module, for the composition root
//!
//! The records are written by the commit of a transaction, with the functions `record_audit_events` and
//! `record_deployment_audit_events`. Reading requires [`audit_api::AuditRead`].

mod module;
mod recorder;
mod records;

pub use module::AuditModule;
