//! Invitations: how users join a tenant.
//!
//! A user can't be added by e-mail address alone, because that would reveal which addresses have accounts.

use std::str::FromStr;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use db::DbError;
use kernel::{Email, Identity, Permit, RoleId, UserId, id};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde::Serialize;
use shaku::Interface;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{ChangeError, RoleSummary, UserTenant};

id! {
    /// An invitation. Resending keeps the id.
    InvitationId
}

kernel::permission! {
    /// Invite users into the tenant; list, resend and revoke invitations.
    pub MemberInvite = "member", "invite";
}

/// The secret in an invitation link: 32 random bytes, in base64url without padding. `Debug` redacts it.
///
/// A user who presents it and is signed in with the invited address becomes a member.
#[derive(Debug)]
pub struct InvitationToken(SecretBox<[u8; Self::LENGTH]>);

impl InvitationToken {
    /// Length in bytes.
    pub const LENGTH: usize = 32;

    /// Creates a token from random bytes.
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// Returns the bytes, for hashing.
    pub fn secret(&self) -> &[u8; Self::LENGTH] {
        self.0.expose_secret()
    }

    /// Returns the text form for a link.
    pub fn encode(&self) -> SecretString {
        URL_SAFE_NO_PAD.encode(self.secret()).into()
    }
}

/// The text isn't an invitation token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an invitation token is 32 bytes in base64url")]
pub struct InvalidInvitationToken;

impl FromStr for InvitationToken {
    type Err = InvalidInvitationToken;

    fn from_str(text: &str) -> Result<Self, InvalidInvitationToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidInvitationToken)?;
        bytes.try_into().map(Self::from_bytes).map_err(|_| InvalidInvitationToken)
    }
}

/// An invitation that has been neither accepted nor revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = InvitationResponse)]
pub struct Invitation {
    /// Immutable id.
    #[schema(value_type = Uuid)]
    pub id: InvitationId,
    /// Invited address.
    #[schema(value_type = String, example = "carol@example.com")]
    pub email: Email,
    /// Role that the invitation grants.
    pub role: RoleSummary,
    /// User who sent it last. The invitation stays valid only while this user may grant the role.
    #[schema(value_type = Uuid)]
    pub invited_by: UserId,
    /// Time of creation.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Time of expiry: 7 days after it was last sent.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// Whether the invitation has expired. An expired invitation takes no seat. It is listed until it is revoked,
    /// resent or replaced by another invitation to the same address.
    pub expired: bool,
}

/// An invitation with its token, which is returned only once.
#[derive(Debug)]
pub struct InvitationWithToken {
    /// The invitation.
    pub invitation: Invitation,
    /// The token, for the link.
    pub token: InvitationToken,
}

/// Reasons why an invitation can't be created, resent or revoked.
#[derive(Debug, thiserror::Error)]
pub enum InvitationsError {
    /// The tenant has no such invitation.
    #[error("no such invitation")]
    NotFound,
    /// The tenant has no such role.
    #[error("no such role")]
    RoleNotFound,
    /// A user with this address is already a member.
    #[error("already a member")]
    AlreadyMember,
    /// There is an open invitation to this address.
    #[error("already invited")]
    AlreadyInvited,
    /// Members and open invitations take all seats.
    #[error("seat limit reached: members and open invitations take all seats; remove a member or revoke an invitation")]
    SeatLimitReached,
    /// In [`kernel::TenancyMode::Personal`] a tenant has no other members than its owner.
    #[error("personal tenants can't have other members")]
    PersonalMode,
    /// The random number generator failed.
    #[error("failed to generate an invitation token")]
    TokenGeneration,
    /// The caller may not grant this role, or may no longer invite.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Reasons why an invitation can't be accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The token is unknown, used, revoked or expired; the invitation is for another address; its tenant is archived
    /// or personal; or its sender may no longer grant the role. Callers can't tell these apart.
    #[error("no such invitation")]
    NotFound,
    /// The user is already a member. The invitation is kept.
    #[error("already a member")]
    AlreadyMember,
    /// All seats are taken. The invitation is kept.
    #[error("seat limit reached: members take all seats")]
    SeatLimitReached,
    /// Too many changes to this tenant are in progress. The client may retry.
    #[error("too many changes to this tenant are in progress; try again in a moment")]
    TooManyChanges,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The invitations of a tenant.
#[async_trait]
pub trait Invitations: Interface {
    /// Creates an invitation into a role that the caller may grant. It takes a seat until it expires.
    ///
    /// The outcome doesn't depend on whether an account with this address exists.
    async fn create(
        &self,
        permit: &Permit<MemberInvite>,
        email: &Email,
        role: RoleId,
    ) -> Result<InvitationWithToken, InvitationsError>;

    /// Returns at most `limit` invitations with ids after `after`, ordered by id.
    async fn list(
        &self,
        permit: &Permit<MemberInvite>,
        after: Option<InvitationId>,
        limit: u16,
    ) -> Result<Vec<Invitation>, InvitationsError>;

    /// Replaces the token, which invalidates the previous link, and restarts the expiry period. Like creating, it
    /// requires that the caller may grant the role.
    async fn resend(
        &self,
        permit: &Permit<MemberInvite>,
        id: InvitationId,
    ) -> Result<InvitationWithToken, InvitationsError>;

    /// Revokes an invitation.
    async fn revoke(&self, permit: &Permit<MemberInvite>, id: InvitationId) -> Result<(), InvitationsError>;

    /// Makes the user a member and consumes the invitation, in one transaction.
    async fn accept(&self, identity: &Identity, token: &InvitationToken) -> Result<UserTenant, AcceptError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_round_trips() {
        let token = InvitationToken::from_bytes([0xfb; 32]);
        let text = token.encode();
        assert_eq!(text.expose_secret(), "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s");
        assert_eq!(text.expose_secret().parse::<InvitationToken>().unwrap().secret(), &[0xfb; 32]);
    }

    #[test]
    fn invalid_token_is_rejected() {
        let (short, long) = ("A".repeat(42), "A".repeat(44));
        for text in [
            "",
            "token",
            short.as_str(),
            long.as_str(),
            // Padding, the standard alphabet, trailing bits, surrounding spaces.
            "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=",
            "+/v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s",
            "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_t",
            " -_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s",
        ] {
            assert!(matches!(text.parse::<InvitationToken>(), Err(InvalidInvitationToken)), "{text:?}");
        }
    }

    #[test]
    fn debug_redacts_token() {
        let token = InvitationToken::from_bytes([7; 32]);
        let printed = format!("{token:?}");
        assert!(!printed.contains('7') && !printed.contains(token.encode().expose_secret()), "{printed}");
    }
}
