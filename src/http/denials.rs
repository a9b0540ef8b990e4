//! Records responses that deny a member something in the tenant's audit log.

use actix_web::HttpRequest;
use audit_api::{AccessDenied, AuditRecorder, Operation};
use kernel::{IntoAuditEvents, TenantResolver};
use shaku::HasComponent;

use super::problem::Problem;
use crate::services::RequestModule;

/// Records the problem, if it is a denial and the caller is a member of the tenant. Called after the route has confirmed
/// the admission that it was decided from.
pub(super) fn record(module: &RequestModule, request: &HttpRequest, problem: &Problem) {
    let Some((problem, permission)) = problem.denial() else { return };
    let (resolver, recorder): (&dyn TenantResolver, &dyn AuditRecorder) = (module.resolve_ref(), module.resolve_ref());
    let (Some((tenant, caller)), Some(path)) = (resolver.admitted(), request.match_pattern()) else { return };
    let operation = Operation { method: request.method().to_string(), path };
    let permission = permission.and_then(|name| name.parse().ok());
    let event = AccessDenied { tenant, operation, problem, permission };
    recorder.record(Some(tenant), &caller, event.into_events());
}
