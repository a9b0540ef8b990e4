//! Values as shaku components.

use std::sync::Arc;

use shaku::{HasComponent, Interface, Module, ModuleBuildContext};

/// A module that provides an existing value.
///
/// `use ValueModule<TenancyMode> { components = [TenancyMode], … }` in a `module!` makes the value an argument of the
/// module's builder, so a missing value is a compile error. `clippy.toml` disallows shaku's own
/// `with_component_parameters`, which panics at run time when it is forgotten.
pub struct ValueModule<I: ?Sized>(Arc<I>);

impl<I: ?Sized> ValueModule<I> {
    /// Wraps a value, in the form that a module's builder takes.
    pub fn new(value: Arc<I>) -> Arc<Self> {
        Arc::new(Self(value))
    }
}

impl<I: Interface + ?Sized> Module for ValueModule<I> {
    // Not a submodule: shaku's `build` has no other argument that could pass the value.
    type Submodules = Arc<I>;

    fn build(context: ModuleBuildContext<Self>) -> Self {
        Self(Arc::clone(context.submodules()))
    }
}

impl<I: Interface + ?Sized> HasComponent<I> for ValueModule<I> {
    fn build_component(context: &mut ModuleBuildContext<Self>) -> Arc<I> {
        Arc::clone(context.submodules())
    }

    fn resolve(&self) -> Arc<I> {
        Arc::clone(&self.0)
    }

    fn resolve_ref(&self) -> &I {
        &self.0
    }
}
