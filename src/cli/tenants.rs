//! `tenantry tenants …`

use clap::Subcommand;
use kernel::{
    contracts::{Email, Tenancy, Tenant, TenantName, TenantSlug, TenantsError},
    db::{Db, create_db},
};

use super::{Failure, say};
use crate::{
    bootstrap::{operators_users, tenant_founding},
    config::AppConfig,
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a tenant, on the free plan and with somebody as its admin
    Found(Found),
}

#[derive(clap::Args)]
pub(super) struct Found {
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

pub(super) async fn run(command: Command, config: AppConfig) -> Result<(), Failure> {
    let Command::Found(wanted) = command;
    let db = create_db(config.db).await?;
    let outcome = found(&db, &config.tenancy, &wanted).await;
    db.close().await;
    let tenant = outcome?;
    say(format_args!("founded {} ({}), with {} as its admin", tenant.slug, tenant.id, wanted.admin));
    Ok(())
}

async fn found(db: &Db, tenancy: &Tenancy, wanted: &Found) -> Result<Tenant, Failure> {
    let mut tx = db.database().begin_unscoped().await?;
    let admin = operators_users(db).find_active_by_email(&mut tx, &wanted.admin).await?;
    drop(tx);
    let admin = admin.ok_or("nobody who can sign in has this e-mail address: name somebody with an account")?;
    let founded = tenant_founding(db, tenancy).found_for(admin.id, &wanted.name, &wanted.slug).await;
    founded.map_err(|error| in_words(error, tenancy))
}

fn in_words(error: TenantsError, tenancy: &Tenancy) -> Failure {
    match (&error, tenancy) {
        (TenantsError::OnlyOne, Tenancy::Single(slug)) => {
            format!("with TENANCY_MODE=single there is one tenant: found it with --slug {slug}, as TENANT_SLUG says")
                .into()
        }
        (TenantsError::SlugTaken, _) => "there is a tenant of this slug already, which may be archived".into(),
        (TenantsError::TooMany { most }, _) => {
            format!("whoever is admin of {most} tenants can't be given another").into()
        }
        _ => error.into(),
    }
}

/// Where there is to be one tenant: says so while it isn't there. It may be founded while the program serves.
pub(super) async fn warn_if_missing(db: &Db, tenancy: &Tenancy) -> Result<(), Failure> {
    let Tenancy::Single(slug) = tenancy else { return Ok(()) };
    if !tenant_founding(db, tenancy).exists(slug).await? {
        tracing::warn!(
            "there is no tenant yet, and nobody can do anything in it: make it with \
             tenantry tenants found --slug {slug} --name \"…\" --admin <e-mail>"
        );
    }
    Ok(())
}
