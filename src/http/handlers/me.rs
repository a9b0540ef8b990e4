//! The caller.

use kernel::contracts::{MyTenant, MyTenants};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::members::RoleBody;
use crate::http::{extract::Scoped, guard::SignedIn, problem::Problem, route::Json};

/// The caller.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    id: Uuid,
    #[schema(example = "alice@example.com")]
    email: String,
    /// The active tenants, by name.
    tenants: Vec<TenantBody>,
}

/// A tenant that the caller is a member of.
#[derive(Serialize, ToSchema)]
pub(super) struct TenantBody {
    id: Uuid,
    /// For the header `X-Tenant-Id`.
    #[schema(example = "acme")]
    slug: String,
    #[schema(example = "Acme Corp")]
    name: String,
    role: RoleBody,
}

pub(super) async fn show(me: SignedIn, tenants: Scoped<dyn MyTenants>) -> Result<Json<Me>, Problem> {
    let tenants = tenants.list(&me).await?.into_iter().map(TenantBody::from).collect();
    Ok(Json(Me { id: me.user().as_uuid(), email: me.email().to_string(), tenants }))
}

impl From<MyTenant> for TenantBody {
    fn from(MyTenant { id, slug, name, role }: MyTenant) -> Self {
        Self { id: id.as_uuid(), slug: slug.to_string(), name, role: role.into() }
    }
}
