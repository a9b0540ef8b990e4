//! What accepting an invitation asks and writes. There is no scope: whoever accepts isn't a member yet. So each statement
//! names the tenant, whose lock is held before anything but its id is believed.

use async_trait::async_trait;
use kernel::{
    contracts::{Email, InvitationId, MyTenant, RoleId, RoleSummary, TenantId, UserId},
    db::{DbError, SystemTx},
};
use shaku::{Component, Interface};

use crate::domain::TokenHash;

/// An invitation that hasn't expired.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) email: Email,
    pub(crate) invited_by: UserId,
    /// What whoever accepts it will see of the tenant.
    pub(crate) tenant: MyTenant,
}

/// Whether somebody can come in.
#[derive(Debug)]
pub(crate) struct Room {
    /// They are in already.
    pub(crate) member: bool,
    /// Seats that members don't take.
    pub(crate) free_seats: i64,
}

/// Invitations on their way to becoming memberships.
#[async_trait]
pub(crate) trait AcceptanceRepository: Interface {
    /// Which tenant to lock for an invitation with this token.
    async fn tenant_of(&self, tx: &mut SystemTx, token_hash: TokenHash) -> Result<Option<TenantId>, DbError>;

    /// The invitation with this token, if it stands.
    async fn standing(
        &self,
        tx: &mut SystemTx,
        tenant: TenantId,
        token_hash: TokenHash,
    ) -> Result<Option<Standing>, DbError>;

    /// Whether the person can come in.
    async fn room(&self, tx: &mut SystemTx, tenant: TenantId, user: UserId) -> Result<Room, DbError>;

    /// Uses the invitation with this token up. `false`: there is none any more.
    async fn take(&self, tx: &mut SystemTx, tenant: TenantId, token_hash: TokenHash) -> Result<bool, DbError>;
}

/// [`AcceptanceRepository`] in SQL.
#[derive(Component)]
#[shaku(interface = AcceptanceRepository)]
pub(crate) struct PgAcceptanceRepository;

#[async_trait]
impl AcceptanceRepository for PgAcceptanceRepository {
    async fn tenant_of(&self, tx: &mut SystemTx, token_hash: TokenHash) -> Result<Option<TenantId>, DbError> {
        // system: whose invitation it is, its token alone tells.
        let tenant = sqlx::query_scalar!(
            "SELECT tenant_id
             FROM invitations
             WHERE token_hash = $1",
            token_hash.as_slice(),
        );
        Ok(tenant.fetch_optional(&mut ***tx).await?)
    }

    async fn standing(
        &self,
        tx: &mut SystemTx,
        tenant: TenantId,
        token_hash: TokenHash,
    ) -> Result<Option<Standing>, DbError> {
        let row = sqlx::query!(
            "SELECT i.email, i.invited_by, i.role_id, r.name AS role_name, t.slug, t.name
             FROM invitations AS i
             JOIN roles AS r ON r.tenant_id = i.tenant_id AND r.id = i.role_id
             JOIN tenants AS t ON t.id = i.tenant_id
             WHERE i.tenant_id = $1 AND i.token_hash = $2 AND i.expires_at > statement_timestamp()",
            tenant.as_uuid(),
            token_hash.as_slice(),
        )
        .fetch_optional(&mut ***tx)
        .await?;
        Ok(row.map(|row| {
            let role = RoleSummary { id: row.role_id, name: row.role_name };
            let tenant = MyTenant { id: tenant, slug: row.slug, name: row.name, role };
            Standing { email: row.email, invited_by: row.invited_by, tenant }
        }))
    }

    async fn room(&self, tx: &mut SystemTx, tenant: TenantId, user: UserId) -> Result<Room, DbError> {
        let room = sqlx::query_as!(
            Room,
            r#"SELECT
                 EXISTS (
                   SELECT
                   FROM memberships AS m
                   WHERE m.tenant_id = a.tenant_id AND m.user_id = $2
                 ) AS "member!",
                 a.max_users - (SELECT count(*) FROM memberships AS m WHERE m.tenant_id = a.tenant_id) AS "free_seats!"
               FROM tenant_attributes AS a
               WHERE a.tenant_id = $1"#,
            tenant.as_uuid(),
            user.as_uuid(),
        );
        Ok(room.fetch_one(&mut ***tx).await?)
    }

    async fn take(&self, tx: &mut SystemTx, tenant: TenantId, token_hash: TokenHash) -> Result<bool, DbError> {
        let taken = sqlx::query!(
            "DELETE FROM invitations
             WHERE tenant_id = $1 AND token_hash = $2",
            tenant.as_uuid(),
            token_hash.as_slice(),
        );
        Ok(taken.execute(&mut ***tx).await?.rows_affected() == 1)
    }
}

/// Makes an invitation that has expired, for the demo: its token is nobody's. `false`: there is one with this id or to this
/// address already, and it stays as it is.
pub(crate) async fn create_expired_invitation(
    tx: &mut SystemTx,
    tenant: TenantId,
    id: InvitationId,
    email: &Email,
    role: RoleId,
    invited_by: UserId,
) -> Result<bool, DbError> {
    // The SHA-256 of a text that isn't 32 bytes long: no token has it.
    let created = sqlx::query!(
        "INSERT INTO invitations (tenant_id, id, email, role_id, invited_by, token_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, sha256(($2::uuid)::text::bytea), '2026-01-01Z', '2026-01-08Z')
         ON CONFLICT DO NOTHING",
        tenant.as_uuid(),
        id.as_uuid(),
        email.as_str(),
        role.as_uuid(),
        invited_by.as_uuid(),
    );
    Ok(created.execute(&mut ***tx).await?.rows_affected() == 1)
}
