//! Permissions as types.

/// Name and description of a permission.
#[derive(Debug, PartialEq, Eq)]
pub struct PermissionInfo {
    /// `resource:verb`.
    pub name: &'static str,
    /// Resource type, in the singular: `user`.
    pub resource: &'static str,
    /// Action: `read`.
    pub verb: &'static str,
    /// What the permission allows, as one sentence.
    pub about: &'static str,
}

/// A permission as a type. Modules declare theirs in their api crate with [`crate::permission!`].
pub trait Permission: Send + Sync + 'static {
    /// Name and description.
    const INFO: PermissionInfo;
}

/// Declares a permission: `permission! { /// Read the invoices of the tenant. pub InvoiceRead = "invoice", "read"; }`
#[macro_export]
macro_rules! permission {
    (#[doc = $about:literal] $vis:vis $name:ident = $resource:literal, $verb:literal;) => {
        #[doc = $about]
        #[derive(Debug, Clone, Copy)]
        $vis enum $name {}

        impl $crate::Permission for $name {
            const INFO: $crate::PermissionInfo = $crate::PermissionInfo {
                name: concat!($resource, ":", $verb),
                resource: $resource,
                verb: $verb,
                about: $about.trim_ascii(),
            };
        }
    };
}
