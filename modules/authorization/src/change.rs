//! The one way to change who may do what in a tenant.
//!
//! One change after the other: a tenant's changes wait for each other, and each asks again under the rules that it finds
//! when its turn comes. What is written is then held against what was there, and is committed only where nobody gets what
//! the caller doesn't hold, and where somebody is left who may do everything.

use std::collections::{HashMap, HashSet};

use kernel::{
    contracts::{ChangeRefused, Permission, Permit, PolicyId, Principal, RoleId, TenantScope, UserId},
    db::{Database, TenantTx},
};

use crate::{
    domain::{CompiledPolicies, Holdings, Policy},
    postgres::{RoleInUse, RuleRepository, Rules},
};

/// A change under way. Dropped without [`Change::commit`], it hasn't been made.
pub(crate) struct Change<'a> {
    tx: TenantTx,
    rules: &'a dyn RuleRepository,
    actor: UserId,
    before: Rules,
}

/// Somebody comes into a role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Move {
    /// `None`: whoever it will be.
    pub(crate) person: Option<UserId>,
    /// `None`: they weren't a member.
    pub(crate) from: Option<RoleId>,
    pub(crate) to: RoleId,
}

impl Move {
    /// Nobody moves: what the role is allowed changes.
    fn within(role: RoleId) -> Self {
        Self { person: None, from: Some(role), to: role }
    }
}

impl<'a> Change<'a> {
    /// Waits for its turn, and asks for the permit once more.
    pub(crate) async fn begin<P: Permission>(
        database: &dyn Database,
        rules: &'a dyn RuleRepository,
        permit: &Permit<P>,
    ) -> Result<Self, ChangeRefused> {
        let change = Self::begin_as_member(database, rules, permit.scope()).await?;
        let Rules { policies, role, .. } = &change.before;
        let compiled = CompiledPolicies::new(policies.version, &policies.policies, &policies.facts);
        permit.ask_again(role.ok_or(ChangeRefused::Gone)?, &compiled)?;
        Ok(change)
    }

    /// The same for what takes no permission.
    pub(crate) async fn begin_as_member(
        database: &dyn Database,
        rules: &'a dyn RuleRepository,
        scope: &TenantScope,
    ) -> Result<Self, ChangeRefused> {
        let Principal::User(actor) = scope.principal() else { return Err(ChangeRefused::Gone) };
        let mut tx = database.begin(scope).await?;
        if !rules.lock(&mut tx, scope.tenant()).await? {
            return Err(ChangeRefused::Gone);
        }
        let before = rules.read(&mut tx, scope.tenant(), actor).await?.ok_or(ChangeRefused::Gone)?;
        if before.role.is_none() {
            return Err(ChangeRefused::Gone);
        }
        Ok(Self { tx, rules, actor, before })
    }

    /// What the change is made in.
    pub(crate) fn tx(&mut self) -> &mut TenantTx {
        &mut self.tx
    }

    /// Who makes it.
    pub(crate) fn actor(&self) -> UserId {
        self.actor
    }

    /// Whether the tenant had this role when the change began.
    pub(crate) fn has_role(&self, role: RoleId) -> bool {
        self.before.roles.iter().any(|found| found.id == role)
    }

    /// Makes the change last. What it did to policies is seen by itself; who came into which role must be said.
    pub(crate) async fn commit(mut self, moves: &[Move]) -> Result<(), ChangeRefused> {
        let tenant = self.tx.tenant();
        let after = self.rules.read(&mut self.tx, tenant, self.actor).await?.ok_or(ChangeRefused::Gone)?;
        check(&self.before, &after, self.actor, moves)?;
        Ok(self.tx.commit().await?)
    }
}

/// Pure: what was, what is to be, and who wants it so.
fn check(before: &Rules, after: &Rules, actor: UserId, moves: &[Move]) -> Result<(), ChangeRefused> {
    let (old, new) = (&before.policies.policies, &after.policies.policies);
    let granter = Holdings::of(old, before.role, Some(actor));
    let (same, none) = (unchanged(old, new), HashSet::new());
    let rewritten = affected(old, new, &same, &after.roles).map(|role| (Move::within(role), &same));
    for (Move { person, from, to }, same) in rewritten.chain(moves.iter().map(|one| (*one, &none))) {
        let (from, to) = (Holdings::of(old, from, person), Holdings::of(new, Some(to), person));
        if let Some(permission) = granter.lacking(&from, &to, same) {
            return Err(ChangeRefused::NotHeld { permission: permission.to_string() });
        }
    }
    if has_admin(before) && !has_admin(after) { Err(ChangeRefused::LastAdmin) } else { Ok(()) }
}

/// The policies that say what they said.
fn unchanged(old: &[Policy], new: &[Policy]) -> HashSet<PolicyId> {
    let old: HashMap<PolicyId, &Policy> = old.iter().map(|policy| (policy.id, policy)).collect();
    new.iter().filter(|policy| old.get(&policy.id) == Some(policy)).map(|policy| policy.id).collect()
}

/// The roles that other policies speak of: those that have come, gone or changed. Of every member, also one that isn't
/// there yet.
fn affected(
    old: &[Policy],
    new: &[Policy],
    same: &HashSet<PolicyId>,
    roles: &[RoleInUse],
) -> impl Iterator<Item = RoleId> {
    let others = old.iter().chain(new).filter(|policy| !same.contains(&policy.id));
    let meant: Vec<Option<RoleId>> = others.map(|policy| policy.role_id).collect();
    let is_meant = move |role: RoleId| meant.iter().any(|only| only.is_none_or(|only| only == role));
    roles.iter().map(|role| role.id).chain([RoleId::new()]).filter(move |role| is_meant(*role))
}

fn has_admin(rules: &Rules) -> bool {
    let in_use = rules.roles.iter().filter(|role| role.in_use);
    in_use.map(|role| Holdings::of(&rules.policies.policies, Some(role.id), None)).any(|held| held.is_everything())
}
