//! Ports: traits that modules implement for the kernel. Others are [`crate::TenantAdmission`] and
//! [`crate::IdentitySource`].

use async_trait::async_trait;
use shaku::Interface;

use crate::{Email, UserId};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A port couldn't answer.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Retrying later may help.
    #[error(transparent)]
    Unavailable(BoxError),
    /// Retrying doesn't help.
    #[error(transparent)]
    Internal(BoxError),
}

/// A user who exists and isn't deactivated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveUser {
    /// Immutable id.
    pub id: UserId,
    /// Unique among all users.
    pub email: Email,
}

/// Finds users. Implemented by the module `user`.
#[async_trait]
pub trait ActiveUsers: Interface {
    /// Returns the user; `None` if unknown or deactivated.
    async fn find_active(&self, id: UserId) -> Result<Option<ActiveUser>, PortError>;
}
