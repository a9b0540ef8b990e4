//! The gadgets of a tenant.

use async_trait::async_trait;
use shaku::{HasComponent, Interface};
use time::OffsetDateTime;

use super::{Permit, bounded_text::bounded_text};
use crate::{db::DbError, id::id};

id! {
    /// Names a gadget for good.
    GadgetId
}

crate::permission! {
    /// Read the tenant's gadgets.
    pub GadgetRead = "gadget", "read";
}

crate::permission! {
    /// Create, rename and delete the tenant's gadgets.
    pub GadgetManage = "gadget", "manage";
}

bounded_text! {
    /// What people call a gadget: a line of 1 to 200 characters, trimmed.
    GadgetName, 200 characters;
    /// The text can't be the name of a gadget.
    InvalidGadgetName
}

/// One of the tenant's gadgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gadget {
    /// Stays the same for good.
    pub id: GadgetId,
    /// Several may have the same.
    pub name: GadgetName,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
}

/// Why a gadget can't be shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum GadgetsError {
    /// The tenant has none of this id.
    #[error("no such gadget")]
    NotFound,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The gadgets of a tenant.
#[async_trait]
pub trait Gadgets: Interface {
    /// By id, in the order in which they were made: from the first one after `after`; at most `limit`.
    async fn list(
        &self,
        permit: &Permit<GadgetRead>,
        after: Option<GadgetId>,
        limit: u16,
    ) -> Result<Vec<Gadget>, GadgetsError>;

    /// The one of this id.
    async fn get(&self, permit: &Permit<GadgetRead>, id: GadgetId) -> Result<Gadget, GadgetsError>;

    /// Makes one.
    async fn create(&self, permit: &Permit<GadgetManage>, name: &GadgetName) -> Result<Gadget, GadgetsError>;

    /// Calls it something else.
    async fn rename(
        &self,
        permit: &Permit<GadgetManage>,
        id: GadgetId,
        name: &GadgetName,
    ) -> Result<Gadget, GadgetsError>;

    /// Deletes it.
    async fn delete(&self, permit: &Permit<GadgetManage>, id: GadgetId) -> Result<(), GadgetsError>;
}

/// The module `gadgets`, as others see it.
pub trait GadgetsModule: HasComponent<dyn Gadgets> {}
