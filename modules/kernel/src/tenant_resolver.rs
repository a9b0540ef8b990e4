//! Resolves the tenant of a request.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use shaku::{Component, Interface};
use tokio::sync::OnceCell;

use crate::{
    AdmissionError, AdmissionFacts, Caller, IdentityError, IdentityProvider, IdentitySource, PortError, RequestContext,
    RestoreScope, ScopeError, TenancyMode, TenantAdmission, TenantId, TenantScope, TenantTarget, VerifiedClaims,
    tenant_selection::select_tenant,
};

/// Resolves the tenant of a request. The scope is kept for the rest of the request, unless a read must be repeated.
#[async_trait]
pub trait TenantResolver: Interface {
    /// Returns the proof. It is kept for the rest of the request.
    async fn scope(&self) -> Result<Arc<TenantScope>, ScopeError>;

    /// Like [`Self::scope`], for a request that only reads. It uses the caller's last admission if it is cached. Each
    /// statement of a `TenantReader` compares it with the tables. [`Self::is_current`] must be called before the response is
    /// sent.
    async fn scope_for_read(&self) -> Result<Arc<TenantScope>, ScopeError>;

    /// Returns whether what [`Self::scope_for_read`] returned is current, or true if it returned nothing. If not, discard the
    /// response and repeat the request: the next scope isn't from the cache.
    ///
    /// Reads the admission unless a statement has compared it. So a denial is confirmed, too.
    ///
    /// # Errors
    /// The admission can't be read now.
    async fn is_current(&self) -> Result<bool, PortError>;

    /// Like [`Self::scope`], but also accepts an archived tenant. Only for restoring.
    async fn restore_scope(&self) -> Result<RestoreScope, ScopeError>;

    /// Returns the tenant and the caller of the last proof, for the audit log. `None` if the caller hasn't been admitted.
    fn admitted(&self) -> Option<(TenantId, Caller)>;
}

/// Creates the [`TenantScope`] or [`RestoreScope`] of a request.
///
/// The tenancy mode and the request select the tenant. The user must be a member of it in every mode.
#[derive(Component)]
#[shaku(interface = TenantResolver)]
pub struct MembershipTenantResolver {
    #[shaku(inject)]
    context: Arc<dyn RequestContext>,
    #[shaku(inject)]
    source: Arc<dyn IdentitySource>,
    #[shaku(inject)]
    identity: Arc<dyn IdentityProvider>,
    #[shaku(inject)]
    admission: Arc<dyn TenantAdmission>,
    #[shaku(inject)]
    tenancy: Arc<TenancyMode>,
    #[shaku(default)]
    scope: OnceCell<Arc<TenantScope>>,
    #[shaku(default)]
    read_scope: Mutex<ReadScope>,
    #[shaku(default)]
    admitted_to_restore: OnceLock<(TenantId, Caller)>,
}

/// The scope of a request that only reads. The database confirms it in the statement that reads.
#[derive(Debug, Default)]
pub enum ReadScope {
    /// The request hasn't needed one yet.
    #[default]
    None,
    /// From the cache, or just read.
    Scope(Arc<TenantScope>),
    /// The last one has turned out to be outdated, so the next one isn't from the cache.
    MustReload,
}

#[async_trait]
impl TenantResolver for MembershipTenantResolver {
    async fn scope(&self) -> Result<Arc<TenantScope>, ScopeError> {
        self.scope.get_or_try_init(|| self.load_scope()).await.cloned()
    }

    async fn scope_for_read(&self) -> Result<Arc<TenantScope>, ScopeError> {
        let reload = match &*self.read_scope() {
            ReadScope::Scope(scope) => return Ok(Arc::clone(scope)),
            ReadScope::None => false,
            ReadScope::MustReload => true,
        };
        let claims = self.source.require_claims().await?;
        let tenant = self.select_tenant(&claims).await?;
        let cached = if reload { None } else { self.admission.cached(&claims, tenant) };
        let admission = match cached {
            Some(cached) => cached,
            None => self.admission.admit(&claims, tenant).await.map_err(|error| scope_error(error, tenant))?,
        };
        let scope = Arc::new(TenantScope::unconfirmed(admission, &self.context));
        *self.read_scope() = ReadScope::Scope(Arc::clone(&scope));
        Ok(scope)
    }

    async fn is_current(&self) -> Result<bool, PortError> {
        let check = match &*self.read_scope() {
            ReadScope::Scope(scope) => Arc::clone(scope.admission_check()),
            // There is no scope of a read: the route needs none, the request writes, or the caller was rejected by rows
            // that have just been read.
            ReadScope::None | ReadScope::MustReload => return Ok(true),
        };
        let is_current = check.is_confirmed() || (check.is_pending() && self.is_unchanged(check.facts()).await?);
        if !is_current {
            *self.read_scope() = ReadScope::MustReload;
        }
        Ok(is_current)
    }

