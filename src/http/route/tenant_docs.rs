//! What the documentation says of tenants, by the tenancy mode.

use kernel::contracts::{TenancyMode, TenantSource};
use utoipa::openapi::{
    Required,
    path::{ParameterBuilder, ParameterIn},
    schema::{ObjectBuilder, Type},
};

use super::OperationDoc;
use crate::http::requested_tenant::TENANT_HEADER;

impl OperationDoc {
    /// How the tenant is named that the operation acts in.
    pub(super) fn tenant_parameter(&mut self, tenancy: &TenancyMode) {
        if tenancy.reads_header() {
            let alone = if tenancy.sources().len() == 1 { Required::True } else { Required::False };
            let tenant = ParameterBuilder::new().name(TENANT_HEADER).parameter_in(ParameterIn::Header);
            let tenant = tenant.required(alone).description(Some("The tenant, by slug or id"));
            let tenant =
                tenant.schema(Some(ObjectBuilder::new().schema_type(Type::String))).example(Some("acme".into()));
            self.edit(|operation| operation.parameter(tenant));
        }
        self.problems(match tenancy {
            TenancyMode::Organization(_) if tenancy.reads_header() => {
                &[(400, "No tenant is named"), (404, "Not a member of such a tenant, or there is none")]
            }
            TenancyMode::Organization(_) => &[
                (400, "No tenant is named, or one in the header X-Tenant-Id"),
                (404, "Not a member of such a tenant, or there is none"),
            ],
            TenancyMode::Personal => &[
                (400, "A tenant is named in the header X-Tenant-Id"),
                (404, "I have no tenant yet, or it is archived"),
            ],
            TenancyMode::Single(_) => &[
                (400, "A tenant is named in the header X-Tenant-Id"),
                (404, "Not a member of the tenant, or there is none"),
            ],
        });
    }
}

/// What the documentation page begins with.
pub(super) fn description(tenancy: &TenancyMode) -> String {
    format!(
        "To try things out here: sign in with `POST /v1/auth/login`, copy the `access_token` of the answer, and paste it \
         under *Authorize*. {} Every error is a problem (RFC 9457).",
        tenant_hint(tenancy)
    )
}

fn tenant_hint(tenancy: &TenancyMode) -> String {
    match tenancy {
        TenancyMode::Personal => {
            "Most routes act in a tenant, which is your own: `POST /v1/tenants` makes it, once.".into()
        }
        TenancyMode::Single(_) => "Most routes act in the one tenant that there is.".into(),
        TenancyMode::Organization(_) => {
            let sources: Vec<String> = tenancy.sources().map(describe_source).collect();
            format!("Most routes act in a tenant: name yours {}; `GET /v1/me` lists them.", sources.join(", or "))
        }
    }
}

fn describe_source(source: &TenantSource) -> String {
    match source {
        TenantSource::Header => format!("in `{TENANT_HEADER}`"),
        TenantSource::Subdomain(base) => format!("in the host, as in `acme.{base}`"),
        TenantSource::Claim => "in `tenant` when you sign in".into(),
    }
}
