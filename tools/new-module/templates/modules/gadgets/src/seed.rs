//! The demo gadgets.

use kernel::{
    contracts::{GadgetId, TenantId},
    db::{DbError, SystemTx},
};
use uuid::uuid;

use crate::postgres::{GadgetRepository, PgGadgetRepository};

/// The id of Acme's gadget.
pub const ACME: GadgetId = GadgetId::from_uuid(uuid!("019a0000-0000-7000-8000-@ACME@"));
/// The id of Globex's gadget.
pub const GLOBEX: GadgetId = GadgetId::from_uuid(uuid!("019a0000-0000-7000-8000-@GLOBEX@"));

/// The demo gadget of a tenant.
#[derive(Debug, Clone)]
pub struct SeededGadget {
    /// The fixed id.
    pub id: GadgetId,
    /// Whether this run created it.
    pub created: bool,
}

/// The demo gadgets of both tenants.
#[derive(Debug, Clone)]
pub struct GadgetsSeed {
    /// The gadget of Acme.
    pub acme: SeededGadget,
    /// The gadget of Globex.
    pub globex: SeededGadget,
}

/// Creates the demo gadget of each tenant, unless it exists.
pub async fn seed(tx: &mut SystemTx, acme: TenantId, globex: TenantId) -> Result<GadgetsSeed, DbError> {
    Ok(GadgetsSeed {
        acme: SeededGadget { id: ACME, created: PgGadgetRepository.seed(tx, acme, ACME, "Acme's gadget").await? },
        globex: SeededGadget {
            id: GLOBEX,
            created: PgGadgetRepository.seed(tx, globex, GLOBEX, "Globex's gadget").await?,
        },
    })
}
