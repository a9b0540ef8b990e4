//! The database as a module.

use shaku::HasComponent;

use crate::{
    clock::Clock,
    db::{Database, Readiness, SystemDatabase},
};

/// What the modules stand on: the database and the clock. [`SystemDatabase`] is a token apart, so that each
/// `module.rs` shows who holds it.
pub trait DbModule:
    HasComponent<dyn Database> + HasComponent<dyn SystemDatabase> + HasComponent<dyn Readiness> + HasComponent<dyn Clock>
{
}
