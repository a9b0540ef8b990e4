//! The service for creating, listing, resending, revoking and accepting invitations.

pub(crate) mod acceptance;
mod store;
mod token;

use std::sync::Arc;

use async_trait::async_trait;
use authorization_api::{
    AcceptError, Invitation, InvitationAccepted, InvitationCreated, InvitationId, InvitationReplaced, InvitationResent,
    InvitationRevoked, InvitationToken, InvitationWithToken, Invitations, InvitationsError, MemberAdded, MemberInvite,
    TenantStatus, UserTenant,
};
use db::{Database, SystemAuditEvents, SystemDatabase, SystemReason, SystemTx, TenantTx};
use kernel::{Email, Identity, IntoAuditEvents, Permit, RoleId, TenancyMode, TenantId};
use shaku::Component;

use crate::{
    engine::{Subject, may_invite_into_role},
    guarded_change::{GuardedChange, RoleChange, store::read_policy_state, tx::lock_tenant},
    invitations::{
        acceptance::{OpenInvitation, SeatStatus},
        store::{CreatedInvitation, InvitationConflicts},
        token::{TokenHash, generate_token, hash_token},
    },
    members::store::create_membership,
};

/// Implements `/v1/invitations`.
#[derive(Component)]
#[shaku(interface = Invitations)]
pub(crate) struct InvitationService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(inject)]
    tenancy: Arc<TenancyMode>,
}

#[async_trait]
impl Invitations for InvitationService {
    async fn create(
        &self,
        permit: &Permit<MemberInvite>,
        email: &Email,
        role: RoleId,
    ) -> Result<InvitationWithToken, InvitationsError> {
        let (token, token_hash) = generate_token()?;
        let mut change = GuardedChange::begin(&*self.database, permit).await?;
        if !change.has_role(role) {
            return Err(InvitationsError::RoleNotFound);
        }
        self.ensure_invitable(change.tx(), email, None).await?;
        let inviter = change.user();
        let CreatedInvitation { invitation, replaced } =
            store::create(change.tx(), email, role, inviter, token_hash).await?;
        let mut events = InvitationCreated { invitation: invitation.id, email: email.clone(), role }.into_events();
        if let Some((invitation, role)) = replaced {
            events = events.and(InvitationReplaced { invitation, email: email.clone(), role });
        }
        change.commit(&[invitee_role(role)], events).await?;
        Ok(InvitationWithToken { invitation, token })
    }

    async fn list(
        &self,
        permit: &Permit<MemberInvite>,
        after: Option<InvitationId>,
        limit: u16,
    ) -> Result<Vec<Invitation>, InvitationsError> {
        Ok(store::list(&self.database.tenant_reader(permit.scope()), after, limit).await?)
    }

    async fn resend(
        &self,
        permit: &Permit<MemberInvite>,
        id: InvitationId,
    ) -> Result<InvitationWithToken, InvitationsError> {
        let (token, token_hash) = generate_token()?;
        let mut change = GuardedChange::begin(&*self.database, permit).await?;
        let before = store::find(change.tx(), id).await?.ok_or(InvitationsError::NotFound)?;
        // Resending an expired invitation reserves a seat again, so the seat limit is checked again.
        self.ensure_invitable(change.tx(), &before.email, Some(id)).await?;
        let inviter = change.user();
        let resent = store::resend(change.tx(), id, inviter, token_hash).await?;
        let invitation = resent.ok_or(InvitationsError::NotFound)?;
        let role = invitation.role.id;
        let resent = InvitationResent { invitation: id, email: invitation.email.clone(), role };
        change.commit(&[invitee_role(role)], resent).await?;
        Ok(InvitationWithToken { invitation, token })
    }

    async fn revoke(&self, permit: &Permit<MemberInvite>, id: InvitationId) -> Result<(), InvitationsError> {
        let mut change = GuardedChange::begin(&*self.database, permit).await?;
        let (email, role) = store::revoke(change.tx(), id).await?.ok_or(InvitationsError::NotFound)?;
        let revoked = InvitationRevoked { invitation: id, email, role };
        Ok(change.commit(&[RoleChange { user: None, from: Some(role), to: None }], revoked).await?)
    }

