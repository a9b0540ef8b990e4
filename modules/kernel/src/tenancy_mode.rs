//! The tenancy mode: how a request is assigned to a tenant.

use std::slice;

use crate::{TenantId, TenantRef, TenantSlug, parsed_text};

/// The configured tenancy mode. Injected where it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenancyMode {
    /// Users are members of any number of tenants, and each request names its tenant.
    Organization(TenantSources),
    /// Each user owns one personal tenant, is its only member, and acts in it.
    Personal,
    /// There is a single tenant, in which every request acts.
    Single(TenantSlug),
}

impl Default for TenancyMode {
    /// Organizations, with the tenant named in the header.
    fn default() -> Self {
        Self::Organization(TenantSources(vec![TenantSource::Header]))
    }
}

impl TenancyMode {
    /// Returns the sources of the tenant, in order of precedence. Empty if requests don't name a tenant.
    pub fn sources(&self) -> slice::Iter<'_, TenantSource> {
        match self {
            Self::Organization(TenantSources(sources)) => sources.iter(),
            Self::Personal | Self::Single(_) => [].iter(),
        }
    }

    /// Returns whether the header is a source.
    pub fn reads_header(&self) -> bool {
        self.sources().any(|source| *source == TenantSource::Header)
    }

    /// Returns whether the claim of the access token is a source.
    pub fn reads_claim(&self) -> bool {
        self.sources().any(|source| *source == TenantSource::Claim)
    }

    /// Returns the domain whose subdomains are tenants, if the host is a source.
    pub fn base_domain(&self) -> Option<&BaseDomain> {
        self.sources().find_map(|source| match source {
            TenantSource::Subdomain(base) => Some(base),
            TenantSource::Header | TenantSource::Claim => None,
        })
    }
}

/// A part of the request that can name the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantSource {
    /// The header `X-Tenant-Id`: a slug or an id.
    Header,
    /// The host, a subdomain of this domain: a slug.
    Subdomain(BaseDomain),
    /// The claim `tenant` of the access token: the slug or id requested at sign-in.
    Claim,
}

/// Sources in order of precedence: the first one that names a tenant wins. Never empty, without duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSources(Vec<TenantSource>);

/// The text isn't a valid list of tenant sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTenantSources {
    /// An empty or unknown name.
    #[error("must be a comma-separated list of header, subdomain and claim, in order of precedence")]
    Unknown,
    /// A duplicate name.
    #[error("must name each source only once")]
    Duplicate,
    /// The source `subdomain` without a base domain.
    #[error("the source subdomain requires a base domain")]
    NoBaseDomain,
    /// A base domain without the source `subdomain`.
    #[error("a base domain is only valid with the source subdomain")]
    UnusedBaseDomain,
}

impl TenantSources {
    /// Parses a comma-separated list of sources. `base` is the domain for `subdomain`.
    pub fn parse(text: &str, base: Option<BaseDomain>) -> Result<Self, InvalidTenantSources> {
        let mut base = base;
        let mut sources: Vec<TenantSource> = Vec::new();
        let mut base_missing = false;
        let mut names = Vec::new();
        for name in text.split(',').map(str::trim) {
            if names.contains(&name) {
                return Err(InvalidTenantSources::Duplicate);
            }
            names.push(name);
            match name {
                "header" => sources.push(TenantSource::Header),
                "claim" => sources.push(TenantSource::Claim),
                "subdomain" => match base.take() {
                    Some(base) => sources.push(TenantSource::Subdomain(base)),
                    None => base_missing = true,
                },
                _ => return Err(InvalidTenantSources::Unknown),
            }
        }
        if base_missing {
            return Err(InvalidTenantSources::NoBaseDomain);
        }
        if base.is_some() { Err(InvalidTenantSources::UnusedBaseDomain) } else { Ok(Self(sources)) }
    }
}

/// A domain name has at most 253 characters (RFC 1035, section 2.3.4), including a slug and a dot.
const MAX_BASE_DOMAIN_LENGTH: usize = 253 - 1 - TenantSlug::MAX_LENGTH;

parsed_text! {
    /// A lower-case domain whose subdomains are tenants.
    ///
    /// Labels of up to 63 letters, digits and hyphens, at most 189 characters in total. Never an IP address.
    BaseDomain, MAX_BASE_DOMAIN_LENGTH characters, normalize_domain => InvalidBaseDomain
}

/// The text isn't a valid base domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a domain without port, such as example.com")]
pub struct InvalidBaseDomain;

