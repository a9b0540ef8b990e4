//! What a transaction writes to the audit log when it is committed.

use kernel::{AuditEvents, Caller, IntoAuditEvents, TenantId};
use sqlx::PgConnection;

/// The audit events of a system transaction: at least one.
#[derive(Debug)]
pub struct SystemAuditEvents(Destination);

#[derive(Debug)]
enum Destination {
    Tenants(Vec<(TenantId, AuditEvents)>),
    Deployment(AuditEvents),
}

impl SystemAuditEvents {
    /// Events in the log of one tenant.
    pub fn of_tenant(tenant: TenantId, events: impl IntoAuditEvents) -> Self {
        Self(Destination::Tenants(vec![(tenant, events.into_events())]))
    }

    /// Events in the logs of several tenants. Returns `None` if there are no events.
    pub fn of_tenants(events: impl IntoIterator<Item = (TenantId, AuditEvents)>) -> Option<Self> {
        let events: Vec<_> = events.into_iter().collect();
        (!events.is_empty()).then_some(Self(Destination::Tenants(events)))
    }

    /// Events that belong to no tenant. Only the operator can read them.
    pub fn of_deployment(events: impl IntoAuditEvents) -> Self {
        Self(Destination::Deployment(events.into_events()))
    }

    pub(super) fn to_records(&self, caller: &Caller) -> AuditRecords {
        match &self.0 {
            Destination::Tenants(events) => AuditRecords::Tenants(
                events.iter().flat_map(|(tenant, events)| events.to_records(Some(*tenant), caller)).collect(),
            ),
            Destination::Deployment(events) => AuditRecords::Deployment(events.to_records(None, caller)),
        }
    }
}

/// Why a transaction is committed without an audit event. A closed list, for auditing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnauditedReason {
    /// The transaction writes nothing but records of the audit log.
    AuditRecords,
    /// The demo data, and the data of tests.
    DemoData,
}

/// Records, one line of JSON each.
#[derive(Debug)]
pub(super) enum AuditRecords {
    /// Only for [`UnauditedReason`] transactions.
    None,
    /// Events of tenants.
    Tenants(Vec<String>),
    /// Events that belong to no tenant.
    Deployment(Vec<String>),
}

impl AuditRecords {
    /// Inserts the records. Sends a statement even if there are none, which fails if the transaction was aborted.
    pub(super) async fn insert(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        match self {
            Self::None => sqlx::raw_sql("SELECT").execute(connection).await?,
            Self::Tenants(records) => {
                sqlx::query("SELECT record_audit_events($1)").bind(records).execute(connection).await?
            }
            Self::Deployment(records) => {
                sqlx::query("SELECT record_deployment_audit_events($1)").bind(records).execute(connection).await?
            }
        };
        Ok(())
    }
}
