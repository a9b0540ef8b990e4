//! How it is found out which tenant a request acts in.

use std::{fmt, slice, str::FromStr};

use super::{TenantId, TenantRef, TenantSlug};

/// The tenancy mode, as configured. Who must know it has it injected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenancyMode {
    /// People are members of any number of tenants, and a request names the one that it acts in.
    Organization(TenantSources),
    /// Each person has one tenant of their own, whose only member they are, and acts in that.
    Personal,
    /// There is one tenant, and every request acts in it.
    Single(TenantSlug),
}

impl Default for TenancyMode {
    /// Organizations, named in the header.
    fn default() -> Self {
        Self::Organization(TenantSources(vec![TenantSource::Header]))
    }
}

impl TenancyMode {
    /// Where a request may name its tenant, in the order in which they count. Without any, it names none.
    pub fn sources(&self) -> slice::Iter<'_, TenantSource> {
        match self {
            Self::Organization(TenantSources(sources)) => sources.iter(),
            Self::Personal | Self::Single(_) => [].iter(),
        }
    }

    /// Whether the header counts.
    pub fn reads_header(&self) -> bool {
        self.sources().any(|source| *source == TenantSource::Header)
    }

    /// Whether the access token's claim counts.
    pub fn reads_claim(&self) -> bool {
        self.sources().any(|source| *source == TenantSource::Claim)
    }

    /// The domain whose subdomains are tenants, where the host counts.
    pub fn base_domain(&self) -> Option<&BaseDomain> {
        self.sources().find_map(|source| match source {
            TenantSource::Subdomain(base) => Some(base),
            TenantSource::Header | TenantSource::Claim => None,
        })
    }
}

/// A place where a request may name its tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantSource {
    /// The header `X-Tenant-Id`: a slug or an id.
    Header,
    /// The host, a subdomain of this domain: a slug.
    Subdomain(BaseDomain),
    /// The claim `tenant` of the access token: a slug or an id, as wished for when signing in.
    Claim,
}

/// Sources in the order in which they count: the first that names a tenant decides. Never empty, each at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSources(Vec<TenantSource>);

/// The text doesn't say where a request may name its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTenantSources {
    /// Nothing, or nothing between two commas, or none of the sources there are.
    #[error(
        "must be one or more of header, subdomain and claim, with commas between, in the order in which they count"
    )]
    Unknown,
    /// One of them twice.
    #[error("must name each source once")]
    Duplicate,
    /// The source `subdomain` without the domain.
    #[error("the source subdomain needs a base domain")]
    NoBaseDomain,
    /// The domain without the source `subdomain`.
    #[error("a base domain is of use for the source subdomain alone")]
    UnusedBaseDomain,
}

impl TenantSources {
    /// Names of sources with commas between, and the domain for `subdomain`.
    ///
    /// # Errors
    /// [`InvalidTenantSources`]
    pub fn parse(text: &str, base: Option<BaseDomain>) -> Result<Self, InvalidTenantSources> {
        let mut base = base;
        let mut sources: Vec<TenantSource> = Vec::new();
        let mut lacks_base = false;
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
                    None => lacks_base = true,
                },
                _ => return Err(InvalidTenantSources::Unknown),
            }
        }
        if lacks_base {
            return Err(InvalidTenantSources::NoBaseDomain);
        }
        if base.is_some() { Err(InvalidTenantSources::UnusedBaseDomain) } else { Ok(Self(sources)) }
    }
}

/// A domain whose subdomains are tenants, in lower case: letters, digits and hyphens, in labels of up to 63 characters
/// with dots between, 189 characters at the most, so that a slug and a dot fit before it. Never an IP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseDomain(String);

impl BaseDomain {
    /// In characters. A name has 253 at the most (RFC 1035, section 2.3.4).
    pub const MAX_LENGTH: usize = 253 - 1 - TenantSlug::MAX_LENGTH;

    /// As compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text can't be a base domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a domain without port, such as example.com")]
pub struct InvalidBaseDomain;

impl FromStr for BaseDomain {
    type Err = InvalidBaseDomain;

    fn from_str(text: &str) -> Result<Self, InvalidBaseDomain> {
        let domain = text.to_ascii_lowercase();
        let label = |label: &str| {
            let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            (1..=63).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
        };
        let number = domain.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        let fits = domain.len() <= Self::MAX_LENGTH && domain.split('.').all(label) && !number;
        if fits { Ok(Self(domain)) } else { Err(InvalidBaseDomain) }
    }
}

impl fmt::Display for BaseDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which tenant a request acts in, if the caller is a member of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantTarget<'a> {
    /// The one with this id.
    Id(TenantId),
    /// The one with this slug.
    Slug(&'a TenantSlug),
    /// The caller's own, in the mode [`TenancyMode::Personal`].
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
