//! URLs of this server for use outside of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use authorization_api::InvitationToken;
use secrecy::ExposeSecret;
use shaku::Interface;

/// Builds URLs at which users reach the server.
pub(crate) trait PublicUrls: Interface {
    /// Returns the URL that accepts an invitation. The token is in the fragment, which browsers never send, so it
    /// doesn't get into logs or a `Referer` header.
    fn invitation_url(&self, token: &InvitationToken) -> String;
}

/// `PUBLIC_URL` without a trailing slash.
pub(super) struct BaseUrl(pub(super) String);

impl PublicUrls for BaseUrl {
    fn invitation_url(&self, token: &InvitationToken) -> String {
        format!("{}/join#{}", self.0, token.encode().expose_secret())
    }
}

/// Returns the URL of a server that listens on `addr`. A server on all interfaces is reached at the loopback address, since
/// `0.0.0.0` and `::` aren't addresses of a server.
pub fn listen_url(mut addr: SocketAddr) -> String {
    match addr.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{addr}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_of_all_interfaces_is_loopback() {
        for (addr, url) in [
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            ("[::]:8080", "http://[::1]:8080"),
            ("10.0.0.5:80", "http://10.0.0.5:80"),
            ("[2001:db8::1]:80", "http://[2001:db8::1]:80"),
        ] {
            assert_eq!(addr.parse().map(listen_url), Ok(url.to_owned()));
        }
    }
}
