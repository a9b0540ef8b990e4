//! The transaction in which a member changes a tenant, its roles, policies, members and invitations.
//!
//! A tenant's changes are serialized by a lock on its row. After taking the lock, a change reauthorizes the caller
//! under the policies of that moment; one that any member may make only checks the membership. Before a change commits,
//! the new state is compared with the old one. The change is rejected if any user would gain or lose a permission that
//! the caller doesn't have, or if the tenant would be left without an admin.

pub(crate) mod store;
pub(crate) mod tx;

use authorization_api::{ChangeError, TenantStatus};
use db::{Database, SystemTx, task_result};
use hashbrown::{HashMap, HashSet};
use kernel::{
    IntoAuditEvents, Permission, Permit, PolicyId, Principal, RestoreError, RestorePermit, RoleId, TenantScope, UserId,
};

use crate::{
    engine::{CompiledPolicies, EffectivePermissions, Policy, PreparedPolicies},
    guarded_change::{
        store::{PolicyState, RoleUsage, read_policy_state},
        tx::{GuardedTx, lock_tenant},
    },
};

/// A change in progress. It is rolled back when dropped without [`GuardedChange::commit`].
pub(crate) struct GuardedChange {
    tx: GuardedTx,
    caller: UserId,
    before: PolicyState,
}

/// A user who gets or loses a role, for the escalation check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoleChange {
    /// `None` if the user isn't known yet, as for an invitation.
    pub(crate) user: Option<UserId>,
    /// The previous role; `None` if the user wasn't a member or invited.
    pub(crate) from: Option<RoleId>,
    /// The new role; `None` if the user is removed or the invitation revoked.
    pub(crate) to: Option<RoleId>,
}

impl GuardedChange {
    /// Locks the tenant and reauthorizes the permit under its current policies.
    pub(crate) async fn begin<P: Permission>(database: &dyn Database, permit: &Permit<P>) -> Result<Self, ChangeError> {
        let change = Self::begin_as_member(database, permit.scope()).await?;
        let PolicyState { tenant, role, .. } = &change.before;
        let compiled = CompiledPolicies::new(tenant.version, &tenant.policies, &tenant.attributes);
        permit.reauthorize(role.ok_or(ChangeError::NoLongerMember)?, &compiled)?;
        Ok(change)
    }

    /// Like [`Self::begin`], for a change that any member may make.
    pub(crate) async fn begin_as_member(database: &dyn Database, scope: &TenantScope) -> Result<Self, ChangeError> {
        let Principal::User(caller) = scope.principal() else { return Err(ChangeError::NoLongerMember) };
        let mut tx = GuardedTx::begin(database, scope).await?.ok_or(ChangeError::NoLongerMember)?;
        match read_policy_state(&mut tx, scope.tenant(), caller).await? {
            Some(before) if before.role.is_some() => Ok(Self { tx, caller, before }),
            _ => Err(ChangeError::NoLongerMember),
        }
    }

    /// Returns the transaction to write in.
    pub(crate) fn tx(&mut self) -> &mut GuardedTx {
        &mut self.tx
    }

    /// Returns the user who makes the change.
    pub(crate) fn user(&self) -> UserId {
        self.caller
    }

    /// Returns the tenant's policies when the change began.
    pub(crate) fn policies(&self) -> &[Policy] {
        &self.before.tenant.policies
    }

    /// Returns whether the tenant had this role when the change began.
    pub(crate) fn has_role(&self, role: RoleId) -> bool {
        self.before.roles.iter().any(|existing| existing.id == role)
    }

    /// Checks the change, records it in the audit log and commits it. Changed policies are detected; changed roles of users
    /// must be passed in.
    pub(crate) async fn commit(
        mut self,
        role_changes: &[RoleChange],
        events: impl IntoAuditEvents,
    ) -> Result<(), ChangeError> {
        let events = events.into_events();
        let tenant = self.tx.tenant();
        let after = read_policy_state(&mut self.tx, tenant, self.caller).await?.ok_or(ChangeError::NoLongerMember)?;
        let Self { tx, before, caller } = self;
        let role_changes = role_changes.to_vec();
        // Comparing the policies of a tenant at its limits takes long. Workers serve other requests meanwhile. The task owns
        // the transaction, so that it stays open until the check ends, even if the request is cancelled. The limit on a
        // tenant's concurrent transactions thereby also limits these threads.
        let check = tokio::task::spawn_blocking(move || {
            check(&before, &after, caller, &role_changes)?;
            Ok::<_, ChangeError>(tx)
        });
        let tx = task_result(check.await)?;
        Ok(tx.commit(events).await?)
    }
}

