//! Invitations: sent, listed, sent again, taken back, accepted.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{
        AcceptError, Email, Identity, Invitation, InvitationId, InvitationToken, Invitations, InvitationsError,
        MemberInvite, MyTenant, Permit, Principal, RoleId, SentInvitation, TenantScope, UserId,
    },
    db::{Database, DbError, SystemDatabase, SystemWork, TenantTx},
};
use shaku::Component;

use crate::{
    domain::{TokenHash, hash, new_token},
    postgres::{AcceptanceRepository, InvitationRepository, NO_SUCH_ROLE, NewInvitation, Obstacles, create_membership},
};

/// The use cases behind `/v1/invitations`.
#[derive(Component)]
#[shaku(interface = Invitations)]
pub(crate) struct TenantInvitations {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(inject)]
    invitations: Arc<dyn InvitationRepository>,
    #[shaku(inject)]
    acceptance: Arc<dyn AcceptanceRepository>,
}

#[async_trait]
impl Invitations for TenantInvitations {
    async fn invite(
        &self,
        permit: &Permit<MemberInvite>,
        email: &Email,
        role: RoleId,
    ) -> Result<SentInvitation, InvitationsError> {
        let (token, token_hash) = fresh()?;
        let mut tx = self.database.begin(permit.scope()).await?;
        self.obstacles(&mut tx, email, None).await?;
        let (id, invited_by) = (InvitationId::new(), inviter(permit.scope())?);
        let new = NewInvitation { id, email, role, invited_by, token_hash };
        let invitation = self.invitations.create(&mut tx, &new).await.map_err(no_such_role)?;
        tx.commit().await?;
        Ok(SentInvitation { invitation, token })
    }

    async fn list(
        &self,
        permit: &Permit<MemberInvite>,
        after: Option<InvitationId>,
        limit: u16,
    ) -> Result<Vec<Invitation>, InvitationsError> {
        Ok(self.invitations.page(&self.database.tenant_reader(permit.scope()), after, limit).await?)
    }

    async fn resend(
        &self,
        permit: &Permit<MemberInvite>,
        id: InvitationId,
    ) -> Result<SentInvitation, InvitationsError> {
        let (token, token_hash) = fresh()?;
        let mut tx = self.database.begin(permit.scope()).await?;
        let before = self.invitations.find(&mut tx, id).await?.ok_or(InvitationsError::NotFound)?;
        // One that has expired takes a seat again.
        self.obstacles(&mut tx, &before.email, Some(id)).await?;
        let renewed = self.invitations.renew(&mut tx, id, inviter(permit.scope())?, token_hash).await?;
        let invitation = renewed.ok_or(InvitationsError::NotFound)?;
        tx.commit().await?;
        Ok(SentInvitation { invitation, token })
    }

    async fn revoke(&self, permit: &Permit<MemberInvite>, id: InvitationId) -> Result<(), InvitationsError> {
        let mut tx = self.database.begin(permit.scope()).await?;
        if !self.invitations.revoke(&mut tx, id).await? {
            return Err(InvitationsError::NotFound);
        }
        Ok(tx.commit().await?)
    }

    async fn accept(&self, identity: &Identity, token: &InvitationToken) -> Result<MyTenant, AcceptError> {
        let token_hash = hash(token);
        let mut tx = self.system.begin(SystemWork::AcceptInvitation).await?;
        let id = self.acceptance.tenant_of(&mut tx, token_hash).await?.ok_or(AcceptError::NotFound)?;
        // The tenant first, as whoever changes invitations does. What is read from here on stays so.
        let tenant = self.acceptance.lock(&mut tx, id).await?.ok_or(AcceptError::NotFound)?;
        let standing = self.acceptance.standing(&mut tx, id, token_hash).await?.ok_or(AcceptError::NotFound)?;
        if standing.email != *identity.email() {
            return Err(AcceptError::NotFound);
        }
        let room = self.acceptance.room(&mut tx, id, identity.user()).await?;
        if room.member {
            return Err(AcceptError::AlreadyMember);
        }
        if room.free_seats < 1 {
            return Err(AcceptError::NoSeatLeft);
        }
        if !self.acceptance.take(&mut tx, id, token_hash).await? {
            return Err(AcceptError::NotFound);
        }
        if !create_membership(&mut tx, id, identity.user(), standing.role.id).await? {
            return Err(AcceptError::AlreadyMember);
        }
        tx.commit().await?;
        Ok(MyTenant { id, slug: tenant.slug, name: tenant.name, role: standing.role })
    }
}

impl TenantInvitations {
    /// Refuses where something speaks against inviting this address.
    async fn obstacles(
        &self,
        tx: &mut TenantTx,
        email: &Email,
        except: Option<InvitationId>,
    ) -> Result<(), InvitationsError> {
        match self.invitations.obstacles(tx, email, except).await? {
            Obstacles { member: true, .. } => Err(InvitationsError::AlreadyMember),
            Obstacles { invited: true, .. } => Err(InvitationsError::AlreadyInvited),
            Obstacles { free_seats: ..=0, .. } => Err(InvitationsError::NoSeatLeft),
            Obstacles { .. } => Ok(()),
        }
    }
}

fn fresh() -> Result<(InvitationToken, TokenHash), InvitationsError> {
    let token = new_token().map_err(|_| InvitationsError::NoToken)?;
    let token_hash = hash(&token);
    Ok((token, token_hash))
}

/// Who answers for it: a person, of whom can be asked later whether they are still here.
fn inviter(scope: &TenantScope) -> Result<UserId, InvitationsError> {
    match scope.principal() {
        Principal::User(user) => Ok(user),
        _ => Err(InvitationsError::NotAPerson),
    }
}

fn no_such_role(error: DbError) -> InvitationsError {
    if error.breaks(NO_SUCH_ROLE) { InvitationsError::NoSuchRole } else { error.into() }
}
