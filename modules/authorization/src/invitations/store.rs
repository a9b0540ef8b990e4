//! The table `invitations`.
//!
//! Every change takes the lock on the tenant's row first. Expiry is compared with `statement_timestamp()`, which is
//! taken after the wait for that lock, and not with the transaction's start.

use authorization_api::{Invitation, InvitationId, RoleSummary};
use db::{DbError, TenantReader, TenantTx};
use kernel::{Email, RoleId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{guarded_change::tx::GuardedTx, invitations::token::TokenHash};

/// How long an invitation can be accepted after it was created or resent.
const LIFETIME_DAYS: i32 = 7;

/// Reasons why an address can't be invited.
#[derive(Debug)]
pub(crate) struct InvitationConflicts {
    /// The address is that of a member.
    pub(crate) member: bool,
    /// Another invitation for the address is open.
    pub(crate) invited: bool,
    /// Seats not taken by members or other open invitations; negative after the seat limit was lowered.
    pub(crate) free_seats: i64,
}

#[derive(Debug)]
struct InvitationRow {
    id: InvitationId,
    email: Email,
    role_id: RoleId,
    role_name: String,
    invited_by: UserId,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    expired: bool,
}

impl From<InvitationRow> for Invitation {
    fn from(row: InvitationRow) -> Self {
        let InvitationRow { id, email, role_id, role_name, invited_by, created_at, expires_at, expired } = row;
        let role = RoleSummary { id: role_id, name: role_name };
        Self { id, email, role, invited_by, created_at, expires_at, expired }
    }
}

/// Returns at most `limit` invitations with ids greater than `after`, ordered by id.
pub(crate) async fn list(
    reader: &TenantReader,
    after: Option<InvitationId>,
    limit: u16,
) -> Result<Vec<Invitation>, DbError> {
    let (scope, after) = (reader.scope_argument(), after.map_or(Uuid::nil(), InvitationId::as_uuid));
    let query = || {
        sqlx::query_as!(
            InvitationRow,
            r#"SELECT i.id AS "id!: InvitationId", i.email AS "email!: Email", i.role_id AS "role_id!: RoleId",
                 i.role_name AS "role_name!", i.invited_by AS "invited_by!: UserId", i.created_at AS "created_at!",
                 i.expires_at AS "expires_at!", i.expired AS "expired!"
               FROM (SELECT admitted_scope($1) AS tenant_id OFFSET 0) AS s,
                 LATERAL (
                   SELECT i.id, i.email, i.role_id, r.name AS role_name, i.invited_by, i.created_at, i.expires_at,
                     i.expires_at <= statement_timestamp() AS expired
                   FROM invitations AS i
                   JOIN roles AS r ON r.tenant_id = i.tenant_id AND r.id = i.role_id
                   WHERE i.tenant_id = s.tenant_id AND i.id > $2
                   ORDER BY i.id
                   LIMIT $3
                 ) AS i
               ORDER BY i.id"#,
            scope,
            after,
            i64::from(limit),
        )
    };
    Ok(reader.fetch_all(query).await?.into_iter().map(Into::into).collect())
}

pub(crate) async fn find(tx: &mut TenantTx, id: InvitationId) -> Result<Option<Invitation>, DbError> {
    let invitation = sqlx::query_as!(
        InvitationRow,
        r#"SELECT i.id, i.email, i.role_id, r.name AS role_name, i.invited_by, i.created_at, i.expires_at,
             i.expires_at <= statement_timestamp() AS "expired!"
           FROM invitations AS i
           JOIN roles AS r ON r.tenant_id = i.tenant_id AND r.id = i.role_id
           WHERE i.tenant_id = $1 AND i.id = $2"#,
        tx.tenant().as_uuid(),
        id.as_uuid(),
    );
    Ok(invitation.fetch_optional(tx.conn()).await?.map(Into::into))
}

/// Returns what prevents inviting this address, ignoring the invitation `except`.
pub(crate) async fn conflicts(
    tx: &mut TenantTx,
    email: &Email,
    except: Option<InvitationId>,
) -> Result<InvitationConflicts, DbError> {
    let conflicts = sqlx::query_as!(
        InvitationConflicts,
        r#"SELECT
             EXISTS (
               SELECT
               FROM memberships AS m
               JOIN user_profiles AS p ON p.id = m.user_id
               WHERE m.tenant_id = a.tenant_id AND p.email = $2
             ) AS "member!",
             EXISTS (
               SELECT
               FROM invitations AS i
               WHERE i.tenant_id = a.tenant_id AND i.email = $2 AND i.id <> $3
                 AND i.expires_at > statement_timestamp()
             ) AS "invited!",
             a.seat_limit
               - (SELECT count(*) FROM memberships AS m WHERE m.tenant_id = a.tenant_id)
               - (
                 SELECT count(*)
                 FROM invitations AS i
                 WHERE i.tenant_id = a.tenant_id AND i.id <> $3 AND i.expires_at > statement_timestamp()
               ) AS "free_seats!"
           FROM tenant_attributes AS a
           WHERE a.tenant_id = $1"#,
        tx.tenant().as_uuid(),
        email.as_str(),
        except.map_or(Uuid::nil(), InvitationId::as_uuid),
    );
    Ok(conflicts.fetch_one(tx.conn()).await?)
}

/// A created invitation, and the expired one that it replaces.
pub(crate) struct CreatedInvitation {
    pub(crate) invitation: Invitation,
    pub(crate) replaced: Option<(InvitationId, RoleId)>,
}

/// Creates the invitation, replacing an expired one for the same address.
pub(crate) async fn create(
    tx: &mut GuardedTx,
    email: &Email,
    role: RoleId,
    invited_by: UserId,
    token_hash: TokenHash,
) -> Result<CreatedInvitation, DbError> {
    let tenant = tx.tenant().as_uuid();
    let replaced = sqlx::query!(
        r#"DELETE FROM invitations
           WHERE tenant_id = $1 AND email = $2 AND expires_at <= statement_timestamp()
           RETURNING id AS "id: InvitationId", role_id AS "role_id: RoleId""#,
        tenant,
        email.as_str(),
    )
    .map(|row| (row.id, row.role_id));
    let replaced = replaced.fetch_optional(tx.conn()).await?;
    let created = sqlx::query_as!(
        InvitationRow,
        r#"WITH i AS (
             INSERT INTO invitations (tenant_id, id, email, role_id, invited_by, token_hash, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, statement_timestamp(),
               statement_timestamp() + make_interval(days => $7))
             RETURNING *
           )
           SELECT i.id AS "id: InvitationId", i.email AS "email: Email", i.role_id AS "role_id: RoleId",
             (SELECT name FROM roles WHERE tenant_id = $1 AND id = $4) AS "role_name!",
             i.invited_by AS "invited_by: UserId", i.created_at, i.expires_at, false AS "expired!"
           FROM i"#,
        tenant,
        InvitationId::new().as_uuid(),
        email.as_str(),
        role.as_uuid(),
        invited_by.as_uuid(),
        token_hash.expose_hash(),
        LIFETIME_DAYS,
    );
    Ok(CreatedInvitation { invitation: created.fetch_one(tx.conn()).await?.into(), replaced })
}

