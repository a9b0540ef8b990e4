//! The migration runner. Runs as the owner, on a separate connection.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, SqlSafeStr,
    migrate::{Migrate, MigrateError as SqlxMigrateError, Migration},
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    AccessChanged, MigrateError, OpenError, PoolerDetected, RoleNames,
    database_url::Address,
    error::is_pooler_rejection,
    recorded_access::{self, AccessCheck},
    roles,
    sqlstate::{INSUFFICIENT_PRIVILEGE, UNDEFINED_TABLE, sqlstate},
};

/// The migrations compiled into this program.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// Table of the applied migrations.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// Key of the advisory lock: "tenantry" on a telephone keypad. Must never change.
const ADVISORY_LOCK_KEY: i64 = 8_368_268;

/// Session settings of migrations, in the form in which the server shows them.
const SESSION_SETTINGS: [(&str, &str); 4] = [
    // A backfill that forgets to set its role must fail; row-level security would silently change no rows.
    ("row_security", "off"),
    // A migration waiting for a table lock blocks all later statements on the table.
    ("lock_timeout", "10s"),
    // A long statement blocks others with its locks. A migration that needs longer uses SET LOCAL.
    ("statement_timeout", "10min"),
    // If the program hangs between two statements, the locks of the migration are released.
    ("idle_in_transaction_session_timeout", "1min"),
];

/// Default time to wait for a concurrent migration.
const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// A migration and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Version number.
    pub version: i64,
    /// The rest of the file name: the module that owns it.
    pub name: String,
    /// Its state.
    pub state: MigrationState,
}

/// State of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationState {
    /// Applied.
    Applied,
    /// Not applied yet.
    Pending,
    /// Applied, but the file has been changed since.
    Changed,
    /// Applied by a newer version of the program.
    Unknown,
}

/// The versions and checksums recorded in a database.
pub(super) struct AppliedMigrations(Vec<(i64, Vec<u8>)>);

impl AppliedMigrations {
    /// Reads as the application, which is granted access only when a migration run completes. `None`: no access yet.
    pub(super) async fn read_as_application(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        match Self::read(connection).await {
            Err(error) if sqlstate(&error).as_deref() == Some(INSUFFICIENT_PRIVILEGE) => Ok(None),
            outcome => outcome,
        }
    }

