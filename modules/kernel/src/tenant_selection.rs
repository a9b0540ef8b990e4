//! Selects the tenant of a request according to the tenancy mode. Membership is checked later.

use std::sync::Arc;

use crate::{RequestContext, RequestedTenant, ScopeError, TenancyMode, TenantRef, TenantSource, TenantTarget};

/// Returns the tenant named by the first source that names one, or its error if the value is invalid. Later sources
/// are not consulted.
///
/// A tenant header is rejected in modes that don't read it. Ignoring it would act in another tenant than the client
/// intended.
pub(super) fn select_tenant<'a>(
    tenancy: &'a Arc<TenancyMode>,
    context: &'a dyn RequestContext,
    claimed: Option<&'a TenantRef>,
) -> Result<TenantTarget<'a>, ScopeError> {
    if !tenancy.reads_header() && *context.requested_tenant(&TenantSource::Header) != RequestedTenant::Absent {
        return Err(ScopeError::TenantHeaderNotAllowed(Arc::clone(tenancy)));
    }
    match &**tenancy {
        TenancyMode::Personal => Ok(TenantTarget::Personal),
        TenancyMode::Single(slug) => Ok(TenantTarget::Slug(slug)),
        TenancyMode::Organization(_) => {
            let mut named = tenancy.sources().filter_map(|source| from_source(source, context, claimed));
            named.next().unwrap_or_else(|| Err(ScopeError::TenantRequired(Arc::clone(tenancy))))
        }
    }
}

/// Returns `None` if the source names no tenant.
fn from_source<'a>(
    source: &TenantSource,
    context: &'a dyn RequestContext,
    claimed: Option<&'a TenantRef>,
) -> Option<Result<TenantTarget<'a>, ScopeError>> {
    if *source == TenantSource::Claim {
        return claimed.map(|tenant| Ok(tenant.into()));
    }
    match context.requested_tenant(source) {
        RequestedTenant::Absent => None,
        RequestedTenant::Invalid => Some(Err(ScopeError::NotFound)),
        RequestedTenant::Present(tenant) => Some(Ok(tenant.into())),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::IpAddr;

    use secrecy::SecretString;
    use uuid::Uuid;

    use super::*;
    use crate::TenantSources;

    pub(crate) struct FakeRequest {
        pub(crate) header: RequestedTenant,
        pub(crate) host: RequestedTenant,
    }

    impl RequestContext for FakeRequest {
        fn credential(&self) -> Option<&SecretString> {
            None
        }

        fn requested_tenant(&self, source: &TenantSource) -> &RequestedTenant {
            match source {
                TenantSource::Header => &self.header,
                TenantSource::Subdomain(_) => &self.host,
                TenantSource::Claim => &RequestedTenant::Absent,
            }
        }

        fn client_addr(&self) -> Option<IpAddr> {
            None
        }

        fn user_agent(&self) -> Option<&str> {
            None
        }

        fn request_id(&self) -> Uuid {
            Uuid::nil()
        }
    }

    /// `-`: no tenant; `?`: an invalid one.
    fn requested(text: &str) -> RequestedTenant {
        match text {
            "-" => RequestedTenant::Absent,
            "?" => RequestedTenant::Invalid,
            slug => RequestedTenant::Present(slug.parse().unwrap()),
        }
    }

    fn organization(sources: &str) -> Arc<TenancyMode> {
        let base = sources.contains("subdomain").then(|| "example.com".parse().unwrap());
        Arc::new(TenancyMode::Organization(TenantSources::parse(sources, base).unwrap()))
    }

    fn outcome(tenancy: &Arc<TenancyMode>, [header, host, claim]: [&str; 3]) -> String {
        let request = FakeRequest { header: requested(header), host: requested(host) };
        let claimed: Option<TenantRef> = (claim != "-").then(|| claim.parse().unwrap());
        match select_tenant(tenancy, &request, claimed.as_ref()) {
            Ok(TenantTarget::Slug(slug)) => slug.to_string(),
            Ok(TenantTarget::Id(id)) => id.to_string(),
            Ok(TenantTarget::Personal) => "personal".into(),
            Err(error) => error.to_string(),
        }
    }

    const TENANT_REQUIRED: &str = "the request names no tenant";
    const HEADER_NOT_ALLOWED: &str = "the tenant header is not allowed in this tenancy mode";
    const NOT_FOUND: &str = "no such tenant";

    #[test]
    fn first_source_wins() {
        // Sources; values of header, host and claim; outcome.
        for (sources, values, expected) in [
            ("header", ["-", "-", "-"], TENANT_REQUIRED),
            ("header", ["one", "two", "six"], "one"),
            ("header", ["-", "two", "six"], TENANT_REQUIRED),
            ("header", ["?", "-", "-"], NOT_FOUND),
            ("header", ["019a0000-0000-7000-8000-00000000acee", "-", "-"], "019a0000-0000-7000-8000-00000000acee"),
            ("header,claim", ["one", "-", "six"], "one"),
            ("header,claim", ["-", "-", "six"], "six"),
            ("header,claim", ["?", "-", "six"], NOT_FOUND),
            ("claim,header", ["one", "-", "six"], "six"),
            ("claim,header", ["?", "-", "six"], "six"),
            ("claim,header", ["one", "-", "-"], "one"),
            ("subdomain,header", ["one", "two", "six"], "two"),
            ("subdomain,header", ["one", "?", "-"], NOT_FOUND),
            ("subdomain,header", ["one", "-", "six"], "one"),
            ("header,subdomain", ["one", "two", "-"], "one"),
            ("header,subdomain,claim", ["-", "-", "six"], "six"),
            ("header,subdomain,claim", ["-", "two", "six"], "two"),
            ("header,subdomain,claim", ["-", "-", "-"], TENANT_REQUIRED),
            ("subdomain,claim", ["-", "-", "-"], TENANT_REQUIRED),
        ] {
            assert_eq!(outcome(&organization(sources), values), expected, "{sources} {values:?}");
        }
    }

    #[test]
    fn disallowed_tenant_header_is_rejected() {
        let single = Arc::new(TenancyMode::Single("acme".parse().unwrap()));
        for tenancy in
            [organization("subdomain"), organization("claim,subdomain"), Arc::new(TenancyMode::Personal), single]
        {
            for header in ["acme", "?"] {
                assert_eq!(outcome(&tenancy, [header, "acme", "acme"]), HEADER_NOT_ALLOWED, "{tenancy:?} {header}");
            }
        }
    }

    #[test]
    fn single_and_personal_modes_ignore_host_and_claim() {
        let single = Arc::new(TenancyMode::Single("acme".parse().unwrap()));
        for values in [["-", "-", "-"], ["-", "two", "six"], ["-", "?", "six"]] {
            assert_eq!(outcome(&Arc::new(TenancyMode::Personal), values), "personal", "{values:?}");
            assert_eq!(outcome(&single, values), "acme", "{values:?}");
        }
    }
}
