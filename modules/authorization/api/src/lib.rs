//! What other modules may use of the module `authorization`: tenants, members, roles, policies and invitations.

mod audit_events;
mod change;
mod invitations;
mod members;
mod policies;
mod roles;
mod templates;
mod tenants;

pub use audit_events::*;
pub use change::*;
pub use invitations::*;
pub use members::*;
pub use policies::*;
pub use roles::*;
pub use templates::*;
pub use tenants::*;
