//! The tenancy mode and the keys of each mode.

use kernel::{InvalidTenantSources, TenancyMode, TenantSources};

use crate::config::validator::{Validator, from_str, one_of};

#[derive(Clone, Copy)]
enum Mode {
    Organization,
    Personal,
    Single,
}

const MODE: &str = "TENANCY_MODE";
const SOURCES: &str = "TENANT_SOURCES";
const BASE_DOMAIN: &str = "TENANT_BASE_DOMAIN";
const SLUG: &str = "TENANT_SLUG";

impl Validator {
    pub(super) fn tenancy(&mut self) -> Option<TenancyMode> {
        let modes = [("organization", Mode::Organization), ("personal", Mode::Personal), ("single", Mode::Single)];
        let mode = self.value(MODE, one_of(modes))?;
        if !self.layers.complete && !self.is_explicit(MODE) {
            // The unreadable file may set another mode, which has other keys.
            return None;
        }
        match mode {
            Mode::Organization => {
                self.reject_unused(SLUG, "is only used with TENANCY_MODE=single; set that, or unset TENANT_SLUG");
                self.sources().map(TenancyMode::Organization)
            }
            Mode::Personal => {
                for key in [SOURCES, BASE_DOMAIN, SLUG] {
                    self.reject_unused(key, format!("is not used with TENANCY_MODE=personal; unset {key}"));
                }
                Some(TenancyMode::Personal)
            }
            Mode::Single => {
                for key in [SOURCES, BASE_DOMAIN] {
                    self.reject_unused(key, format!("is not used with TENANCY_MODE=single; unset {key}"));
                }
                self.require(SLUG, "is required with TENANCY_MODE=single; set it to the tenant's slug, such as acme");
                self.value(SLUG, from_str).map(TenancyMode::Single)
            }
        }
    }

    fn sources(&mut self) -> Option<TenantSources> {
        let base = self.value(BASE_DOMAIN, from_str);
        let error = match TenantSources::parse(&self.layers.values.get(SOURCES)?.text, base) {
            Ok(sources) => return Some(sources),
            Err(error) => error,
        };
        match error {
            // If the base domain is set but invalid, the error has already been added.
            InvalidTenantSources::NoBaseDomain => {
                self.require(BASE_DOMAIN, "is required with subdomain in TENANT_SOURCES; set it, such as example.com");
            }
            InvalidTenantSources::UnusedBaseDomain if self.layers.complete || self.is_explicit(SOURCES) => {
                let message = "is only used with subdomain in TENANT_SOURCES; add that, or unset TENANT_BASE_DOMAIN";
                self.add_error(BASE_DOMAIN, message);
            }
            // The unreadable file may add the source.
            InvalidTenantSources::UnusedBaseDomain => {}
            InvalidTenantSources::Unknown | InvalidTenantSources::Duplicate => {
                self.add_error(SOURCES, error.to_string())
            }
        }
        None
    }

    /// Adds an error if the key is set, because it would have no effect and the operator expects one.
    fn reject_unused(&mut self, key: &'static str, message: impl Into<String>) {
        if self.is_explicit(key) {
            self.add_error(key, message);
        }
    }
}
