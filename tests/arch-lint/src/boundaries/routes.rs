//! Routes that are registered without `Routes`: they have no access check and are missing in the OpenAPI document.

use proc_macro2::{Delimiter, TokenTree};

use crate::{
    sources::{Source, fake_source, is_group, is_punct, read, word},
    violation::{Message, Violation, assert_all_pass, assert_no_violations, assert_one_violation},
};

/// The files that register routes: `Routes` itself, and the server, which adds pages without a handler.
pub(super) const FILES: [&str; 2] = ["src/http/route.rs", "src/http/server.rs"];

const HELP: &str = "register the handler with Routes, next to it in src/http/handlers; a page without a handler is \
                    served by src/http/server.rs";

/// What may be used of `actix_web` and of `actix_web::web`; everything else might register a route.
const ALLOWED: [&str; 12] = [
    "Error",
    "FromRequest",
    "HttpMessage",
    "HttpRequest",
    "HttpResponse",
    "HttpResponseBuilder",
    "Responder",
    "ResponseError",
    "body",
    "error",
    "http",
    "rt",
];
const ALLOWED_WEB: [&str; 5] = ["Bytes", "BytesMut", "Data", "Payload", "Query"];
const ALLOWED_DEV: [&str; 4] = ["Payload", "ServiceRequest", "ServiceResponse", "ConnectionInfo"];

pub(super) fn registration(path: &[&str]) -> Option<Message> {
    let name = match path {
        ["actix_web", "web"] | ["actix_web", "dev" | "middleware" | "test"] => return None,
        ["actix_web", "web", name, ..] if !ALLOWED_WEB.contains(name) => name,
        ["actix_web", "dev", name, ..] if !ALLOWED_DEV.contains(name) => name,
        ["actix_web", "web" | "dev" | "middleware" | "test", ..] => return None,
        ["actix_web", name, ..] if !ALLOWED.contains(name) => name,
        // `web` of a parent module.
        ["web", name, ..] if !ALLOWED_WEB.contains(name) => name,
        ["actix_files" | "utoipa_swagger_ui", ..] => &path[0],
        _ => return None,
    };
    Some((format!("`{name}` may register a route around Routes"), HELP))
}

/// Finds the attributes that turn a function into a route, such as `#[get("/")]`.
pub(super) fn attribute(list: &[TokenTree], at: usize) -> Option<Message> {
    const NAMES: [&str; 10] = ["connect", "delete", "get", "head", "options", "patch", "post", "put", "route", "trace"];
    let TokenTree::Group(group) = list.get(at + 1).filter(|_| is_punct(list, at, '#'))? else { return None };
    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
    let name = word(&inside, 0).filter(|name| NAMES.contains(&name.as_str()))?;
    is_group(&inside, 1, Delimiter::Parenthesis).then(|| (format!("`#[{name}]` registers a route around Routes"), HELP))
}

/// Checks that each path in the server's source is that of a documented page: `routes.page("/join", …)`.
fn undocumented_pages(server: &Source, handlers: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (number, text) in server.text.lines().enumerate() {
        if text.trim_start().starts_with("//") {
            continue;
        }
        for literal in text.split('"').skip(1).step_by(2).filter(|literal| literal.starts_with('/')) {
            // Without a trailing slash or pattern.
            let path = literal.split('{').next().unwrap_or_default().trim_end_matches('/');
            let is_documented = [format!("page(\"{path}\""), format!("page(\"{path}/\"")];
            if !is_documented.iter().any(|call| handlers.text.contains(call)) {
                let help =
                    "document it with routes.page in src/http/handlers/mod.rs, or register a handler with Routes";
                violations.push(Violation::new(
                    &server.path,
                    number + 1,
                    format!("serves {literal}, which no document lists"),
                    help,
                ));
            }
        }
    }
    violations
}

#[test]
fn served_pages_are_documented() {
    let handlers = read("src/http/handlers/mod.rs");
    assert_all_pass(|server| undocumented_pages(server, &handlers), &[read("src/http/server.rs")]);
}

#[test]
fn undocumented_page_is_rejected() {
    let handlers = fake_source("src/http/handlers/mod.rs", "routes.page(\"/docs/\", \"Swagger UI\");");
    let violations = |text: &str| undocumented_pages(&fake_source("src/http/server.rs", text), &handlers);
    assert_no_violations(&violations("config.route(\"/docs\", get());\nSwaggerUi::new(\"/docs/{_:.*}\") // \"x\""));
    assert_one_violation(
        &violations("\n.route(\"/debug\", web::get())"),
        "src/http/server.rs:2: serves /debug, which no document lists; document it",
    );
}
