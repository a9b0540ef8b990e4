//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `SignIn`, `AccessTokens`, `AccountCreation` | `SystemDatabase` (credentials are read before anybody is known, and made for somebody else), `Clock`, `UserRepository`, `AuthSettings` | `auth_identities`, `auth_credentials`, `auth_sessions` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the canvas above is the documentation")]

use kernel::{
    clock::Clock,
    contracts::{AuthModule, DbModule, UserModule, UserRepository},
    db::SystemDatabase,
    di::Given,
};
use shaku::module;

use crate::{
    accounts::AccountsByOperator,
    domain::PasswordHashing,
    postgres::PgCredentialRepository,
    sign_in::PasswordSignIn,
    tokens::{AuthSettings, JwtAccessTokens},
};

module! {
    pub AuthModuleImpl: AuthModule {
        components = [PgCredentialRepository, PasswordHashing, JwtAccessTokens, PasswordSignIn, AccountsByOperator],
        providers = [],
        use dyn DbModule { components = [dyn SystemDatabase, dyn Clock], providers = [] },
        use dyn UserModule { components = [dyn UserRepository], providers = [] },
        use Given<AuthSettings> { components = [AuthSettings], providers = [] }
    }
}
