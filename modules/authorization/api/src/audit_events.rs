//! Audit events of this module.

use kernel::{AuditValue, Change, Email, PolicyId, RoleId, TenantId, TenantSlug, UserId, audit_events};
use serde_json::{Value, json};

use crate::{Effect, InvitationId, RoleName, TenantName};

audit_events! {
    /// A tenant was created.
    pub struct TenantCreated: "tenant.created", version 1 {
        tenant: TenantId,
        name: TenantName,
        slug: TenantSlug,
    }

    /// The tenant's name or slug was changed.
    pub struct TenantUpdated: "tenant.updated", version 1 {
        tenant: TenantId,
        name: Change<TenantName>,
        slug: Change<TenantSlug>,
    }

    /// The tenant was archived.
    pub struct TenantArchived: "tenant.archived", version 1 {
        tenant: TenantId,
    }

    /// The tenant was restored.
    pub struct TenantRestored: "tenant.restored", version 1 {
        tenant: TenantId,
    }

    /// Roles and policies of newer templates were added to the tenant.
    pub struct PolicyTemplatesUpgraded: "tenant.policy_templates_upgraded", version 1 {
        tenant: TenantId,
        version: i32,
    }

    /// A user became a member.
    pub struct MemberAdded: "member.added", version 1 {
        member: UserId,
        role: RoleId,
    }

    /// A member got another role.
    pub struct MemberRoleChanged: "member.role_changed", version 1 {
        member: UserId,
        role: Change<RoleId>,
    }

    /// A member was removed.
    pub struct MemberRemoved: "member.removed", version 1 {
        member: UserId,
        role: RoleId,
    }

    /// A member left the tenant.
    pub struct MemberLeft: "member.left", version 1 {
        member: UserId,
        role: RoleId,
    }

    /// A user was invited.
    pub struct InvitationCreated: "invitation.created", version 1 {
        invitation: InvitationId,
        email: Email,
        role: RoleId,
    }

    /// An expired invitation was deleted, because the user was invited again.
    pub struct InvitationReplaced: "invitation.replaced", version 1 {
        invitation: InvitationId,
        email: Email,
        role: RoleId,
    }

    /// An invitation got a new token and a new expiry. The former token is invalid.
    pub struct InvitationResent: "invitation.resent", version 1 {
        invitation: InvitationId,
        email: Email,
        role: RoleId,
    }

    /// An invitation was revoked.
    pub struct InvitationRevoked: "invitation.revoked", version 1 {
        invitation: InvitationId,
        email: Email,
        role: RoleId,
    }

    /// An invitation was accepted.
    pub struct InvitationAccepted: "invitation.accepted", version 1 {
        invitation: InvitationId,
        invited_by: UserId,
    }

    /// A role was created.
    pub struct RoleCreated: "role.created", version 1 {
        role: RoleId,
        name: RoleName,
    }

    /// A role was renamed.
    pub struct RoleRenamed: "role.renamed", version 1 {
        role: RoleId,
        name: Change<RoleName>,
    }

    /// A role was deleted. Each of its policies has a separate event.
    pub struct RoleDeleted: "role.deleted", version 1 {
        role: RoleId,
        name: RoleName,
    }

    /// A policy was created.
    pub struct PolicyCreated: "policy.created", version 1 {
        policy: PolicyId,
        content: PolicyContent,
    }

    /// A policy was updated.
    pub struct PolicyUpdated: "policy.updated", version 1 {
        policy: PolicyId,
        content: Change<PolicyContent>,
    }

    /// A policy was deleted.
    pub struct PolicyDeleted: "policy.deleted", version 1 {
        policy: PolicyId,
        content: PolicyContent,
    }
}

/// What a policy says.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyContent {
    /// The role that it is attached to; `None`: tenant-wide.
    pub role: Option<RoleId>,
    /// Effect of the policy.
    pub effect: Effect,
    /// A resource, or `*`.
    pub resource: String,
    /// Verbs, or `*` alone.
    pub verbs: Vec<String>,
    /// The condition in canonical form; `None`: unconditional.
    pub condition: Option<Value>,
}

impl AuditValue for PolicyContent {
    fn to_json(&self) -> Value {
        let Self { role, effect, resource, verbs, condition } = self;
        json!({ "role": role, "effect": effect, "resource": resource, "verbs": verbs, "condition": condition })
    }
}
