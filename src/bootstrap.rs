//! Opens the database and assembles the application from the modules in `services.rs`.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use auth::{AuthSettings, InvalidSigningKey, OperatorAccountsModule, SigningKey};
use auth_api::OperatorAccounts;
use authorization::AuthorizationModule;
use authorization_api::{OperatorTenants, PolicyTemplates};
use db::{Db, DbModule, OpenError, open_db};
use kernel::{TenancyMode, ValueModule};
use secrecy::{ExposeSecret, SecretString};
use shaku::HasComponent;
use user::UserModule;
use user_api::UserRepository;

use crate::{
    config::{AppConfig, AuthConfig},
    services::AppModule,
};

/// The assembled application and its database.
#[derive(Clone)]
pub struct App {
    /// The services.
    pub module: Arc<AppModule>,
    /// The database. The caller closes it on shutdown.
    pub db: Db,
}

/// An error while assembling the application. Each message is one line that names a remedy.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The database could not be opened.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The file of the generated signing key contains no valid key.
    #[error("the key in {path} {source}, or delete the file to generate a new key; all users must then sign in again")]
    InvalidKeyFile {
        /// Path of the key file.
        path: PathBuf,
        /// Why the key is invalid.
        source: InvalidSigningKey,
    },
    /// The file of the generated signing key could not be read or created.
    #[error(
        "could not read or create the access token key {path}: {source}; make it accessible or set AUTH_SIGNING_KEY"
    )]
    KeyFileIo {
        /// Path of the key file.
        path: PathBuf,
        /// The error of the file system or of the random number generator.
        source: io::Error,
    },
}

/// Opens the database and assembles the application.
///
/// # Errors
/// [`BootstrapError`]
pub async fn create_app(config: &AppConfig) -> Result<App, BootstrapError> {
    // The key is loaded first: if that fails, there is no database to close.
    let auth = auth_settings(&config.auth, &config.data_dir)?;
    let db = open_db(config.db.clone()).await?;
    Ok(App { module: build_app(db.module(), config.tenancy.clone(), auth), db })
}

/// Assembles the application on an open database.
pub fn build_app(db: Arc<DbModule>, tenancy: TenancyMode, auth: AuthSettings) -> Arc<AppModule> {
    let (tenancy, auth) = (ValueModule::new(Arc::new(tenancy)), ValueModule::new(Arc::new(auth)));
    Arc::new(AppModule::new(db, tenancy, auth))
}

/// The services of CLI commands. They require no proof, so [`AppModule`] doesn't provide them, and HTTP requests can't
/// reach them.
pub struct OperatorServices {
    /// Creates accounts.
    pub accounts: Arc<dyn OperatorAccounts>,
    /// Upgrades tenants to the current policy templates.
    pub templates: Arc<dyn PolicyTemplates>,
    /// Creates tenants.
    pub tenants: Arc<dyn OperatorTenants>,
    /// Finds and deactivates users.
    pub users: Arc<dyn UserRepository>,
}

impl OperatorServices {
    /// Assembles the services on an open database.
    pub fn new(db: &Db, tenancy: &TenancyMode) -> Self {
        let (db, tenancy) = (db.module(), ValueModule::new(Arc::new(tenancy.clone())));
        let users: Arc<dyn UserRepository> = UserModule::builder(db.clone()).build().resolve();
        let accounts = OperatorAccountsModule::builder(db.clone(), ValueModule::new(users.clone())).build();
        let authorization = AuthorizationModule::builder(db, tenancy).build();
        Self {
            accounts: accounts.resolve(),
            templates: authorization.resolve(),
            tenants: authorization.resolve(),
            users,
        }
    }
}

fn auth_settings(config: &AuthConfig, data_dir: &Path) -> Result<AuthSettings, BootstrapError> {
    let signing_key = match &config.signing_key {
        Some(key) => key.clone(),
        None => load_or_generate_key(&data_dir.join("auth-signing-key.pem"))?,
    };
    let (issuer, audience) = (config.issuer.clone(), config.audience.clone());
    Ok(AuthSettings { issuer, audience, token_ttl: config.token_ttl, signing_key })
}

/// Loads the key that the first start generated, so that tokens survive a restart. Not used in production, where the
/// configuration requires a key.
fn load_or_generate_key(path: &Path) -> Result<SigningKey, BootstrapError> {
    let io_error = |source| BootstrapError::KeyFileIo { path: path.into(), source };
    let invalid_key = |source| BootstrapError::InvalidKeyFile { path: path.into(), source };
    match fs::read_to_string(path) {
        Ok(pem) => SigningKey::parse(&SecretString::from(pem)).map_err(invalid_key),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (key, pem) = SigningKey::generate().map_err(io_error)?;
            match write_private_file(path, &pem) {
                // Another process has just generated one.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => load_or_generate_key(path),
                written => written.map(|()| key).map_err(io_error),
            }
        }
        Err(error) => Err(io_error(error)),
    }
}

/// Writes a temporary file and renames it, so that a full disk or a crash leaves no incomplete key behind.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if another process has written the file in the meantime; it is kept.
fn write_private_file(path: &Path, pem: &SecretString) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    // Left by a process with the same id that was killed.
    let _ = fs::remove_file(&temporary);
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(pem.expose_secret().as_bytes())?;
        file.sync_all()?;
        // Unlike a rename, a hard link never replaces a file. Some file systems have none.
        match fs::hard_link(&temporary, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::rename(&temporary, path)?,
            linked => linked?,
        }
        fs::File::open(dir)?.sync_all()
    };
    let written = write();
    // Fails after a rename.
    let _ = fs::remove_file(&temporary);
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn generated_key_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/key.pem");
        load_or_generate_key(&path).unwrap();
        let pem = fs::read_to_string(&path).unwrap();
        load_or_generate_key(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), pem);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path().join("data")).unwrap().count(), 1);
    }

    #[test]
    fn existing_key_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        write_private_file(&path, &"first".into()).unwrap();
        let error = write_private_file(&path, &"second".into()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn temporary_file_of_killed_process_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        fs::write(path.with_extension(format!("{}.tmp", std::process::id())), "incomplete").unwrap();
        write_private_file(&path, &"complete".into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "complete");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
