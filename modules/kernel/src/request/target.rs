//! Which tenant a request acts in, by the tenancy mode. Whether the caller is a member of it is asked after that.

use std::sync::Arc;

use crate::contracts::{RequestContext, ScopeError, Tenancy, TenantRef, TenantSource, TenantTarget, WantedTenant};

/// The first source that names a tenant decides, even where it names an impossible one: what comes after it was never
/// meant. The header is refused where it doesn't count; ignoring it would act in another tenant than the one it names.
pub(super) fn target<'a>(
    tenancy: &'a Arc<Tenancy>,
    context: &'a dyn RequestContext,
    claimed: Option<&'a TenantRef>,
) -> Result<TenantTarget<'a>, ScopeError> {
    if !tenancy.reads_header() && *context.wanted_tenant(&TenantSource::Header) != WantedTenant::Unnamed {
        return Err(ScopeError::NamedInVain(Arc::clone(tenancy)));
    }
    match &**tenancy {
        Tenancy::Personal => Ok(TenantTarget::Own),
        Tenancy::Single(slug) => Ok(TenantTarget::Slug(slug)),
        Tenancy::Organization(_) => {
            let mut named = tenancy.sources().filter_map(|source| by_source(source, context, claimed));
            named.next().unwrap_or_else(|| Err(ScopeError::NotNamed(Arc::clone(tenancy))))
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
    match context.wanted_tenant(source) {
        WantedTenant::Unnamed => None,
        WantedTenant::Impossible => Some(Err(ScopeError::NotFound)),
        WantedTenant::Named(tenant) => Some(Ok(tenant.into())),
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
        header: WantedTenant,
        host: WantedTenant,
    }

    impl RequestContext for Request {
        fn credential(&self) -> Option<&SecretString> {
            None
        }

        fn wanted_tenant(&self, source: &TenantSource) -> &WantedTenant {
            match source {
                TenantSource::Header => &self.header,
                TenantSource::Subdomain(_) => &self.host,
                TenantSource::Claim => &WantedTenant::Unnamed,
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
    fn wanted(text: &str) -> WantedTenant {
        match text {
            "-" => WantedTenant::Unnamed,
            "?" => WantedTenant::Impossible,
            slug => WantedTenant::Named(slug.parse().unwrap()),
        }
    }

    fn organization(sources: &str) -> Arc<Tenancy> {
        let base = sources.contains("subdomain").then(|| "example.com".parse().unwrap());
        Arc::new(Tenancy::Organization(TenantSources::parse(sources, base).unwrap()))
    }

    fn outcome(tenancy: &Arc<Tenancy>, [header, host, claim]: [&str; 3]) -> String {
        let request = Request { header: wanted(header), host: wanted(host) };
        let claimed: Option<TenantRef> = (claim != "-").then(|| claim.parse().unwrap());
        match target(tenancy, &request, claimed.as_ref()) {
            Ok(TenantTarget::Slug(slug)) => slug.to_string(),
            Ok(TenantTarget::Id(id)) => id.to_string(),
            Ok(TenantTarget::Own) => "their own".into(),
            Err(error) => error.to_string(),
        }
    }

    const UNNAMED: &str = "the request names no tenant";
    const IN_VAIN: &str = "the request names a tenant where none is looked for";
    const IMPOSSIBLE: &str = "no such tenant";

    #[test]
    fn the_first_source_that_names_a_tenant_decides() {
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
    fn a_header_that_does_not_count_is_refused_whatever_it_says() {
        let single = Arc::new(Tenancy::Single("acme".parse().unwrap()));
        for tenancy in [organization("subdomain"), organization("claim,subdomain"), Arc::new(Tenancy::Personal), single]
        {
            for header in ["acme", "?"] {
                assert_eq!(outcome(&tenancy, [header, "acme", "acme"]), IN_VAIN, "{tenancy:?} {header}");
            }
        }
    }

    #[test]
    fn where_requests_name_no_tenant_host_and_claim_do_not_either() {
        let single = Arc::new(Tenancy::Single("acme".parse().unwrap()));
        for said in [["-", "-", "-"], ["-", "two", "six"], ["-", "?", "six"]] {
            assert_eq!(outcome(&Arc::new(Tenancy::Personal), said), "their own", "{said:?}");
            assert_eq!(outcome(&single, said), "acme", "{said:?}");
        }
    }
}