    async fn accept(&self, identity: &Identity, token: &InvitationToken) -> Result<UserTenant, AcceptError> {
        if self.is_personal() {
            return Err(AcceptError::NotFound);
        }
        let token_hash = hash_token(token);
        let mut lookup = self.system.begin(SystemReason::AcceptInvitation).await?;
        let tenant_id = acceptance::find_tenant(&mut lookup, token_hash).await?.ok_or(AcceptError::NotFound)?;
        // Its connection isn't kept while waiting.
        drop(lookup);
        let mut tx = self.system.begin_for_tenant(SystemReason::AcceptInvitation, tenant_id).await?;
        let invitation = self.lock_and_verify(&mut tx, tenant_id, identity, token_hash).await?;
        let OpenInvitation { id, invited_by, tenant, .. } = invitation.ok_or(AcceptError::NotFound)?;
        match acceptance::seat_status(&mut tx, tenant_id, identity.user()).await? {
            SeatStatus { member: true, .. } => return Err(AcceptError::AlreadyMember),
            SeatStatus { free_seats: ..=0, .. } => return Err(AcceptError::SeatLimitReached),
            SeatStatus { .. } => {}
        }
        if !acceptance::consume(&mut tx, tenant_id, token_hash).await? {
            return Err(AcceptError::NotFound);
        }
        if !create_membership(&mut tx, tenant_id, identity.user(), tenant.role.id).await? {
            return Err(AcceptError::AlreadyMember);
        }
        let accepted = InvitationAccepted { invitation: id, invited_by }.into_events();
        let events = accepted.and(MemberAdded { member: identity.user(), role: tenant.role.id });
        tx.commit(identity.caller(), SystemAuditEvents::of_tenant(tenant_id, events)).await?;
        Ok(tenant)
    }
}

impl InvitationService {
    /// Returns whether tenants are personal. Such a tenant has one member, so no user can be invited.
    fn is_personal(&self) -> bool {
        *self.tenancy == TenancyMode::Personal
    }

    /// Returns an error if this address can't be invited. The invitation `except` isn't counted.
    async fn ensure_invitable(
        &self,
        tx: &mut TenantTx,
        email: &Email,
        except: Option<InvitationId>,
    ) -> Result<(), InvitationsError> {
        if self.is_personal() {
            return Err(InvitationsError::PersonalMode);
        }
        match store::conflicts(tx, email, except).await? {
            InvitationConflicts { member: true, .. } => Err(InvitationsError::AlreadyMember),
            InvitationConflicts { invited: true, .. } => Err(InvitationsError::AlreadyInvited),
            InvitationConflicts { free_seats: ..=0, .. } => Err(InvitationsError::SeatLimitReached),
            InvitationConflicts { .. } => Ok(()),
        }
    }

    /// Locks the tenant as [`GuardedChange`] does, so that the state read here can't change until the transaction ends.
    /// Returns `None` if the invitation can't be accepted; the reason isn't disclosed.
    async fn lock_and_verify(
        &self,
        tx: &mut SystemTx,
        tenant_id: TenantId,
        identity: &Identity,
        token_hash: TokenHash,
    ) -> Result<Option<OpenInvitation>, AcceptError> {
        if lock_tenant(tx, tenant_id).await? != Some(TenantStatus::Active) {
            return Ok(None);
        }
        let invitation = acceptance::find_open(tx, tenant_id, token_hash).await?;
        let Some(invitation) = invitation else { return Ok(None) };
        let invited_by = invitation.invited_by;
        let Some(state) = read_policy_state(tx, tenant_id, invited_by).await? else { return Ok(None) };
        let may_grant = state.role.is_some_and(|inviter_role| {
            let inviter = Subject { role: inviter_role, user: Some(invited_by) };
            let invitee = Subject { role: invitation.tenant.role.id, user: Some(identity.user()) };
            may_invite_into_role(&state.tenant.policies, inviter, invitee)
        });
        Ok((invitation.email == *identity.email() && may_grant).then_some(invitation))
    }
}

/// Returns the role change that accepting an invitation makes. Its user isn't known before that.
fn invitee_role(role: RoleId) -> RoleChange {
    RoleChange { user: None, from: None, to: Some(role) }
}