    async fn restore_scope(&self) -> Result<RestoreScope, ScopeError> {
        let claims = self.source.require_claims().await?;
        let tenant = self.select_tenant(&claims).await?;
        let admission = self.admission.admit_to_restore(&claims, tenant).await;
        let scope = admission
            .map(|admission| RestoreScope::from_admission(admission, &self.context))
            .map_err(|error| scope_error(error, tenant))?;
        self.admitted_to_restore.get_or_init(|| (scope.tenant(), scope.caller().clone()));
        Ok(scope)
    }

    fn admitted(&self) -> Option<(TenantId, Caller)> {
        let read_scope = self.read_scope();
        let scope = match &*read_scope {
            ReadScope::Scope(scope) => Some(scope),
            ReadScope::None | ReadScope::MustReload => self.scope.get(),
        };
        let admitted = scope.map(|scope| (scope.tenant(), scope.caller().clone()));
        admitted.or_else(|| self.admitted_to_restore.get().cloned())
    }
}

impl MembershipTenantResolver {
    /// Checks user and membership in one statement. Loading the identity first would take another round trip.
    async fn load_scope(&self) -> Result<Arc<TenantScope>, ScopeError> {
        let claims = self.source.require_claims().await?;
        let tenant = self.select_tenant(&claims).await?;
        let admission = self.admission.admit(&claims, tenant).await;
        admission
            .map(|admission| Arc::new(TenantScope::from_admission(admission, &self.context)))
            .map_err(|error| scope_error(error, tenant))
    }

    /// Reads the admission again and compares it.
    async fn is_unchanged(&self, facts: AdmissionFacts) -> Result<bool, PortError> {
        let Ok(claims) = self.source.require_claims().await else { return Ok(false) };
        let Ok(tenant) = self.select_tenant(&claims).await else { return Ok(false) };
        match self.admission.admit(&claims, tenant).await {
            Ok(admission) => Ok(admission.facts == facts),
            Err(AdmissionError::UserNotFound | AdmissionError::TenantNotFound) => Ok(false),
            Err(AdmissionError::Port(error)) => Err(error),
        }
    }

    fn read_scope(&self) -> MutexGuard<'_, ReadScope> {
        self.read_scope.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn select_tenant<'a>(&'a self, claims: &'a VerifiedClaims) -> Result<TenantTarget<'a>, ScopeError> {
        match select_tenant(&self.tenancy, &*self.context, claims.tenant()) {
            Ok(tenant) => Ok(tenant),
            Err(error) => {
                // Authentication comes first: without it the response is 401, not an error about the tenant.
                self.identity.identity().await?;
                Err(error)
            }
        }
    }
}

