//! The address of a request's client, who may be behind trusted proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, X_FORWARDED_FOR};
use ipnet::IpNet;

use crate::config::{ForwardedHeader, HttpConfig};

/// The proxies whose forwarding header is trusted, and which header that is.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies {
    ranges: Vec<IpNet>,
    header: ForwardedHeader,
}

impl TrustedProxies {
    pub(super) fn new(config: &HttpConfig) -> Self {
        Self { ranges: config.trusted_proxies.clone(), header: config.forwarded_header }
    }

    /// Returns the address of the client, or `None` if it is unknown.
    ///
    /// The peer is the client unless it is a trusted proxy. Each proxy appends the address of its peer to the
    /// header, so the client is the last address that isn't a trusted proxy. What is to the left of it can be forged and
    /// isn't parsed. An entry that isn't an address makes the client unknown: it never counts as a proxy. If all
    /// entries are trusted proxies, the first one has sent the request.
    ///
    /// Without the header, the client is unknown as well. Some proxies can be made to omit it, so such a request isn't
    /// known to come from the proxy itself.
    pub(super) fn client_addr(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?.ip().to_canonical();
        if !self.trusts(peer) {
            return Some(peer);
        }
        let (name, parse): (HeaderName, fn(&str) -> Option<IpAddr>) = match self.header {
            ForwardedHeader::XForwardedFor => (X_FORWARDED_FOR, parse_node),
            ForwardedHeader::Forwarded => (FORWARDED, parse_element),
        };
        let lines: Vec<_> = headers.get_all(name).map(HeaderValue::as_bytes).collect();
        let mut client = None;
        // Split from the right and before anything is parsed: an unbalanced quote further left must have no effect.
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            let addr = parse(std::str::from_utf8(entry).ok()?.trim_matches(WHITESPACE))?;
            client = Some(addr);
            if !self.trusts(addr) {
                break;
            }
        }
        client
    }

    fn trusts(&self, addr: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(&addr))
    }
}

/// Optional whitespace (RFC 9110, section 5.6.3).
const WHITESPACE: [char; 2] = [' ', '\t'];

/// Parses an address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or
/// `[2001:db8::1]:80`.
fn parse_node(text: &str) -> Option<IpAddr> {
    // A zone id has a meaning only on the host that wrote it; std accepts numeric ones before a port.
    if text.contains('%') {
        return None;
    }
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    let with_port = || text.parse::<SocketAddr>().ok().map(|addr| addr.ip());
    let addr = text.parse().ok().or_else(in_brackets).or_else(with_port);
    addr.map(|addr| addr.to_canonical())
}

