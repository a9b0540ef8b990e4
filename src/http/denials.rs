//! Records responses that deny a member something in the tenant's audit log.

use actix_web::{HttpMessage, HttpRequest};
use audit_api::{AccessDenied, AuditRecorder, Operation};
use kernel::{Caller, IntoAuditEvents, TenantId};
use shaku::HasComponent;

use super::problem::Problem;
use crate::services::RequestModule;

/// The member who makes a request, and the tenant.
struct RequestingMember {
    tenant: TenantId,
    caller: Caller,
}

/// Stores the member for [`record`].
pub(super) fn set_member(request: &HttpRequest, tenant: TenantId, caller: &Caller) {
    request.extensions_mut().insert(RequestingMember { tenant, caller: caller.clone() });
}

/// Records the denial, if the problem is one and the caller is a member of the tenant.
pub(super) fn record(module: &RequestModule, request: &HttpRequest, operation: Operation, problem: &Problem) {
    let extensions = request.extensions();
    let (Some((problem, permission)), Some(member)) = (problem.denial(), extensions.get::<RequestingMember>()) else {
        return;
    };
    let tenant = member.tenant;
    let permission = permission.and_then(|name| name.parse().ok());
    let event = AccessDenied { tenant, operation, problem, permission };
    let recorder: &dyn AuditRecorder = module.resolve_ref();
    recorder.record(Some(tenant), &member.caller, event.into_events());
}
