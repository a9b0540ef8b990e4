//! The third proof: a permission, decided by the tenant's policies.

use std::{fmt, marker::PhantomData, net::IpAddr, sync::Arc};

use time::OffsetDateTime;

use super::{Principal, RoleId, TenantScope, UserId};
use crate::id::id;

id! {
    /// A policy.
    PolicyId
}

/// A permission's names and meaning, for the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct PermissionInfo {
    /// `resource:verb`.
    pub name: &'static str,
    /// What is acted on, in the singular: `user`.
    pub resource: &'static str,
    /// What is done: `read`.
    pub verb: &'static str,
    /// What it lets a person do, in a sentence.
    pub about: &'static str,
}

/// A permission as a type. Each module declares its own beside its contract with [`crate::permission!`].
pub trait Permission: Send + Sync + 'static {
    /// Its names and meaning.
    const INFO: PermissionInfo;
}

/// Declares a permission: `permission! { /// Read the people of the tenant. pub UserRead = "user", "read"; }`
#[macro_export]
macro_rules! permission {
    (#[doc = $about:literal] $vis:vis $name:ident = $resource:literal, $verb:literal;) => {
        #[doc = $about]
        #[derive(Debug, Clone, Copy)]
        $vis enum $name {}

        impl $crate::contracts::Permission for $name {
            const INFO: $crate::contracts::PermissionInfo = $crate::contracts::PermissionInfo {
                name: concat!($resource, ":", $verb),
                resource: $resource,
                verb: $verb,
                about: $about.trim_ascii(),
            };
        }
    };
}

/// What a policy's condition may look at in the resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResourceAttributes {
    /// Whose it is.
    pub owner: Option<UserId>,
}

/// What a policy's condition may look at beside the people and things involved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Environment {
    /// When.
    pub now: OffsetDateTime,
    /// From where; `None` where it isn't known.
    pub client_addr: Option<IpAddr>,
}

/// A question to the policies: may the principal do this?
#[derive(Debug, Clone, Copy)]
pub struct AccessRequest<'a> {
    /// What is to be done.
    pub permission: &'a PermissionInfo,
    /// With what; `None` where no particular resource is meant. A condition that would have to look at it then
    /// can't be evaluated, and never allows.
    pub resource: Option<&'a ResourceAttributes>,
    /// Under which circumstances.
    pub environment: &'a Environment,
}

/// What the policies say, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go ahead.
    Allow(AllowReason),
    /// Don't.
    Deny(DenyReason),
}

/// Why something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowReason {
    /// A policy allows it, and none denies it.
    ByPolicy(PolicyId),
}

/// Why something is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenyReason {
    /// A policy denies it: one is enough, whatever others allow.
    ByPolicy(PolicyId),
    /// No policy allows it. What isn't allowed is denied.
    NoPolicyAllows,
}

/// A decision with all that led to it, for those who may read the tenant's policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The same that [`PolicySet::decide`] gives.
    pub decision: Decision,
    /// The policy that decided; `None` where no policy applied.
    pub policy: Option<PolicyTrace>,
    /// Where no policy applied: those that would allow this under other circumstances, the first few by id.
    pub unmet: Vec<PolicyTrace>,
}

/// A policy that speaks of what was asked, and how its condition came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTrace {
    /// Which policy.
    pub id: PolicyId,
    /// Its condition, and then each of the parts; empty where the policy has none.
    pub conditions: Vec<ConditionTrace>,
}

/// A condition, or a part of one, and how it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionTrace {
    /// Which part: a JSON pointer (RFC 6901) from the condition's root.
    pub pointer: String,
    /// Its kind, as policies name it; `invalid` where the policy's condition can't be understood.
    pub kind: &'static str,
    /// How it came out.
    pub outcome: Truth,
    /// What is wrong with this part, where it can't be understood.
    pub detail: Option<&'static str>,
}

/// How a condition came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It doesn't.
    False,
    /// It looks at something that isn't there. The policy is taken on the side of denying.
    Indeterminate,
}

/// A tenant's policies, ready to decide. The module `authorization` implements it.
pub trait PolicySet: fmt::Debug + Send + Sync {
    /// The answer; the order of the policies never matters.
    fn decide(&self, principal: Principal, role: RoleId, request: &AccessRequest<'_>) -> Decision;

    /// The same answer with what led to it. Dearer than [`Self::decide`], and only for those who may read policies.
    fn explain(&self, principal: Principal, role: RoleId, request: &AccessRequest<'_>) -> Explanation;
}

/// The answer was no.
#[derive(Debug, thiserror::Error)]
#[error("the permission {} is missing", permission.name)]
pub struct PermissionDenied {
    /// What is missing.
    pub permission: &'static PermissionInfo,
    /// Why.
    pub reason: DenyReason,
}

/// Proof that the tenant's policies allow permission `P` in this scope. A use case takes a permit of exactly its
/// permission: a handler without authorization, or with the wrong one, has nothing to call it with.
#[derive(Debug)]
pub struct Permit<P> {
    scope: Arc<TenantScope>,
    resource: Option<ResourceAttributes>,
    environment: Environment,
    permission: PhantomData<fn() -> P>,
}

impl<P: Permission> Permit<P> {
    /// Asks the scope's policies. It needs no guarding against forgers: a [`TenantScope`] comes from the kernel
    /// alone, and its policies with it.
    ///
    /// # Errors
    /// [`PermissionDenied`], naming the permission.
    pub fn authorize(
        scope: &Arc<TenantScope>,
        resource: Option<&ResourceAttributes>,
        environment: &Environment,
    ) -> Result<Self, PermissionDenied> {
        let permission = const { &P::INFO };
        match scope.decide(&AccessRequest { permission, resource, environment }) {
            Decision::Allow(_) => Ok(Self {
                scope: Arc::clone(scope),
                resource: resource.copied(),
                environment: *environment,
                permission: PhantomData,
            }),
            Decision::Deny(reason) => Err(PermissionDenied { permission, reason }),
        }
    }

    /// Asks the same once more, of policies and in a role that may be others by now: for whoever has waited for their turn.
    ///
    /// # Errors
    /// [`PermissionDenied`], naming the permission.
    pub fn reauthorize(&self, role: RoleId, policies: &dyn PolicySet) -> Result<(), PermissionDenied> {
        let permission = const { &P::INFO };
        let request = AccessRequest { permission, resource: self.resource.as_ref(), environment: &self.environment };
        match policies.decide(self.scope.principal(), role, &request) {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(reason) => Err(PermissionDenied { permission, reason }),
        }
    }

    /// Where it holds.
    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }
}
