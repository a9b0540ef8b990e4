//! shaku silently ignores overrides of components and providers that a module imports from a submodule. `clippy.toml`
//! therefore bans overrides. Each `#[expect]` here also checks that the ban is active.

use std::{error::Error, sync::Arc};

use shaku::{Component, HasComponent, HasProvider, Interface, ModuleBuilder, Provider, module};

trait Greeting: Interface {
    fn words(&self) -> &'static str;
}

#[derive(Component, Provider)]
#[shaku(interface = Greeting)]
struct Declared;

impl Greeting for Declared {
    fn words(&self) -> &'static str {
        "declared"
    }
}

struct Swapped;

impl Greeting for Swapped {
    fn words(&self) -> &'static str {
        "swapped"
    }
}

fn swapped<M>(_: &M) -> Result<Box<dyn Greeting>, Box<dyn Error>> {
    Ok(Box::new(Swapped))
}

module! {
    Inner {
        components = [Declared],
        providers = [Declared]
    }
}

module! {
    Root {
        components = [],
        providers = [],
        use Inner { components = [dyn Greeting], providers = [dyn Greeting] }
    }
}

fn root() -> ModuleBuilder<Root> {
    Root::builder(Arc::new(Inner::builder().build()))
}

fn component(module: &impl HasComponent<dyn Greeting>) -> &'static str {
    module.resolve_ref().words()
}

fn provider(module: &impl HasProvider<dyn Greeting>) -> &'static str {
    module.provide().unwrap().words()
}

#[test]
fn override_is_local_to_declaring_module() {
    #[expect(clippy::disallowed_methods, reason = "the module declares the component, so the override works")]
    let inner = Inner::builder().with_component_override::<dyn Greeting>(Box::new(Swapped)).build();
    assert_eq!(component(&inner), "swapped");
    #[expect(clippy::disallowed_methods, reason = "the reason for the ban: it compiles, but has no effect")]
    let root = root().with_component_override::<dyn Greeting>(Box::new(Swapped)).build();
    assert_eq!(component(&root), "declared");
}

#[test]
fn lazy_component_override_is_local() {
    #[expect(clippy::disallowed_methods, reason = "the reason for the ban: it compiles, but has no effect")]
    let root = root().with_component_override_fn::<dyn Greeting>(Box::new(|_| Box::new(Swapped))).build();
    assert_eq!(component(&root), "declared");
}

#[test]
fn provider_override_is_local_to_declaring_module() {
    #[expect(clippy::disallowed_methods, reason = "the module declares the provider, so the override works")]
    let inner = Inner::builder().with_provider_override::<dyn Greeting>(Box::new(swapped)).build();
    assert_eq!(provider(&inner), "swapped");
    #[expect(clippy::disallowed_methods, reason = "the reason for the ban: it compiles, but has no effect")]
    let root = root().with_provider_override::<dyn Greeting>(Box::new(swapped)).build();
    assert_eq!(provider(&root), "declared");
}
