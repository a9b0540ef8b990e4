//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `AccessTokens`, `IdentitySource` (a component of the request module), `OperatorAccounts`, `SignIn` | `SystemDatabase` (sign-in reads credentials before the user is known; `OperatorAccounts`, of the separate `OperatorAccountsModule`, creates them), `Clock`, `UserRepository`, `AuditRecorder`, `AuthSettings` | `auth_credentials` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use audit_api::AuditRecorder;
use db::{DbModule, SystemDatabase};
use kernel::{Clock, ValueModule};
use shaku::module;
use user_api::UserRepository;

use crate::{
    accounts::AccountService,
    sign_in::SignInService,
    tokens::{AuthSettings, JwtAccessTokens},
};

module! {
    pub AuthModule {
        components = [JwtAccessTokens, SignInService],
        providers = [],
        use DbModule { components = [dyn SystemDatabase, dyn Clock], providers = [] },
        use ValueModule<dyn UserRepository> { components = [dyn UserRepository], providers = [] },
        use ValueModule<dyn AuditRecorder> { components = [dyn AuditRecorder], providers = [] },
        use ValueModule<AuthSettings> { components = [AuthSettings], providers = [] }
    }
}

// A separate module: the commands of the operator need no signing key, and requests can't reach its service.
module! {
    pub OperatorAccountsModule {
        components = [AccountService],
        providers = [],
        use DbModule { components = [dyn SystemDatabase], providers = [] },
        use ValueModule<dyn UserRepository> { components = [dyn UserRepository], providers = [] }
    }
}
