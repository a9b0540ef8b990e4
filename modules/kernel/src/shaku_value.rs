//! Values as components.

use std::sync::Arc;

use shaku::{HasComponent, Interface, Module, ModuleBuildContext};

/// A ready-made value that a `module!` takes in as a submodule: `use ValueModule<dyn Clock> { components = [dyn Clock], … }`
/// makes it an argument of the module's builder, so forgetting it is a compile error.
///
/// shaku's own way, `with_component_parameters`, panics at run time when it is forgotten; `clippy.toml` bans it.
pub struct ValueModule<I: ?Sized>(Arc<I>);

impl<I: ?Sized> ValueModule<I> {
    /// The value, in the shape that a module's builder takes.
    pub fn new(value: Arc<I>) -> Arc<Self> {
        Arc::new(Self(value))
    }
}

impl<I: Interface + ?Sized> Module for ValueModule<I> {
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
