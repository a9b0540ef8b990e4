//! Who causes a change, and from where, for the audit log.

use std::{fmt, sync::Arc};

use serde_json::{Value, json};

use crate::{RequestContext, UserId};

/// Maximum length of a recorded `User-Agent` header in bytes. The rest is cut off.
const MAX_USER_AGENT_LENGTH: usize = 256;

/// Who causes a change, and from where.
///
/// The caller of a request is part of each of its proofs, so that a use case can neither forge nor omit it.
#[derive(Debug, Clone)]
pub struct Caller(CallerKind);

#[derive(Clone)]
enum CallerKind {
    User { user: UserId, request: Arc<dyn RequestContext> },
    Anonymous { request: Arc<dyn RequestContext> },
    Operator(OperatorCommand),
}

/// A command of the operator that changes data. A closed list, for auditing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorCommand {
    /// `tenantry users create`
    CreateUser,
    /// `tenantry tenants create`
    CreateTenant,
    /// `tenantry policies upgrade`
    UpgradePolicies,
    /// `tenantry seed`
    Seed,
}

impl OperatorCommand {
    fn name(self) -> &'static str {
        match self {
            Self::CreateUser => "users create",
            Self::CreateTenant => "tenants create",
            Self::UpgradePolicies => "policies upgrade",
            Self::Seed => "seed",
        }
    }
}

impl Caller {
    /// The user of a request. Callable only inside the kernel, for a user whose token has been verified.
    pub(crate) fn of_request(user: UserId, request: &Arc<dyn RequestContext>) -> Self {
        Self(CallerKind::User { user, request: Arc::clone(request) })
    }

    /// A client whose user isn't known.
    pub fn anonymous(request: &Arc<dyn RequestContext>) -> Self {
        Self(CallerKind::Anonymous { request: Arc::clone(request) })
    }

    /// Returns a text that is equal for requests of the same user or, without a user, from the same address.
    pub fn key(&self) -> String {
        match &self.0 {
            CallerKind::User { user, .. } => user.to_string(),
            CallerKind::Anonymous { request } => format!("{:?}", request.client_addr()),
            CallerKind::Operator(command) => command.name().to_owned(),
        }
    }

    /// The operator. `tests/arch-lint` lists the files that may name each command.
    pub fn operator(command: OperatorCommand) -> Self {
        Self(CallerKind::Operator(command))
    }

    /// Returns what the audit log records.
    pub(crate) fn to_json(&self) -> Value {
        match &self.0 {
            CallerKind::User { user, request } => {
                let mut caller = request_json("user", &**request);
                caller["id"] = json!(user);
                caller
            }
            CallerKind::Anonymous { request } => request_json("anonymous", &**request),
            CallerKind::Operator(command) => json!({ "type": "operator", "command": command.name() }),
        }
    }
}

impl fmt::Debug for CallerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { user, request } => write!(f, "user {user}, request {}", request.request_id()),
            Self::Anonymous { request } => write!(f, "request {}", request.request_id()),
            Self::Operator(command) => write!(f, "operator, {}", command.name()),
        }
    }
}

fn request_json(kind: &str, request: &dyn RequestContext) -> Value {
    json!({
        "type": kind,
        "request": request.request_id(),
        "address": request.client_addr(),
        "user_agent": request.user_agent().map(|text| truncate(text, MAX_USER_AGENT_LENGTH)),
    })
}

/// Returns the longest prefix of at most `max` bytes.
fn truncate(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_user_agent_is_cut_off_at_character_boundary() {
        assert_eq!(truncate("curl/8", 256), "curl/8");
        assert_eq!(truncate("aä", 2), "a");
    }
}
