//! The service for a tenant's policies.

pub(crate) mod store;

use std::sync::Arc;

use async_trait::async_trait;
use authorization_api::{
    Policies, PoliciesError, PolicyChange, PolicyCreated, PolicyDeleted, PolicyDetails, PolicyDraft, PolicyManage,
    PolicyRead, PolicyUpdated,
};
use db::{Database, DbError};
use kernel::{Change, Permit, PolicyId};
use serde_json::Value;
use shaku::Component;

use crate::{
    engine::{Condition, NewPolicy, Policy},
    guarded_change::GuardedChange,
    policies::store::{PolicyRepository, StoredPolicy},
};

/// Maximum number of policies per tenant, template policies included. Every change is checked against all of them.
const MAX_POLICIES_PER_TENANT: u16 = 1_000;
/// Maximum total of [`Condition::cost`] over a tenant's policies. It limits the time and memory that a change, a
/// decision and the policy cache take.
const MAX_CONDITION_COST_PER_TENANT: u16 = 10_000;

/// Implements `/v1/policies`.
#[derive(Component)]
#[shaku(interface = Policies)]
pub(crate) struct PolicyService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    policies: Arc<dyn PolicyRepository>,
}

#[async_trait]
impl Policies for PolicyService {
    async fn list(
        &self,
        permit: &Permit<PolicyRead>,
        after: Option<PolicyId>,
        limit: u16,
    ) -> Result<Vec<PolicyDetails>, PoliciesError> {
        Ok(self.policies.list(&self.database.tenant_reader(permit.scope()), after, limit).await?)
    }

    async fn get(&self, permit: &Permit<PolicyRead>, id: PolicyId) -> Result<PolicyDetails, PoliciesError> {
        let policy = self.policies.find(&self.database.tenant_reader(permit.scope()), id).await?;
        policy.ok_or(PoliciesError::NotFound)
    }

    async fn create(&self, permit: &Permit<PolicyManage>, draft: &PolicyDraft) -> Result<PolicyDetails, PoliciesError> {
        let PolicyDraft { role, effect, target, condition } = draft;
        let (condition, cost) = condition.as_ref().map(canonicalize).transpose()?.unzip();
        let policy = NewPolicy::new(*role, *effect, target.resource(), target.verbs(), condition);
        let mut change = GuardedChange::begin(&*self.database, permit).await?;
        if role.is_some_and(|role| !change.has_role(role)) {
            return Err(PoliciesError::RoleNotFound);
        }
        if change.policies().len() >= usize::from(MAX_POLICIES_PER_TENANT) {
            return Err(PoliciesError::LimitReached { limit: MAX_POLICIES_PER_TENANT });
        }
        ensure_condition_limit(change.policies(), None, cost.unwrap_or_default())?;
        let id = PolicyId::new();
        let created = self.policies.create(change.tx(), id, &policy).await.map_err(policies_error)?;
        change.commit(&[], PolicyCreated { policy: id, content: policy.into_content() }).await?;
        Ok(created)
    }

    async fn update(
        &self,
        permit: &Permit<PolicyManage>,
        id: PolicyId,
        update: &PolicyChange,
    ) -> Result<PolicyDetails, PoliciesError> {
        let PolicyChange { effect, target, condition } = update;
        let condition = match condition {
            Some(Some(value)) => Some(Some(canonicalize(value)?)),
            Some(None) => Some(None),
            None => None,
        };
        let mut change = GuardedChange::begin(&*self.database, permit).await?;
        let stored = self.find_custom(&mut change, id).await?.content;
        let (resource, verbs) = match target {
            Some(target) => (target.resource(), target.verbs().to_vec()),
            None => (stored.resource.as_str(), stored.verbs.iter().map(String::as_str).collect()),
        };
        if let Some(Some((_, cost))) = &condition {
            ensure_condition_limit(change.policies(), Some(id), *cost)?;
        }
        let effect = effect.unwrap_or(stored.effect);
        let condition = condition.map_or_else(|| stored.condition.clone(), |new| new.map(|(json, _)| json));
        let policy = NewPolicy::new(stored.role, effect, resource, &verbs, condition);
        let updated = self.policies.update(change.tx(), id, &policy).await.map_err(policies_error)?;
        let content = Change { before: stored, after: policy.into_content() };
        change.commit(&[], PolicyUpdated { policy: id, content }).await?;
        Ok(updated)
    }

    async fn delete(&self, permit: &Permit<PolicyManage>, id: PolicyId) -> Result<(), PoliciesError> {
        let mut change = GuardedChange::begin(&*self.database, permit).await?;
        let stored = self.find_custom(&mut change, id).await?;
        self.policies.delete(change.tx(), id).await?;
        Ok(change.commit(&[], PolicyDeleted { policy: id, content: stored.content }).await?)
    }
}

impl PolicyService {
    /// Returns the policy, or an error if it is a template policy.
    async fn find_custom(&self, change: &mut GuardedChange, id: PolicyId) -> Result<StoredPolicy, PoliciesError> {
        let stored = self.policies.find_stored(change.tx(), id).await?.ok_or(PoliciesError::NotFound)?;
        if stored.is_template { Err(PoliciesError::TemplateImmutable) } else { Ok(stored) }
    }
}

/// Parses the condition. Returns its canonical form, in which it is stored, and its cost.
fn canonicalize(condition: &Value) -> Result<(Value, usize), PoliciesError> {
    let condition = Condition::parse(condition).map_err(PoliciesError::InvalidCondition)?;
    let json = serde_json::to_value(&condition).map_err(|error| DbError::from(sqlx::Error::Encode(Box::new(error))))?;
    Ok((json, condition.cost()))
}

/// Rejects a condition that exceeds the tenant's limit together with those of the other policies. A policy that exists
/// may always get a condition that costs no more than its present one.
fn ensure_condition_limit(policies: &[Policy], replaced: Option<PolicyId>, cost: usize) -> Result<(), PoliciesError> {
    let (mut others, mut present) = (0_usize, 0);
    for policy in policies {
        if Some(policy.id) == replaced {
            present = policy.condition.cost();
        } else {
            others += policy.condition.cost();
        }
    }
    if cost > present && others + cost > usize::from(MAX_CONDITION_COST_PER_TENANT) {
        return Err(PoliciesError::ConditionLimitReached { limit: MAX_CONDITION_COST_PER_TENANT });
    }
    Ok(())
}

fn policies_error(error: DbError) -> PoliciesError {
    if error.violates("policies_tenant_id_digest_key") { PoliciesError::Duplicate } else { error.into() }
}
