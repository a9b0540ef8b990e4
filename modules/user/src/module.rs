//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `UserRepository`, `Profiles` | `Database`, `SystemDatabase` (changing one's own profile: nothing bounds who writes whom) | `users`, the view `people` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the canvas above is the documentation")]

use kernel::{
    contracts::{DbModule, UserModule},
    db::{Database, SystemDatabase},
};
use shaku::module;

use crate::{postgres::PgUserRepository, profiles::OwnProfiles};

module! {
    pub UserModuleImpl: UserModule {
        components = [OwnProfiles, PgUserRepository],
        providers = [],
        use dyn DbModule { components = [dyn Database, dyn SystemDatabase], providers = [] }
    }
}
