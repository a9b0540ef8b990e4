//! shaku components without plain parameters. A field that is neither injected nor has a default is a parameter, and
//! building a module without setting it panics. Without such fields, building a module can't panic.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Attribute, ItemStruct};

use crate::{
    path_resolution::PathResolver,
    sources::{Source, fake_source, for_each_token_list, is_group, is_ident, is_punct, program_sources, tokens},
    violation::{Violation, assert_all_pass, assert_one_violation, assert_rule},
};

/// The derive macros of shaku.
const SHAKU_DERIVES: [&str; 2] = ["Component", "Provider"];

/// Returns the structs with a shaku derive, including nested ones and those inside macros.
fn components(source: &Source) -> Vec<ItemStruct> {
    let stream = tokens(source);
    let resolver = PathResolver::of(stream.clone());
    let mut components = Vec::new();
    for_each_token_list(stream, &mut |list| {
        for at in (0..list.len()).filter(|at| is_ident(list, *at, "struct")) {
            // From the first attribute to the end of the fields.
            let mut begin = at;
            while begin > 0 && is_before_struct(list, begin - 1) {
                begin -= 1;
            }
            let is_end = |at: &usize| is_group(list, *at, Delimiter::Brace) || is_punct(list, *at, ';');
            let end = (at..list.len()).find(is_end).map_or(list.len(), |end| end + 1);
            let item: TokenStream = list[begin..end].iter().cloned().collect();
            components.extend(syn::parse2::<ItemStruct>(item).ok().filter(|item| is_derived(&item.attrs, &resolver)));
        }
    });
    components
}

/// Returns whether the token belongs to the attributes or the visibility before a `struct`.
fn is_before_struct(list: &[TokenTree], at: usize) -> bool {
    let is_attribute = |at: usize| is_punct(list, at, '#') && is_group(list, at + 1, Delimiter::Bracket);
    let is_visibility = |at: usize| is_ident(list, at, "pub");
    is_attribute(at) || is_visibility(at) || (at > 0 && (is_attribute(at - 1) || is_visibility(at - 1)))
}

/// Returns whether a shaku macro is derived, directly or by `cfg_attr`.
fn is_derived(attributes: &[Attribute], resolver: &PathResolver) -> bool {
    let mut derived = false;
    for attribute in
        attributes.iter().filter(|attribute| ["derive", "cfg_attr"].iter().any(|name| attribute.path().is_ident(name)))
    {
        let syn::Meta::List(list) = &attribute.meta else { continue };
        for_each_token_list(list.tokens.clone(), &mut |list| {
            derived |= (0..list.len()).any(|at| {
                let is_ident = matches!(list[at], TokenTree::Ident(_));
                let is_shaku =
                    |path: &Vec<String>| path.last().is_some_and(|name| SHAKU_DERIVES.contains(&name.as_str()));
                is_ident && resolver.resolve_at(list, at).iter().any(is_shaku)
            });
        });
    }
    derived
}

/// Finds fields without a `shaku` attribute, which are parameters.
fn plain_parameters(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for component in components(source) {
        for field in component.fields.iter().filter(|field| !field.attrs.iter().any(|one| one.path().is_ident("shaku")))
        {
            let Some(name) = &field.ident else { continue };
            let problem =
                format!("`{name}` of `{}` is a parameter; building the module panics if it isn't set", component.ident);
            let help = "inject it (`#[shaku(inject)] name: Arc<dyn X>`), or pass it with `use ValueModule<X>`, see \
                        modules/kernel/src/value_module.rs";
            violations.push(Violation::new(&source.path, name.span().start().line, problem, help));
        }
    }
    violations
}

#[test]
fn shaku_components_have_no_plain_parameters() {
    let program = program_sources();
    let count: usize = program.iter().map(|source| components(source).len()).sum();
    assert!(count >= 20, "expected at least 20 components, found {count}");
    assert_all_pass(plain_parameters, &program);
}

#[test]
fn uninjected_field_is_detected() {
    let source = fake_source(
        "modules/billing/src/invoices.rs",
        "
/// A component with a parameter.
#[derive(Debug)]
#[derive(Component)]
#[shaku(interface = Invoices)]
pub(crate) struct PgInvoices {
    #[shaku(inject)] clock: Arc<dyn Clock>,
    #[shaku(default)]
    sent: OnceCell<()>,
    /// The parameter.
    sender: String,
}

#[derive(Debug, Component)]
#[shaku(interface = Reminders)]
struct NoReminders;

struct Unrelated {
    name: String,
}
",
    );
    assert_eq!(components(&source).len(), 2);
    assert_one_violation(
        &plain_parameters(&source),
        "modules/billing/src/invoices.rs:11: `sender` of `PgInvoices` is a parameter; building",
    );
}

#[test]
fn component_is_found_however_it_is_derived() {
    for text in [
        "#[derive(shaku::Component)]\nstruct A { limit: u16 }",
        "#[derive(\n    Debug,\n    Component,\n)]\npub struct A { limit: u16 }",
        "use shaku::{Provider as P}; #[derive(P)] #[shaku(interface = I)] struct A<T: X> where T: Y { limit: u16 }",
        "#[cfg_attr(feature = \"x\", derive(Component))] pub(in crate::a) struct A { pub limit: u16 }",
        "mod inner { fn f() { #[derive(Component)] struct A { #[serde(skip)] limit: u16 } } }",
        "make! { #[derive(Component)] struct A { limit: u16 } }",
    ] {
        let expected = format!("{}: `limit` of `A` is a parameter; building", text.lines().count());
        assert_rule(plain_parameters, "src/a.rs", &[], &[(text, &expected)]);
    }
}
