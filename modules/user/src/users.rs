//! The table `users`.

use std::sync::Arc;

use async_trait::async_trait;
use db::{Database, DbError, Reader, SystemTx, Tx};
use kernel::{ActiveUser, ActiveUsers, Email, Identity, PortError, UserId};
use shaku::Component;
use user_api::{DisplayName, NewUser, User, UserRepository};

/// [`UserRepository`] in SQL.
#[derive(Component)]
#[shaku(interface = UserRepository)]
pub(crate) struct PgUserRepository;

#[async_trait]
impl UserRepository for PgUserRepository {
    async fn find_active(&self, tx: &mut Tx, id: UserId) -> Result<Option<User>, DbError> {
        let user = sqlx::query_as!(
            User,
            "SELECT id, email, display_name, created_at, updated_at, deactivated_at
             FROM users
             WHERE id = $1 AND deactivated_at IS NULL",
            id.as_uuid(),
        );
        Ok(user.fetch_optional(tx.conn()).await?)
    }

    async fn find_active_by_email(&self, tx: &mut Tx, email: &Email) -> Result<Option<User>, DbError> {
        let user = sqlx::query_as!(
            User,
            "SELECT id, email, display_name, created_at, updated_at, deactivated_at
             FROM users
             WHERE email = $1 AND deactivated_at IS NULL",
            email.as_str(),
        );
        Ok(user.fetch_optional(tx.conn()).await?)
    }

    async fn find_many(&self, tx: &mut Tx, ids: &[UserId]) -> Result<Vec<User>, DbError> {
        let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
        let users = sqlx::query_as!(
            User,
            "SELECT id, email, display_name, created_at, updated_at, deactivated_at
             FROM users
             WHERE id = ANY ($1)",
            &ids,
        );
        Ok(users.fetch_all(tx.conn()).await?)
    }

    async fn create(&self, tx: &mut SystemTx, user: &NewUser) -> Result<bool, DbError> {
        // Only a duplicate id is ignored. A duplicate email address is an error.
        let created = sqlx::query!(
            "INSERT INTO users (id, email, display_name)
             VALUES ($1, $2, $3)
             ON CONFLICT (id) DO NOTHING",
            user.id.as_uuid(),
            user.email.as_str(),
            user.display_name,
        );
        Ok(created.execute(tx.conn()).await?.rows_affected() == 1)
    }

    async fn deactivate(&self, tx: &mut SystemTx, id: UserId) -> Result<bool, DbError> {
        let deactivated = sqlx::query!(
            "UPDATE users
             SET deactivated_at = now(), updated_at = now()
             WHERE id = $1 AND deactivated_at IS NULL",
            id.as_uuid(),
        );
        Ok(deactivated.execute(tx.conn()).await?.rows_affected() == 1)
    }
}

/// Returns the user, or `None` if they are unknown or deactivated. The statement sets its own scope and takes one round
/// trip, where a transaction takes three.
pub(crate) async fn find_active(reader: &Reader, id: UserId) -> Result<Option<User>, DbError> {
    let id = id.as_uuid();
    let query = || {
        sqlx::query_as!(
            User,
            r#"SELECT u.id AS "id!: UserId", u.email AS "email!: Email", u.display_name AS "display_name!",
                 u.created_at AS "created_at!", u.updated_at AS "updated_at!", u.deactivated_at
               FROM (SELECT user_scope($1) AS user_id OFFSET 0) AS s,
                 LATERAL (
                   SELECT u.id, u.email, u.display_name, u.created_at, u.updated_at, u.deactivated_at
                   FROM users AS u
                   WHERE u.id = s.user_id AND u.deactivated_at IS NULL
                   OFFSET 0
                 ) AS u"#,
            id,
        )
    };
    reader.fetch_optional(query).await
}

/// A renamed user.
pub(crate) struct Renamed {
    pub(crate) user: User,
    pub(crate) former_name: DisplayName,
}

/// Changes the calling user's display name. Returns `None` if they are deactivated. The user's id comes from the
/// identity alone, so no caller can rename another user.
pub(crate) async fn rename(
    tx: &mut SystemTx,
    identity: &Identity,
    name: &DisplayName,
) -> Result<Option<Renamed>, DbError> {
    let renamed = sqlx::query!(
        r#"UPDATE users AS u
           SET display_name = $2, updated_at = now()
           FROM (SELECT id, display_name FROM users WHERE id = $1 AND deactivated_at IS NULL FOR UPDATE) AS former
           WHERE u.id = former.id
           RETURNING u.id, u.email, u.display_name, u.created_at, u.updated_at, u.deactivated_at,
             former.display_name AS "former_name: DisplayName""#,
        identity.user().as_uuid(),
        name.as_str(),
    )
    .map(|row| Renamed {
        user: User {
            id: row.id,
            email: row.email,
            display_name: row.display_name,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deactivated_at: row.deactivated_at,
        },
        former_name: row.former_name,
    });
    Ok(renamed.fetch_optional(tx.conn()).await?)
}

/// Finds the caller of a request.
#[derive(Component)]
#[shaku(interface = ActiveUsers)]
pub(crate) struct ActiveUserService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
}

#[async_trait]
impl ActiveUsers for ActiveUserService {
    async fn find_active(&self, id: UserId) -> Result<Option<ActiveUser>, PortError> {
        let user = find_active(&self.database.reader(), id).await?;
        Ok(user.map(|user| ActiveUser { id: user.id, email: user.email }))
    }
}
