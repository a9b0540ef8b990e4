//! Enums whose values are reviewed uses: the reasons for system transactions, the reasons for commits without an audit
//! event, and the operator's commands. Each value belongs to the files that were reviewed.

use std::collections::BTreeSet;

use proc_macro2::TokenTree;
use syn::Item;

use crate::{
    sources::{Source, fake_source, for_each_token_list, is_ident, is_punct, line, program_sources, read, tokens},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// An enum, and the files that may name each of its values.
struct ReviewedEnum {
    name: &'static str,
    declared_in: &'static str,
    owners: &'static [(&'static str, &'static [&'static str])],
    help: &'static str,
}

const REVIEWED: &[ReviewedEnum] = &[
    ReviewedEnum {
        name: "SystemReason",
        declared_in: "modules/db/src/tx.rs",
        owners: &[
            ("AcceptInvitation", &["modules/authorization/src/invitations/mod.rs"]),
            ("ChangeProfile", &["modules/user/src/profiles.rs"]),
            ("CreateAccount", &["modules/auth/src/accounts.rs"]),
            ("CreateTenant", &["modules/authorization/src/tenants/creation.rs", "src/cli/tenants.rs"]),
            ("RecordAuditEvents", &["modules/audit/src/recorder.rs"]),
            ("RestoreTenant", &["modules/authorization/src/tenants/mod.rs"]),
            ("Seed", &["seeds/src/lib.rs", "src/cli/serve.rs"]),
            ("SignIn", &["modules/auth/src/sign_in.rs"]),
            ("UpgradePolicies", &["modules/authorization/src/templates/upgrade.rs"]),
        ],
        help: "a member's request takes a TenantTx or a GuardedTx; for a reviewed exception add the file to REVIEWED in \
               tests/arch-lint/src/reviewed_enums.rs",
    },
    ReviewedEnum {
        name: "UnauditedReason",
        declared_in: "modules/db/src/audit_records.rs",
        owners: &[("AuditRecords", &["modules/audit/src/recorder.rs"]), ("DemoData", &["seeds/src/lib.rs"])],
        help: "commit with an audit event of the module; for a reviewed exception add the file to REVIEWED in \
               tests/arch-lint/src/reviewed_enums.rs",
    },
    ReviewedEnum {
        name: "OperatorCommand",
        declared_in: "modules/kernel/src/caller.rs",
        owners: &[
            ("CreateTenant", &["modules/authorization/src/tenants/creation.rs"]),
            ("CreateUser", &["modules/auth/src/accounts.rs"]),
            ("Seed", &["seeds/src/lib.rs"]),
            ("UpgradePolicies", &["modules/authorization/src/templates/upgrade.rs"]),
        ],
        help: "a request's caller is part of its proofs: `permit.scope().caller()`, `identity.caller()`; for a command of \
               the operator add the file to REVIEWED in tests/arch-lint/src/reviewed_enums.rs",
    },
];

/// Returns the values of the enum that a file names, with their lines. An import of the variants is `*` or a name as well.
fn named_values(source: &Source, name: &str) -> BTreeSet<(String, usize)> {
    let mut values = BTreeSet::new();
    for_each_token_list(tokens(source), &mut |list| {
        for at in 0..list.len() {
            let is_path = is_ident(list, at, name) && is_punct(list, at + 1, ':') && is_punct(list, at + 2, ':');
            match list.get(at + 3).filter(|_| is_path) {
                Some(TokenTree::Ident(value)) => values.insert((value.to_string(), line(&list[at]))),
                Some(_) => values.insert(("*".to_owned(), line(&list[at]))),
                None => continue,
            };
        }
        // A renamed enum would hide its variants: an import, `<SystemReason>::` and a type alias.
        for at in (0..list.len()).filter(|at| is_ident(list, *at, name)) {
            let is_import = is_ident(list, at + 1, "as");
            let is_qualified = is_punct(list, at + 1, '>') && is_punct(list, at + 2, ':');
            let begin =
                list[..at].iter().rposition(|token| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ';'));
            let is_alias = (begin.map_or(0, |begin| begin + 1)..at).any(|at| is_ident(list, at, "type"));
            if is_import || is_qualified || is_alias {
                values.insert(("*".to_owned(), line(&list[at])));
            }
        }
    });
    values
}

/// Checks the values that the program names, and that the list has no unused entries.
fn violations(sources: &[Source], reviewed: &ReviewedEnum) -> Vec<Violation> {
    let ReviewedEnum { name, declared_in, owners, help } = reviewed;
    let declaring_crate = declared_in.split("/src/").next().unwrap_or_default();
    let mut violations = Vec::new();
    let mut used = BTreeSet::new();
    for source in sources.iter().filter(|source| !source.path.starts_with(&format!("{declaring_crate}/"))) {
        for (value, line) in named_values(source, name) {
            let files = owners.iter().find(|(owned, _)| *owned == value).map_or(&[][..], |(_, files)| files);
            if files.contains(&source.path.as_str()) {
                used.insert((value, source.path.clone()));
            } else {
                let problem = format!("names `{name}::{value}`, which isn't reviewed for this file");
                violations.push(Violation::new(&source.path, line, problem, help));
            }
        }
    }
    for (value, files) in *owners {
        for file in files.iter().filter(|file| !used.contains(&((*value).to_owned(), (**file).to_owned()))) {
            let problem = format!("doesn't use `{name}::{value}`");
            violations.push(Violation::new(file, 0, problem, "remove the file from REVIEWED"));
        }
    }
    violations
}

#[test]
fn reviewed_enums_are_named_in_listed_files() {
    for reviewed in REVIEWED {
        assert_no_violations(&violations(&program_sources(), reviewed));
        let items = syn::parse_file(&read(reviewed.declared_in).text).unwrap().items;
        let declared = items.into_iter().find_map(|item| match item {
            Item::Enum(one) if one.ident == reviewed.name => Some(one.variants),
            _ => None,
        });
        let mut declared: Vec<String> = declared.unwrap().iter().map(|variant| variant.ident.to_string()).collect();
        declared.sort();
        let listed: Vec<&str> = reviewed.owners.iter().map(|(value, _)| *value).collect();
        let (name, file) = (reviewed.name, reviewed.declared_in);
        assert_eq!(declared, listed, "{name} in {file} and REVIEWED differ; add or remove the value");
    }
}

#[test]
fn value_of_another_file_is_rejected() {
    let reviewed = ReviewedEnum {
        name: "SystemReason",
        declared_in: "modules/db/src/tx.rs",
        owners: &[("Seed", &["seeds/src/lib.rs"])],
        help: "use a tenant transaction",
    };
    let seeds = || fake_source("seeds/src/lib.rs", "fn f() { system.begin(SystemReason::Seed); }");
    let with =
        |text: &str| violations(&[seeds(), fake_source("modules/billing/src/subscriptions.rs", text)], &reviewed);
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
        assert_one_violation(&with(text), "modules/billing/src/subscriptions.rs:1: names `SystemReason::");
    }
    assert_one_violation(&violations(&[], &reviewed), "seeds/src/lib.rs:0: doesn't use `SystemReason::Seed`; remove");
}
