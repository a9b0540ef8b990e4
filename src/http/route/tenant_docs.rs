//! The API documentation of tenant selection, which depends on the tenancy mode.

use kernel::contracts::{TenancyMode, TenantSource};
use utoipa::openapi::{
    Required,
    path::{ParameterBuilder, ParameterIn},
    schema::{ObjectBuilder, Type},
};

use super::OperationDoc;
use crate::http::requested_tenant::TENANT_HEADER;

impl OperationDoc {
    /// Adds the tenant header and the problems of tenant selection.
    pub(super) fn tenant_selection(&mut self, tenancy: &TenancyMode) {
        if tenancy.reads_header() {
            let required = if tenancy.sources().len() == 1 { Required::True } else { Required::False };
            let tenant = ParameterBuilder::new().name(TENANT_HEADER).parameter_in(ParameterIn::Header);
            let tenant = tenant.required(required).description(Some("Slug or id of the tenant"));
            let tenant =
                tenant.schema(Some(ObjectBuilder::new().schema_type(Type::String))).example(Some("acme".into()));
            self.edit(|operation| operation.parameter(tenant));
        }
        self.problems(match tenancy {
            TenancyMode::Organization(_) if tenancy.reads_header() => {
                &[(400, "The request names no tenant"), (404, "Tenant not found, or the caller is not a member of it")]
            }
            TenancyMode::Organization(_) => &[
                (400, "The request names no tenant, or has the header X-Tenant-Id"),
                (404, "Tenant not found, or the caller is not a member of it"),
            ],
            TenancyMode::Personal => &[
                (400, "The request has the header X-Tenant-Id"),
                (404, "The caller has no tenant yet, or it is archived"),
            ],
            TenancyMode::Single(_) => &[
                (400, "The request has the header X-Tenant-Id"),
                (404, "Tenant not found, or the caller is not a member of it"),
            ],
        });
    }
}

/// Returns the introduction of the API documentation.
pub(super) fn description(tenancy: &TenancyMode) -> String {
    format!(
        "To try the API here, sign in with `POST /v1/auth/login`, copy `access_token` from the response and paste it \
         under *Authorize*. {} Every error response is a problem (RFC 9457).",
        selection_hint(tenancy)
    )
}

fn selection_hint(tenancy: &TenancyMode) -> String {
    match tenancy {
        TenancyMode::Personal => {
            "Most routes act in the caller's personal tenant, which `POST /v1/tenants` creates once.".into()
        }
        TenancyMode::Single(_) => "Most routes act in the only tenant.".into(),
        TenancyMode::Organization(_) => {
            let sources: Vec<String> = tenancy.sources().map(describe_source).collect();
            format!(
                "Most routes act in a tenant. Name it {}. `GET /v1/me` lists the caller's tenants.",
                sources.join(", or ")
            )
        }
    }
}

fn describe_source(source: &TenantSource) -> String {
    match source {
        TenantSource::Header => format!("in the header `{TENANT_HEADER}`"),
        TenantSource::Subdomain(base) => format!("in the host, for example `acme.{base}`"),
        TenantSource::Claim => "in the field `tenant` when signing in".into(),
    }
}