    /// Returns `None` if the database has never been migrated.
    async fn read(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        let sql = format!("SELECT version, checksum FROM {MIGRATIONS_TABLE} WHERE success ORDER BY version");
        match sqlx::query_as(AssertSqlSafe(sql)).fetch_all(connection).await {
            Ok(rows) => Ok(Some(Self(rows))),
            Err(error) if sqlstate(&error).as_deref() == Some(UNDEFINED_TABLE) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fails if these aren't exactly the migrations of the program.
    pub(super) fn ensure_current(&self) -> Result<(), OpenError> {
        let states = self.states(&MIGRATIONS);
        let count = |state| states.iter().filter(|s| s.state == state).count();
        let remedy = if count(MigrationState::Unknown) > 0 {
            "run the version of the program that migrated it, or a newer one"
        } else if count(MigrationState::Changed) > 0 {
            "run the version of the program that migrated it, or restore the changed migrations"
        } else {
            "run `tenantry migrate run`"
        };
        let differences: Vec<String> = [
            (MigrationState::Pending, "pending"),
            (MigrationState::Changed, "changed since they were applied"),
            (MigrationState::Unknown, "applied by a newer version of the program"),
        ]
        .into_iter()
        .filter(|(state, _)| count(*state) > 0)
        .map(|(state, description)| format!("{} {description}", count(state)))
        .collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(OpenError::SchemaNotCurrent { detail: format!("migrations: {}", differences.join(", ")), remedy })
    }

    fn states(&self, migrations: &sqlx::migrate::Migrator) -> Vec<MigrationStatus> {
        let up = migrations.iter().filter(|m| !m.migration_type.is_down_migration());
        let mut all: Vec<MigrationStatus> = up
            .map(|m| MigrationStatus { version: m.version, name: m.description.to_string(), state: self.state_of(m) })
            .collect();
        let unknown = self.0.iter().filter(|(version, _)| !migrations.version_exists(*version));
        all.extend(unknown.map(|(version, _)| MigrationStatus {
            version: *version,
            name: "(not in this program)".into(),
            state: MigrationState::Unknown,
        }));
        all
    }

    fn state_of(&self, migration: &Migration) -> MigrationState {
        match self.0.iter().find(|(version, _)| *version == migration.version) {
            None => MigrationState::Pending,
            Some((_, checksum)) if *checksum == *migration.checksum => MigrationState::Applied,
            Some(_) => MigrationState::Changed,
        }
    }
}

/// Applies, lists and reverts migrations.
#[derive(Debug, Clone)]
pub struct Migrator {
    owner: PgConnectOptions,
    app_login: String,
    roles: RoleNames,
    migrations: Arc<sqlx::migrate::Migrator>,
    lock_timeout: Duration,
}

impl Migrator {
    pub(super) fn new(owner: PgConnectOptions, app_login: String, roles: RoleNames) -> Self {
        let owner = owner.options(SESSION_SETTINGS).options([("client_min_messages", "warning")]);
        let migrations = without_locking(MIGRATIONS.iter().map(|migration| with_roles(migration, &roles)).collect());
        Self { owner, app_login, roles, migrations, lock_timeout: DEFAULT_LOCK_TIMEOUT }
    }

    /// Adds migrations that aren't files. For tests.
    #[must_use]
    pub fn with_extra(self, extra: impl IntoIterator<Item = Migration>) -> Self {
        let extra = extra.into_iter().map(|migration| with_roles(&migration, &self.roles));
        let migrations = without_locking(self.migrations.iter().cloned().chain(extra).collect());
        Self { migrations, ..self }
    }

    /// Sets the time to wait for a concurrent migration. For tests.
    #[must_use]
    pub fn with_lock_timeout(self, lock_timeout: Duration) -> Self {
        Self { lock_timeout, ..self }
    }

    /// Creates the roles, grants them to the application login, and applies pending migrations. Returns those
    /// applied.
    ///
    /// # Errors
    /// [`MigrateError`]. A login that isn't the owner's and an incompatible history are rejected before anything is
    /// changed. If a migration fails, the ones before it stay applied.
    pub async fn run(&self) -> Result<Vec<MigrationStatus>, MigrateError> {
        let mut connection = self.acquire_lock().await?;
        let states = self.states(&mut connection).await?;
        let is_new = states.iter().all(|migration| migration.state == MigrationState::Pending);
        let pending = in_state(states, MigrationState::Pending)?;
        if !is_new && !roles::exists(&mut connection, self.roles.app()).await? {
            return Err(MigrateError::RolesMissing { roles: self.roles.clone() });
        }
        self.ensure_access_unchanged(&mut connection, is_new).await?;
        roles::ensure(&mut connection, &self.app_login, &self.roles).await?;
        connection.ensure_migrations_table(MIGRATIONS_TABLE).await.map_err(migrate_error)?;
        let applied = match pending.is_empty() {
            true => Ok(()),
            false => {
                let pool = self.single_connection_pool().await?;
                let applied = self.migrations.run(&pool).await.map_err(migrate_error);
                pool.close().await;
                applied
            }
        };
        // Also if a migration failed: those before it stay applied, and a restore takes policies and grants from the record.
        let recorded = recorded_access::record(&mut connection, &self.roles).await;
        applied?;
        recorded?;
        // Readiness checks compare this table with the program's migrations.
        sqlx::raw_sql(AssertSqlSafe(format!("GRANT SELECT ON {MIGRATIONS_TABLE} TO {}", self.roles.quoted_app())))
            .execute(&mut connection)
            .await?;
        roles::restrict_database(&mut connection, &self.app_login).await?;
        roles::warn_about_create_role(&mut connection).await?;
        connection.close().await?;
        Ok(pending)
    }

    /// Creates the roles and grants them to the application login, since the grants and policies in a backup refer
    /// to them. [`Migrator::run`] does the same before the first migration.
    pub async fn ensure_roles(&self) -> Result<(), MigrateError> {
        let mut connection = self.acquire_lock().await?;
        roles::ensure(&mut connection, &self.app_login, &self.roles).await?;
        connection.close().await?;
        Ok(())
    }

    /// Returns SQL that completes a restore in the transaction that has restored tables and rows: it creates the
    /// policies and grants and collects planner statistics.
    ///
    /// It fails if the backup contains a migration that isn't this program's, or was made after an interrupted run.
    pub fn restore_sql(&self) -> String {
        let known = self.migrations.iter().filter(|m| !m.migration_type.is_down_migration()).map(|m| {
            let checksum: String = m.checksum.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("({}, '\\x{checksum}'::bytea)", m.version)
        });
        format!(
            "SET LOCAL search_path = public;
            SET LOCAL client_min_messages = error;
            DO $check$
            DECLARE
              unknown text;
            BEGIN
              SELECT string_agg(to_char(version, 'FM0000'), ', ' ORDER BY version) INTO unknown
              FROM {MIGRATIONS_TABLE}
              WHERE (version, checksum) NOT IN (VALUES {});
              IF unknown IS NOT NULL THEN
                RAISE EXCEPTION 'migration % was applied by a newer version of the program or has changed; use that version', unknown;
              END IF;
            END
            $check$;
            {}
            ANALYZE;",
            known.collect::<Vec<_>>().join(", "),
            recorded_access::restore_sql(&self.roles)
        )
    }

    /// Restricts who may connect to a restored database. Returns the differences between the access as migrated and that
    /// in the backup, which remain if it was changed by hand before the backup.
    ///
    /// # Errors
    /// [`MigrateError`]. [`Migrator::run`] does the same.
    pub async fn complete_restore(&self) -> Result<Option<AccessChanged>, MigrateError> {
        let mut connection = self.acquire_lock().await?;
        roles::restrict_database(&mut connection, &self.app_login).await?;
        let check = recorded_access::check(&mut connection, &self.roles).await?;
        connection.close().await?;
        Ok(match check {
            AccessCheck::Changed(differences) => Some(AccessChanged { differences }),
            AccessCheck::Unknown | AccessCheck::Unchanged => None,
        })
    }

    /// Returns the versions of the applied migrations, provided that a backup of the database can be restored.
    ///
    /// # Errors
    /// There are none, or the last run was interrupted and has recorded no policies and grants.
    pub async fn versions_to_back_up(&self) -> Result<Vec<i64>, MigrateError> {
        let mut connection = self.connect().await?;
        let applied = AppliedMigrations::read(&mut connection).await?.map(|applied| applied.0).unwrap_or_default();
        if applied.is_empty() {
            return Err(MigrateError::NothingToBackUp);
        }
        if !recorded_access::is_recorded(&mut connection).await? {
            return Err(MigrateError::Interrupted);
        }
        connection.close().await?;
        Ok(applied.into_iter().map(|(version, _)| version).collect())
    }

    /// Returns what [`Migrator::run`] would apply. Changes nothing.
    pub async fn plan(&self) -> Result<Vec<MigrationStatus>, MigrateError> {
        in_state(self.status().await?, MigrationState::Pending)
    }

    /// Returns all migrations with their states. Changes nothing.
    pub async fn status(&self) -> Result<Vec<MigrationStatus>, MigrateError> {
        let mut connection = self.connect().await?;
        let states = self.states(&mut connection).await?;
        connection.close().await?;
        Ok(states)
    }

    /// Reverts the newest `steps` applied migrations and returns them, newest first.
    ///
    /// The roles are kept, since they are shared by all databases of the server.
    ///
    /// # Errors
    /// [`MigrateError`]. What was reverted before the failure stays reverted.
    pub async fn revert(&self, steps: usize) -> Result<Vec<MigrationStatus>, MigrateError> {
        let mut connection = self.acquire_lock().await?;
        let mut applied = in_state(self.states(&mut connection).await?, MigrationState::Applied)?;
        self.ensure_access_unchanged(&mut connection, applied.is_empty()).await?;
        let target = applied.len().saturating_sub(steps).checked_sub(1).map_or(0, |last| applied[last].version);
        let mut reverted = applied.split_off(applied.partition_point(|s| s.version <= target));
        reverted.reverse();
        if !reverted.is_empty() {
            let pool = self.single_connection_pool().await?;
            let undone = self.migrations.undo(&pool, target).await.map_err(migrate_error);
            pool.close().await;
            let recorded = recorded_access::record(&mut connection, &self.roles).await;
            undone?;
            recorded?;
        }
        connection.close().await?;
        Ok(reverted)
    }

    /// Recording changes made by hand as if migrations had made them would hide them from the check at start.
    async fn ensure_access_unchanged(&self, connection: &mut PgConnection, is_new: bool) -> Result<(), MigrateError> {
        if is_new {
            return Ok(());
        }
        match recorded_access::check(connection, &self.roles).await? {
            AccessCheck::Changed(differences) => Err(AccessChanged { differences }.into()),
            // The last run was interrupted.
            AccessCheck::Unknown | AccessCheck::Unchanged => Ok(()),
        }
    }

    /// For sqlx's runner, whose future is only `Send` with a pool.
    async fn single_connection_pool(&self) -> Result<sqlx::PgPool, MigrateError> {
        let pool = PgPoolOptions::new().max_connections(1).connect_with(self.owner.clone()).await;
        pool.map_err(|source| self.connect_error(source))
    }

    async fn connect(&self) -> Result<PgConnection, MigrateError> {
        let connection = PgConnection::connect_with(&self.owner).await;
        let mut connection = connection.map_err(|source| self.connect_error(source))?;
        for (name, value) in SESSION_SETTINGS {
            let setting = sqlx::query_scalar("SELECT current_setting($1)").bind(name).persistent(false);
            let actual: String = setting.fetch_one(&mut connection).await?;
            if actual != value {
                return Err(PoolerDetected { address: self.address() }.into());
            }
        }
        Ok(connection)
    }

    fn connect_error(&self, source: sqlx::Error) -> MigrateError {
        match is_pooler_rejection(&source) {
            true => PoolerDetected { address: self.address() }.into(),
            false => MigrateError::Connect { address: self.address(), source },
        }
    }

    fn address(&self) -> String {
        Address(&self.owner).to_string()
    }

    /// Acquires the lock, which is held until the connection is closed. Polls, because waiting in the server would be
    /// subject to `lock_timeout`.
    async fn acquire_lock(&self) -> Result<PgConnection, MigrateError> {
        let mut connection = self.connect().await?;
        let deadline = Instant::now() + self.lock_timeout;
        loop {
            let acquired: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(ADVISORY_LOCK_KEY)
                .fetch_one(&mut connection)
                .await?;
            match acquired {
                true => return Ok(connection),
                false if Instant::now() >= deadline => return Err(MigrateError::Locked { waited: self.lock_timeout }),
                false => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn states(&self, connection: &mut PgConnection) -> Result<Vec<MigrationStatus>, MigrateError> {
        match AppliedMigrations::read(connection).await {
            Err(error) if sqlstate(&error).as_deref() == Some(INSUFFICIENT_PRIVILEGE) => Err(MigrateError::NotOwner),
            outcome => Ok(outcome?.unwrap_or(AppliedMigrations(Vec::new())).states(&self.migrations)),
        }
    }
}

/// Sets the names of the roles in a migration. Its checksum remains that of the file.
fn with_roles(migration: &Migration, roles: &RoleNames) -> Migration {
    let sql = AssertSqlSafe(roles.substitute(migration.sql.as_str())).into_sql_str();
    Migration { sql, ..migration.clone() }
}

/// The runner holds its own lock, so sqlx's is disabled.
fn without_locking(migrations: Vec<Migration>) -> Arc<sqlx::migrate::Migrator> {
    let mut migrator = sqlx::migrate::Migrator::with_migrations(migrations);
    migrator.set_locking(false);
    Arc::new(migrator)
}

/// Returns the migrations in this state, provided that the history is compatible with this program.
fn in_state(all: Vec<MigrationStatus>, wanted: MigrationState) -> Result<Vec<MigrationStatus>, MigrateError> {
    for (state, reason) in [
        (
            MigrationState::Changed,
            "was changed after it had been applied; restore the file and put the change into a new migration",
        ),
        (MigrationState::Unknown, "was applied by a newer version of the program; run that version"),
    ] {
        let versions = all.iter().filter(|s| s.state == state).map(|s| format!("{:04}", s.version));
        let versions = versions.collect::<Vec<_>>().join(", ");
        if !versions.is_empty() {
            return Err(MigrateError::History(format!("migration {versions} {reason}")));
        }
    }
    Ok(all.into_iter().filter(|s| s.state == wanted).collect())
}

fn migrate_error(error: SqlxMigrateError) -> MigrateError {
    match error {
        SqlxMigrateError::ExecuteMigration(source, version) => MigrateError::Failed { version, source },
        SqlxMigrateError::Execute(source) => MigrateError::Database(source),
        other => MigrateError::History(other.to_string()),
    }
}