fn scope_error(error: AdmissionError, tenant: TenantTarget<'_>) -> ScopeError {
    match (error, tenant) {
        (AdmissionError::UserNotFound, _) => IdentityError::Invalid.into(),
        (AdmissionError::TenantNotFound, TenantTarget::Personal) => ScopeError::NoPersonalTenant,
        (AdmissionError::TenantNotFound, TenantTarget::Id(_) | TenantTarget::Slug(_)) => ScopeError::NotFound,
        (AdmissionError::Port(error), _) => error.into(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests verify claims and confirm admissions as other crates do")]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use uuid::Uuid;

    use super::*;
    use crate::{
        AccessRequest, Admission, CredentialError, Decision, DenyReason, Explanation, Identity, PolicySet, Principal,
        RequestedTenant, RestoreAdmission, RoleId, UserId, tenant_selection::tests::FakeRequest,
    };

    struct FakeUser(UserId);

    #[async_trait]
    impl IdentitySource for FakeUser {
        async fn claims(&self) -> Result<Option<VerifiedClaims>, CredentialError> {
            Ok(Some(VerifiedClaims::new(self.0, None)))
        }
    }

    #[async_trait]
    impl IdentityProvider for FakeUser {
        async fn identity(&self) -> Result<Arc<Identity>, IdentityError> {
            Err(IdentityError::Invalid)
        }
    }

    #[derive(Debug)]
    struct NoPolicies;

    impl PolicySet for NoPolicies {
        fn decide(&self, _: Principal, _: RoleId, _: &AccessRequest<'_>) -> Decision {
            Decision::Deny(DenyReason::NoPolicyAllows)
        }

        fn explain(&self, _: Principal, _: RoleId, _: &AccessRequest<'_>) -> Explanation {
            Explanation { decision: Decision::Deny(DenyReason::NoPolicyAllows), policy: None, unmet: Vec::new() }
        }
    }

    /// The tables, the cache, and how often the tables were read.
    struct FakeAdmission {
        current: Mutex<Result<AdmissionFacts, ()>>,
        cached: AdmissionFacts,
        reads: AtomicU32,
    }

    #[async_trait]
    impl TenantAdmission for FakeAdmission {
        async fn admit(&self, _: &VerifiedClaims, _: TenantTarget<'_>) -> Result<Admission, AdmissionError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let facts = self.current.lock().unwrap().map_err(|()| AdmissionError::TenantNotFound)?;
            Ok(Admission { facts, policies: Arc::new(NoPolicies) })
        }

        fn cached(&self, _: &VerifiedClaims, _: TenantTarget<'_>) -> Option<Admission> {
            Some(Admission { facts: self.cached, policies: Arc::new(NoPolicies) })
        }

        async fn admit_to_restore(
            &self,
            _: &VerifiedClaims,
            _: TenantTarget<'_>,
        ) -> Result<RestoreAdmission, AdmissionError> {
            Err(AdmissionError::TenantNotFound)
        }
    }

    /// Returns a resolver and its fake admission. Cache and tables have the same facts.
    fn resolver() -> (MembershipTenantResolver, Arc<FakeAdmission>) {
        let user = UserId::new();
        let facts =
            AdmissionFacts { tenant: TenantId::new(), user, role: RoleId::new(), policy_version: Uuid::from_u128(1) };
        let admission =
            Arc::new(FakeAdmission { current: Mutex::new(Ok(facts)), cached: facts, reads: AtomicU32::new(0) });
        let caller = Arc::new(FakeUser(user));
        let resolver = MembershipTenantResolver {
            context: Arc::new(FakeRequest { header: RequestedTenant::Absent, host: RequestedTenant::Absent }),
            source: Arc::clone(&caller) as _,
            identity: caller,
            admission: Arc::clone(&admission) as _,
            tenancy: Arc::new(TenancyMode::Personal),
            scope: OnceCell::new(),
            admitted_to_restore: OnceLock::new(),
            read_scope: Mutex::default(),
        };
        (resolver, admission)
    }

    fn reads(admission: &FakeAdmission) -> u32 {
        admission.reads.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn confirmed_scope_is_current_without_a_read() {
        let (resolver, admission) = resolver();
        resolver.scope_for_read().await.unwrap().admission_check().confirm();
        assert!(resolver.is_current().await.unwrap());
        assert_eq!(reads(&admission), 0);
    }

    #[tokio::test]
    async fn scope_that_no_statement_compared_is_read_again() {
        let (resolver, admission) = resolver();
        resolver.scope_for_read().await.unwrap();
        assert!(resolver.is_current().await.unwrap());
        assert_eq!(reads(&admission), 1);
    }

    #[tokio::test]
    async fn changed_admission_is_outdated_and_loaded_next() {
        let (resolver, admission) = resolver();
        let changed = AdmissionFacts { role: RoleId::new(), ..admission.cached };
        *admission.current.lock().unwrap() = Ok(changed);
        resolver.scope_for_read().await.unwrap();
        assert!(!resolver.is_current().await.unwrap());
        assert_eq!(resolver.scope_for_read().await.unwrap().role(), changed.role);
        assert!(resolver.is_current().await.unwrap());
    }

    #[tokio::test]
    async fn rejected_scope_is_outdated_without_a_read() {
        let (resolver, admission) = resolver();
        let scope = resolver.scope_for_read().await.unwrap();
        scope.admission_check().confirm();
        scope.admission_check().mark_outdated();
        assert!(!resolver.is_current().await.unwrap());
        assert_eq!(reads(&admission), 0);
    }

    #[tokio::test]
    async fn removed_member_is_not_found_on_retry() {
        let (resolver, admission) = resolver();
        *admission.current.lock().unwrap() = Err(());
        resolver.scope_for_read().await.unwrap();
        assert!(!resolver.is_current().await.unwrap());
        assert!(matches!(resolver.scope_for_read().await, Err(ScopeError::NoPersonalTenant)));
        assert!(resolver.is_current().await.unwrap());
    }

    #[tokio::test]
    async fn scope_is_read_once() {
        let (resolver, admission) = resolver();
        resolver.scope().await.unwrap();
        resolver.scope().await.unwrap();
        assert_eq!(reads(&admission), 1);
    }
}
