//! Which tenant a request acts in, by the tenancy mode. Whether the caller is a member of it is asked after that.

use std::sync::Arc;

use crate::contracts::{RequestContext, ScopeError, TenancyMode, TenantRef, TenantSource, TenantTarget, RequestedTenant};

/// The first source that names a tenant decides, even where it names an impossible one: what comes after it was never
/// meant. The header is refused where it doesn't count; ignoring it would act in another tenant than the one it names.
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
            let mut named = tenancy.sources().filter_map(|source| by_source(source, context, claimed));
            named.next().unwrap_or_else(|| Err(ScopeError::TenantRequired(Arc::clone(tenancy))))
        }
    }
}

/// `None` where the source names no tenant.
fn by_source<'a>(
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
mod tests {
    use std::net::IpAddr;

    use secrecy::SecretString;
    use uuid::Uuid;

    use super::*;
    use crate::contracts::TenantSources;

    struct Request {
        header: RequestedTenant,
        host: RequestedTenant,
    }

    impl RequestContext for Request {
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

    /// `-` names none, `?` an impossible one.
    fn wanted(text: &str) -> RequestedTenant {
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
        let request = Request { header: wanted(header), host: wanted(host) };
        let claimed: Option<TenantRef> = (claim != "-").then(|| claim.parse().unwrap());
        match select_tenant(tenancy, &request, claimed.as_ref()) {
            Ok(TenantTarget::Slug(slug)) => slug.to_string(),
            Ok(TenantTarget::Id(id)) => id.to_string(),
            Ok(TenantTarget::Personal) => "their own".into(),
            Err(error) => error.to_string(),
        }
    }

    const UNNAMED: &str = "the request names no tenant";
    const IN_VAIN: &str = "the request names a tenant where none is looked for";
    const IMPOSSIBLE: &str = "no such tenant";

    #[test]
    fn first_source_wins() {
        // Sources; what header, host and claim say; the outcome.
        for (sources, said, expected) in [
            ("header", ["-", "-", "-"], UNNAMED),
            ("header", ["one", "two", "six"], "one"),
            ("header", ["-", "two", "six"], UNNAMED),
            ("header", ["?", "-", "-"], IMPOSSIBLE),
            ("header", ["019a0000-0000-7000-8000-00000000acee", "-", "-"], "019a0000-0000-7000-8000-00000000acee"),
            ("header,claim", ["one", "-", "six"], "one"),
            ("header,claim", ["-", "-", "six"], "six"),
            ("header,claim", ["?", "-", "six"], IMPOSSIBLE),
            ("claim,header", ["one", "-", "six"], "six"),
            ("claim,header", ["?", "-", "six"], "six"),
            ("claim,header", ["one", "-", "-"], "one"),
            ("subdomain,header", ["one", "two", "six"], "two"),
            ("subdomain,header", ["one", "?", "-"], IMPOSSIBLE),
            ("subdomain,header", ["one", "-", "six"], "one"),
            ("header,subdomain", ["one", "two", "-"], "one"),
            ("header,subdomain,claim", ["-", "-", "six"], "six"),
            ("header,subdomain,claim", ["-", "two", "six"], "two"),
            ("header,subdomain,claim", ["-", "-", "-"], UNNAMED),
            ("subdomain,claim", ["-", "-", "-"], UNNAMED),
        ] {
            assert_eq!(outcome(&organization(sources), said), expected, "{sources} {said:?}");
        }
    }

    #[test]
    fn disallowed_tenant_header_is_rejected() {
        let single = Arc::new(TenancyMode::Single("acme".parse().unwrap()));
        for tenancy in [organization("subdomain"), organization("claim,subdomain"), Arc::new(TenancyMode::Personal), single]
        {
            for header in ["acme", "?"] {
                assert_eq!(outcome(&tenancy, [header, "acme", "acme"]), IN_VAIN, "{tenancy:?} {header}");
            }
        }
    }

    #[test]
    fn single_and_personal_modes_ignore_host_and_claim() {
        let single = Arc::new(TenancyMode::Single("acme".parse().unwrap()));
        for said in [["-", "-", "-"], ["-", "two", "six"], ["-", "?", "six"]] {
            assert_eq!(outcome(&Arc::new(TenancyMode::Personal), said), "their own", "{said:?}");
            assert_eq!(outcome(&single, said), "acme", "{said:?}");
        }
    }
}
