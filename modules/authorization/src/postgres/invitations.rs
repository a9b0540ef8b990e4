//! The table `invitations`, and what is asked together with it.
//!
//! Whoever changes it holds the lock on the tenant's row, which is always taken first. Whether one has expired is asked
//! of the statement's time, which begins after the wait for that lock, and not of the transaction's.

use async_trait::async_trait;
use kernel::{
    contracts::{Email, Invitation, InvitationId, RoleId, RoleSummary, UserId},
    db::{DbError, TenantReader, TenantTx},
};
use shaku::{Component, Interface};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::TokenHash;

/// How long an invitation can be accepted, from when it was sent last.
const LIFETIME_DAYS: i32 = 7;

/// What speaks against inviting an address.
#[derive(Debug)]
pub(crate) struct Obstacles {
    /// Somebody with this address is a member.
    pub(crate) member: bool,
    /// Another invitation to it is open.
    pub(crate) invited: bool,
    /// Seats that neither members nor other open invitations take; below zero where seats were taken away.
    pub(crate) free_seats: i64,
}

/// An invitation to be.
#[derive(Debug)]
pub(crate) struct NewInvitation<'a> {
    pub(crate) id: InvitationId,
    pub(crate) email: &'a Email,
    pub(crate) role: RoleId,
    pub(crate) invited_by: UserId,
    pub(crate) token_hash: TokenHash,
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

/// Invitations.
#[async_trait]
pub(crate) trait InvitationRepository: Interface {
    /// Invitations by id, from the first one after `after`; at most `limit`.
    async fn page(
        &self,
        reader: &TenantReader,
        after: Option<InvitationId>,
        limit: u16,
    ) -> Result<Vec<Invitation>, DbError>;

    /// One of them.
    async fn find(&self, tx: &mut TenantTx, id: InvitationId) -> Result<Option<Invitation>, DbError>;

    /// What speaks against inviting this address. The invitation `except`, if it is there, speaks against nothing.
    async fn obstacles(
        &self,
        tx: &mut TenantTx,
        email: &Email,
        except: Option<InvitationId>,
    ) -> Result<Obstacles, DbError>;

    /// Makes the invitation, in the place of one to the same address that has expired.
    async fn create(&self, tx: &mut TenantTx, new: &NewInvitation<'_>) -> Result<Invitation, DbError>;

    /// Gives it another token and its whole time again.
    async fn renew(
        &self,
        tx: &mut TenantTx,
        id: InvitationId,
        by: UserId,
        token_hash: TokenHash,
    ) -> Result<Option<Invitation>, DbError>;

    /// Takes it back. `false`: there is no such invitation.
    async fn revoke(&self, tx: &mut TenantTx, id: InvitationId) -> Result<bool, DbError>;
}

/// [`InvitationRepository`] in SQL.
#[derive(Component)]
#[shaku(interface = InvitationRepository)]
pub(crate) struct PgInvitationRepository;

#[async_trait]
impl InvitationRepository for PgInvitationRepository {
    async fn page(
        &self,
        reader: &TenantReader,
        after: Option<InvitationId>,
        limit: u16,
    ) -> Result<Vec<Invitation>, DbError> {
        let (tenant, after) = (reader.tenant().as_uuid(), after.map_or(Uuid::nil(), InvitationId::as_uuid));
        let query = || {
            sqlx::query_as!(
                InvitationRow,
                r#"SELECT i.id AS "id!: InvitationId", i.email AS "email!: Email", i.role_id AS "role_id!: RoleId",
                     i.role_name AS "role_name!", i.invited_by AS "invited_by!: UserId", i.created_at AS "created_at!",
                     i.expires_at AS "expires_at!", i.expired AS "expired!"
                   FROM (SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s,
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
                tenant,
                after,
                i64::from(limit),
            )
        };
        Ok(reader.fetch_all(query).await?.into_iter().map(Into::into).collect())
    }

    async fn find(&self, tx: &mut TenantTx, id: InvitationId) -> Result<Option<Invitation>, DbError> {
        let found = sqlx::query_as!(
            InvitationRow,
            r#"SELECT i.id, i.email, i.role_id, r.name AS role_name, i.invited_by, i.created_at, i.expires_at,
                 i.expires_at <= statement_timestamp() AS "expired!"
               FROM invitations AS i
               JOIN roles AS r ON r.tenant_id = i.tenant_id AND r.id = i.role_id
               WHERE i.tenant_id = $1 AND i.id = $2"#,
            tx.tenant().as_uuid(),
            id.as_uuid(),
        );
        Ok(found.fetch_optional(&mut ***tx).await?.map(Into::into))
    }

    async fn obstacles(
        &self,
        tx: &mut TenantTx,
        email: &Email,
        except: Option<InvitationId>,
    ) -> Result<Obstacles, DbError> {
        let obstacles = sqlx::query_as!(
            Obstacles,
            r#"SELECT
                 EXISTS (
                   SELECT
                   FROM memberships AS m
                   JOIN people AS p ON p.id = m.user_id
                   WHERE m.tenant_id = a.tenant_id AND p.email = $2
                 ) AS "member!",
                 EXISTS (
                   SELECT
                   FROM invitations AS i
                   WHERE i.tenant_id = a.tenant_id AND i.email = $2 AND i.id <> $3
                     AND i.expires_at > statement_timestamp()
                 ) AS "invited!",
                 a.max_users
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
        Ok(obstacles.fetch_one(&mut ***tx).await?)
    }

    async fn create(&self, tx: &mut TenantTx, new: &NewInvitation<'_>) -> Result<Invitation, DbError> {
        let tenant = tx.tenant().as_uuid();
        sqlx::query!(
            "DELETE FROM invitations
             WHERE tenant_id = $1 AND email = $2 AND expires_at <= statement_timestamp()",
            tenant,
            new.email.as_str(),
        )
        .execute(&mut ***tx)
        .await?;
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
            new.id.as_uuid(),
            new.email.as_str(),
            new.role.as_uuid(),
            new.invited_by.as_uuid(),
            new.token_hash.as_slice(),
            LIFETIME_DAYS,
        );
        Ok(created.fetch_one(&mut ***tx).await?.into())
    }

    async fn renew(
        &self,
        tx: &mut TenantTx,
        id: InvitationId,
        by: UserId,
        token_hash: TokenHash,
    ) -> Result<Option<Invitation>, DbError> {
        let renewed = sqlx::query_as!(
            InvitationRow,
            r#"UPDATE invitations AS i
               SET invited_by = $3, token_hash = $4, expires_at = statement_timestamp() + make_interval(days => $5)
               FROM roles AS r
               WHERE i.tenant_id = $1 AND i.id = $2 AND r.tenant_id = i.tenant_id AND r.id = i.role_id
               RETURNING i.id, i.email, i.role_id, r.name AS role_name, i.invited_by, i.created_at, i.expires_at,
                 false AS "expired!""#,
            tx.tenant().as_uuid(),
            id.as_uuid(),
            by.as_uuid(),
            token_hash.as_slice(),
            LIFETIME_DAYS,
        );
        Ok(renewed.fetch_optional(&mut ***tx).await?.map(Into::into))
    }

    async fn revoke(&self, tx: &mut TenantTx, id: InvitationId) -> Result<bool, DbError> {
        let revoked = sqlx::query!(
            "DELETE FROM invitations
             WHERE tenant_id = $1 AND id = $2",
            tx.tenant().as_uuid(),
            id.as_uuid(),
        );
        Ok(revoked.execute(&mut ***tx).await?.rows_affected() == 1)
    }
}
