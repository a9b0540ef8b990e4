//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `Database`, `SystemDatabase`, `Readiness`, `Clock` | an open [`crate::Db`] | no table |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use kernel::{SystemClock, ValueModule};
use shaku::module;

use crate::{Database, Readiness, SystemDatabase};

module! {
    pub DbModule {
        components = [SystemClock],
        providers = [],
        use ValueModule<dyn Database> { components = [dyn Database], providers = [] },
        use ValueModule<dyn SystemDatabase> { components = [dyn SystemDatabase], providers = [] },
        use ValueModule<dyn Readiness> { components = [dyn Readiness], providers = [] }
    }
}
