//! Unverified data of a request.

use std::net::IpAddr;

use secrecy::SecretString;
use shaku::Interface;

use crate::{TenantRef, TenantSource};

/// The tenant that a request names in one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedTenant {
    /// The source names no tenant.
    Absent,
    /// The value can't be the id or slug of a tenant. Handled like a tenant that doesn't exist.
    Invalid,
    /// A tenant to look up.
    Present(TenantRef),
}

/// Data of one HTTP request. Implemented by the HTTP layer.
pub trait RequestContext: Interface {
    /// Returns the bearer token (RFC 6750), if any.
    fn credential(&self) -> Option<&SecretString>;
    /// Returns the tenant named in this source. Always [`RequestedTenant::Absent`] for [`TenantSource::Claim`], which
    /// is known only after the token has been verified.
    fn requested_tenant(&self, source: &TenantSource) -> &RequestedTenant;
    /// Returns the client address, if known.
    fn client_addr(&self) -> Option<IpAddr>;
    /// Returns the header `User-Agent`.
    fn user_agent(&self) -> Option<&str>;
    /// Returns the id of the request, also in the logs and in the response header `X-Request-Id`.
    fn request_id(&self) -> uuid::Uuid;
}
