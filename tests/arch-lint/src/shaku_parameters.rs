//! shaku has one hole at run time: a component's field that is neither injected nor has a default is a parameter, and
//! building a module where it wasn't set panics. So there is none, and building can't panic, whatever is configured.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Attribute, ItemStruct};

use crate::{
    path_resolution::PathResolver,
    sources::{Source, fake_source, for_each_token_list, is_sign, is_word, program, tokens},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// What shaku derives.
const SHAKU_DERIVES: [&str; 2] = ["Component", "Provider"];

/// The structs that shaku builds, wherever in a file they are, within macros as well.
fn components(source: &Source) -> Vec<ItemStruct> {
    let stream = tokens(source);
    let names = PathResolver::of(stream.clone());
    let mut found = Vec::new();
    for_each_token_list(stream, &mut |list| {
        for at in (0..list.len()).filter(|at| is_word(list, *at, "struct")) {
            // From the first attribute to the fields' end. What is between is a visibility.
            let mut begin = at;
            while begin > 0 && is_before_struct(list, begin - 1) {
                begin -= 1;
            }
            let is_end = |token: &TokenTree| match token {
                TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                TokenTree::Punct(sign) => sign.as_char() == ';',
                _ => false,
            };
            let end = list[at..].iter().position(is_end).map_or(list.len(), |end| at + end + 1);
            let item: TokenStream = list[begin..end].iter().cloned().collect();
            found.extend(syn::parse2::<ItemStruct>(item).ok().filter(|item| is_derived(&item.attrs, &names)));
        }
    });
    found
}

/// Whether this may stand between a struct's first attribute and its `struct`.
fn is_before_struct(list: &[TokenTree], at: usize) -> bool {
    let is_attribute = |at: usize| {
        is_sign(list, at, '#')
            && matches!(list.get(at + 1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket)
    };
    let is_visibility = |at: usize| is_word(list, at, "pub");
    is_attribute(at) || is_visibility(at) || (at > 0 && (is_attribute(at - 1) || is_visibility(at - 1)))
}

/// Whether one of these is derived, behind a `cfg_attr` or not.
fn is_derived(attributes: &[Attribute], names: &PathResolver) -> bool {
    let mut derived = false;
    for attribute in
        attributes.iter().filter(|attribute| ["derive", "cfg_attr"].iter().any(|way| attribute.path().is_ident(way)))
    {
        let syn::Meta::List(list) = &attribute.meta else { continue };
        for_each_token_list(list.tokens.clone(), &mut |list| {
            derived |= (0..list.len()).any(|at| {
                let is_word = matches!(list[at], TokenTree::Ident(_));
                let known = |path: &Vec<String>| path.last().is_some_and(|name| SHAKU_DERIVES.contains(&name.as_str()));
                is_word && names.at(list, at).iter().any(known)
            });
        });
    }
    derived
}

/// The fields that are parameters: of them shaku is told nothing.
fn plain_parameters(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for component in components(source) {
        for field in component.fields.iter().filter(|field| !field.attrs.iter().any(|one| one.path().is_ident("shaku")))
        {
            let Some(name) = &field.ident else { continue };
            let problem = format!("building the module panics unless somebody sets `{name}` of `{}`", component.ident);
            let help = "inject it (`#[shaku(inject)] name: Arc<dyn X>`), or take the value in as `use ValueModule<X>`, see \
                           modules/kernel/src/shaku_value.rs";
            found.push(Violation::new(&source.path, name.span().start().line, problem, help));
        }
    }
    found
}

#[test]
fn shaku_components_have_no_plain_parameters() {
    let program = program();
    let seen: usize = program.iter().map(|source| components(source).len()).sum();
    assert!(seen >= 20, "of the components only {seen} were found");
    assert_no_violations(&program.iter().flat_map(plain_parameters).collect::<Vec<_>>());
}

#[test]
fn uninjected_field_is_detected() {
    let source = fake_source(
        "modules/billing/src/invoices.rs",
        "
/// Whose fields say all there is.
#[derive(Debug)]
#[derive(Component)]
#[shaku(interface = Invoices)]
pub(crate) struct PgInvoices {
    #[shaku(inject)] clock: Arc<dyn Clock>,
    #[shaku(default)]
    sent: OnceCell<()>,
    /// Where they are sent from: once more.
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
        "modules/billing/src/invoices.rs:11: building the module panics unless somebody sets `sender` of `PgInvoices`",
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
        "made! { #[derive(Component)] struct A { limit: u16 } }",
    ] {
        let found = plain_parameters(&fake_source("src/a.rs", text));
        let line = text.lines().count();
        assert_one_violation(
            &found,
            &format!("src/a.rs:{line}: building the module panics unless somebody sets `limit` of `A`"),
        );
    }
}
