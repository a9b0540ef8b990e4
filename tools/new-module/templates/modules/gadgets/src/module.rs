//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `Gadgets` | `Database` | `gadgets` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use db::{Database, DbModule};
use shaku::module;

use crate::gadgets::GadgetService;

module! {
    pub GadgetsModule {
        components = [GadgetService],
        providers = [],
        use DbModule { components = [dyn Database], providers = [] }
    }
}
