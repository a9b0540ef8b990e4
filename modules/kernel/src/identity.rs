//! The first proof: the identity of the caller.

use std::sync::Arc;

use async_trait::async_trait;
use shaku::Interface;

use crate::{ActiveUser, Caller, Email, PortError, RequestContext, TenantRef, UserId};

/// Proof that the caller is this active user.
///
/// Created only by [`crate::VerifiedIdentityProvider`]: the fields are private and there is no public constructor.
#[derive(Debug, Clone)]
pub struct Identity {
    user: UserId,
    email: Email,
    caller: Caller,
}

impl Identity {
    /// Callable only inside the kernel.
    pub(crate) fn from_user(user: ActiveUser, request: &Arc<dyn RequestContext>) -> Self {
        Self { user: user.id, email: user.email, caller: Caller::of_request(user.id, request) }
    }

    /// Returns the user.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Returns the user's e-mail address.
    pub fn email(&self) -> &Email {
        &self.email
    }

    /// Returns who makes the request, for the audit log.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// Claims of a credential whose signature, issuer, audience and expiry have been checked.
///
/// They don't prove that the user still exists or is a member of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedClaims {
    user: UserId,
    tenant: Option<TenantRef>,
}

impl VerifiedClaims {
    /// Creates claims for a credential that has just been verified. `clippy.toml` disallows calling it elsewhere.
    pub fn new(user: UserId, tenant: Option<TenantRef>) -> Self {
        Self { user, tenant }
    }

    /// Returns the subject.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Returns the caller of the request that the credential came with, for the audit log.
    pub fn caller(&self, request: &Arc<dyn RequestContext>) -> Caller {
        Caller::of_request(self.user, request)
    }

    /// Returns the tenant requested at sign-in.
    pub fn tenant(&self) -> Option<&TenantRef> {
        self.tenant.as_ref()
    }
}

/// The credential is present but invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credential is malformed, forged, expired or issued for another audience")]
pub struct CredentialError;

/// Verifies the credential of a request. Implemented by the module `auth`.
#[async_trait]
pub trait IdentitySource: Interface {
    /// Returns the claims, or `None` if the request carries no credential.
    async fn claims(&self) -> Result<Option<VerifiedClaims>, CredentialError>;

    /// Returns the claims. A missing or invalid credential is an error.
    async fn require_claims(&self) -> Result<VerifiedClaims, IdentityError> {
        self.claims().await.map_err(|_| IdentityError::Invalid)?.ok_or(IdentityError::Missing)
    }
}

/// Reasons why the caller has no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The request carries no credential.
    #[error("no credential")]
    Missing,
    /// The credential is invalid or expired, or its user doesn't exist or is deactivated.
    #[error("the credential is invalid or has expired")]
    Invalid,
    /// The lookup failed.
    #[error(transparent)]
    Port(#[from] PortError),
}
