//! The demo gadgets.

use kernel::{
    contracts::{GadgetId, TenantId},
    db::{DbError, SystemTx},
};
use uuid::uuid;

use crate::postgres::{GadgetRepository, PgGadgetRepository};

/// Acme's.
pub const ACME: GadgetId = GadgetId::from_uuid(uuid!("019a0000-0000-7000-8000-@ACME@"));
/// Globex's.
pub const GLOBEX: GadgetId = GadgetId::from_uuid(uuid!("019a0000-0000-7000-8000-@GLOBEX@"));

/// What a demo tenant got.
#[derive(Debug, Clone)]
pub struct SeededGadget {
    /// Fixed.
    pub id: GadgetId,
    /// Whether this run made it.
    pub created: bool,
}

/// What both demo tenants got.
#[derive(Debug, Clone)]
pub struct GadgetsSeed {
    /// Acme's.
    pub acme: SeededGadget,
    /// Globex's.
    pub globex: SeededGadget,
}

/// Makes one for each tenant that hasn't got it yet.
///
/// # Errors
/// The database refuses.
pub async fn seed(tx: &mut SystemTx, acme: TenantId, globex: TenantId) -> Result<GadgetsSeed, DbError> {
    Ok(GadgetsSeed {
        acme: SeededGadget { id: ACME, created: PgGadgetRepository.seed(tx, acme, ACME, "Acme's gadget").await? },
        globex: SeededGadget {
            id: GLOBEX,
            created: PgGadgetRepository.seed(tx, globex, GLOBEX, "Globex's gadget").await?,
        },
    })
}
