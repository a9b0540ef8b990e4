//! Parsing of IP ranges.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use kernel::parse_integer;

/// Reasons why a string isn't a valid IP range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpRangeError {
    /// The text isn't an address, a slash and a prefix length, or an IPv4 octet or the prefix length has leading zeros.
    Malformed,
    /// The address has bits set beyond its prefix length.
    HostBits,
}

/// Parses an IP range in CIDR notation, such as `10.0.0.0/8`. Converts an IPv4-mapped IPv6 range to an IPv4 range,
/// because client addresses are converted the same way.
///
/// Leading zeros in IPv4 addresses and prefix lengths are rejected, because some programs read `010.0.0.0` as `8.0.0.0`.
/// ipnet's own parser accepts them.
///
/// # Errors
/// [`IpRangeError`]
pub fn parse_ip_range(text: &str) -> Result<IpNet, IpRangeError> {
    let range = text.split_once('/').and_then(|(addr, length)| {
        let addr: IpAddr = addr.parse().ok()?;
        IpNet::new(addr, parse_integer(length)?).ok()
    });
    let range = range.ok_or(IpRangeError::Malformed)?;
    if range == range.trunc() { Ok(unmap_ipv4(range)) } else { Err(IpRangeError::HostBits) }
}

fn unmap_ipv4(range: IpNet) -> IpNet {
    let IpNet::V6(v6) = range else { return range };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(addr, length)| Ipv4Net::new(addr, length).ok()).map_or(range, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_ranges_are_accepted() {
        for (text, canonical) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("192.0.2.1/32", "192.0.2.1/32"),
            ("2001:DB8:0::/32", "2001:db8::/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            assert_eq!(parse_ip_range(text).map(|range| range.to_string()).as_deref(), Ok(canonical));
        }
    }

    #[test]
    fn malformed_ranges_are_rejected() {
        for text in [
            "010.0.0.0/8",
            "10.00.0.0/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/ 8",
            "10.0.0.0/33",
            "10.0.0.0",
            "10/8",
            "0x0a.0.0.0/8",
            "::ffff:010.0.0.0/104",
            "::/032",
            "fe80::%1/64",
            " 10.0.0.0/8",
            "",
        ] {
            assert_eq!(parse_ip_range(text), Err(IpRangeError::Malformed), "{text}");
        }
    }

    #[test]
    fn host_bits_are_rejected() {
        for text in ["10.0.0.1/8", "2001:db8::1/32"] {
            assert_eq!(parse_ip_range(text), Err(IpRangeError::HostBits), "{text}");
        }
    }
}
