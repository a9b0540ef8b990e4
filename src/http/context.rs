//! The data of an HTTP request that is known before its token is verified.

use std::net::IpAddr;

use actix_web::{
    dev::ServiceRequest,
    http::header::{AUTHORIZATION, HeaderMap, USER_AGENT},
};
use kernel::{RequestContext, RequestedTenant, TenancyMode, TenantSource};
use secrecy::SecretString;
use uuid::Uuid;

use super::requested_tenant;

/// The proxies whose `X-Forwarded-For` is trusted.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies(pub(crate) Vec<IpAddr>);

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
            client_addr: client_addr(request, proxies),
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

/// Returns the socket's peer or, if that is a trusted proxy, the last address in `X-Forwarded-For` that isn't a trusted
/// proxy. Addresses to the left of it are client input and can be forged. An invalid entry ends the search; the result
/// is then the address to its right, or the peer.
fn client_addr(request: &ServiceRequest, proxies: &TrustedProxies) -> Option<IpAddr> {
    let trusted = |addr: &IpAddr| proxies.0.contains(addr);
    let peer = request.peer_addr()?.ip().to_canonical();
    if !trusted(&peer) {
        return Some(peer);
    }
    let values = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        let Ok(addr) = hop.trim().parse::<IpAddr>() else { break };
        client = addr.to_canonical();
        if !trusted(&client) {
            break;
        }
    }
    Some(client)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use secrecy::ExposeSecret;

    use super::*;

    fn context(request: TestRequest) -> HttpRequestContext {
        let proxies = TrustedProxies(vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()]);
        HttpRequestContext::new(&request.to_srv_request(), &proxies, &TenancyMode::default())
    }

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let request = TestRequest::default().peer_addr(format!("{peer}:1234").parse().unwrap());
        let add = |request: TestRequest, value: &&str| request.append_header(("X-Forwarded-For", *value));
        context(forwarded.iter().fold(request, add)).client_addr().unwrap().to_string()
    }

    #[test]
    fn untrusted_forwarded_for_is_ignored() {
        assert_eq!(client("192.0.2.7", &[]), "192.0.2.7");
        assert_eq!(client("192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(client("[::ffff:192.0.2.7]", &[]), "192.0.2.7");
    }

    #[test]
    fn client_addr_is_last_untrusted_hop() {
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "198.51.100.1", "10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1, nonsense"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn non_bearer_credentials_are_invalid() {
        let token = |values: &[&str]| {
            let add = |request: TestRequest, value: &&str| request.append_header((AUTHORIZATION, *value));
            let context = context(values.iter().fold(TestRequest::default(), add));
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
