//! Statements for accepting an invitation. The caller isn't a member yet, so there is no tenant scope: the first
//! statement finds the tenant by the token, and the others filter by its id. Nothing read before the
//! tenant was locked is trusted, except its id.

use authorization_api::{InvitationId, RoleSummary, UserTenant};
use db::{DbError, SystemTx};
use kernel::{Email, TenantId, UserId};

use crate::invitations::token::TokenHash;

/// An invitation that hasn't expired.
#[derive(Debug)]
pub(crate) struct OpenInvitation {
    pub(crate) id: InvitationId,
    pub(crate) email: Email,
    pub(crate) invited_by: UserId,
    /// The tenant and role that the invitee gets.
    pub(crate) tenant: UserTenant,
}

/// Whether a user needs a seat, and whether one is free.
#[derive(Debug)]
pub(crate) struct SeatStatus {
    /// The user is a member already.
    pub(crate) member: bool,
    /// Seats not taken by members; negative after the seat limit was lowered.
    pub(crate) free_seats: i64,
}

/// Returns the tenant to lock for the invitation with this token.
pub(crate) async fn find_tenant(tx: &mut SystemTx, token_hash: TokenHash) -> Result<Option<TenantId>, DbError> {
    // system: the tenant is unknown until its invitation's token is looked up.
    let tenant = sqlx::query_scalar!(
        "SELECT tenant_id
         FROM invitations
         WHERE token_hash = $1",
        token_hash.expose_hash(),
    );
    Ok(tenant.fetch_optional(tx.conn()).await?)
}

/// Returns the invitation with this token, unless it has expired.
pub(crate) async fn find_open(
    tx: &mut SystemTx,
    tenant: TenantId,
    token_hash: TokenHash,
) -> Result<Option<OpenInvitation>, DbError> {
    let invitation = sqlx::query!(
        "SELECT i.id, i.email, i.invited_by, i.role_id, r.name AS role_name, t.slug, t.name
         FROM invitations AS i
         JOIN roles AS r ON r.tenant_id = i.tenant_id AND r.id = i.role_id
         JOIN tenants AS t ON t.id = i.tenant_id
         WHERE i.tenant_id = $1 AND i.token_hash = $2 AND i.expires_at > statement_timestamp()",
        tenant.as_uuid(),
        token_hash.expose_hash(),
    )
    .map(|row| {
        let role = RoleSummary { id: row.role_id, name: row.role_name };
        let tenant = UserTenant { id: tenant, slug: row.slug, name: row.name, role };
        OpenInvitation { id: row.id, email: row.email, invited_by: row.invited_by, tenant }
    });
    Ok(invitation.fetch_optional(tx.conn()).await?)
}

/// Returns whether the user is a member and how many seats are free.
pub(crate) async fn seat_status(tx: &mut SystemTx, tenant: TenantId, user: UserId) -> Result<SeatStatus, DbError> {
    let status = sqlx::query_as!(
        SeatStatus,
        r#"SELECT
             EXISTS (
               SELECT
               FROM memberships AS m
               WHERE m.tenant_id = a.tenant_id AND m.user_id = $2
             ) AS "member!",
             a.seat_limit - (SELECT count(*) FROM memberships AS m WHERE m.tenant_id = a.tenant_id) AS "free_seats!"
           FROM tenant_attributes AS a
           WHERE a.tenant_id = $1"#,
        tenant.as_uuid(),
        user.as_uuid(),
    );
    Ok(status.fetch_one(tx.conn()).await?)
}

/// Deletes the invitation with this token. Returns `false` if it no longer exists.
pub(crate) async fn consume(tx: &mut SystemTx, tenant: TenantId, token_hash: TokenHash) -> Result<bool, DbError> {
    let consumed = sqlx::query!(
        "DELETE FROM invitations
         WHERE tenant_id = $1 AND token_hash = $2",
        tenant.as_uuid(),
        token_hash.expose_hash(),
    );
    Ok(consumed.execute(tx.conn()).await?.rows_affected() == 1)
}
