//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `SignIn`, `AccessTokens`, `OperatorAccounts` | `SystemDatabase` (sign-in reads credentials before the user is known; the operator creates them for other users), `Clock`, `UserRepository`, `AuthSettings` | `auth_identities`, `auth_credentials`, `auth_sessions` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use kernel::{
    clock::Clock,
    contracts::{AuthModule, DbModule, UserModule, UserRepository},
    db::SystemDatabase,
    shaku_value::ValueModule,
};
use shaku::module;

use crate::{
    accounts::AccountService,
    domain::Argon2Hasher,
    postgres::PgCredentialRepository,
    sign_in::SignInService,
    tokens::{AuthSettings, JwtAccessTokens},
};

module! {
    pub AuthModuleImpl: AuthModule {
        components = [PgCredentialRepository, Argon2Hasher, JwtAccessTokens, SignInService, AccountService],
        providers = [],
        use dyn DbModule { components = [dyn SystemDatabase, dyn Clock], providers = [] },
        use dyn UserModule { components = [dyn UserRepository], providers = [] },
        use ValueModule<AuthSettings> { components = [AuthSettings], providers = [] }
    }
}