fn normalize_domain(text: &str) -> Result<String, InvalidBaseDomain> {
    let domain = text.to_ascii_lowercase();
    let is_label = |label: &str| {
        let chars_ok = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (1..=63).contains(&label.len()) && chars_ok && !label.starts_with('-') && !label.ends_with('-')
    };
    let ends_in_number = domain.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    let valid = domain.len() <= BaseDomain::MAX_LENGTH && domain.split('.').all(is_label) && !ends_in_number;
    if valid { Ok(domain) } else { Err(InvalidBaseDomain) }
}

/// The tenant in which a request acts, if the caller is a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantTarget<'a> {
    /// The tenant with this id.
    Id(TenantId),
    /// The tenant with this slug.
    Slug(&'a TenantSlug),
    /// The caller's personal tenant, in [`TenancyMode::Personal`].
    Personal,
}

impl<'a> From<&'a TenantRef> for TenantTarget<'a> {
    fn from(tenant: &'a TenantRef) -> Self {
        match tenant {
            TenantRef::Id(id) => Self::Id(*id),
            TenantRef::Slug(slug) => Self::Slug(slug),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> BaseDomain {
        "example.com".parse().unwrap()
    }

    #[test]
    fn sources_keep_their_order() {
        let sources = |text, base| TenantSources::parse(text, base).map(|TenantSources(sources)| sources);
        assert_eq!(sources("header", None), Ok(vec![TenantSource::Header]));
        assert_eq!(sources("claim, header", None), Ok(vec![TenantSource::Claim, TenantSource::Header]));
        let all = vec![TenantSource::Subdomain(base()), TenantSource::Header, TenantSource::Claim];
        assert_eq!(sources(" subdomain ,header,claim ", Some(base())), Ok(all));
    }

    #[test]
    fn mode_uses_configured_sources() {
        let organization = |text, base| TenancyMode::Organization(TenantSources::parse(text, base).unwrap());
        for (tenancy, header, claim, domain) in [
            (TenancyMode::default(), true, false, None),
            (organization("claim", None), false, true, None),
            (organization("subdomain,claim", Some(base())), false, true, Some(&base())),
            (organization("subdomain,header", Some(base())), true, false, Some(&base())),
            (TenancyMode::Personal, false, false, None),
            (TenancyMode::Single("acme".parse().unwrap()), false, false, None),
        ] {
            let read = (tenancy.reads_header(), tenancy.reads_claim(), tenancy.base_domain());
            assert_eq!(read, (header, claim, domain), "{tenancy:?}");
        }
    }

    #[test]
    fn empty_or_duplicate_sources_are_rejected() {
        for (text, with_base, error) in [
            ("", false, InvalidTenantSources::Unknown),
            (",", false, InvalidTenantSources::Unknown),
            ("header,", false, InvalidTenantSources::Unknown),
            ("Header", false, InvalidTenantSources::Unknown),
            ("cookie", false, InvalidTenantSources::Unknown),
            ("header claim", false, InvalidTenantSources::Unknown),
            ("header,header", false, InvalidTenantSources::Duplicate),
            ("subdomain,claim,subdomain", true, InvalidTenantSources::Duplicate),
            ("subdomain,subdomain", false, InvalidTenantSources::Duplicate),
            ("header,subdomain", false, InvalidTenantSources::NoBaseDomain),
            ("header,claim", true, InvalidTenantSources::UnusedBaseDomain),
        ] {
            let base = with_base.then(base);
            assert_eq!(TenantSources::parse(text, base), Err(error), "{text:?}");
        }
    }

    #[test]
    fn base_domain_must_not_be_ip() {
        for domain in ["example.com", "localhost", "tenants.example-1.co.uk", "4.example"] {
            assert_eq!(domain.to_uppercase().parse::<BaseDomain>().unwrap().as_str(), domain);
        }
        let long = |last: &str| "abcd.".repeat(37) + last;
        let longest = long("abcd");
        assert_eq!((longest.len(), longest.parse::<BaseDomain>().unwrap().to_string()), (189, longest));
        let too_long = long("abcde");
        for text in [
            "",
            ".",
            "example.com.",
            ".example.com",
            "a..b",
            "example.com:8080",
            "https://example.com",
            "127.0.0.1",
            "[::1]",
            "-a.com",
            "a-.com",
            "ex ample.com",
            "exämple.com",
            "*.example.com",
            &too_long,
        ] {
            assert_eq!(text.parse::<BaseDomain>(), Err(InvalidBaseDomain), "{text:?}");
        }
    }
}
