//! Invitations: sent, listed, sent again, taken back, accepted.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{
        AcceptError, Email, Identity, Invitation, InvitationId, InvitationToken, Invitations, InvitationsError,
        MemberInvite, MyTenant, Permit, RoleId, SentInvitation, Tenancy, TenantId,
    },
    db::{Database, SystemDatabase, SystemTx, SystemWork, TenantTx},
};
use shaku::Component;

use crate::{
    change::{Change, Move},
    domain::{TokenHash, hash, may_still_grant, new_token},
    postgres::{
        AcceptanceRepository, InvitationRepository, NewInvitation, Obstacles, Room, RuleRepository, Standing,
        create_membership,
    },
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
    #[shaku(inject)]
    rules: Arc<dyn RuleRepository>,
    #[shaku(inject)]
    tenancy: Arc<Tenancy>,
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
        let mut change = Change::begin(&*self.database, &*self.rules, permit).await?;
        if !change.has_role(role) {
            return Err(InvitationsError::NoSuchRole);
        }
        self.refuse_obstacles(change.tx(), email, None).await?;
        let new = NewInvitation { id: InvitationId::new(), email, role, invited_by: change.actor(), token_hash };
        let invitation = self.invitations.create(change.tx(), &new).await?;
        change.commit(&[comes_into(role)]).await?;
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
        let mut change = Change::begin(&*self.database, &*self.rules, permit).await?;
        let before = self.invitations.find(change.tx(), id).await?.ok_or(InvitationsError::NotFound)?;
        // One that has expired takes a seat again.
        self.refuse_obstacles(change.tx(), &before.email, Some(id)).await?;
        let actor = change.actor();
        let renewed = self.invitations.renew(change.tx(), id, actor, token_hash).await?;
        let invitation = renewed.ok_or(InvitationsError::NotFound)?;
        change.commit(&[comes_into(invitation.role.id)]).await?;
        Ok(SentInvitation { invitation, token })
    }

    async fn revoke(&self, permit: &Permit<MemberInvite>, id: InvitationId) -> Result<(), InvitationsError> {
        let mut change = Change::begin(&*self.database, &*self.rules, permit).await?;
        if !self.invitations.revoke(change.tx(), id).await? {
            return Err(InvitationsError::NotFound);
        }
        Ok(change.commit(&[]).await?)
    }

    async fn accept(&self, identity: &Identity, token: &InvitationToken) -> Result<MyTenant, AcceptError> {
        if self.is_personal() {
            return Err(AcceptError::NotFound);
        }
        let token_hash = hash(token);
        let mut tx = self.system.begin(SystemWork::AcceptInvitation).await?;
        let id = self.acceptance.tenant_of(&mut tx, token_hash).await?.ok_or(AcceptError::NotFound)?;
        let tenant = self.locked(&mut tx, id, identity, token_hash).await?.ok_or(AcceptError::NotFound)?;
        match self.acceptance.room(&mut tx, id, identity.user()).await? {
            Room { member: true, .. } => return Err(AcceptError::AlreadyMember),
            Room { free_seats: ..=0, .. } => return Err(AcceptError::NoSeatLeft),
            Room { .. } => {}
        }
        if !self.acceptance.take(&mut tx, id, token_hash).await? {
            return Err(AcceptError::NotFound);
        }
        if !create_membership(&mut tx, id, identity.user(), tenant.role.id).await? {
            return Err(AcceptError::AlreadyMember);
        }
        tx.commit().await?;
        Ok(tenant)
    }
}

impl TenantInvitations {
    /// Where each person has a tenant of their own, nobody else comes into it.
    fn is_personal(&self) -> bool {
        *self.tenancy == Tenancy::Personal
    }

    /// Refuses where something speaks against inviting this address.
    async fn refuse_obstacles(
        &self,
        tx: &mut TenantTx,
        email: &Email,
        except: Option<InvitationId>,
    ) -> Result<(), InvitationsError> {
        if self.is_personal() {
            return Err(InvitationsError::Personal);
        }
        match self.invitations.obstacles(tx, email, except).await? {
            Obstacles { member: true, .. } => Err(InvitationsError::AlreadyMember),
            Obstacles { invited: true, .. } => Err(InvitationsError::AlreadyInvited),
            Obstacles { free_seats: ..=0, .. } => Err(InvitationsError::NoSeatLeft),
            Obstacles { .. } => Ok(()),
        }
    }

    /// What the person is invited into, with the tenant locked as by whoever changes who may do what in it: so what is
    /// read here stays so. `None`, whatever it is that doesn't fit.
    async fn locked(
        &self,
        tx: &mut SystemTx,
        id: TenantId,
        identity: &Identity,
        token_hash: TokenHash,
    ) -> Result<Option<MyTenant>, AcceptError> {
        if !self.rules.lock(tx, id).await? {
            return Ok(None);
        }
        let Some(Standing { email, invited_by, tenant }) = self.acceptance.standing(tx, id, token_hash).await? else {
            return Ok(None);
        };
        let Some(rules) = self.rules.read(tx, id, invited_by).await? else { return Ok(None) };
        let answers = rules.role.is_some_and(|inviter_role| {
            let person = (identity.user(), tenant.role.id);
            may_still_grant(&rules.policies.policies, (invited_by, inviter_role), person)
        });
        Ok((email == *identity.email() && answers).then_some(tenant))
    }
}

/// Whoever it will be who accepts.
fn comes_into(role: RoleId) -> Move {
    Move { person: None, from: None, to: role }
}

fn fresh() -> Result<(InvitationToken, TokenHash), InvitationsError> {
    let token = new_token().map_err(|_| InvitationsError::NoToken)?;
    let token_hash = hash(&token);
    Ok((token, token_hash))
}
