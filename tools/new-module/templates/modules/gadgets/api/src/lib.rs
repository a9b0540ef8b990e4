//! What other modules may use of the module `gadgets`: the gadgets of a tenant.

use async_trait::async_trait;
use db::DbError;
use kernel::{Change, Permit, audit_events, bounded_text, id};
use serde::Serialize;
use shaku::Interface;
use time::OffsetDateTime;
use utoipa::ToSchema;

id! {
    /// Identifies a gadget.
    GadgetId
}

kernel::permission! {
    /// Read the tenant's gadgets.
    pub GadgetRead = "gadget", "read";
}

kernel::permission! {
    /// Create, rename and delete the tenant's gadgets.
    pub GadgetManage = "gadget", "manage";
}

bounded_text! {
    /// The display name of a gadget: one line of 1 to 200 characters, trimmed.
    GadgetName, 200 characters
}

audit_events! {
    /// A gadget was created.
    pub struct GadgetCreated: "gadget.created", version 1 {
        gadget: GadgetId,
        name: GadgetName,
    }

    /// A gadget was renamed.
    pub struct GadgetRenamed: "gadget.renamed", version 1 {
        gadget: GadgetId,
        name: Change<GadgetName>,
    }

    /// A gadget was deleted.
    pub struct GadgetDeleted: "gadget.deleted", version 1 {
        gadget: GadgetId,
    }
}

/// A gadget of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gadget {
    /// Never changes.
    #[schema(value_type = Uuid)]
    pub id: GadgetId,
    /// Not unique.
    #[schema(value_type = String, example = "Acme's gadget")]
    pub name: GadgetName,
    /// The time of creation.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// The time of the last change.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// Why a gadget can't be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum GadgetsError {
    /// The tenant has no gadget with this id.
    #[error("gadget not found")]
    NotFound,
    /// A database error.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The gadgets of a tenant.
#[async_trait]
pub trait Gadgets: Interface {
    /// Returns at most `limit` gadgets with ids greater than `after`, in the order of their creation.
    async fn list(
        &self,
        permit: &Permit<GadgetRead>,
        after: Option<GadgetId>,
        limit: u16,
    ) -> Result<Vec<Gadget>, GadgetsError>;

    /// Returns the gadget with this id.
    async fn get(&self, permit: &Permit<GadgetRead>, id: GadgetId) -> Result<Gadget, GadgetsError>;

    /// Creates a gadget.
    async fn create(&self, permit: &Permit<GadgetManage>, name: &GadgetName) -> Result<Gadget, GadgetsError>;

    /// Renames a gadget.
    async fn rename(
        &self,
        permit: &Permit<GadgetManage>,
        id: GadgetId,
        name: &GadgetName,
    ) -> Result<Gadget, GadgetsError>;

    /// Deletes a gadget.
    async fn delete(&self, permit: &Permit<GadgetManage>, id: GadgetId) -> Result<(), GadgetsError>;
}
