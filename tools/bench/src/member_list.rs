//! The member list of the programs in Rust that tenantry is compared with: the query, and the JSON of the response.

use serde::Serialize;
use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

/// A page of members, as `GET /v1/members` of tenantry returns it.
#[derive(Debug, Serialize)]
pub struct Page {
    members: Vec<Member>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

#[derive(Debug, Serialize)]
struct Member {
    id: Uuid,
    email: String,
    display_name: String,
    role: Role,
    #[serde(with = "time::serde::rfc3339")]
    member_since: OffsetDateTime,
    active: bool,
}

#[derive(Debug, Serialize)]
struct Role {
    id: Uuid,
    name: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    user_id: Uuid,
    email: String,
    display_name: String,
    deactivated_at: Option<OffsetDateTime>,
    role_id: Uuid,
    role: String,
    created_at: OffsetDateTime,
}

/// The query of tenantry's `GET /v1/members`, without setting the scope for row-level security.
const LIST: &str = "
    SELECT m.user_id, u.email, u.display_name, u.deactivated_at, m.role_id, r.name AS role, m.created_at
    FROM (
      SELECT m.user_id, m.role_id, m.created_at
      FROM memberships AS m
      WHERE m.tenant_id = $1 AND m.user_id > coalesce($2, '00000000-0000-0000-0000-000000000000'::uuid)
      ORDER BY m.user_id
      LIMIT $3
    ) AS m
    JOIN roles AS r ON r.tenant_id = $1 AND r.id = m.role_id
    JOIN users AS u ON u.id = m.user_id
    ORDER BY m.user_id";

/// Returns up to `limit` members of a tenant, from the first one after the cursor, ordered by user id.
///
/// # Errors
/// The database can't be read.
#[expect(clippy::disallowed_methods, reason = "the compared programs use sqlx directly")]
pub async fn page(database: impl PgExecutor<'_>, tenant: Uuid, cursor: Option<Uuid>, limit: u8) -> sqlx::Result<Page> {
    let list = sqlx::query_as::<_, Row>(LIST).bind(tenant).bind(cursor).bind(i64::from(limit) + 1);
    let mut rows = list.fetch_all(database).await?;
    let limit = usize::from(limit);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| more).map(|row| row.user_id);
    let members = rows.into_iter().map(|row| Member {
        id: row.user_id,
        email: row.email,
        display_name: row.display_name,
        role: Role { id: row.role_id, name: row.role },
        member_since: row.created_at,
        active: row.deactivated_at.is_none(),
    });
    Ok(Page { members: members.collect(), next_cursor })
}
