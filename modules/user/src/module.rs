//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `ActiveUsers`, `Profiles`, `UserRepository` | `Database`, `SystemDatabase` (updating a profile: `tenantry_app` can't write `users`) | `users`, the view `user_profiles` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use db::{Database, DbModule, SystemDatabase};
use shaku::module;

use crate::{
    profiles::ProfileService,
    users::{ActiveUserService, PgUserRepository},
};

module! {
    pub UserModule {
        components = [ActiveUserService, PgUserRepository, ProfileService],
        providers = [],
        use DbModule { components = [dyn Database, dyn SystemDatabase], providers = [] }
    }
}
