//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `AuditLog`, `AuditRecorder` | `Database`, `SystemDatabase` (denials of all tenants are recorded in batches) | `audit_events`, `deployment_audit_events` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use db::{Database, DbModule, SystemDatabase};
use shaku::module;

use crate::{recorder::BatchRecorder, records::AuditLogService};

module! {
    pub AuditModule {
        components = [AuditLogService, BatchRecorder],
        providers = [],
        use DbModule { components = [dyn Database, dyn SystemDatabase], providers = [] }
    }
}
