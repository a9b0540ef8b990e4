//! What a request says about itself, before any of it is believed.

use std::net::IpAddr;

use secrecy::SecretString;
use shaku::Interface;

use super::{TenantRef, TenantSource};

/// How a source names the tenant that the request wants to act in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedTenant {
    /// Not at all.
    Absent,
    /// In a way that no tenant can be named: answered like a tenant that doesn't exist.
    Invalid,
    /// So that it can be looked up.
    Present(TenantRef),
}

/// The facts of one request. The HTTP delivery implements it.
pub trait RequestContext: Interface {
    /// The bearer token (RFC 6750), if there is one.
    fn credential(&self) -> Option<&SecretString>;
    /// The tenant, by this source. What the credential claims isn't known here: by [`TenantSource::Claim`] none is named.
    fn requested_tenant(&self, source: &TenantSource) -> &RequestedTenant;
    /// Where it comes from, as far as can be trusted.
    fn client_addr(&self) -> Option<IpAddr>;
    /// What the client says it is.
    fn user_agent(&self) -> Option<&str>;
    /// The request's own id, the same in the logs and in the answer's `X-Request-Id`.
    fn request_id(&self) -> uuid::Uuid;
}
