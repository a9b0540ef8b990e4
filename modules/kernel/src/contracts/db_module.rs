//! The interface of the database module.

use shaku::HasComponent;

use crate::{
    clock::Clock,
    db::{Database, Readiness, SystemDatabase},
};

/// The database and the clock, on which all other modules depend.
///
/// [`SystemDatabase`] is a separate trait, so that each `module.rs` shows which components can reach it.
pub trait DbModule:
    HasComponent<dyn Database> + HasComponent<dyn SystemDatabase> + HasComponent<dyn Readiness> + HasComponent<dyn Clock>
{
}
