//! The request's bearer token (RFC 6750).

use std::sync::Arc;

use async_trait::async_trait;
use kernel::contracts::{AccessTokens, CredentialError, IdentitySource, RequestContext, VerifiedClaims};
use shaku::Component;

/// An [`IdentitySource`] that verifies the request's bearer token.
#[derive(Component)]
#[shaku(interface = IdentitySource)]
pub struct BearerIdentitySource {
    #[shaku(inject)]
    context: Arc<dyn RequestContext>,
    #[shaku(inject)]
    tokens: Arc<dyn AccessTokens>,
}

#[async_trait]
impl IdentitySource for BearerIdentitySource {
    async fn claims(&self) -> Result<Option<VerifiedClaims>, CredentialError> {
        self.context.credential().map(|token| self.tokens.verify(token)).transpose()
    }
}