/// Locks a tenant, which may be archived, and reauthorizes the permit to restore it under its current policies.
pub(crate) async fn lock_to_restore<P: Permission>(
    tx: &mut SystemTx,
    permit: &RestorePermit<P>,
) -> Result<(), ChangeError> {
    let Principal::User(caller) = permit.principal() else { return Err(ChangeError::NoLongerMember) };
    let status = lock_tenant(tx, permit.tenant()).await?.ok_or(ChangeError::NoLongerMember)?;
    let state = read_policy_state(tx, permit.tenant(), caller).await?.ok_or(ChangeError::NoLongerMember)?;
    let PolicyState { tenant, role, .. } = &state;
    let compiled = CompiledPolicies::new(tenant.version, &tenant.policies, &tenant.attributes);
    let role = role.ok_or(ChangeError::NoLongerMember)?;
    permit.reauthorize(role, &compiled, status == TenantStatus::Archived).map_err(|error| match error {
        RestoreError::NotFound => ChangeError::NoLongerMember,
        RestoreError::Denied(denied) => denied.into(),
    })
}

/// Compares the state before and after a change by `caller`.
fn check(
    before: &PolicyState,
    after: &PolicyState,
    caller: UserId,
    role_changes: &[RoleChange],
) -> Result<(), ChangeError> {
    let (old, new) = (&before.tenant.policies, &after.tenant.policies);
    let (old_prepared, new_prepared) = (&PreparedPolicies::new(old), &PreparedPolicies::new(new));
    let caller = EffectivePermissions::for_subject(old_prepared, before.role, Some(caller));
    let (unchanged, none) = (unchanged_policies(old, new), HashSet::new());
    // Members keep a role whose policies change.
    let kept = affected_roles(old, new, &unchanged, &after.roles)
        .map(|role| (RoleChange { user: None, from: Some(role), to: Some(role) }, &unchanged));
    for (RoleChange { user, from, to }, unchanged) in kept.chain(role_changes.iter().map(|one| (*one, &none))) {
        let from = EffectivePermissions::for_subject(old_prepared, from, user);
        let to = EffectivePermissions::for_subject(new_prepared, to, user);
        if let Some(permission) = caller.first_escalation(&from, &to, unchanged) {
            return Err(ChangeError::PrivilegeEscalation { permission: permission.to_string() });
        }
        // What the users lose is what they would gain by the opposite change.
        if let Some(permission) = caller.first_escalation(&to, &from, unchanged) {
            return Err(ChangeError::RemovalNotPermitted { permission: permission.to_string() });
        }
    }
    if has_admin(before, old_prepared) && !has_admin(after, new_prepared) {
        Err(ChangeError::LastAdmin)
    } else {
        Ok(())
    }
}

/// Returns the ids of the policies that didn't change.
fn unchanged_policies(old: &[Policy], new: &[Policy]) -> HashSet<PolicyId> {
    let old: HashMap<PolicyId, &Policy> = old.iter().map(|policy| (policy.id, policy)).collect();
    new.iter().filter(|policy| old.get(&policy.id) == Some(policy)).map(|policy| policy.id).collect()
}

/// Returns the roles that a created, deleted or changed policy applies to. A tenant-wide policy applies to every role,
/// and also to roles created later, which a random role id stands for.
fn affected_roles(
    old: &[Policy],
    new: &[Policy],
    unchanged: &HashSet<PolicyId>,
    roles: &[RoleUsage],
) -> impl Iterator<Item = RoleId> {
    let changed = old.iter().chain(new).filter(|policy| !unchanged.contains(&policy.id));
    let changed: Vec<Option<RoleId>> = changed.map(|policy| policy.role_id).collect();
    let is_affected =
        move |role: RoleId| changed.iter().any(|policy_role| policy_role.is_none_or(|policy_role| policy_role == role));
    roles.iter().map(|role| role.id).chain([RoleId::new()]).filter(move |role| is_affected(*role))
}

fn has_admin(state: &PolicyState, policies: &PreparedPolicies<'_>) -> bool {
    state.roles.iter().any(|role| role.in_use && policies.is_admin_role(role.id))
}
