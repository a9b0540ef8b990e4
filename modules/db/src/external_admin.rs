//! Checks before the backup and the restore of a database on an external server.

use sqlx::postgres::PgConnectOptions;

use super::{
    DatabaseUrl, DbConfig, Migrator, OpenError, PostgresConfig,
    database_url::Address,
    pool::{plain_options, without_transaction_timeout},
    server::{check_database, check_version, warn_about_weak_sslmodes, with_deadline},
};

/// Whether the login sees all rows of all tables.
const SEES_ALL_ROWS: &str = "
    SELECT rolsuper OR rolbypassrls AND NOT EXISTS (
      SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
      WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
        AND NOT (has_schema_privilege(relnamespace, 'USAGE') AND has_table_privilege(pg_class.oid, 'SELECT')))
    FROM pg_roles WHERE rolname = current_user";

/// Whether the database contains nothing but extensions.
const IS_EMPTY: &str = "
    WITH objects (class, oid, namespace) AS (
      SELECT 'pg_class'::regclass, oid, relnamespace FROM pg_class
      UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc
    )
    SELECT NOT EXISTS (
      SELECT FROM objects JOIN pg_namespace ON pg_namespace.oid = namespace
      WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = class AND objid = objects.oid AND deptype = 'e'))";

/// A backup or restore of a database on an external server can't begin. Every message is one line and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ExternalAdminError {
    /// The backup would lack rows.
    #[error(
        "the login \"{login}\" doesn't see the rows of every tenant, so a backup would lack them; set BACKUP_DATABASE_URL \
         to a login for backups, which an administrator creates with `CREATE ROLE tenantry_backup LOGIN BYPASSRLS \
         PASSWORD '…' IN ROLE pg_read_all_data; GRANT CONNECT ON DATABASE \"{database}\" TO tenantry_backup`"
    )]
    RowsHidden {
        /// The login.
        login: String,
        /// Name of the database.
        database: String,
    },
    /// A restore would add to a database that is in use.
    #[error(
        "the database \"{database}\" isn't empty; create an empty one for the restore, and name it in DATABASE_URL and \
         MIGRATION_DATABASE_URL"
    )]
    NotEmpty {
        /// Name of the database.
        database: String,
    },
    /// The database can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// A database on an external server, with the login for the task.
#[derive(Debug)]
pub struct ExternalAdmin {
    url: DatabaseUrl,
    production: bool,
    server_major: u32,
    migrator: Migrator,
}

impl ExternalAdmin {
    /// Connects with the login for backups and checks that it sees all rows. The server may be a standby.
    ///
    /// # Errors
    /// [`ExternalAdminError::RowsHidden`], or the reason why the server can't be used.
    pub async fn for_backup(config: &DbConfig, postgres: &PostgresConfig) -> Result<Self, ExternalAdminError> {
        let (admin, sees_all_rows) =
            Self::connect(config, postgres, postgres.backup_url(), SEES_ALL_ROWS, true).await?;
        match sees_all_rows {
            true => Ok(admin),
            false => {
                let options = admin.url.options(admin.production);
                let (login, database) = (options.get_username().to_owned(), admin.database());
                Err(ExternalAdminError::RowsHidden { login, database })
            }
        }
    }

    /// Connects with the owner's login and checks that the database is empty.
    ///
    /// # Errors
    /// [`ExternalAdminError::NotEmpty`], or the reason why the server can't be used.
    pub async fn for_restore(config: &DbConfig, postgres: &PostgresConfig) -> Result<Self, ExternalAdminError> {
        let (admin, is_empty) = Self::connect(config, postgres, postgres.owner_url(), IS_EMPTY, false).await?;
        match is_empty {
            true => Ok(admin),
            false => Err(ExternalAdminError::NotEmpty { database: admin.database() }),
        }
    }

    /// Connects with the owner's login.
    ///
    /// # Errors
    /// The reason why the server can't be used.
    pub async fn as_owner(config: &DbConfig, postgres: &PostgresConfig) -> Result<Self, OpenError> {
        let (admin, _) = Self::connect(config, postgres, postgres.owner_url(), "SELECT true", true).await?;
        Ok(admin)
    }

    /// Connects and evaluates a query that returns a boolean.
    async fn connect(
        config: &DbConfig,
        postgres: &PostgresConfig,
        url: &DatabaseUrl,
        query: &'static str,
        standby_allowed: bool,
    ) -> Result<(Self, bool), OpenError> {
        if config.production {
            warn_about_weak_sslmodes(postgres);
        }
        let options: PgConnectOptions = plain_options(url.options(config.production));
        let (mut server_major, mut outcome) = (0, false);
        with_deadline(
            config.connect_timeout,
            &options,
            |_| None,
            async |connection| {
                server_major = check_version(connection).await?;
                if !standby_allowed {
                    check_database(connection, &options).await?;
                }
                let query = sqlx::query_scalar(query).persistent(false);
                outcome = query.fetch_one(connection).await.map_err(OpenError::Other)?;
                Ok(())
            },
        )
        .await?;
        let app_login = postgres.url.options(config.production).get_username().to_owned();
        let options = without_transaction_timeout(options, server_major);
        let migrator = Migrator::new(options, app_login, postgres.roles.clone());
        Ok((Self { url: url.clone(), production: config.production, server_major, migrator }, outcome))
    }

    /// Major version of the server.
    pub fn server_major(&self) -> u32 {
        self.server_major
    }

    /// Name of the database.
    pub fn database(&self) -> String {
        self.url.database()
    }

    /// Host and port, or the socket directory.
    pub fn address(&self) -> String {
        Address(&self.url.options(self.production)).to_string()
    }

    /// Environment variables with which PostgreSQL's client programs connect to the database.
    pub fn client_env(&self) -> Vec<(&'static str, String)> {
        self.url.libpq_env(self.production)
    }

    /// Returns a migration runner with the login.
    pub fn migrator(&self) -> &Migrator {
        &self.migrator
    }
}
