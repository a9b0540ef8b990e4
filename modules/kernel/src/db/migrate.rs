//! The migration runner: one timeline of SQL, run as the owner on a connection of its own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, Connection, PgConnection,
    migrate::{Migrate, MigrateError as SqlxMigrateError, Migration},
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    MigrateError, PoolerDetected,
    config::Address,
    error::{INSUFFICIENT_PRIVILEGE, UNDEFINED_TABLE, is_pooler_rejection, sqlstate},
    roles::{self, APP_ROLE},
};

/// The migrations that this program was built with.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// Where the applied ones are noted.
const TABLE: &str = "_sqlx_migrations";

/// Any number will do, as long as it stays the same: "tenantry" on a telephone's keys.
const LOCK: i64 = 8_368_268;

/// What holds for every statement of a migration, in the words in which the server shows it.
const SETTINGS: [(&str, &str); 3] = [
    // A forgotten role shall be an error, where row-level security would quietly change zero rows.
    ("row_security", "off"),
    // Whoever waits for a table's lock makes everybody after him wait, too.
    ("lock_timeout", "10s"),
    // So does whoever holds one. A migration that needs longer says so itself, with SET LOCAL.
    ("statement_timeout", "10min"),
];

/// How long to wait for another migration to end.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// What is known of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Its number.
    pub version: i64,
    /// The rest of its file's name: the module that owns it.
    pub name: String,
    /// Where it stands.
    pub state: MigrationState,
}

/// Where a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationState {
    /// Done.
    Applied,
    /// To be done.
    Pending,
    /// Done, but its file has been changed since.
    Changed,
    /// Done by another version of the program, which had more migrations.
    Unknown,
}

/// What a database says has been applied: versions and checksums.
pub(super) struct AppliedMigrations(Vec<(i64, Vec<u8>)>);

impl AppliedMigrations {
    /// As the application, which may only see the table once a migration has run to its end. `None`: it may not.
    pub(super) async fn read_as_application(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        match Self::read(connection).await {
            Err(error) if sqlstate(&error).as_deref() == Some(INSUFFICIENT_PRIVILEGE) => Ok(None),
            outcome => outcome,
        }
    }

