//! What all modules share: ids, permissions, and the proofs that access to data requires.
//!
//! | proof | states | created by |
//! | --- | --- | --- |
//! | [`Identity`] | the caller is this active user | [`VerifiedIdentityProvider`] |
//! | [`TenantScope`] | the caller is an active member of this active tenant | [`MembershipTenantResolver`] |
//! | [`Permit`] | the tenant's policies grant this permission | [`Permit::authorize`] |
//!
//! [`RestoreScope`] and [`RestorePermit`] are the proofs for restoring an archived tenant.
//!
//! Only this crate can create proofs. It asks modules through ports: [`IdentitySource`] (the module `auth`),
//! [`ActiveUsers`] (`user`), [`TenantAdmission`] and [`PolicySet`] (`authorization`).
//!
//! Not allowed here: SQL, I/O, HTTP, environment variables, and anything that only one module needs.
#![expect(clippy::disallowed_types, reason = "this crate defines the components that create proofs")]

mod admission;
mod admission_check;
mod audit_event;
mod caller;
mod clock;
mod decision;
mod email;
mod id;
mod identity;
mod identity_provider;
mod permission;
mod permit;
mod ports;
mod request_context;
mod restore;
mod strict_parsers;
mod tenancy_mode;
mod tenant_ref;
mod tenant_resolver;
mod tenant_scope;
mod tenant_selection;
mod text;
mod unicode;
mod value_module;

pub use admission::{Admission, AdmissionError, RestoreAdmission, TenantAdmission};
pub use admission_check::{AdmissionCheck, AdmissionFacts};
pub use audit_event::{AuditEvent, AuditEventInfo, AuditEvents, AuditResult, AuditValue, Change, IntoAuditEvents};
pub use caller::{Caller, OperatorCommand};
pub use clock::{Clock, SystemClock};
pub use decision::{
    AccessRequest, AllowReason, ConditionTrace, Decision, DenyReason, Environment, Explanation, PermissionDenied,
    PolicySet, PolicyTrace, Principal, ResourceAttributes, Truth,
};
pub use email::{Email, InvalidEmail};
pub use id::{PolicyId, RoleId, TenantId, UserId};
pub use identity::{CredentialError, Identity, IdentityError, IdentitySource, VerifiedClaims};
pub use identity_provider::{IdentityProvider, VerifiedIdentityProvider};
pub use permission::{Permission, PermissionInfo};
pub use permit::Permit;
pub use ports::{ActiveUser, ActiveUsers, PortError};
pub use request_context::{RequestContext, RequestedTenant};
pub use restore::{RestoreError, RestorePermit, RestoreScope};
pub use strict_parsers::{InvalidUuid, parse_integer, parse_uuid};
pub use tenancy_mode::{
    BaseDomain, InvalidBaseDomain, InvalidTenantSources, TenancyMode, TenantSource, TenantSources, TenantTarget,
};
pub use tenant_ref::{InvalidSlug, TenantRef, TenantSlug};
pub use tenant_resolver::{MembershipTenantResolver, TenantResolver};
pub use tenant_scope::{ScopeError, TenantScope};
pub use unicode::{Disallowed, InvalidName, find_disallowed, name_key, normalize_name, opaque_string};
pub use value_module::ValueModule;

/// For [`audit_events!`].
#[doc(hidden)]
pub use {serde_json, uuid::Uuid};
