//! Reads the requested tenant from the header or the host. The kernel reads the access token's tenant claim.

use actix_web::{
    dev::ServiceRequest,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};
use kernel::{BaseDomain, RequestedTenant, TenancyMode, TenantRef, TenantSlug, TenantSource};

use super::request_head::{InvalidHost, requested_host};

/// Header with the slug or id of the requested tenant.
pub(super) const TENANT_HEADER: &str = "X-Tenant-Id";

/// Returns a sentence on how requests select their tenant, for the API documentation and errors.
pub(super) fn selection_hint(tenancy: &TenancyMode) -> String {
    let describe_source = |source: &TenantSource| match source {
        TenantSource::Header => "in the header X-Tenant-Id, by slug or id".into(),
        TenantSource::Subdomain(base) => format!("in the host, by slug: `<slug>.{base}`"),
        TenantSource::Claim => "in `tenant` of POST /v1/auth/login, by slug or id".into(),
    };
    match tenancy {
        TenancyMode::Personal => "Requests act in your personal tenant, which POST /v1/tenants creates.".into(),
        TenancyMode::Single(_) => "Requests act in the only tenant.".into(),
        TenancyMode::Organization(_) => {
            let sources: Vec<String> = tenancy.sources().map(describe_source).collect();
            format!("Name the tenant {}.", sources.join(", or "))
        }
    }
}

/// Reads the tenant from the header `X-Tenant-Id`.
pub(super) fn from_header(headers: &HeaderMap) -> RequestedTenant {
    match single_value(headers, &HeaderName::from_static("x-tenant-id")) {
        Ok(None) => RequestedTenant::Absent,
        Ok(Some(text)) => text.trim().parse().map_or(RequestedTenant::Invalid, RequestedTenant::Present),
        Err(InvalidHeader) => RequestedTenant::Invalid,
    }
}

/// Reads the tenant from the requested host. `Forwarded` and `X-Forwarded-Host` are ignored, so a proxy must pass the
/// host on unchanged. The middleware rejects a request with an invalid host.
pub(super) fn from_host(request: &ServiceRequest, base: &BaseDomain) -> RequestedTenant {
    match requested_host(request) {
        Ok(Some(host)) => subdomain(host, base),
        Ok(None) => RequestedTenant::Absent,
        Err(InvalidHost) => RequestedTenant::Invalid,
    }
}

/// The header is a duplicate or isn't visible ASCII.
struct InvalidHeader;

/// Returns the value of a header that occurs at most once.
fn single_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, InvalidHeader> {
    let mut values = headers.get_all(name);
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text)),
        (Some(_), _) => Err(InvalidHeader),
    }
}

/// With the base domain `example.com`, `acme.example.com:8080` requests the tenant `acme`. The base domain itself, its
/// reserved subdomains and other hosts request none. Any other prefix, for example two labels, is invalid.
fn subdomain(host: &str, base: &BaseDomain) -> RequestedTenant {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    // A fully qualified domain name may end with a dot.
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let Some(prefix) = name.strip_suffix(base.as_str()) else { return RequestedTenant::Absent };
    if prefix.is_empty() {
        return RequestedTenant::Absent;
    }
    // A different domain with the same ending, such as `acmeexample.com`.
    let Some(label) = prefix.strip_suffix('.') else { return RequestedTenant::Absent };
    match label.parse::<TenantSlug>() {
        Ok(slug) => RequestedTenant::Present(TenantRef::Slug(slug)),
        Err(_) if TenantSlug::RESERVED.contains(&label) => RequestedTenant::Absent,
        Err(_) => RequestedTenant::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// `-`: absent, `?`: invalid.
    fn display(requested: &RequestedTenant) -> String {
        match requested {
            RequestedTenant::Absent => "-".into(),
            RequestedTenant::Invalid => "?".into(),
            RequestedTenant::Present(tenant) => tenant.to_string(),
        }
    }

    fn add_headers(request: TestRequest, name: &'static str, values: &[&str]) -> TestRequest {
        values.iter().fold(request, |request, value| request.append_header((name, *value)))
    }

    #[test]
    fn duplicate_tenant_header_is_rejected() {
        let requested = |values: &[&str]| {
            let request = add_headers(TestRequest::default(), TENANT_HEADER, values).to_srv_request();
            from_header(request.headers())
        };
        assert_eq!(requested(&[]), RequestedTenant::Absent);
        assert!(matches!(requested(&[" acme "]), RequestedTenant::Present(TenantRef::Slug(_))));
        for values in [&[""][..], &["a b"], &["acme", "acme"]] {
            assert_eq!(requested(values), RequestedTenant::Invalid, "{values:?}");
        }
    }

    #[test]
    fn tenant_from_subdomain() {
        let base: BaseDomain = "example.com".parse().unwrap();
        let longest = "a".repeat(63);
        let (long, too_long) = (format!("{longest}.example.com"), format!("{longest}a.example.com"));
        for (host, expected) in [
            ("acme.example.com", "acme"),
            ("ACME.Example.COM", "acme"),
            ("acme.example.com:8080", "acme"),
            ("acme.example.com:", "acme"),
            ("acme.example.com.", "acme"),
            ("acme.example.com.:443", "acme"),
            ("a-1.example.com", "a-1"),
            (&long, &longest),
            // Absent.
            ("", "-"),
            ("example.com", "-"),
            ("Example.com:8080", "-"),
            ("www.example.com", "-"),
            ("API.example.com", "-"),
            ("acme.example.org", "-"),
            ("acmeexample.com", "-"),
            ("acme.example.com.evil.net", "-"),
            ("localhost:8080", "-"),
            ("127.0.0.1:8080", "-"),
            ("[::1]:8080", "-"),
            ("[::1]", "-"),
            // Invalid.
            (".example.com", "?"),
            ("..example.com", "?"),
            ("acme..example.com", "?"),
            ("a.b.example.com", "?"),
            ("acme.www.example.com", "?"),
            ("www.acme.example.com", "?"),
            ("ab.example.com", "?"),
            ("-acme.example.com", "?"),
            ("ac--me.example.com", "?"),
            ("ac_me.example.com", "?"),
            ("me@acme.example.com", "?"),
            ("019a0000-0000-7000-8000-00000000acee.example.com", "?"),
            (&too_long, "?"),
        ] {
            assert_eq!(display(&subdomain(host, &base)), expected, "{host:?}");
        }
    }

    #[test]
    fn forwarded_host_is_ignored() {
        let base: BaseDomain = "example.com".parse().unwrap();
        let requested = |target: &str, hosts: &[&str]| {
            let request = add_headers(TestRequest::with_uri(target), "host", hosts);
            let forwarded = request
                .append_header(("Forwarded", "host=globex.example.com"))
                .append_header(("X-Forwarded-Host", "globex.example.com"));
            display(&from_host(&forwarded.to_srv_request(), &base))
        };
        assert_eq!(requested("/", &["example.com"]), "-");
        assert_eq!(requested("/", &["acme.example.com"]), "acme");
        assert_eq!(requested("/", &["me@acme.example.com"]), "?");
        assert_eq!(requested("/", &["acme.example.com", "acme.example.com"]), "?");
        assert_eq!(requested("http://acme.example.com/", &["globex.example.com"]), "acme");
        assert_eq!(requested("http://acme.example.com/", &["acme.example.com", "acme.example.com"]), "?");
    }
}
