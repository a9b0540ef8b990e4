//! The composition root: modules are built in order, each from those before it, and the compiler checks that nothing
//! is missing and nothing goes round in a circle.
#![expect(missing_docs, reason = "`module!` takes no doc comment; `AppModule` has it")]

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
        AccessTokens, AccountCreation, AuthModule, AuthorizationModule, AuthorizationService, BillingModule, DbModule,
        Invitations, Members, MyTenants, Policies, PolicyTemplates, Profiles, Roles, SignIn, Subscriptions, Tenancy,
        TenantFounding, Tenants, UserModule, UserRepository,
    },
    db::{Database, Db, OpenError, Readiness, create_db},
    di::Given,
};
use secrecy::{ExposeSecret, SecretString};
use shaku::{HasComponent, module};
use user::UserModuleImpl;

use crate::config::{AppConfig, AuthConfig};

/// The application: every service that lives as long as the program.
pub trait AppModule:
    HasComponent<dyn AccessTokens>
    + HasComponent<dyn AuthorizationService>
    + HasComponent<dyn Clock>
    + HasComponent<dyn Database>
    + HasComponent<dyn Invitations>
    + HasComponent<dyn Members>
    + HasComponent<dyn MyTenants>
    + HasComponent<dyn Policies>
    + HasComponent<dyn Profiles>
    + HasComponent<dyn Readiness>
    + HasComponent<dyn Roles>
    + HasComponent<dyn SignIn>
    + HasComponent<dyn Subscriptions>
    + HasComponent<Tenancy>
    + HasComponent<dyn Tenants>
    + HasComponent<dyn UserRepository>
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
                dyn AuthorizationService,
                dyn Invitations,
                dyn Members,
                dyn MyTenants,
                dyn Policies,
                dyn Roles,
                dyn Tenants
            ],
            providers = []
        },
        use dyn AuthModule { components = [dyn AccessTokens, dyn SignIn], providers = [] },
        use dyn BillingModule { components = [dyn Subscriptions], providers = [] },
        use Given<Tenancy> { components = [Tenancy], providers = [] }
    }
}

/// The assembled application and the database it stands on.
#[derive(Clone)]
pub struct App {
    /// The services.
    pub module: Arc<dyn AppModule>,
    /// To be closed at the end.
    pub db: Db,
}

/// The application couldn't be assembled. Every message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The generated key's file.
    #[error("the key in {path} {source}, or delete the file: a new one is made then, and everybody signs in again")]
    StoredKey {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        source: InvalidSigningKey,
    },
    /// The generated key can't be kept.
    #[error("the key for access tokens can't be kept in {path}: {source}")]
    KeyFile {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Opens the database and assembles the application on it.
///
/// # Errors
/// [`CreateError`], in one line.
pub async fn create_app(config: &AppConfig) -> Result<App, CreateError> {
    // The key first: it fails without anything to clean up.
    let auth = auth_settings(&config.auth, &config.data_dir)?;
    let db = create_db(config.db.clone()).await?;
    Ok(App { module: assemble(db.module(), config.tenancy.clone(), auth), db })
}

/// The application on a database, in the order of dependency.
///
/// A test that swaps a service builds the module that *declares* it with an override. Overriding here what comes from
/// a submodule would be ignored, and `clippy.toml` bans it.
pub fn assemble(db: Arc<dyn DbModule>, tenancy: Tenancy, settings: AuthSettings) -> Arc<dyn AppModule> {
    let tenancy = Given::new(Arc::new(tenancy));
    let user: Arc<dyn UserModule> = Arc::new(UserModuleImpl::builder(db.clone()).build());
    let authorization: Arc<dyn AuthorizationModule> =
        Arc::new(AuthorizationModuleImpl::builder(db.clone(), tenancy.clone()).build());
    let settings = Given::new(Arc::new(settings));
    let auth: Arc<dyn AuthModule> = Arc::new(AuthModuleImpl::builder(db.clone(), user.clone(), settings).build());
    let billing: Arc<dyn BillingModule> = Arc::new(BillingModuleImpl::builder(db.clone()).build());
    Arc::new(AppModuleImpl::builder(db, user, authorization, auth, billing, tenancy).build())
}

/// People, for whoever operates the program.
pub fn operators_users(db: &Db) -> Arc<dyn UserRepository> {
    UserModuleImpl::builder(db.module()).build().resolve()
}

/// Accounts, for whoever operates the program: of a module apart, so that no request has it.
///
/// # Errors
/// The system has no randomness to give.
pub fn account_creation(db: &Db) -> Result<Arc<dyn AccountCreation>, InvalidSigningKey> {
    // No token is made here, so that the settings don't matter: the key is nobody's, and the server's isn't asked for.
    let (signing_key, _) = SigningKey::generate()?;
    let (issuer, audience) = (String::new(), String::new());
    let settings = AuthSettings { issuer, audience, token_ttl: Duration::ZERO, signing_key };
    let users: Arc<dyn UserModule> = Arc::new(UserModuleImpl::builder(db.module()).build());
    Ok(AuthModuleImpl::builder(db.module(), users, Given::new(Arc::new(settings))).build().resolve())
}

/// What whoever operates the program does with tenants: of a module apart, so that no request has it.
pub fn tenant_founding(db: &Db, tenancy: &Tenancy) -> Arc<dyn TenantFounding> {
    AuthorizationModuleImpl::builder(db.module(), Given::new(Arc::new(tenancy.clone()))).build().resolve()
}

/// The policy templates alone, for whoever runs the program. They aren't among what [`AppModule`] has, so that a request
/// can't have them.
pub fn policy_templates(db: &Db) -> Arc<dyn PolicyTemplates> {
    AuthorizationModuleImpl::builder(db.module(), Given::new(Arc::default())).build().resolve()
}

fn auth_settings(config: &AuthConfig, data_dir: &Path) -> Result<AuthSettings, CreateError> {
    let signing_key = match &config.signing_key {
        Some(key) => key.clone(),
        None => stored_key(&data_dir.join("auth-signing-key.pem"))?,
    };
    let (issuer, audience) = (config.issuer.clone(), config.audience.clone());
    Ok(AuthSettings { issuer, audience, token_ttl: config.token_ttl, signing_key })
}

/// The key that was generated at the first start, so that tokens survive a restart. Production never comes here: its
/// configuration demands a key.
fn stored_key(path: &Path) -> Result<SigningKey, CreateError> {
    let cant_keep = |source| CreateError::KeyFile { path: path.into(), source };
    let malformed = |source| CreateError::StoredKey { path: path.into(), source };
    match fs::read_to_string(path) {
        Ok(pem) => SigningKey::parse(&SecretString::from(pem)).map_err(malformed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (key, pem) = SigningKey::generate().map_err(malformed)?;
            keep(path, &pem).map_err(cant_keep)?;
            Ok(key)
        }
        Err(error) => Err(cant_keep(error)),
    }
}

fn keep(path: &Path, pem: &SecretString) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(pem.expose_secret().as_bytes())?;
    file.sync_all()
}
