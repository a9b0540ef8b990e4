//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `UserRepository` | nothing | `users` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the canvas above is the documentation")]

use kernel::contracts::UserModule;
use shaku::module;

use crate::postgres::PgUserRepository;

module! {
    pub UserModuleImpl: UserModule {
        components = [PgUserRepository],
        providers = []
    }
}
