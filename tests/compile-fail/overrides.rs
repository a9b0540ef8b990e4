//! shaku silently ignores overrides of components and providers that a module imports from a submodule. `clippy.toml`
//! therefore bans overrides. Each `#[expect]` here also checks that the ban is active.

use std::{error::Error, sync::Arc};

use shaku::{Component, HasComponent, HasProvider, Interface, Provider, module};

trait Greeting: Interface {
    fn words(&self) -> &'static str;
}

#[derive(Component)]
#[shaku(interface = Greeting)]
struct Declared;

impl Greeting for Declared {
    fn words(&self) -> &'static str {
        "declared"
    }
}

#[derive(Component)]
#[shaku(interface = Greeting)]
struct Swapped;

impl Greeting for Swapped {
    fn words(&self) -> &'static str {
        "swapped"
    }
}

trait Farewell {
    fn words(&self) -> &'static str;
}

#[derive(Provider)]
#[shaku(interface = Farewell)]
struct DeclaredFarewell;

impl Farewell for DeclaredFarewell {
    fn words(&self) -> &'static str {
        "declared"
    }
}

struct SwappedFarewell;

impl Farewell for SwappedFarewell {
    fn words(&self) -> &'static str {
        "swapped"
    }
}

fn swapped_farewell<M>(_: &M) -> Result<Box<dyn Farewell>, Box<dyn Error>> {
    Ok(Box::new(SwappedFarewell))
}

module! {
    Inner {
        components = [Declared],
        providers = [DeclaredFarewell]
    }
}

module! {
    Root {
        components = [],
        providers = [],
        use Inner { components = [dyn Greeting], providers = [dyn Farewell] }
    }
}

fn greeting(module: &impl HasComponent<dyn Greeting>) -> &'static str {
    module.resolve_ref().words()
}

fn farewell(module: &impl HasProvider<dyn Farewell>) -> &'static str {
    module.provide().unwrap().words()
}

#[test]
fn override_is_local_to_declaring_module() {
    #[expect(clippy::disallowed_methods, reason = "the module declares the component, so the override works")]
    let inner = Inner::builder().with_component_override::<dyn Greeting>(Box::new(Swapped)).build();
    assert_eq!(greeting(&inner), "swapped");
    #[expect(clippy::disallowed_methods, reason = "the reason for the ban: it compiles, but has no effect")]
    let root =
        Root::builder(Arc::new(Inner::builder().build())).with_component_override::<dyn Greeting>(Box::new(Swapped));
    assert_eq!(greeting(&root.build()), "declared");
}

#[test]
fn lazy_component_override_is_local() {
    let root = Root::builder(Arc::new(Inner::builder().build()));
    #[expect(clippy::disallowed_methods, reason = "the reason for the ban: it compiles, but has no effect")]
    let root = root.with_component_override_fn::<dyn Greeting>(Box::new(|_| Box::new(Swapped)));
    assert_eq!(greeting(&root.build()), "declared");
}

#[test]
fn provider_override_is_local_to_declaring_module() {
    #[expect(clippy::disallowed_methods, reason = "the module declares the provider, so the override works")]
    let inner = Inner::builder().with_provider_override::<dyn Farewell>(Box::new(swapped_farewell)).build();
    assert_eq!(farewell(&inner), "swapped");
    let root = Root::builder(Arc::new(Inner::builder().build()));
    #[expect(clippy::disallowed_methods, reason = "the reason for the ban: it compiles, but has no effect")]
    let root = root.with_provider_override::<dyn Farewell>(Box::new(swapped_farewell));
    assert_eq!(farewell(&root.build()), "declared");
}
