//! The demo gadgets.

use db::{DbError, SystemTx};
use gadgets_api::GadgetId;
use kernel::TenantId;
use uuid::uuid;

use crate::gadgets;

/// The id of Acme's gadget.
pub const ACME: GadgetId = GadgetId::from_uuid(uuid!("019a0000-0000-7000-8000-@ACME@"));
/// The id of Globex's gadget.
pub const GLOBEX: GadgetId = GadgetId::from_uuid(uuid!("019a0000-0000-7000-8000-@GLOBEX@"));

/// Creates the demo gadget of each tenant, unless it exists. Returns their descriptions, each with whether this run
/// created the gadget.
pub async fn seed(tx: &mut SystemTx, acme: TenantId, globex: TenantId) -> Result<[(&'static str, bool); 2], DbError> {
    Ok([
        ("Acme's gadget", gadgets::create(tx, acme, ACME, "Acme's gadget").await?),
        ("Globex's gadget", gadgets::create(tx, globex, GLOBEX, "Globex's gadget").await?),
    ])
}
