//! Secrets and their hashes aren't compared with `==`, which takes longer the more bytes are equal. Their types don't
//! implement `PartialEq` (`tests/compile-fail/crates/compared_secrets.rs`); this rule finds comparisons of what they
//! expose.

use proc_macro2::{Spacing, TokenTree};

use crate::{
    sources::{Source, for_each_token_list, is_punct, line, program_sources, tokens, word},
    violation::{Violation, assert_all_pass, assert_rule},
};

/// Methods that expose a secret.
const EXPOSE: [&str; 5] = ["expose_secret", "pkcs8", "secret", "signature", "token_hash"];

/// Checks one file. The commands compare what the operator types twice.
fn violations(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    if source.path.starts_with("src/cli") {
        return violations;
    }
    for_each_token_list(tokens(source), &mut |list| {
        // The operands are in one expression: without `;`, `,`, a block, `&&` and `||`.
        let is_end = |at: usize| {
            let is_logical = |sign| is_punct(list, at, sign) && is_punct(list, at + 1, sign);
            matches!(&list[at], TokenTree::Punct(sign) if ";,".contains(sign.as_char()))
                || matches!(&list[at], TokenTree::Group(group) if group.delimiter() == proc_macro2::Delimiter::Brace)
                || is_logical('&')
                || is_logical('|')
        };
        let mut begin = 0;
        for end in (0..list.len()).filter(|at| is_end(*at)).chain([list.len()]) {
            let range = begin..end;
            begin = end + 1;
            let exposes = range.clone().any(|at| {
                at > 0
                    && is_punct(list, at - 1, '.')
                    && word(list, at).is_some_and(|name| EXPOSE.contains(&name.as_str()))
            });
            let compared = range.clone().find(|at| is_comparison(list, *at));
            if let Some(at) = compared.filter(|_| exposes) {
                let help = "compare hashes in the database, or with a type whose comparison takes constant time, as argon2's Output";
                violations.push(Violation::new(&source.path, line(&list[at]), "compares a secret with `==`", help));
            }
        }
    });
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
            "fn f() { g(token.expose_secret(), a == b) }",
            "fn f() { if a == b { hash(token.secret()) } }",
        ],
        &[
            ("fn f() {\n a.expose_secret() == b.expose_secret()\n}", "2: compares a secret with `==`; compare hashes"),
            ("fn f() { if given != self.password.secret().expose_secret().as_bytes() {} }", "1: compares a secret"),
            ("fn f() { let same = x && a.expose_secret().eq(b); }", "1: compares a secret"),
            ("fn f() { g(|row| row.token_hash == hash) }", "1: compares a secret"),
            ("fn f() { token.expose_secret().starts_with(b) }", "1: compares a secret"),
        ],
    );
}
