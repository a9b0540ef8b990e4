//! Invitations: how people come into a tenant. Nobody is put into one by an address alone, which would tell who has an
//! account.

use std::str::FromStr;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use shaku::Interface;
use time::OffsetDateTime;

use super::{ChangeRefused, Email, Identity, MyTenant, Permit, RoleId, RoleSummary, UserId};
use crate::{db::DbError, id::id};

id! {
    /// An invitation. Sent again it is the same one.
    InvitationId
}

crate::permission! {
    /// Invite people into the tenant; list, resend and revoke invitations.
    pub MemberInvite = "member", "invite";
}

/// What is in an invitation's link: 32 bytes by chance, as text in base64url without padding. Whoever has it and is
/// signed in with the invited address comes in. It prints as nothing.
#[derive(Debug)]
pub struct InvitationToken(SecretBox<[u8; Self::LENGTH]>);

impl InvitationToken {
    /// In bytes.
    pub const LENGTH: usize = 32;

    /// A token of these bytes, which must be chance.
    pub fn of(bytes: [u8; Self::LENGTH]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// The bytes, for hashing.
    pub fn secret(&self) -> &[u8; Self::LENGTH] {
        self.0.expose_secret()
    }

    /// As it stands in a link.
    pub fn text(&self) -> SecretString {
        URL_SAFE_NO_PAD.encode(self.secret()).into()
    }
}

/// The text can't be an invitation's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an invitation's token is 32 bytes in base64url")]
pub struct InvalidInvitationToken;

impl FromStr for InvitationToken {
    type Err = InvalidInvitationToken;

    fn from_str(text: &str) -> Result<Self, InvalidInvitationToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidInvitationToken)?;
        bytes.try_into().map(Self::of).map_err(|_| InvalidInvitationToken)
    }
}

/// An invitation that has been neither accepted nor revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Stays the same for good.
    pub id: InvitationId,
    /// Whom it is for.
    pub email: Email,
    /// What they are to be.
    pub role: RoleSummary,
    /// Who has sent it last, and answers for it.
    pub invited_by: UserId,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Until when it can be accepted.
    pub expires_at: OffsetDateTime,
    /// Whether it is too late for that. It stays until it is revoked, sent again, or replaced by another one to the same
    /// address; a seat it takes no longer.
    pub expired: bool,
}

/// An invitation with what opens it: this once, and never again.
#[derive(Debug)]
pub struct SentInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// To be handed over.
    pub token: InvitationToken,
}

/// Why nobody was invited, or an invitation stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum InvitationsError {
    /// There is no such invitation in this tenant, or no longer.
    #[error("no such invitation")]
    NotFound,
    /// There is no such role in this tenant.
    #[error("no such role")]
    NoSuchRole,
    /// Somebody with this address is a member.
    #[error("already a member")]
    AlreadyMember,
    /// An invitation to this address is open.
    #[error("already invited")]
    AlreadyInvited,
    /// Members and open invitations take all the seats there are.
    #[error("no seat is left")]
    NoSeatLeft,
    /// The tenancy mode is [`super::Tenancy::Personal`]: nobody but the one whose own it is comes into a tenant.
    #[error("tenants have one member each")]
    Personal,
    /// There was no chance to make a token from.
    #[error("no token could be made")]
    NoToken,
    /// The caller may not give this role, or may invite nobody any more.
    #[error(transparent)]
    Refused(#[from] ChangeRefused),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Why an invitation wasn't accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The token is unknown, used, revoked or expired; or it is somebody else's, its tenant is archived or, by the
    /// tenancy mode, its member's own; or whoever sent
    /// it may no longer give this role: nobody learns which.
    #[error("no such invitation")]
    NotFound,
    /// The person is a member already. The invitation stays.
    #[error("already a member")]
    AlreadyMember,
    /// The tenant has as many members as it may have. The invitation stays.
    #[error("no seat is left")]
    NoSeatLeft,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The invitations of a tenant.
#[async_trait]
pub trait Invitations: Interface {
    /// Invites whoever has this address, into a role that the inviter may give. It takes a seat until it expires. Nothing
    /// that comes of it depends on whether anybody with this address has an account.
    async fn invite(
        &self,
        permit: &Permit<MemberInvite>,
        email: &Email,
        role: RoleId,
    ) -> Result<SentInvitation, InvitationsError>;

    /// A page of invitations by id, from the first one after `after`; at most `limit`.
    async fn list(
        &self,
        permit: &Permit<MemberInvite>,
        after: Option<InvitationId>,
        limit: u16,
    ) -> Result<Vec<Invitation>, InvitationsError>;

    /// Gives it another token and its whole time again: the link that was handed over before opens nothing any more.
    /// This is inviting once more, so it takes that the role is one that the caller may give.
    async fn resend(&self, permit: &Permit<MemberInvite>, id: InvitationId)
    -> Result<SentInvitation, InvitationsError>;

    /// Takes it back.
    async fn revoke(&self, permit: &Permit<MemberInvite>, id: InvitationId) -> Result<(), InvitationsError>;

    /// Makes the person a member and uses the invitation up, both or neither.
    async fn accept(&self, identity: &Identity, token: &InvitationToken) -> Result<MyTenant, AcceptError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_form() {
        let token = InvitationToken::of([0xfb; 32]);
        let text = token.text();
        assert_eq!(text.expose_secret(), "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s");
        assert_eq!(text.expose_secret().parse::<InvitationToken>().unwrap().secret(), &[0xfb; 32]);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let (short, long) = ("A".repeat(42), "A".repeat(44));
        for text in [
            "",
            "token",
            short.as_str(),
            long.as_str(),
            // Padded, of the other alphabet, with bits left over, surrounded by blanks.
            "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=",
            "+/v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s",
            "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_t",
            " -_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s",
        ] {
            assert!(matches!(text.parse::<InvitationToken>(), Err(InvalidInvitationToken)), "{text:?}");
        }
    }

    #[test]
    fn a_token_prints_as_nothing() {
        let token = InvitationToken::of([7; 32]);
        let printed = format!("{token:?}");
        assert!(!printed.contains('7') && !printed.contains(token.text().expose_secret()), "{printed}");
    }
}
