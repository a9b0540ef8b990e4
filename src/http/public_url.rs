//! URLs of this server for use outside of it.

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