    /// `None`: nothing has ever been migrated.
    async fn read(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        let sql = format!("SELECT version, checksum FROM {TABLE} WHERE success ORDER BY version");
        match sqlx::query_as(AssertSqlSafe(sql)).fetch_all(connection).await {
            Ok(rows) => Ok(Some(Self(rows))),
            Err(error) if sqlstate(&error).as_deref() == Some(UNDEFINED_TABLE) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether these are exactly the program's migrations; else what differs.
    pub(super) fn compare(&self, program: &sqlx::migrate::Migrator) -> Result<(), String> {
        let states = self.states(program);
        let count = |state| states.iter().filter(|s| s.state == state).count();
        let differences: Vec<String> = [
            (MigrationState::Pending, "pending"),
            (MigrationState::Changed, "changed since they were applied"),
            (MigrationState::Unknown, "of a newer program"),
        ]
        .into_iter()
        .filter(|(state, _)| count(*state) > 0)
        .map(|(state, words)| format!("{} {words}", count(state)))
        .collect();
        if differences.is_empty() { Ok(()) } else { Err(format!("migrations: {}", differences.join(", "))) }
    }

    fn states(&self, program: &sqlx::migrate::Migrator) -> Vec<MigrationStatus> {
        let mut all: Vec<MigrationStatus> = ups(program)
            .map(|m| MigrationStatus { version: m.version, name: m.description.to_string(), state: self.state_of(m) })
            .collect();
        let unknown = self.0.iter().filter(|(version, _)| !program.version_exists(*version));
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

fn ups(program: &sqlx::migrate::Migrator) -> impl Iterator<Item = &Migration> {
    program.iter().filter(|m| !m.migration_type.is_down_migration())
}

/// Runs, shows and reverts migrations.
#[derive(Debug, Clone)]
pub struct Migrator {
    owner: PgConnectOptions,
    app_login: String,
    program: Arc<sqlx::migrate::Migrator>,
    lock_wait: Duration,
}

impl Migrator {
    pub(super) fn new(owner: PgConnectOptions, app_login: String) -> Self {
        let owner = owner.options(SETTINGS).options([("client_min_messages", "warning")]);
        let program = unlocked(MIGRATIONS.iter().cloned().collect());
        Self { owner, app_login, program, lock_wait: LOCK_WAIT }
    }

    /// The same with further migrations: to try them before they are files, as tests do.
    #[must_use]
    pub fn with_extra(self, more: impl IntoIterator<Item = Migration>) -> Self {
        let program = unlocked(self.program.iter().cloned().chain(more).collect());
        Self { program, ..self }
    }

    /// The same, waiting this long for another migration to end, where a minute is too long, as in tests.
    #[must_use]
    pub fn with_lock_timeout(self, lock_wait: Duration) -> Self {
        Self { lock_wait, ..self }
    }

    /// Makes the roles, grants them to the application's login, and applies what is pending. Returns what was applied.
    ///
    /// # Errors
    /// [`MigrateError`]. A login that isn't the owner's and a history that doesn't fit are refused before anything is
    /// changed; what was applied before stays, each migration whole.
    pub async fn run(&self) -> Result<Vec<MigrationStatus>, MigrateError> {
        let mut connection = self.acquire_lock().await?;
        let pending = self.pending(&mut connection).await?;
        roles::ensure(&mut connection, &self.app_login).await?;
        connection.ensure_migrations_table(TABLE).await.map_err(history)?;
        if !pending.is_empty() {
            self.apply().await?;
        }
        // Readiness compares it with the program.
        sqlx::raw_sql(AssertSqlSafe(format!("GRANT SELECT ON {TABLE} TO {APP_ROLE}"))).execute(&mut connection).await?;
        connection.close().await?;
        Ok(pending)
    }

    /// Makes the roles, and grants them to the application's login, as [`Migrator::run`] does before the first migration:
    /// a backup's grants and policies name them.
    #[cfg(feature = "embedded")]
    pub(super) async fn ensure_roles(&self) -> Result<(), MigrateError> {
        let mut connection = self.acquire_lock().await?;
        roles::ensure(&mut connection, &self.app_login).await?;
        connection.close().await?;
        Ok(())
    }

    /// What [`Migrator::run`] would apply. Changes nothing.
    ///
    /// # Errors
    /// The database can't be asked, or [`Migrator::run`] would refuse its history.
    pub async fn plan(&self) -> Result<Vec<MigrationStatus>, MigrateError> {
        let mut connection = self.connect().await?;
        let pending = self.pending(&mut connection).await?;
        connection.close().await?;
        Ok(pending)
    }

    /// Where each migration stands. Changes nothing.
    ///
    /// # Errors
    /// The database can't be asked.
    pub async fn status(&self) -> Result<Vec<MigrationStatus>, MigrateError> {
        let mut connection = self.connect().await?;
        let applied = Self::applied(&mut connection).await?;
        connection.close().await?;
        Ok(applied.states(&self.program))
    }

    /// Reverts the newest `steps` of the applied migrations, newest first, and returns them. The roles stay: they
    /// belong to the cluster, and other databases may use them.
    ///
    /// # Errors
    /// [`MigrateError`]; what was reverted before stays so.
    pub async fn revert(&self, steps: usize) -> Result<Vec<MigrationStatus>, MigrateError> {
        let mut connection = self.acquire_lock().await?;
        let states = Self::applied(&mut connection).await?.states(&self.program);
        check_history(&states)?;
        let mut applied: Vec<_> = states.into_iter().filter(|s| s.state == MigrationState::Applied).collect();
        let target = applied.len().saturating_sub(steps).checked_sub(1).map_or(0, |last| applied[last].version);
        let mut reverted = applied.split_off(applied.partition_point(|s| s.version <= target));
        reverted.reverse();
        if !reverted.is_empty() {
            let pool = self.pool_of_one().await?;
            self.program.undo(&pool, target).await.map_err(history)?;
            pool.close().await;
        }
        connection.close().await?;
        Ok(reverted)
    }

    async fn pending(&self, connection: &mut PgConnection) -> Result<Vec<MigrationStatus>, MigrateError> {
        let states = Self::applied(connection).await?.states(&self.program);
        check_history(&states)?;
        Ok(states.into_iter().filter(|s| s.state == MigrationState::Pending).collect())
    }

    /// sqlx's runner on a bare connection makes a future that can't be sent between threads; on a pool it does.
    async fn apply(&self) -> Result<(), MigrateError> {
        let pool = self.pool_of_one().await?;
        self.program.run(&pool).await.map_err(history)?;
        pool.close().await;
        Ok(())
    }

    async fn pool_of_one(&self) -> Result<sqlx::PgPool, MigrateError> {
        let pool = PgPoolOptions::new().max_connections(1).connect_with(self.owner.clone()).await;
        pool.map_err(|source| self.cant_connect(source))
    }

    async fn connect(&self) -> Result<PgConnection, MigrateError> {
        let connection = PgConnection::connect_with(&self.owner).await;
        let mut connection = connection.map_err(|source| self.cant_connect(source))?;
        for (name, value) in SETTINGS {
            let setting = sqlx::query_scalar("SELECT current_setting($1)").bind(name).persistent(false);
            let found: String = setting.fetch_one(&mut connection).await?;
            if found != value {
                return Err(PoolerDetected { address: self.address() }.into());
            }
        }
        Ok(connection)
    }

    fn cant_connect(&self, source: sqlx::Error) -> MigrateError {
        match is_pooler_rejection(&source) {
            true => PoolerDetected { address: self.address() }.into(),
            false => MigrateError::Connect { address: self.address(), source },
        }
    }

    fn address(&self) -> String {
        Address(&self.owner).to_string()
    }

    /// A connection that holds the lock until it is closed. Polled rather than waited for in the server: there a
    /// lock time-out would end the wait.
    async fn acquire_lock(&self) -> Result<PgConnection, MigrateError> {
        let mut connection = self.connect().await?;
        let deadline = Instant::now() + self.lock_wait;
        loop {
            let held: bool =
                sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut connection).await?;
            match held {
                true => return Ok(connection),
                false if Instant::now() >= deadline => return Err(MigrateError::Locked { waited: self.lock_wait }),
                false => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn applied(connection: &mut PgConnection) -> Result<AppliedMigrations, MigrateError> {
        match AppliedMigrations::read(connection).await {
            Err(error) if sqlstate(&error).as_deref() == Some(INSUFFICIENT_PRIVILEGE) => Err(MigrateError::NotOwner),
            outcome => Ok(outcome?.unwrap_or(AppliedMigrations(Vec::new()))),
        }
    }
}

/// The runner holds a lock of its own, so sqlx needn't.
fn unlocked(migrations: Vec<Migration>) -> Arc<sqlx::migrate::Migrator> {
    let mut program = sqlx::migrate::Migrator::with_migrations(migrations);
    program.set_locking(false);
    Arc::new(program)
}

fn check_history(states: &[MigrationStatus]) -> Result<(), MigrateError> {
    let versions = |state| {
        let hits = states.iter().filter(|s| s.state == state).map(|s| format!("{:04}", s.version));
        hits.collect::<Vec<_>>().join(", ")
    };
    let (changed, unknown) = (versions(MigrationState::Changed), versions(MigrationState::Unknown));
    if !changed.is_empty() {
        let words = "was changed after it had been applied: restore the file, and put the change into a new migration";
        return Err(MigrateError::History(format!("migration {changed} {words}")));
    }
    if !unknown.is_empty() {
        let words = "was applied by a newer version of the program: run that version";
        return Err(MigrateError::History(format!("migration {unknown} {words}")));
    }
    Ok(())
}

fn history(error: SqlxMigrateError) -> MigrateError {
    match error {
        SqlxMigrateError::ExecuteMigration(source, version) => MigrateError::Failed { version, source },
        SqlxMigrateError::Execute(source) => MigrateError::Database(source),
        other => MigrateError::History(other.to_string()),
    }
}
