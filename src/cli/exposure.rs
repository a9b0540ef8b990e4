//! Whether other machines may reach the server. Demo accounts, whose password is public, are only for this machine.

use std::net::IpAddr;

use crate::config::{AppConfig, AppEnv};

/// Why other machines may reach the server.
pub(super) struct Exposure {
    pub(super) reason: String,
    /// How to change that; `None` if the setting should be kept.
    pub(super) remedy: Option<&'static str>,
}

impl Exposure {
    /// Returns why other machines may reach the server if it listens on `host`; `None` if they can't. A server behind a
    /// proxy may listen on a loopback address, too.
    pub(super) fn of(config: &AppConfig, host: IpAddr) -> Option<Self> {
        let exposure = |reason: &str, remedy| Some(Self { reason: reason.to_owned(), remedy });
        if config.environment == AppEnv::Production {
            exposure("APP_ENV is production", None)
        } else if config.http.public_url.is_some() {
            exposure("PUBLIC_URL is set", Some("unset PUBLIC_URL"))
        } else if !config.http.trusted_proxies.is_empty() {
            exposure("TRUSTED_PROXIES is set", Some("unset TRUSTED_PROXIES"))
        } else if !host.is_loopback() {
            exposure(&format!("{host} is not a loopback address"), Some("set HTTP_HOST=127.0.0.1"))
        } else {
            None
        }
    }
}
