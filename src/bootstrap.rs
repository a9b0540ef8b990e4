//! The composition root. Modules are built in dependency order, each from the ones before it; a missing or circular
//! dependency is a compile error.
#![expect(missing_docs, reason = "`module!` accepts no doc comment; `AppModule` has it")]

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use auth::{AuthModuleImpl, AuthSettings, InvalidSigningKey, SigningKey};
use authorization::AuthorizationModuleImpl;
use billing::BillingModuleImpl;
use kernel::{
    clock::Clock,
    contracts::{
        AccessTokens, AuthModule, AuthorizationModule, BillingModule, DbModule, Invitations, Members, OperatorAccounts,
        OperatorTenants, Policies, PolicyTemplates, Profiles, Roles, SignIn, Subscriptions, TenancyMode,
        TenantAdmission, Tenants, UserModule, UserRepository, UserTenants,
    },
    db::{Database, Db, OpenError, Readiness, open_db},
    shaku_value::ValueModule,
};
use secrecy::{ExposeSecret, SecretString};
use shaku::{HasComponent, module};
use user::UserModuleImpl;

use crate::config::{AppConfig, AuthConfig};

/// The application module: every service that lives as long as the process.
pub trait AppModule:
    HasComponent<dyn AccessTokens>
    + HasComponent<dyn Clock>
    + HasComponent<dyn Database>
    + HasComponent<dyn Invitations>
    + HasComponent<dyn Members>
    + HasComponent<dyn Policies>
    + HasComponent<dyn Profiles>
    + HasComponent<dyn Readiness>
    + HasComponent<dyn Roles>
    + HasComponent<dyn SignIn>
    + HasComponent<dyn Subscriptions>
    + HasComponent<TenancyMode>
    + HasComponent<dyn TenantAdmission>
    + HasComponent<dyn Tenants>
    + HasComponent<dyn UserRepository>
    + HasComponent<dyn UserTenants>
{
}

module! {
    pub AppModuleImpl: AppModule {
        components = [],
        providers = [],
        use dyn DbModule { components = [dyn Clock, dyn Database, dyn Readiness], providers = [] },
        use dyn UserModule { components = [dyn Profiles, dyn UserRepository], providers = [] },
        use dyn AuthorizationModule {
            components = [
                dyn Invitations,
                dyn Members,
                dyn Policies,
                dyn Roles,
                dyn TenantAdmission,
                dyn Tenants,
                dyn UserTenants
            ],
            providers = []
        },
        use dyn AuthModule { components = [dyn AccessTokens, dyn SignIn], providers = [] },
        use dyn BillingModule { components = [dyn Subscriptions], providers = [] },
        use ValueModule<TenancyMode> { components = [TenancyMode], providers = [] }
    }
}

/// The assembled application and its database.
#[derive(Clone)]
pub struct App {
    /// The services.
    pub module: Arc<dyn AppModule>,
    /// The database. The caller closes it on shutdown.
    pub db: Db,
}

/// An error while assembling the application. Each message is one line that names a remedy.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The database could not be opened.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The generated signing key is invalid.
    #[error("the key in {path} {source}, or delete the file to generate a new key; all users must then sign in again")]
    InvalidKeyFile {
        /// Path of the key file.
        path: PathBuf,
        /// Why the key is invalid.
        source: InvalidSigningKey,
    },
    /// The file of the generated signing key could not be read or written.
    #[error("could not read or write the access token key {path}: {source}")]
    KeyFileIo {
        /// Path of the key file.
        path: PathBuf,
        /// The error of the operating system.
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
///
/// To replace a service in a test, build the module that *declares* it with an override. An override of a component
/// that comes from a submodule has no effect here, so `clippy.toml` bans it.
pub fn build_app(db: Arc<dyn DbModule>, tenancy: TenancyMode, settings: AuthSettings) -> Arc<dyn AppModule> {
    let tenancy = ValueModule::new(Arc::new(tenancy));
    let user: Arc<dyn UserModule> = Arc::new(UserModuleImpl::builder(db.clone()).build());
    let authorization: Arc<dyn AuthorizationModule> =
        Arc::new(AuthorizationModuleImpl::builder(db.clone(), tenancy.clone()).build());
    let settings = ValueModule::new(Arc::new(settings));
    let auth: Arc<dyn AuthModule> = Arc::new(AuthModuleImpl::builder(db.clone(), user.clone(), settings).build());
    let billing: Arc<dyn BillingModule> = Arc::new(BillingModuleImpl::builder(db.clone()).build());
    Arc::new(AppModuleImpl::builder(db, user, authorization, auth, billing, tenancy).build())
}

/// Returns the user repository for CLI commands.
pub fn cli_user_repository(db: &Db) -> Arc<dyn UserRepository> {
    UserModuleImpl::builder(db.module()).build().resolve()
}

/// Returns account administration for CLI commands. It is not part of [`AppModule`], so HTTP requests can't reach it.
///
/// # Errors
/// [`InvalidSigningKey`] if the system's random number generator fails.
pub fn operator_accounts(db: &Db) -> Result<Arc<dyn OperatorAccounts>, InvalidSigningKey> {
    // The CLI issues no tokens, so a throwaway key and empty settings suffice. The server's key is not read.
    let (signing_key, _) = SigningKey::generate()?;
    let (issuer, audience) = (String::new(), String::new());
    let settings = AuthSettings { issuer, audience, token_ttl: Duration::ZERO, signing_key };
    let users: Arc<dyn UserModule> = Arc::new(UserModuleImpl::builder(db.module()).build());
    Ok(AuthModuleImpl::builder(db.module(), users, ValueModule::new(Arc::new(settings))).build().resolve())
}

/// Returns tenant provisioning for CLI commands. It is not part of [`AppModule`], so HTTP requests can't reach it.
pub fn operator_tenants(db: &Db, tenancy: &TenancyMode) -> Arc<dyn OperatorTenants> {
    AuthorizationModuleImpl::builder(db.module(), ValueModule::new(Arc::new(tenancy.clone()))).build().resolve()
}

/// Returns the policy templates for CLI commands. They are not part of [`AppModule`], so HTTP requests can't reach
/// them.
pub fn policy_templates(db: &Db) -> Arc<dyn PolicyTemplates> {
    AuthorizationModuleImpl::builder(db.module(), ValueModule::new(Arc::default())).build().resolve()
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
            let (key, pem) = SigningKey::generate().map_err(invalid_key)?;
            write_private_file(path, &pem).map_err(io_error)?;
            Ok(key)
        }
        Err(error) => Err(io_error(error)),
    }
}

fn write_private_file(path: &Path, pem: &SecretString) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(pem.expose_secret().as_bytes())?;
    file.sync_all()
}