/// Parses the `for` of an element of `Forwarded` (RFC 7239, section 4), such as `for="[2001:db8::1]:80";proto=https`.
/// Stricter than the RFC: a quoted value may contain neither quotes nor separators, escaped or not, because a proxy may
/// repeat the client's `Host` there.
fn parse_element(element: &str) -> Option<IpAddr> {
    let mut node = None;
    for pair in element.split(';').map(|pair| pair.trim_matches(WHITESPACE)).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value = value.strip_prefix('"').map_or(Some(value), |value| value.strip_suffix('"'))?;
        let is_duplicate = name.eq_ignore_ascii_case("for") && node.replace(value).is_some();
        if is_duplicate || [name, value].iter().any(|part| part.contains(['"', '\\'])) {
            return None;
        }
    }
    parse_node(node?)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const PROXY: &str = "10.0.0.1";
    const HEADERS: [ForwardedHeader; 2] = [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded];

    fn proxies(header: ForwardedHeader) -> TrustedProxies {
        let ranges = ["10.0.0.1/32", "10.0.1.0/24", "2001:db8:1::/48"].map(|range| range.parse().unwrap());
        TrustedProxies { ranges: ranges.into(), header }
    }

    fn client(header: ForwardedHeader, peer: &str, lines: &[(HeaderName, &[u8])]) -> Option<IpAddr> {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name.clone(), HeaderValue::from_bytes(line).unwrap());
        }
        proxies(header).client_addr(Some(SocketAddr::new(peer.parse().unwrap(), 1234)), &headers)
    }

    /// Returns the client of a request by a trusted proxy with these lines of `X-Forwarded-For`.
    fn x_forwarded_for<B: AsRef<[u8]>>(lines: &[B]) -> Option<IpAddr> {
        let lines: Vec<_> = lines.iter().map(|line| (X_FORWARDED_FOR, line.as_ref())).collect();
        client(ForwardedHeader::XForwardedFor, PROXY, &lines)
    }

    fn forwarded<B: AsRef<[u8]>>(lines: &[B]) -> Option<IpAddr> {
        let lines: Vec<_> = lines.iter().map(|line| (FORWARDED, line.as_ref())).collect();
        client(ForwardedHeader::Forwarded, PROXY, &lines)
    }

    fn addr(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn untrusted_peer_is_client() {
        for header in HEADERS {
            let lines: [(HeaderName, &[u8]); 2] =
                [(X_FORWARDED_FOR, b"198.51.100.1"), (FORWARDED, b"for=198.51.100.1")];
            for peer in ["192.0.2.7", "10.0.0.2", "::ffff:192.0.2.7", "2001:db8:2::1"] {
                let canonical = peer.trim_start_matches("::ffff:");
                assert_eq!(client(header, peer, &lines), addr(canonical), "{peer}");
                assert_eq!(client(header, peer, &[]), addr(canonical), "{peer}");
            }
        }
    }

    #[test]
    fn client_is_last_untrusted_hop() {
        for (lines, expected) in [
            (&["198.51.100.1"][..], "198.51.100.1"),
            (&["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            (&["203.0.113.9,198.51.100.1 ,\t10.0.1.2"], "198.51.100.1"),
            (&["203.0.113.9", "198.51.100.1", "10.0.1.255", "10.0.0.1"], "198.51.100.1"),
            (&["unknown, \"', 198.51.100.1"], "198.51.100.1"),
            (&["198.51.100.1:4711"], "198.51.100.1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["[2001:db8::1]:443, 10.0.1.2:80, [2001:db8:1::1]:80"], "2001:db8::1"),
            (&["::ffff:198.51.100.1"], "198.51.100.1"),
            (&["[::ffff:198.51.100.1]:80, ::ffff:10.0.0.1"], "198.51.100.1"),
            // Only proxies: the first one has sent the request.
            (&["10.0.1.7, 10.0.1.2"], "10.0.1.7"),
        ] {
            assert_eq!(x_forwarded_for(lines), addr(expected), "{lines:?}");
        }
    }

    #[test]
    fn unparsable_hop_makes_client_unknown() {
        let hops: [&[u8]; 21] = [
            b"",
            b" ",
            b"unknown",
            b"_hidden",
            b"localhost",
            b"\xff",
            b"198.51.100.1\xa0",
            b"198.51.100.1 x",
            b"198.51.100.1:",
            b"198.51.100.1:65536",
            b"198.51.100.1:http",
            b"198.51.100.01",
            b"198.51.100",
            b"[198.51.100.1]",
            b"\"198.51.100.1\"",
            b"fe80::1%eth0",
            b"[fe80::1%1]:80",
            b"[2001:db8::1",
            b"2001:db8::1]",
            b"[2001:db8::1]:",
            b"for=198.51.100.1",
        ];
        let (client, proxy): (&[u8], &[u8]) = (b"203.0.113.9", b"10.0.1.2");
        for hop in hops {
            for hops in [&[hop][..], &[client, hop], &[hop, proxy], &[proxy, hop]] {
                assert_eq!(x_forwarded_for(hops), None, "{hops:?}");
                assert_eq!(x_forwarded_for(&[hops.join(&b", "[..])]), None, "{hops:?}");
            }
        }
    }

    #[test]
    fn forwarded_element_is_parsed() {
        for (lines, expected) in [
            (&["for=198.51.100.1"][..], "198.51.100.1"),
            (&["For=203.0.113.9, FOR=198.51.100.1;by=10.0.0.1;proto=https"], "198.51.100.1"),
            (&["proto=https; for=\"198.51.100.1:4711\";host=\"example.com\";"], "198.51.100.1"),
            (&["for=\"[2001:db8::1]:443\"", "for=10.0.1.2"], "2001:db8::1"),
            (&["for=\", for=198.51.100.1"], "198.51.100.1"),
        ] {
            assert_eq!(forwarded(lines), addr(expected), "{lines:?}");
        }
        for line in [
            "",
            "198.51.100.1",
            "for",
            "for=",
            "for=unknown",
            "for=_hidden",
            "for = 198.51.100.1",
            "for=\"198.51.100.1",
            "for=198.51.100.1\"",
            "for=\"198.51.100.\\1\"",
            "by=198.51.100.1;proto=https",
            "for=198.51.100.1;for=203.0.113.9",
            "for=198.51.100.1;host=\"x;for=203.0.113.9;y\"",
            "host=\"x;for=203.0.113.9;y\"",
            "for=198.51.100.1;host=\"x, for=203.0.113.9\"",
            "for=198.51.100.1;host=\"x, for=203.0.113.9, y\"",
            "for=\"[fe80::1%1]:80\"",
            "for=198.51.100.1,",
        ] {
            assert_eq!(forwarded(&[line]), None, "{line}");
        }
    }

    #[test]
    fn only_configured_header_is_read() {
        for (header, line) in [
            (ForwardedHeader::XForwardedFor, (FORWARDED, &b"for=198.51.100.1"[..])),
            (ForwardedHeader::Forwarded, (X_FORWARDED_FOR, b"198.51.100.1")),
        ] {
            assert_eq!(client(header, PROXY, &[line]), None);
            assert_eq!(client(header, PROXY, &[]), None);
        }
    }

    /// Any bytes that a header may contain, often with the characters of the grammar.
    fn header_bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            4 => prop::sample::select(&b"0123456789abcdef.:[]%,;=\"\\ \tfor10.0.1"[..]),
            1 => any::<u8>().prop_filter("allowed in a header", |byte| (*byte >= 32 && *byte != 127) || *byte == 9),
        ];
        let piece = prop_oneof![
            vec(byte, 0..12),
            prop::sample::select(
                &["10.0.0.1", "for=10.0.0.1", "10.0.1.2:80", "[2001:db8:1::1]", ", ", ",", "\"", ";"][..]
            )
            .prop_map(|text| text.as_bytes().to_vec()),
        ];
        vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn client_input_never_changes_address(
            before in vec(header_bytes(), 0..3),
            same_line in header_bytes(),
            proxies in vec(prop::sample::select(&["10.0.0.1", "10.0.1.2:80", "[2001:db8:1::1]:443"][..]), 0..3),
        ) {
            for header in HEADERS {
                let entry = |hop: &str| match header {
                    ForwardedHeader::XForwardedFor => hop.to_owned(),
                    ForwardedHeader::Forwarded => format!("for=\"{hop}\""),
                };
                // What the proxies append to the client's own line.
                let appended = ["198.51.100.1"].iter().chain(&proxies).map(|hop| format!(", {}", entry(hop)));
                let last = [same_line.clone(), appended.collect::<String>().into_bytes()].concat();
                let lines: Vec<_> = before.iter().chain([&last]).collect();
                let read = match header {
                    ForwardedHeader::XForwardedFor => x_forwarded_for(&lines),
                    ForwardedHeader::Forwarded => forwarded(&lines),
                };
                prop_assert_eq!(read, addr("198.51.100.1"));
            }
        }

        /// The address of a proxy is only returned if the header contains nothing but addresses of proxies.
        #[test]
        fn invalid_header_never_yields_proxy(lines in vec(header_bytes(), 1..4)) {
            let trusted = proxies(ForwardedHeader::XForwardedFor);
            for (read, parse) in [(x_forwarded_for(&lines), parse_node as fn(&str) -> _), (forwarded(&lines), parse_element)] {
                let entries = lines.iter().flat_map(|line| line.split(|byte| *byte == b','));
                let parsed: Option<Vec<IpAddr>> =
                    entries.map(|entry| parse(std::str::from_utf8(entry).ok()?.trim_matches(WHITESPACE))).collect();
                let only_proxies = parsed.is_some_and(|hops| hops.into_iter().all(|hop| trusted.trusts(hop)));
                prop_assert_eq!(read.is_some_and(|addr| trusted.trusts(addr)), only_proxies);
            }
        }
    }
}
