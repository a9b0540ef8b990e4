//! Replacing the embedded database as a whole, so that there is the old one or the new one at any moment.
//!
//! The new one is filled beside the old one, under another name. Then both change names in one transaction. What a
//! killed run leaves, under a name of its own, the next one removes.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use time::OffsetDateTime;

use super::{
    EmbeddedAdmin, AdminError, Migrator,
    embedded_admin::{migrator, owner_options},
    server::EMBEDDED_DATABASE,
    error::sqlstate,
};

/// The one that is being filled.
const NEW: &str = "tenantry_restoring";
/// The one that was replaced, and is about to be dropped.
const OLD: &str = "tenantry_replaced";

/// SQLSTATE: somebody is connected.
const OBJECT_IN_USE: &str = "55006";

/// A database that is to take the place of the program's own. Nothing of that is touched before [`StagedDatabase::swap`].
#[derive(Debug)]
pub struct StagedDatabase<'a> {
    care: &'a EmbeddedAdmin,
}

/// What became of the database before.
#[derive(Debug, PartialEq, Eq)]
pub enum OldDatabase {
    /// It was dropped.
    Dropped,
    /// It is kept under this name.
    Kept(String),
}

impl EmbeddedAdmin {
    /// Whether the program's database has anything in it that replacing it would cost.
    ///
    /// # Errors
    /// The database can't be asked.
    pub async fn has_data(&self) -> Result<bool, AdminError> {
        let mut connection = PgConnection::connect_with(&owner_options(self.connection_info(), EMBEDDED_DATABASE)).await?;
        let tables =
            "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema'))";
        let any = sqlx::query_scalar(tables).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(any)
    }

    /// Makes an empty database to be filled, with the roles that its contents will name.
    ///
    /// # Errors
    /// [`AdminError`], in one line.
    pub async fn create_staged(&self) -> Result<StagedDatabase<'_>, AdminError> {
        migrator(self.connection_info(), "postgres").ensure_roles().await?;
        let staged = StagedDatabase { care: self };
        let mut connection = staged.connect("postgres").await?;
        drop_database(&mut connection, OLD).await?;
        drop_database(&mut connection, NEW).await?;
        // Not the other template: what somebody put into it would be in the way of the same in the backup.
        execute(&mut connection, format!("CREATE DATABASE {NEW} TEMPLATE template0")).await?;
        connection.close().await?;
        Ok(staged)
    }
}

impl StagedDatabase<'_> {
    /// The name of the database to fill.
    pub fn database(&self) -> &'static str {
        NEW
    }

    /// Its migrations.
    pub fn migrator(&self) -> Migrator {
        migrator(self.care.connection_info(), NEW)
    }

    /// Gathers what the planner goes by; a backup doesn't hold it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn analyze(&self) -> Result<(), AdminError> {
        let mut connection = self.connect(NEW).await?;
        execute(&mut connection, "ANALYZE".into()).await?;
        Ok(connection.close().await?)
    }

    /// Puts it in the place of the program's database, which is kept under another name if that is asked for.
    ///
    /// # Errors
    /// [`AdminError::ConnectionsOpen`], and whatever else the database says; then the one before is still in its place.
    pub async fn swap(self, keep: bool) -> Result<OldDatabase, AdminError> {
        // Before the swap: with the mark of a new database still on it, the next start would put demo data into it.
        self.care.mark_initialized()?;
        let kept = keep.then(|| format!("tenantry_before_restore_{}", timestamp_suffix(OffsetDateTime::now_utc())));
        let old = kept.as_deref().unwrap_or(OLD);
        let mut connection = self.connect("postgres").await?;
        let rename = |from: &str, to: &str| format!("ALTER DATABASE {from} RENAME TO {to}");
        let swap = format!("BEGIN; {}; {}; COMMIT", rename(EMBEDDED_DATABASE, old), rename(NEW, EMBEDDED_DATABASE));
        execute(&mut connection, swap).await?;
        if kept.is_none() {
            drop_database(&mut connection, OLD).await?;
        }
        connection.close().await?;
        Ok(kept.map_or(OldDatabase::Dropped, OldDatabase::Kept))
    }

    /// Removes it again.
    ///
    /// # Errors
    /// The database refused; then the next [`EmbeddedAdmin::create_staged`] does it.
    pub async fn discard(self) -> Result<(), AdminError> {
        let mut connection = self.connect("postgres").await?;
        drop_database(&mut connection, NEW).await?;
        Ok(connection.close().await?)
    }

    async fn connect(&self, database: &str) -> Result<PgConnection, AdminError> {
        Ok(PgConnection::connect_with(&owner_options(self.care.connection_info(), database)).await?)
    }
}

/// Ends whoever is still connected: the server's side of a program that was just killed.
async fn drop_database(connection: &mut PgConnection, name: &str) -> Result<(), AdminError> {
    execute(connection, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), AdminError> {
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
        Err(error) if sqlstate(&error).as_deref() == Some(OBJECT_IN_USE) => Err(AdminError::ConnectionsOpen),
        outcome => Ok(outcome.map(drop)?),
    }
}

/// To the second, in digits: part of a name that needs no quotes.
fn timestamp_suffix(at: OffsetDateTime) -> String {
    let (date, time) = (at.date(), at.time());
    let (hour, minute, second) = time.as_hms();
    format!("{:04}{:02}{:02}_{hour:02}{minute:02}{second:02}", date.year(), u8::from(date.month()), date.day())
}
