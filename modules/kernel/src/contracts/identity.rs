//! The first proof: who is calling.

use std::sync::Arc;

use async_trait::async_trait;
use shaku::Interface;

use super::{Email, TenantRef, User, UserId};
use crate::db::DbError;

/// Proof that the caller is this active person: id and e-mail, nothing else.
///
/// Made by [`crate::request::VerifiedIdentityProvider`] alone: the fields are private and there is no public
/// constructor, so elsewhere it can only be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    user: UserId,
    email: Email,
}

impl Identity {
    /// Only the kernel can call this.
    pub(crate) fn of(user: User) -> Self {
        Self { user: user.id, email: user.email }
    }

    /// Who it is.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Their address.
    pub fn email(&self) -> &Email {
        &self.email
    }
}

/// What a credential says, once its signature, issuer, audience and expiry have been checked. Whether the person
/// still exists is another question, and so is whether they are a member of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedClaims {
    user: UserId,
    tenant: Option<TenantRef>,
}

impl VerifiedClaims {
    /// For whoever has just verified a credential: `clippy.toml` keeps it from everybody else.
    pub fn of(user: UserId, tenant: Option<TenantRef>) -> Self {
        Self { user, tenant }
    }

    /// The subject.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The tenant that was wished for when signing in.
    pub fn tenant(&self) -> Option<&TenantRef> {
        self.tenant.as_ref()
    }
}

/// The credential was there and didn't hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credential is malformed, forged, expired or meant for somebody else")]
pub struct CredentialError;

/// The request's credential, verified. The module `auth` implements it.
#[async_trait]
pub trait IdentitySource: Interface {
    /// The claims, or `None` where the request carries no credential.
    async fn claims(&self) -> Result<Option<VerifiedClaims>, CredentialError>;
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The request carries no credential.
    #[error("no credential")]
    Missing,
    /// The credential doesn't hold, or the person it names is gone.
    #[error("the credential doesn't hold")]
    Invalid,
    /// Nobody could be asked.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Who is calling, looked up once a request.
#[async_trait]
pub trait IdentityProvider: Interface {
    /// The proof; the second call of a request costs nothing.
    async fn identity(&self) -> Result<Arc<Identity>, IdentityError>;
}
