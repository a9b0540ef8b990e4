//! The catalog of problem types. `docs/reference/errors.md` is generated from it.

use actix_web::http::StatusCode;

/// A problem type (RFC 9457, section 3.1.1). Only this file can create one, so each is in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemType {
    /// HTTP status code.
    pub status: StatusCode,
    /// Last part of the `type` URI. Stable: clients may depend on it.
    pub name: &'static str,
    /// Short description for humans; may change.
    pub title: &'static str,
    /// When the problem occurs, and what to do. Also the `detail` of responses, unless they have a more specific one.
    pub about: &'static str,
    /// Private, so that no other file can create a problem type.
    in_catalog: InCatalog,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InCatalog;

macro_rules! problem_types {
    ($($constant:ident = $status:ident $name:literal, $title:literal, $about:literal;)+) => {
        $(pub(crate) const $constant: ProblemType =
            ProblemType { status: StatusCode::$status, name: $name, title: $title, about: $about, in_catalog: InCatalog };)+

        /// Every problem type, by status and name.
        pub const PROBLEM_TYPES: &[ProblemType] = &[$($constant),+];
    };
}

problem_types! {
    MALFORMED = BAD_REQUEST "malformed-request", "Malformed request",
        "The host, a header, the query string or the id in the path is invalid, or the body is not JSON in UTF-8. `detail` says which.";
    TENANT_HEADER_NOT_ALLOWED = BAD_REQUEST "tenant-header-not-allowed", "Tenant header not allowed",
        "The request has the header `X-Tenant-Id`, which this tenancy mode does not use. Remove the header.";
    TENANT_REQUIRED = BAD_REQUEST "tenant-required", "Tenant required",
        "The route acts in a tenant, and the request names none. `detail` lists the ways to name one.";
    INVALID_CREDENTIALS = UNAUTHORIZED "invalid-credentials", "Invalid credentials",
        "The address is unknown, the password is wrong, or the user is deactivated. The response does not reveal which. Check the address and the password.";
    UNAUTHENTICATED = UNAUTHORIZED "unauthenticated", "Unauthenticated",
        "The access token is missing, invalid or expired, or its user is deactivated. Sign in again.";
    PERMISSION_MISSING = FORBIDDEN "permission-missing", "Permission missing",
        "The tenant's policies do not allow the operation. `permission` names the missing permission. Ask an admin of the tenant for it.";
    PRIVILEGE_ESCALATION = FORBIDDEN "privilege-escalation", "Privilege escalation",
        "The change would grant or take away a permission that the caller does not have under the same conditions. `permission` names it. Ask a member who has it.";
    INVITATION_NOT_FOUND = NOT_FOUND "invitation-not-found", "Invitation not found",
        "The invitation does not exist, or has been used, revoked or expired, or is for a different e-mail address. Ask for a new one.";
    NOT_FOUND = NOT_FOUND "not-found", "Not found",
        "No route has this path, or the tenant has no such resource. Check the path and the id.";
    TENANT_NOT_FOUND = NOT_FOUND "tenant-not-found", "Tenant not found",
        "The tenant does not exist, is archived, or the caller is not a member. The response does not reveal which. In the mode `personal`, the caller has no tenant.";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED "method-not-allowed", "Method not allowed",
        "The route does not allow the method. The header `Allow` lists the allowed ones.";
    BODY_TIMEOUT = REQUEST_TIMEOUT "body-timeout", "Body timeout",
        "The body was not received within `HTTP_CLIENT_TIMEOUT_SECS`. Send the request again, without pauses.";
    ALREADY_INVITED = CONFLICT "already-invited", "Already invited",
        "An invitation for this e-mail address is already open. Resend or revoke it.";
    ALREADY_MEMBER = CONFLICT "already-member", "Already a member",
        "The user with this address is a member, or the caller is. No invitation is needed.";
    INVITATIONS_DISABLED = CONFLICT "invitations-disabled", "Invitations disabled",
        "Tenants are personal here: their owner is the only member.";
    LAST_ADMIN = CONFLICT "last-admin", "Last admin",
        "This would leave the tenant without an admin (an active member allowed `*:*` unconditionally and denied nothing). Make another member an admin first, and attach denies to roles instead of making them tenant-wide.";
    PERSONAL_TENANT_EXISTS = CONFLICT "personal-tenant-exists", "Personal tenant exists",
        "You already have your personal tenant. If it is archived, restore it with POST /v1/tenant/restore.";
    POLICY_EXISTS = CONFLICT "policy-exists", "Policy already exists",
        "The tenant already has an identical policy. GET /v1/policies lists them.";
    ROLE_IN_USE = CONFLICT "role-in-use", "Role in use",
        "Members or invitations have this role, expired invitations included. Change the role of those members and revoke the invitations first.";
    ROLE_NAME_TAKEN = CONFLICT "role-name-taken", "Role name taken",
        "Another role has this name, ignoring case and compatibility variants of characters. Choose a different one.";
    SEAT_LIMIT_REACHED = CONFLICT "seat-limit-reached", "Seat limit reached",
        "All seats are in use. When inviting, open invitations use seats as well. Remove a member, revoke an invitation or change the plan.";
    SLUG_TAKEN = CONFLICT "slug-taken", "Slug taken",
        "Another tenant has this slug, or released it within the last 90 days. Choose a different one.";
    SYSTEM_ROLE_IMMUTABLE = CONFLICT "system-role-immutable", "System role is immutable",
        "System roles can't be changed or deleted. Create a custom role instead.";
    TEMPLATE_POLICY_IMMUTABLE = CONFLICT "template-policy-immutable", "Template policy is immutable",
        "Template policies can't be changed or deleted. Create a custom role with its own policies instead.";
    TENANT_CREATION_DISABLED = CONFLICT "tenant-creation-disabled", "Tenant creation disabled",
        "This service has a single tenant, which only its operator creates. Ask an admin of that tenant for an invitation.";
    TOO_MANY_POLICIES = CONFLICT "too-many-policies", "Too many policies",
        "The tenant has the maximum number of policies, or their conditions have the maximum size in total. `detail` has the limit. Simplify conditions or delete unused policies.";
    TOO_MANY_ROLES = CONFLICT "too-many-roles", "Too many roles",
        "The tenant has the maximum number of roles. Delete an unused role.";
    TOO_MANY_SLUG_CHANGES = CONFLICT "too-many-slug-changes", "Too many slug changes",
        "The tenant released 10 slugs within the last 90 days. Keep the slug or reclaim a released one.";
    TOO_MANY_TENANTS = CONFLICT "too-many-tenants", "Too many tenants",
        "The caller has created the maximum number of tenants. Archived ones and those that the caller has left count. Ask the operator to create a tenant.";
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE "body-too-large", "Body too large",
        "The body exceeds `HTTP_BODY_LIMIT_BYTES`. Send a smaller one.";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE "unsupported-media-type", "Unsupported media type",
        "The body must be JSON, with the header Content-Type: application/json and without Content-Encoding.";
    INVALID_BODY = UNPROCESSABLE_ENTITY "invalid-body", "Invalid body",
        "The body is JSON with invalid content. `errors` has a JSON pointer for each invalid value.";
    INTERNAL = INTERNAL_SERVER_ERROR "internal-error", "Internal server error",
        "Internal server error. Quote the X-Request-Id header when contacting support.";
    OVERLOADED = SERVICE_UNAVAILABLE "overloaded", "Overloaded",
        "Too many requests of this kind are waiting. Try again after the number of seconds in the header `Retry-After`.";
    UNAVAILABLE = SERVICE_UNAVAILABLE "unavailable", "Service unavailable",
        "The database is unreachable, overloaded or read-only, or its schema is not current. Repeat the request after the seconds in the header `Retry-After`.";
}
