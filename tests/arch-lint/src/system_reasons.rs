//! The reasons for system transactions. Each belongs to the files that were reviewed, so a system transaction isn't used
//! where a tenant transaction suffices.

use std::collections::BTreeSet;

use proc_macro2::TokenTree;
use syn::Item;

use crate::{
    sources::{Source, fake_source, for_each_token_list, is_ident, is_punct, line, program_sources, read, tokens},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// The files that may begin a system transaction for a reason.
const OWNERS: &[(&str, &[&str])] = &[
    ("AcceptInvitation", &["modules/authorization/src/invitations/mod.rs"]),
    ("ChangeProfile", &["modules/user/src/profiles.rs"]),
    ("CreateAccount", &["modules/auth/src/accounts.rs"]),
    ("CreateTenant", &["modules/authorization/src/tenants/creation.rs", "src/cli/tenants.rs"]),
    ("RestoreTenant", &["modules/authorization/src/tenants/mod.rs"]),
    ("Seed", &["seeds/src/lib.rs", "src/cli/serve.rs"]),
    ("SignIn", &["modules/auth/src/sign_in.rs"]),
    ("UpgradePolicies", &["modules/authorization/src/templates/upgrade.rs"]),
];

const HELP: &str = "a member's request takes a TenantTx or a GuardedTx; for a reviewed exception add the file to OWNERS in \
                    tests/arch-lint/src/system_reasons.rs";

/// Returns the reasons that a file names, with their lines. An import of the variants is `*` or a name as well.
fn named_reasons(source: &Source) -> BTreeSet<(String, usize)> {
    let mut reasons = BTreeSet::new();
    for_each_token_list(tokens(source), &mut |list| {
        for at in 0..list.len() {
            let is_path =
                is_ident(list, at, "SystemReason") && is_punct(list, at + 1, ':') && is_punct(list, at + 2, ':');
            match list.get(at + 3).filter(|_| is_path) {
                Some(TokenTree::Ident(name)) => reasons.insert((name.to_string(), line(&list[at]))),
                Some(_) => reasons.insert(("*".to_owned(), line(&list[at]))),
                None => continue,
            };
        }
        // A renamed enum would hide its variants: an import, `<SystemReason>::` and a type alias.
        for at in (0..list.len()).filter(|at| is_ident(list, *at, "SystemReason")) {
            let is_import = is_ident(list, at + 1, "as");
            let is_qualified = is_punct(list, at + 1, '>') && is_punct(list, at + 2, ':');
            let begin =
                list[..at].iter().rposition(|token| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ';'));
            let is_alias = (begin.map_or(0, |begin| begin + 1)..at).any(|at| is_ident(list, at, "type"));
            if is_import || is_qualified || is_alias {
                reasons.insert(("*".to_owned(), line(&list[at])));
            }
        }
    });
    reasons
}

/// Checks the reasons that the program names, and that the list has no unused entries.
fn violations(sources: &[Source], owners: &[(&str, &[&str])]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut used = BTreeSet::new();
    for source in sources.iter().filter(|source| !source.path.starts_with("modules/db/")) {
        for (reason, line) in named_reasons(source) {
            let files = owners.iter().find(|(name, _)| *name == reason).map_or(&[][..], |(_, files)| files);
            if files.contains(&source.path.as_str()) {
                used.insert((reason, source.path.clone()));
            } else {
                let problem =
                    format!("begins a system transaction with `SystemReason::{reason}`, which isn't its reason");
                violations.push(Violation::new(&source.path, line, problem, HELP));
            }
        }
    }
    for (reason, files) in owners {
        for file in files.iter().filter(|file| !used.contains(&((*reason).to_owned(), (**file).to_owned()))) {
            let problem = format!("doesn't use `SystemReason::{reason}`");
            violations.push(Violation::new(file, 0, problem, "remove the file from OWNERS"));
        }
    }
    violations
}

#[test]
fn system_reasons_have_owners() {
    assert_no_violations(&violations(&program_sources(), OWNERS));
    let items = syn::parse_file(&read("modules/db/src/tx.rs").text).unwrap().items;
    let declared = items.into_iter().find_map(|item| match item {
        Item::Enum(one) if one.ident == "SystemReason" => Some(one.variants),
        _ => None,
    });
    let mut declared: Vec<String> = declared.unwrap().iter().map(|variant| variant.ident.to_string()).collect();
    declared.sort();
    let listed: Vec<&str> = OWNERS.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(declared, listed, "SystemReason in modules/db/src/tx.rs and OWNERS differ; add or remove the reason");
}

#[test]
fn system_reason_of_another_file_is_rejected() {
    let owners: &[(&str, &[&str])] = &[("Seed", &["seeds/src/lib.rs"])];
    let seeds = || fake_source("seeds/src/lib.rs", "fn f() { system.begin(SystemReason::Seed); }");
    let with = |text: &str| violations(&[seeds(), fake_source("modules/billing/src/subscriptions.rs", text)], owners);
    assert_no_violations(&with("use db::SystemReason; fn f(reason: SystemReason) { reason.name(); }"));
    for text in [
        "fn f() { system.begin(SystemReason::Seed); }",
        "fn f() { system.begin(db::SystemReason::Seed); }",
        "use db::SystemReason::Seed;",
        "use db::SystemReason::{Seed, SignIn};",
        "use db::SystemReason::*;",
        "use db::SystemReason as Reason;",
        "type Reason = db::SystemReason;",
        "fn f() { system.begin(<SystemReason>::Seed); }",
        "fn f() { system.begin(<db::SystemReason>::Seed); }",
    ] {
        assert_one_violation(
            &with(text),
            "modules/billing/src/subscriptions.rs:1: begins a system transaction with `SystemReason::",
        );
    }
    assert_one_violation(&violations(&[], owners), "seeds/src/lib.rs:0: doesn't use `SystemReason::Seed`; remove");
}