/// Replaces the token and the inviter, and restarts the lifetime.
pub(crate) async fn resend(
    tx: &mut GuardedTx,
    id: InvitationId,
    invited_by: UserId,
    token_hash: TokenHash,
) -> Result<Option<Invitation>, DbError> {
    let resent = sqlx::query_as!(
        InvitationRow,
        r#"UPDATE invitations AS i
           SET invited_by = $3, token_hash = $4, expires_at = statement_timestamp() + make_interval(days => $5)
           FROM roles AS r
           WHERE i.tenant_id = $1 AND i.id = $2 AND r.tenant_id = i.tenant_id AND r.id = i.role_id
           RETURNING i.id, i.email, i.role_id, r.name AS role_name, i.invited_by, i.created_at, i.expires_at,
             false AS "expired!""#,
        tx.tenant().as_uuid(),
        id.as_uuid(),
        invited_by.as_uuid(),
        token_hash.expose_hash(),
        LIFETIME_DAYS,
    );
    Ok(resent.fetch_optional(tx.conn()).await?.map(Into::into))
}

/// Deletes the invitation. Returns its address and role, or `None` if there was none.
pub(crate) async fn revoke(tx: &mut GuardedTx, id: InvitationId) -> Result<Option<(Email, RoleId)>, DbError> {
    let revoked = sqlx::query!(
        r#"DELETE FROM invitations
           WHERE tenant_id = $1 AND id = $2
           RETURNING email AS "email: Email", role_id AS "role_id: RoleId""#,
        tx.tenant().as_uuid(),
        id.as_uuid(),
    )
    .map(|row| (row.email, row.role_id));
    Ok(revoked.fetch_optional(tx.conn()).await?)
}
