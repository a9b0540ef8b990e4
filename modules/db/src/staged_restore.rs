//! Atomic replacement of the embedded database.
//!
//! The new database is filled under a temporary name. Then old and new are renamed in one transaction, so that one of
//! them is in place at any moment. Databases left behind by a killed run have fixed names, and the next run drops
//! them.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use time::OffsetDateTime;

use super::{
    AdminError, EmbeddedAdmin, Migrator, constants::EMBEDDED_DATABASE, embedded_admin::migrator, sqlstate::sqlstate,
};

/// Name of the database being filled.
const STAGED_DATABASE: &str = "tenantry_restoring";
/// Name of the replaced database before it is dropped.
const REPLACED_DATABASE: &str = "tenantry_replaced";

/// SQLSTATE: there are connections to the database.
const OBJECT_IN_USE: &str = "55006";

/// A database that will replace the application's. The latter isn't touched before [`StagedDatabase::swap`].
#[derive(Debug)]
pub struct StagedDatabase<'a> {
    admin: &'a EmbeddedAdmin,
}

/// What happened to the replaced database.
#[derive(Debug, PartialEq, Eq)]
pub enum OldDatabase {
    /// It was dropped.
    Dropped,
    /// It was kept under this name.
    Kept(String),
}

impl EmbeddedAdmin {
    /// Returns whether the application's database contains tables, which replacing it would lose.
    pub async fn has_data(&self) -> Result<bool, AdminError> {
        let mut connection = self.connect(EMBEDDED_DATABASE).await?;
        let tables =
            "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema'))";
        let has_tables = sqlx::query_scalar(tables).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(has_tables)
    }

    /// Creates an empty staged database, and the roles that its contents refer to.
    pub async fn create_staged(&self) -> Result<StagedDatabase<'_>, AdminError> {
        migrator(self.connection_info(), "postgres").ensure_roles().await?;
        let mut connection = self.connect("postgres").await?;
        drop_database(&mut connection, REPLACED_DATABASE).await?;
        drop_database(&mut connection, STAGED_DATABASE).await?;
        // Not `template1`: objects that an administrator added to it would conflict with those in the backup.
        execute(&mut connection, format!("CREATE DATABASE {STAGED_DATABASE} TEMPLATE template0")).await?;
        connection.close().await?;
        Ok(StagedDatabase { admin: self })
    }
}

impl StagedDatabase<'_> {
    /// Returns the name of the staged database.
    pub fn database(&self) -> &'static str {
        STAGED_DATABASE
    }

    /// Returns a migration runner for the staged database.
    pub fn migrator(&self) -> Migrator {
        migrator(self.admin.connection_info(), STAGED_DATABASE)
    }

    /// Replaces the application's database, which is kept under another name if `keep` is set, or else dropped.
    ///
    /// # Errors
    /// [`AdminError::ConnectionsOpen`] or another [`AdminError`]; the old database is then still in place.
    pub async fn swap(self, keep: bool) -> Result<OldDatabase, AdminError> {
        // Before the swap: if the initial set-up stayed marked as pending, the next start would seed demo data.
        self.admin.mark_initialized()?;
        let kept = keep.then(|| format!("tenantry_before_restore_{}", timestamp_suffix(OffsetDateTime::now_utc())));
        let old = kept.as_deref().unwrap_or(REPLACED_DATABASE);
        let mut connection = self.admin.connect("postgres").await?;
        let rename = |from: &str, to: &str| format!("ALTER DATABASE {from} RENAME TO {to}");
        let swap = format!(
            "BEGIN; {}; {}; COMMIT",
            rename(EMBEDDED_DATABASE, old),
            rename(STAGED_DATABASE, EMBEDDED_DATABASE)
        );
        execute(&mut connection, swap).await?;
        if kept.is_none() {
            drop_database(&mut connection, REPLACED_DATABASE).await?;
        }
        connection.close().await?;
        Ok(kept.map_or(OldDatabase::Dropped, OldDatabase::Kept))
    }

    /// Drops the staged database.
    ///
    /// # Errors
    /// [`AdminError`]; the next [`EmbeddedAdmin::create_staged`] then drops it.
    pub async fn discard(self) -> Result<(), AdminError> {
        let mut connection = self.admin.connect("postgres").await?;
        drop_database(&mut connection, STAGED_DATABASE).await?;
        Ok(connection.close().await?)
    }
}

/// `FORCE` terminates remaining connections: server processes of a client that was just killed.
async fn drop_database(connection: &mut PgConnection, name: &str) -> Result<(), AdminError> {
    execute(connection, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), AdminError> {
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
        Err(error) if sqlstate(&error).as_deref() == Some(OBJECT_IN_USE) => Err(AdminError::ConnectionsOpen),
        outcome => Ok(outcome.map(drop)?),
    }
}

/// Digits to the second, so that the database name needs no quotes.
fn timestamp_suffix(at: OffsetDateTime) -> String {
    let (date, time) = (at.date(), at.time());
    let (hour, minute, second) = time.as_hms();
    format!("{:04}{:02}{:02}_{hour:02}{minute:02}{second:02}", date.year(), u8::from(date.month()), date.day())
}
