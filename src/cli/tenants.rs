//! `tenantry tenants …`

use clap::Subcommand;
use kernel::{
    contracts::{Email, TenancyMode, Tenant, TenantName, TenantSlug, TenantsError},
    db::{Db, open_db},
};

use super::{CliError, print};
use crate::{
    bootstrap::{cli_user_repository, tenant_provisioning},
    config::AppConfig,
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a tenant, on the free plan and with somebody as its admin
    Create(CreateTenantArgs),
}

#[derive(clap::Args)]
pub(super) struct CreateTenantArgs {
    /// What names it in requests; with TENANCY_MODE=single, the TENANT_SLUG
    #[arg(long)]
    slug: TenantSlug,
    /// What people call it
    #[arg(long)]
    name: TenantName,
    /// The e-mail address of whoever is to be its admin; there must be an account
    #[arg(long)]
    admin: Email,
}

pub(super) async fn run(command: Command, config: AppConfig) -> Result<(), CliError> {
    let Command::Create(args) = command;
    let db = open_db(config.db).await?;
    let outcome = create(&db, &config.tenancy, &args).await;
    db.close().await;
    let tenant = outcome?;
    print(format_args!("founded {} ({}), with {} as its admin", tenant.slug, tenant.id, args.admin));
    Ok(())
}

async fn create(db: &Db, tenancy: &TenancyMode, args: &CreateTenantArgs) -> Result<Tenant, CliError> {
    let mut tx = db.database().begin_unscoped().await?;
    let admin = cli_user_repository(db).find_active_by_email(&mut tx, &args.admin).await?;
    drop(tx);
    let admin = admin.ok_or("nobody who can sign in has this e-mail address: name somebody with an account")?;
    let created = tenant_provisioning(db, tenancy).create_for(admin.id, &args.name, &args.slug).await;
    created.map_err(|error| describe(error, tenancy))
}

fn describe(error: TenantsError, tenancy: &TenancyMode) -> CliError {
    match (&error, tenancy) {
        (TenantsError::SingleTenantMode, TenancyMode::Single(slug)) => {
            format!("with TENANCY_MODE=single there is one tenant: found it with --slug {slug}, as TENANT_SLUG says")
                .into()
        }
        (TenantsError::SlugTaken, _) => "there is a tenant of this slug already, which may be archived".into(),
        (TenantsError::LimitReached { limit }, _) => {
            format!("whoever is admin of {limit} tenants can't be given another").into()
        }
        _ => error.into(),
    }
}

/// Where there is to be one tenant: says so while it isn't there. It may be created while the program serves.
pub(super) async fn warn_if_missing(db: &Db, tenancy: &TenancyMode) -> Result<(), CliError> {
    let TenancyMode::Single(slug) = tenancy else { return Ok(()) };
    if !tenant_provisioning(db, tenancy).exists(slug).await? {
        tracing::warn!(
            "there is no tenant yet, and nobody can do anything in it: make it with \
             tenantry tenants create --slug {slug} --name \"…\" --admin <e-mail>"
        );
    }
    Ok(())
}
