//! The data of an HTTP request that is known before its token is verified.

use std::net::IpAddr;

use actix_web::{
    dev::ServiceRequest,
    http::header::{AUTHORIZATION, HeaderMap, USER_AGENT},
};
use kernel::{RequestContext, RequestedTenant, TenancyMode, TenantSource};
use secrecy::SecretString;
use uuid::Uuid;

use super::{client_addr::TrustedProxies, requested_tenant};

/// The [`RequestContext`] of an HTTP request.
pub(super) struct HttpRequestContext {
    credential: Option<SecretString>,
    header_tenant: RequestedTenant,
    host_tenant: RequestedTenant,
    client_addr: Option<IpAddr>,
    user_agent: Option<String>,
    request_id: Uuid,
}

impl HttpRequestContext {
    pub(super) fn new(request: &ServiceRequest, proxies: &TrustedProxies, tenancy: &TenancyMode) -> Self {
        let headers = request.headers();
        Self {
            credential: credential(headers),
            header_tenant: requested_tenant::from_header(headers),
            host_tenant: tenancy
                .base_domain()
                .map_or(RequestedTenant::Absent, |base| requested_tenant::from_host(request, base)),
            client_addr: proxies.client_addr(request.peer_addr(), headers),
            user_agent: headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).map(Into::into),
            request_id: Uuid::now_v7(),
        }
    }
}

impl RequestContext for HttpRequestContext {
    fn credential(&self) -> Option<&SecretString> {
        self.credential.as_ref()
    }

    fn requested_tenant(&self, source: &TenantSource) -> &RequestedTenant {
        match source {
            TenantSource::Header => &self.header_tenant,
            TenantSource::Subdomain(_) => &self.host_tenant,
            TenantSource::Claim => &RequestedTenant::Absent,
        }
    }

    fn client_addr(&self) -> Option<IpAddr> {
        self.client_addr
    }

    fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    fn request_id(&self) -> Uuid {
        self.request_id
    }
}

/// Parses `Authorization: Bearer …`; the scheme is case-insensitive (RFC 9110, section 11.1). Any other value and a
/// duplicate header give an empty token, which is never valid.
fn credential(headers: &HeaderMap) -> Option<SecretString> {
    let mut values = headers.get_all(AUTHORIZATION);
    let value = values.next()?;
    let bearer = |text: &str| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start().to_owned())
    };
    let token = match values.next() {
        None => value.to_str().ok().and_then(bearer),
        Some(_) => None,
    };
    Some(token.unwrap_or_default().into())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn non_bearer_credentials_are_invalid() {
        let token = |values: &[&str]| {
            let add = |request: TestRequest, value: &&str| request.append_header((AUTHORIZATION, *value));
            let request = values.iter().fold(TestRequest::default(), add).to_srv_request();
            let context = HttpRequestContext::new(&request, &TrustedProxies::default(), &TenancyMode::default());
            context.credential().map(|token| token.expose_secret().to_owned())
        };
        assert_eq!(token(&[]), None);
        assert_eq!(token(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(token(&["bEARER  abc"]).as_deref(), Some("abc"));
        for values in [&["Basic abc"][..], &["Bearer"], &["abc"], &["Bearer abc", "Bearer abc"]] {
            assert_eq!(token(values).as_deref(), Some(""), "{values:?}");
        }
    }
}
