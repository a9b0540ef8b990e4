//! The policies of a tenant, as people write them.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{
        Permit, Policies, PoliciesError, PolicyChange, PolicyDetails, PolicyDraft, PolicyId, PolicyManage, PolicyRead,
    },
    db::{Database, DbError},
};
use serde_json::Value;
use shaku::Component;

use crate::{
    change::Change,
    domain::{Condition, NewPolicy},
    postgres::{POLICY_EXISTS, PolicyRepository, RuleRepository, StoredPolicy},
};

/// How many policies a tenant may have, its templates among them: each change is held against all of them.
const MOST_POLICIES: u16 = 1_000;

/// The use cases behind `/v1/policies`.
#[derive(Component)]
#[shaku(interface = Policies)]
pub(crate) struct WrittenPolicies {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    policies: Arc<dyn PolicyRepository>,
    #[shaku(inject)]
    rules: Arc<dyn RuleRepository>,
}

#[async_trait]
impl Policies for WrittenPolicies {
    async fn list(
        &self,
        permit: &Permit<PolicyRead>,
        after: Option<PolicyId>,
        limit: u16,
    ) -> Result<Vec<PolicyDetails>, PoliciesError> {
        Ok(self.policies.page(&self.database.tenant_reader(permit.scope()), after, limit).await?)
    }

    async fn get(&self, permit: &Permit<PolicyRead>, id: PolicyId) -> Result<PolicyDetails, PoliciesError> {
        let found = self.policies.find(&self.database.tenant_reader(permit.scope()), id).await?;
        found.ok_or(PoliciesError::NotFound)
    }

    async fn create(&self, permit: &Permit<PolicyManage>, draft: &PolicyDraft) -> Result<PolicyDetails, PoliciesError> {
        let PolicyDraft { role, effect, target, condition } = draft;
        let condition = condition.as_ref().map(canonical).transpose()?;
        let policy = NewPolicy::always(*role, *effect, target.resource(), target.verbs()).when(condition);
        let mut change = Change::begin(&*self.database, &*self.rules, permit).await?;
        if role.is_some_and(|role| !change.has_role(role)) {
            return Err(PoliciesError::NoSuchRole);
        }
        if self.policies.count(change.tx()).await? >= i64::from(MOST_POLICIES) {
            return Err(PoliciesError::TooMany { most: MOST_POLICIES });
        }
        let made = self.policies.insert(change.tx(), PolicyId::new(), &policy).await.map_err(refused)?;
        change.commit(&[]).await?;
        Ok(made)
    }

    async fn update(
        &self,
        permit: &Permit<PolicyManage>,
        id: PolicyId,
        change: &PolicyChange,
    ) -> Result<PolicyDetails, PoliciesError> {
        let condition = change.condition.as_ref().map(|given| given.as_ref().map(canonical).transpose()).transpose()?;
        let PolicyChange { effect, target, .. } = change;
        let mut change = Change::begin(&*self.database, &*self.rules, permit).await?;
        let stored = self.own(&mut change, id).await?;
        let (resource, verbs) = match target {
            Some(target) => (target.resource(), target.verbs().to_vec()),
            None => (stored.resource.as_str(), stored.verbs.iter().map(String::as_str).collect()),
        };
        let policy = NewPolicy::always(stored.role_id, effect.unwrap_or(stored.effect), resource, &verbs)
            .when(condition.unwrap_or(stored.condition));
        let changed = self.policies.update(change.tx(), id, &policy).await.map_err(refused)?;
        change.commit(&[]).await?;
        Ok(changed)
    }

    async fn delete(&self, permit: &Permit<PolicyManage>, id: PolicyId) -> Result<(), PoliciesError> {
        let mut change = Change::begin(&*self.database, &*self.rules, permit).await?;
        self.own(&mut change, id).await?;
        self.policies.delete(change.tx(), id).await?;
        Ok(change.commit(&[]).await?)
    }
}

impl WrittenPolicies {
    /// The policy, if it is the tenant's own.
    async fn own(&self, change: &mut Change<'_>, id: PolicyId) -> Result<StoredPolicy, PoliciesError> {
        let stored = self.policies.find_for_change(change.tx(), id).await?.ok_or(PoliciesError::NotFound)?;
        if stored.is_template { Err(PoliciesError::Template) } else { Ok(stored) }
    }
}

/// The condition in the form in which it is stored.
fn canonical(given: &Value) -> Result<Value, PoliciesError> {
    let condition = Condition::parse(given).map_err(PoliciesError::Condition)?;
    serde_json::to_value(condition).map_err(|error| DbError::from(sqlx::Error::Encode(Box::new(error))).into())
}

fn refused(error: DbError) -> PoliciesError {
    if error.breaks(POLICY_EXISTS) { PoliciesError::Exists } else { error.into() }
}
