//! Addresses that are given to people.

use kernel::contracts::InvitationToken;
use secrecy::ExposeSecret;
use shaku::Interface;

/// Where people reach the program, for what sends them there.
pub(crate) trait PublicUrls: Interface {
    /// Where an invitation is accepted. The token is in the fragment, which browsers send to nobody: so it gets into no
    /// log and no `Referer` on its way.
    fn invitation_url(&self, token: &InvitationToken) -> String;
}

/// `PUBLIC_URL`, without a slash at its end.
pub(super) struct BaseUrl(pub(super) String);

impl PublicUrls for BaseUrl {
    fn invitation_url(&self, token: &InvitationToken) -> String {
        format!("{}/join#{}", self.0, token.encode().expose_secret())
    }
}
