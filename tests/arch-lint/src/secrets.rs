//! Secrets and their hashes aren't compared with `==`, which takes longer the more bytes are equal. Their types don't
//! implement `PartialEq` (`tests/compile-fail/crates/compared_secrets.rs`); this rule finds comparisons of what they
//! expose.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Spacing, TokenTree};

use crate::{
    sources::{Source, for_each_token_list, is_group, is_ident, is_punct, line, program_sources, read, tokens, word},
    violation::{Violation, assert_all_pass, assert_no_violations, assert_rule},
};

/// Methods that expose a secret or its hash.
const EXPOSE: [&str; 6] = ["expose_hash", "expose_secret", "pkcs8", "secret", "signature", "token_hash"];

/// Types of secrets and hashes that no other crate can name. The compiler's test covers the public ones.
const SECRET_TYPES: [(&str, &str); 2] =
    [("modules/auth/src/password.rs", "PasswordHash"), ("modules/authorization/src/invitations/token.rs", "TokenHash")];

/// Checks one file. The commands compare what the operator types twice.
fn violations(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    if !source.path.starts_with("src/cli") {
        let list: Vec<TokenTree> = tokens(source).into_iter().collect();
        check(&list, BTreeSet::new(), source, &mut violations);
    }
    violations
}

/// Checks a list of tokens and the lists in it. `exposed` are the variables with an exposed secret.
fn check(list: &[TokenTree], mut exposed: BTreeSet<String>, source: &Source, violations: &mut Vec<Violation>) {
    // The operands are in one expression: without `;`, `,`, a block, `&&` and `||`.
    let is_end = |at: usize| {
        let is_logical = |sign| is_punct(list, at, sign) && is_punct(list, at + 1, sign);
        matches!(&list[at], TokenTree::Punct(sign) if ";,".contains(sign.as_char()))
            || matches!(&list[at], TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
            || is_logical('&')
            || is_logical('|')
    };
    let mut begin = 0;
    for end in (0..list.len()).filter(|at| is_end(*at)).chain([list.len()]) {
        let exposes = (begin..end).any(|at| is_exposed(list, at, &exposed));
        let compared = (begin..end).find(|at| is_comparison(list, *at));
        if let Some(at) = compared.filter(|_| exposes) {
            let help = "compare hashes in the database, or with a type whose comparison takes constant time, as argon2's Output";
            violations.push(Violation::new(&source.path, line(&list[at]), "compares a secret with `==`", help));
        }
        for token in &list[begin..list.len().min(end + 1)] {
            if let TokenTree::Group(group) = token {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                check(&inner, exposed.clone(), source, violations);
            }
        }
        let name = begin + 1 + usize::from(is_ident(list, begin + 1, "mut"));
        if exposes && compared.is_none() && is_ident(list, begin, "let") && is_punct(list, end, ';') {
            exposed.extend(word(list, name));
        }
        begin = end + 1;
    }
}

/// Whether an exposed secret is at this index, and not only its length.
fn is_exposed(list: &[TokenTree], at: usize, exposed: &BTreeSet<String>) -> bool {
    let is_member = at > 0 && is_punct(list, at - 1, '.');
    let is_named = word(list, at)
        .is_some_and(|name| if is_member { EXPOSE.contains(&name.as_str()) } else { exposed.contains(&name) });
    let is_call = is_group(list, at + 1, Delimiter::Parenthesis);
    let dot = at + 1 + usize::from(is_call);
    let is_length = is_punct(list, dot, '.') && ["is_empty", "len"].iter().any(|name| is_ident(list, dot + 1, name));
    is_named && !is_length
}

/// Checks that the type in this file isn't comparable.
fn comparable(source: &Source, name: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut is_declared = false;
    for_each_token_list(tokens(source), &mut |list| {
        for at in 0..list.len() {
            let is_struct = is_ident(list, at, "struct") && is_ident(list, at + 1, name);
            let is_for = is_ident(list, at, "for") && is_ident(list, at + 1, name);
            is_declared |= is_struct;
            // From the end of the item before.
            let begin = (0..at).rev().find(|at| is_punct(list, *at, ';') || is_group(list, *at, Delimiter::Brace));
            let before: String = list[begin.unwrap_or(0)..at].iter().map(|token| format!("{token} ")).collect();
            if (is_struct || is_for) && before.contains("PartialEq") {
                let problem = format!("makes `{name}` comparable with `==`");
                let help = "remove PartialEq; `==` takes longer the more bytes are equal";
                violations.push(Violation::new(&source.path, line(&list[at]), problem, help));
            }
        }
    });
    if !is_declared {
        violations.push(Violation::new(&source.path, 0, format!("doesn't declare `{name}`"), "mend SECRET_TYPES"));
    }
    violations
}

/// Whether `==`, `!=` or a method like them is at this index.
fn is_comparison(list: &[TokenTree], at: usize) -> bool {
    let is_joint = matches!(&list[at], TokenTree::Punct(sign) if sign.spacing() == Spacing::Joint);
    let is_operator = (is_punct(list, at, '=') || is_punct(list, at, '!')) && is_punct(list, at + 1, '=') && is_joint;
    let is_method = at > 0 && is_punct(list, at - 1, '.');
    let methods = ["cmp", "contains", "ends_with", "eq", "ne", "starts_with"];
    is_operator || (is_method && word(list, at).is_some_and(|name| methods.contains(&name.as_str())))
}

#[test]
fn secrets_are_not_compared() {
    assert_all_pass(violations, &program_sources());
}

#[test]
fn compared_secret_is_rejected() {
    assert_rule(
        violations,
        "modules/auth/src/sign_in.rs",
        &[
            "fn f() { let key = a.expose_secret().len(); let same = b == c; }",
            "fn f() { let key = a.expose_secret(); g(key); if b == c {} }",
            "fn f() { let key = a.expose_secret(); if key.len() == 3 {} }",
            "fn f() { let key = a.expose_secret(); } fn g(key: u8) -> bool { key == 1 }",
            "fn f() { g(token.expose_secret(), a == b) }",
            "fn f() { if a == b { hash(token.secret()) } }",
        ],
        &[
            ("fn f() {\n a.expose_secret() == b.expose_secret()\n}", "2: compares a secret with `==`; compare hashes"),
            ("fn f() { if given != self.password.secret().expose_secret().as_bytes() {} }", "1: compares a secret"),
            ("fn f() { let same = x && a.expose_secret().eq(b); }", "1: compares a secret"),
            ("fn f() { g(|row| row.token_hash == hash) }", "1: compares a secret"),
            ("fn f() { token.expose_secret().starts_with(b) }", "1: compares a secret"),
            ("fn f() {\n let a = x.expose_secret();\n let same = a == b;\n}", "3: compares a secret"),
            ("fn f() {\n let mut a = hash.expose_hash();\n if c {\n g(|| b == a);\n }\n}", "4: compares a secret"),
        ],
    );
}

#[test]
fn secret_types_are_not_comparable() {
    for (file, name) in SECRET_TYPES {
        assert_no_violations(&comparable(&read(file), name));
    }
}

#[test]
fn comparable_secret_type_is_rejected() {
    assert_rule(
        |source| comparable(source, "Hash"),
        "modules/auth/src/password.rs",
        &["#[derive(Clone)] struct Hash([u8; 32]);", "#[derive(PartialEq)] struct Other; struct Hash(u8);"],
        &[
            ("#[derive(Clone, PartialEq)]\nstruct Hash([u8; 32]);", "2: makes `Hash` comparable"),
            ("struct Hash(u8);\nimpl PartialEq for Hash {}", "2: makes `Hash` comparable"),
            ("struct Other;", "0: doesn't declare `Hash`"),
        ],
    );
}
