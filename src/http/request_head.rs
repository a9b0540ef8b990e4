//! Checks of a request's head that apply to every path, before the caller is authenticated: the host, and how the body
//! is encoded.

use std::net::Ipv6Addr;

use actix_web::{
    dev::ServiceRequest,
    http::{
        Version,
        header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST},
    },
};
use kernel::parse_integer;

use super::problem::{Problem, types::UNSUPPORTED_MEDIA_TYPE};

/// Rejects a request whose host is invalid, that has two headers `Content-Type`, or whose body is compressed.
pub(super) fn check_head(request: &ServiceRequest) -> Result<(), Problem> {
    if requested_host(request).is_err() {
        return Err(Problem::malformed("The host is missing, invalid or occurs twice. Send one header Host."));
    }
    if request.headers().get_all(CONTENT_TYPE).count() > 1 {
        return Err(Problem::malformed("The header Content-Type occurs twice. Send it once."));
    }
    if request.headers().contains_key(CONTENT_ENCODING) {
        let detail =
            "A compressed body is not supported. Remove the header Content-Encoding, and send the body uncompressed.";
        // RFC 9110, section 12.5.3
        return Err(Problem::new(UNSUPPORTED_MEDIA_TYPE, detail).with_header(ACCEPT_ENCODING, "identity"));
    }
    Ok(())
}

/// The host can't be determined, which RFC 9112, section 3.2, requires to be rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InvalidHost;

/// Returns the requested host, with the port if there is one: the authority in the request target if there is one (RFC
/// 9112, section 3.2.2), otherwise the header `Host`. Only HTTP/1.0 requests may have neither.
pub(super) fn requested_host(request: &ServiceRequest) -> Result<Option<&str>, InvalidHost> {
    let valid = |text: &str| if is_valid(text) { Ok(()) } else { Err(InvalidHost) };
    let mut headers = request.headers().get_all(HOST);
    let header = match (headers.next(), headers.next()) {
        (Some(header), None) => Some(header.to_str().map_err(|_| InvalidHost)?),
        (None, _) if request.version() < Version::HTTP_11 => None,
        _ => return Err(InvalidHost),
    };
    header.map_or(Ok(()), valid)?;
    match request.uri().authority() {
        Some(target) => valid(target.as_str()).map(|()| Some(target.as_str())),
        None => Ok(header),
    }
}

/// Returns whether the text is a domain name or an IP address, with or without a port. RFC 3986 allows more, which no
/// URL of a web server contains: a user name, percent-encoding, other punctuation and empty labels.
fn is_valid(text: &str) -> bool {
    let in_brackets = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (name_ok, port) = match in_brackets {
        Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_domain_name(name), port)
        }
    };
    // The number may be missing.
    let port_ok = matches!(port, "" | ":") || port.strip_prefix(':').and_then(parse_integer::<u16>).is_some();
    name_ok && port_ok
}

fn is_domain_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // A fully qualified name ends with a dot.
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use actix_web::{ResponseError, http::StatusCode, test::TestRequest};

    use super::*;

    #[test]
    fn host_is_domain_name_or_address() {
        let longest_label = "a".repeat(63);
        for host in [
            "localhost",
            "example.com",
            "EXAMPLE.com.",
            "a_b-c.example.com:8080",
            "example.com:",
            "127.0.0.1:80",
            "[::1]",
            "[2001:db8::1]:443",
            &longest_label,
        ] {
            assert!(is_valid(host), "{host}");
        }
        let (long_label, long_name) = ("a".repeat(64), "a.".repeat(127));
        for host in [
            "",
            ":80",
            ".",
            ".example.com",
            "a..example.com",
            "example.com..",
            "me@example.com",
            "exa mple.com",
            "example.com/path",
            "example.com?",
            "example.com,example.org",
            "ex%61mple.com",
            "exämple.com",
            "example.com:80:80",
            "example.com:+80",
            "example.com:080",
            "example.com:80a",
            "example.com:65536",
            "::1",
            "[::1",
            "[::1]a",
            "[fe80::1%1]",
            "[127.0.0.1]",
            "[]",
            &long_label,
            &format!("{long_name}aa"),
        ] {
            assert!(!is_valid(host), "{host}");
        }
    }

    #[test]
    fn missing_or_second_host_is_rejected() {
        let host = |target: &str, version: Version, hosts: &[&str]| {
            let request = TestRequest::with_uri(target).version(version);
            let request = hosts.iter().fold(request, |request, host| request.append_header((HOST, *host)));
            requested_host(&request.to_srv_request()).map(|host| host.map(ToOwned::to_owned))
        };
        let found = |host: &str| Ok(Some(host.to_owned()));
        assert_eq!(host("/", Version::HTTP_11, &["a.example"]), found("a.example"));
        assert_eq!(host("http://b.example/", Version::HTTP_11, &["a.example"]), found("b.example"));
        assert_eq!(host("/", Version::HTTP_10, &[]), Ok(None));
        assert_eq!(host("/", Version::HTTP_11, &[]), Err(InvalidHost));
        assert_eq!(host("/", Version::HTTP_11, &[""]), Err(InvalidHost));
        assert_eq!(host("/", Version::HTTP_10, &["a.example", "a.example"]), Err(InvalidHost));
        assert_eq!(host("http://b.example/", Version::HTTP_11, &[]), Err(InvalidHost));
        assert_eq!(host("http://b.example/", Version::HTTP_11, &["a@b"]), Err(InvalidHost));
        assert_eq!(host("http://me@b.example/", Version::HTTP_11, &["a.example"]), Err(InvalidHost));
    }

    #[test]
    fn ambiguous_body_headers_are_rejected() {
        let check = |headers: &[(&'static str, &str)]| {
            let request = TestRequest::default().insert_header((HOST, "localhost"));
            let request = headers.iter().fold(request, |request, header| request.append_header(*header));
            check_head(&request.to_srv_request()).err().map(|problem| problem.status_code())
        };
        let json = ("Content-Type", "application/json");
        assert_eq!(check(&[json]), None);
        assert_eq!(check(&[json, json]), Some(StatusCode::BAD_REQUEST));
        for coding in ["gzip", "identity", "", "zstd, gzip"] {
            assert_eq!(
                check(&[json, ("Content-Encoding", coding)]),
                Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
                "{coding}"
            );
        }
    }
}
