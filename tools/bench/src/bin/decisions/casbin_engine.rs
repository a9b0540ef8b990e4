//! The policies in casbin. The crate `cedar_oracle` translates them to Cedar.

use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};
use kernel::PermissionInfo;

use bench::BoxResult;

use super::tenant::Tenant;

/// Roles, wildcards and deny overrides. Conditions are omitted. Policies with a condition don't match the request; in the
/// last row one does, and its condition is true. So the decision is the same, with less work.
const MODEL: &str = r#"
[request_definition]
r = sub, obj, act

[policy_definition]
p = sub, obj, act, eft

[role_definition]
g = _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = (p.obj == "*" || r.obj == p.obj) && (p.act == "*" || r.act == p.act) && g(r.sub, p.sub)
"#;

/// A role that every member has in addition to their own.
const EVERY_MEMBER: &str = "every member";

pub(crate) struct Casbin {
    enforcer: Enforcer,
    user: String,
}

impl Casbin {
    pub(crate) async fn new(tenant: &Tenant) -> BoxResult<Self> {
        let mut enforcer = Enforcer::new(DefaultModel::from_str(MODEL).await?, MemoryAdapter::default()).await?;
        let rules = tenant.policies.iter().flat_map(|policy| {
            let role = policy.role_id.map_or_else(|| EVERY_MEMBER.into(), |role| role.to_string());
            let effect = if policy.denies { "deny" } else { "allow" };
            policy
                .verbs
                .iter()
                .map(move |verb| vec![role.clone(), policy.resource.clone(), verb.clone(), effect.into()])
        });
        enforcer.add_policies(rules.collect()).await?;
        let user = tenant.user.to_string();
        let roles = [tenant.role.to_string(), EVERY_MEMBER.into()];
        enforcer.add_grouping_policies(roles.map(|role| vec![user.clone(), role]).into()).await?;
        Ok(Self { enforcer, user })
    }

    pub(crate) fn allows(&self, PermissionInfo { resource, verb, .. }: &PermissionInfo) -> BoxResult<bool> {
        Ok(self.enforcer.enforce((self.user.as_str(), *resource, *verb))?)
    }
}
