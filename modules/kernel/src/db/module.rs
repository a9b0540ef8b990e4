//! | provides | needs | owns |
//! | --- | --- | --- |
//! | [`Database`], [`SystemDatabase`], [`Readiness`], [`Clock`] | an open [`super::Db`] | no table |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use shaku::module;

use super::{Database, Readiness, SystemDatabase};
#[cfg(doc)]
use crate::clock::Clock;
use crate::{clock::SystemClock, contracts::DbModule, shaku_value::ValueModule};

module! {
    pub DbModuleImpl: DbModule {
        components = [SystemClock],
        providers = [],
        use ValueModule<dyn Database> { components = [dyn Database], providers = [] },
        use ValueModule<dyn SystemDatabase> { components = [dyn SystemDatabase], providers = [] },
        use ValueModule<dyn Readiness> { components = [dyn Readiness], providers = [] }
    }
}
