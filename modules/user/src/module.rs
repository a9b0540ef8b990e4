//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `UserRepository`, `Profiles` | `Database`, `SystemDatabase` (updating a profile: row-level security can't restrict writes to `users`) | `users`, the view `user_profiles` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use kernel::{
    contracts::{DbModule, UserModule},
    db::{Database, SystemDatabase},
};
use shaku::module;

use crate::{postgres::PgUserRepository, profiles::ProfileService};

module! {
    pub UserModuleImpl: UserModule {
        components = [ProfileService, PgUserRepository],
        providers = [],
        use dyn DbModule { components = [dyn Database, dyn SystemDatabase], providers = [] }
    }
}
