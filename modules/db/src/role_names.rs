//! Names of the two database roles of the application.

/// Name of the application role in migration files, on the embedded server and in the tests.
const APP_PLACEHOLDER: &str = "tenantry_app";
/// The same for the role of system transactions.
const SYSTEM_PLACEHOLDER: &str = "tenantry_system";

/// Maximum length of a prefix in bytes. PostgreSQL truncates names to 63 bytes.
const MAX_PREFIX_BYTES: usize = 63 - "_system".len();

/// Names of the application's two database roles.
///
/// Roles belong to the whole server. Each database has its own pair, so the login of another database can't assume
/// them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleNames {
    app: String,
    system: String,
}

/// The prefix can't be used for role names. The message doesn't contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to {MAX_PREFIX_BYTES} characters, only letters, digits, _ and -, and must not begin with pg_")]
pub struct RolePrefixError;

impl RoleNames {
    /// Returns the names `<prefix>_app` and `<prefix>_system`.
    ///
    /// # Errors
    /// PostgreSQL reserves the prefix `pg_`, or the names would be too long or contain special characters.
    pub fn new(prefix: &str) -> Result<Self, RolePrefixError> {
        let is_plain = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if prefix.is_empty() || prefix.len() > MAX_PREFIX_BYTES || prefix.starts_with("pg_") || !is_plain {
            return Err(RolePrefixError);
        }
        Ok(Self { app: format!("{prefix}_app"), system: format!("{prefix}_system") })
    }

    /// Returns the names on the embedded server.
    #[cfg(feature = "embedded")]
    pub(crate) fn embedded() -> Self {
        Self { app: APP_PLACEHOLDER.into(), system: SYSTEM_PLACEHOLDER.into() }
    }

    /// Returns the role of the application's connections. It owns nothing and is subject to row-level security.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// Returns the role of system transactions. It sees all tenants and must be set in each transaction.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// Returns [`Self::app`] as an SQL identifier.
    pub(crate) fn quoted_app(&self) -> String {
        quote(&self.app)
    }

    /// Returns [`Self::system`] as an SQL identifier.
    pub(crate) fn quoted_system(&self) -> String {
        quote(&self.system)
    }

    /// Replaces the names in a migration file with these.
    pub(crate) fn substitute(&self, sql: &str) -> String {
        let parts = sql.split(SYSTEM_PLACEHOLDER).map(|part| part.replace(APP_PLACEHOLDER, &self.quoted_app()));
        parts.collect::<Vec<_>>().join(&self.quoted_system())
    }
}

/// The names contain no quotes, see [`RoleNames::new`].
fn quote(name: &str) -> String {
    format!("\"{name}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_prefix_is_rejected() {
        for prefix in ["", "pg_x", "a b", "a\"b", "a'b", "a\nb", "é", &"a".repeat(57)] {
            assert_eq!(RoleNames::new(prefix), Err(RolePrefixError), "{prefix}");
        }
        for prefix in ["a", "Shop-EU_2", "2nd", &"a".repeat(56)] {
            assert!(RoleNames::new(prefix).is_ok_and(|names| names.system().len() <= 63), "{prefix}");
        }
    }

    #[test]
    fn substitution_is_quoted_and_not_repeated() -> Result<(), RolePrefixError> {
        // A prefix that contains the placeholders.
        let names = RoleNames::new("tenantry_system-tenantry_app")?;
        assert_eq!(
            names.substitute("GRANT x TO tenantry_app, tenantry_system;"),
            r#"GRANT x TO "tenantry_system-tenantry_app_app", "tenantry_system-tenantry_app_system";"#
        );
        Ok(())
    }
}
