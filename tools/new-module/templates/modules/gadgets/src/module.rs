//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `Gadgets` | `Database` | `gadgets` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use kernel::{
    contracts::{DbModule, GadgetsModule},
    db::Database,
};
use shaku::module;

use crate::{gadgets::GadgetService, postgres::PgGadgetRepository};

module! {
    pub GadgetsModuleImpl: GadgetsModule {
        components = [PgGadgetRepository, GadgetService],
        providers = [],
        use dyn DbModule { components = [dyn Database], providers = [] }
    }
}
