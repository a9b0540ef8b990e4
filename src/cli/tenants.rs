//! `tenantry tenants …`

use authorization_api::{Tenant, TenantName, TenantsError};
use clap::Subcommand;
use db::{Db, SystemReason, open_db};
use kernel::{Email, TenancyMode, TenantSlug};

use super::output::{CliError, print};
use crate::{bootstrap::OperatorServices, config::AppConfig};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create a tenant on the free plan, with an existing user as its admin
    Create(CreateTenantArgs),
}

#[derive(clap::Args)]
pub(super) struct CreateTenantArgs {
    /// Name of the tenant in requests; with TENANCY_MODE=single it must equal TENANT_SLUG
    #[arg(long)]
    slug: TenantSlug,
    /// Display name
    #[arg(long)]
    name: TenantName,
    /// E-mail address of the admin; must belong to an existing account
    #[arg(long)]
    admin: Email,
}

pub(super) async fn run(command: Command, config: AppConfig) -> Result<(), CliError> {
    let Command::Create(args) = command;
    let db = open_db(config.db).await?;
    let outcome = create(&db, &config.tenancy, &args).await;
    db.close().await;
    let tenant = outcome?;
    print(format_args!("created {} ({}) with {} as its admin", tenant.slug, tenant.id, args.admin));
    Ok(())
}

async fn create(db: &Db, tenancy: &TenancyMode, args: &CreateTenantArgs) -> Result<Tenant, CliError> {
    let mut tx = db.system().begin(SystemReason::CreateTenant).await?;
    let services = OperatorServices::new(db, tenancy);
    let admin = services.users.find_active_by_email(&mut tx, &args.admin).await?;
    drop(tx);
    let admin =
        admin.ok_or("no active user has this e-mail address; pass the address of an existing account to --admin")?;
    let created = services.tenants.create_for(admin.id, &args.name, &args.slug).await;
    created.map_err(|error| describe(error, tenancy))
}

fn describe(error: TenantsError, tenancy: &TenancyMode) -> CliError {
    match (&error, tenancy) {
        (TenantsError::SingleTenantMode, TenancyMode::Single(slug)) => {
            format!("TENANCY_MODE=single allows only the tenant named by TENANT_SLUG; pass --slug {slug}").into()
        }
        (TenantsError::SlugTaken, _) => {
            "this slug is already in use, possibly by an archived tenant, or was released within the last 90 days; choose \
             another --slug"
                .into()
        }
        _ => error.into(),
    }
}

/// In single-tenant mode, logs a warning if the tenant doesn't exist. It may be created while the server is running.
pub(super) async fn warn_if_missing(db: &Db, tenancy: &TenancyMode) -> Result<(), CliError> {
    let TenancyMode::Single(slug) = tenancy else { return Ok(()) };
    if !OperatorServices::new(db, tenancy).tenants.exists(slug).await? {
        tracing::warn!(
            "the tenant {slug} does not exist, so requests that require a tenant are rejected; create it with \
             tenantry tenants create --slug {slug} --name \"…\" --admin <e-mail>"
        );
    }
    Ok(())
}
