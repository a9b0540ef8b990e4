//! `/join`: the page that an invitation's link leads to. It takes the token out of the address's fragment, lets its
//! reader sign in, and accepts.
//!
//! It is one file, and nothing else is loaded for it. The policy that goes with it lets its own script and style run, by
//! their hashes, and nothing that anybody may have put between.

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, REFERRER_POLICY},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{SHA256, digest};

const PAGE: &str = include_str!("join_page.html");

/// The page with its headers.
pub(super) fn response(policy: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(PAGE)
}

/// What the page may do: run what is in it, and talk to this server.
pub(super) fn content_security_policy() -> String {
    let (script, style) = (hash_of("script"), hash_of("style"));
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

/// Of what stands in the page's one element of this name.
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
        for what in [" src=", " href=", "://", " style=", " onclick=", " onsubmit=", "@import", "url(", "innerHTML"] {
            assert!(!PAGE.contains(what), "{what}");
        }
    }

    #[test]
    fn csp_allows_only_inline_hashes() {
        let policy = content_security_policy();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        // The hash of nothing: the element wasn't found.
        assert!(!policy.contains("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    }
}
