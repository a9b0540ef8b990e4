//! `/join`: the page that an invitation link opens. It reads the token from the URL fragment, asks the user to sign in
//! and accepts the invitation.
//!
//! The page is a single file that loads no other resources. Its Content-Security-Policy allows only its own script and
//! style, by their hashes, so injected scripts don't run.

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, REFERRER_POLICY},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{SHA256, digest};

const PAGE: &str = include_str!("join_page.html");

/// Returns the page.
pub(super) fn response(policy: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(PAGE)
}

/// Returns the page's policy: it may run its own script and style, and connect to this server.
pub(super) fn content_security_policy() -> String {
    let (script, style) = (hash_of("script"), hash_of("style"));
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

/// Returns the hash of the content of the page's only element with this name.
fn hash_of(element: &str) -> String {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    let inside = PAGE.split_once(&start).and_then(|(_, rest)| rest.split_once(&end)).map_or("", |(inside, _)| inside);
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, inside.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_page_has_no_external_assets() {
        for element in ["<script", "</script>", "<style", "</style>", "<script>\n", "<style>\n"] {
            assert_eq!(PAGE.matches(element).count(), 1, "{element}");
        }
        for forbidden in
            [" src=", " href=", "://", " style=", " onclick=", " onsubmit=", "@import", "url(", "innerHTML"]
        {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn csp_allows_only_inline_hashes() {
        let policy = content_security_policy();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        // The hash of the empty string: the element wasn't found.
        assert!(!policy.contains("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    }
}
