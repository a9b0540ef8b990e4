//! Extractors for handler arguments other than the access type. Each rejects with a problem that names the location
//! of the error and echoes no input. `clippy.toml` bans actix's own `Json`, `Path` and `Query`, because they would
//! reject a request before it is authorized.

use std::{ops::Deref, str::FromStr, sync::Arc, time::Duration};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header::CONTENT_LENGTH, web};
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::{
    api_docs::OperationDoc,
    problem::{
        FieldError, Problem,
        types::{BODY_TIMEOUT, UNSUPPORTED_MEDIA_TYPE},
    },
};
use crate::services::{HandlerService, RequestModule};

/// A service from the request's module.
pub(crate) struct Inject<S: ?Sized>(Arc<S>);

impl<S: ?Sized> Deref for Inject<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

/// An argument after the access type. Handlers are bound by this trait instead of by `Inject` to get the error message
/// below; otherwise rustc only reports mismatched function types.
#[diagnostic::on_unimplemented(
    message = "a handler's arguments after the access type must be services, but `{Self}` is not one",
    label = "not a service",
    note = "a service is `Inject<dyn X>`; combine a body, query or path id with the access type as in \
            `Authorized<Access<P>, Body<T>>`"
)]
pub(crate) trait InjectedService: 'static {
    /// The service's Rust type.
    const NAME: &'static str;

    /// Returns the service.
    fn inject(module: &RequestModule) -> Self;
}

impl<S: HandlerService + ?Sized + 'static> InjectedService for Inject<S> {
    const NAME: &'static str = S::NAME;

    fn inject(module: &RequestModule) -> Self {
        Self(S::from_module(module))
    }
}

/// Client input that `Authorized` extracts after the access type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the input of an `Authorized`",
    label = "not client input",
    note = "use `Body<T>`, `Query<T>` or `PathId<Id>`"
)]
pub(crate) trait RequestInput: Sized + 'static {
    /// Adds the input to the API documentation.
    fn describe(doc: &mut OperationDoc);

    /// Extracts the input.
    async fn extract(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem>;
}

/// Two inputs, extracted in order.
impl<A: RequestInput, B: RequestInput> RequestInput for (A, B) {
    fn describe(doc: &mut OperationDoc) {
        A::describe(doc);
        B::describe(doc);
    }

    async fn extract(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        Ok((A::extract(request, payload).await?, B::extract(request, payload).await?))
    }
}

/// Limits of a request body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// Maximum size in bytes.
    pub(crate) bytes: usize,
    /// How long the client may take to send it.
    pub(crate) timeout: Duration,
}

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned + ToSchema + 'static> RequestInput for Body<T> {
    fn describe(doc: &mut OperationDoc) {
        doc.body::<T>();
    }

    async fn extract(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        let Some(&BodyLimits { bytes: limit, timeout: deadline }) = request.app_data() else {
            return Err(Problem::internal("the server has no body limits"));
        };
        if request.mime_type().ok().flatten().is_none_or(|mime| mime.essence_str() != "application/json") {
            return Err(UNSUPPORTED_MEDIA_TYPE.into());
        }
        let declared_length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if declared_length.is_some_and(|length: usize| length > limit) {
            return Err(Problem::body_too_large(limit));
        }
        let payload = web::Payload::from_request(request, payload).into_inner().map_err(|_| body_read_error())?;
        let bytes =
            timeout(deadline, payload.to_bytes_limited(limit)).await.map_err(|_| Problem::from(BODY_TIMEOUT))?;
        let bytes = bytes.map_err(|_| Problem::body_too_large(limit))?;
        parse(&bytes.map_err(|_| body_read_error())?).map(Self)
    }
}

fn body_read_error() -> Problem {
    Problem::malformed("The connection ended before the whole body was received.")
}

/// Parses JSON. Errors name the location but never echo the value there, which may be a password.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let cause = error.inner();
        // serde_json classifies some data errors as syntax errors, for example null instead of an enum variant.
        let is_json = || serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
        if cause.is_data() || is_json() {
            let message = cause.to_string();
            let pointer = pointer(error.path(), message.starts_with("unknown field"));
            return Problem::from(FieldError { pointer, detail: sanitized_reason(&message).into() });
        }
        syntax_error(cause)
    })?;
    json.end().map_err(|error| syntax_error(&error))?;
    Ok(value)
}

fn syntax_error(error: &serde_json::Error) -> Problem {
    Problem::malformed(format!(
        "The body is not valid JSON: error at line {}, column {}.",
        error.line(),
        error.column()
    ))
}

/// Describes serde's error without the input that its message quotes.
fn sanitized_reason(message: &str) -> &'static str {
    const REASONS: [(&str, &str); 5] = [
        ("missing field", "A required field is missing. See /openapi.json for the list of fields."),
        ("unknown field", "Unknown field. See /openapi.json for the list of fields."),
        ("unknown variant", "The value is not one of the allowed values."),
        ("duplicate field", "Duplicate field."),
        ("invalid type", "The value has the wrong type."),
    ];
    let known = REASONS.iter().find(|(prefix, _)| message.starts_with(prefix));
    known.map_or("The value is not allowed.", |(_, reason)| reason)
}

/// Returns a JSON pointer (RFC 6901) to the error. For an unknown field it points to the enclosing object, because the
/// field's name is client input.
fn pointer(path: &serde_path_to_error::Path, unknown_field: bool) -> String {
    use serde_path_to_error::Segment;
    let known = path.iter().len() - usize::from(unknown_field && path.iter().len() > 0);
    let segments = path.iter().take(known).map_while(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    segments.map(|segment| format!("/{segment}")).collect()
}

/// The parsed query string.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned + IntoParams + 'static> RequestInput for Query<T> {
    fn describe(doc: &mut OperationDoc) {
        doc.query::<T>();
    }

    async fn extract(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        #[expect(
            clippy::disallowed_types,
            reason = "runs after the access type, and its errors are converted to problems"
        )]
        let query = web::Query::<T>::from_query(request.query_string());
        let malformed = |_| Problem::malformed("The query string has an unknown parameter or an invalid value.");
        query.map(|query| Self(query.into_inner())).map_err(malformed)
    }
}

/// The `{id}` in the path.
pub(crate) struct PathId<T>(pub(crate) T);

impl<T: FromStr + 'static> RequestInput for PathId<T> {
    fn describe(doc: &mut OperationDoc) {
        doc.path_id();
    }

    async fn extract(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let id = request.match_info().get("id").and_then(|text| text.parse().ok());
        id.map(Self).ok_or_else(|| Problem::malformed("The id in the path is not a UUID."))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Outer {
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Inner {
        number: u8,
        #[serde(default)]
        choice: Option<Choice>,
        #[serde(default)]
        kind: Vec<Choice>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        One,
    }

    async fn error_response(json: &str) -> (u16, String) {
        let problem = parse::<Outer>(json.as_bytes()).unwrap_err();
        let response = problem.error_response();
        let status = response.status().as_u16();
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn parse_errors_carry_json_pointers() {
        for (json, pointer) in [
            (r#"{"inner": 1}"#, "/inner"),
            (r#"{"inner": [{"number": 1}, {"number": "x"}]}"#, "/inner/1/number"),
            (r#"{"inner": [{"number": 300}]}"#, "/inner/0/number"),
            (r#"{"inner": [{}]}"#, "/inner/0"),
            (r#"{"inner": [{"number": 1, "other": 2}]}"#, "/inner/0"),
            (r#"{"inner": [{"number": 1, "choice": "two"}]}"#, "/inner/0/choice"),
            (r#"{"inner": [{"number": 1, "kind": ["one", null]}]}"#, "/inner/0/kind/1"),
            (r#"{}"#, ""),
        ] {
            let (status, body) = error_response(json).await;
            assert_eq!(status, 422, "{json}");
            assert!(body.contains(&format!(r#""pointer":"{pointer}""#)), "{json}: {body}");
        }
    }

    #[actix_web::test]
    async fn json_syntax_error_has_line_and_column() {
        for json in ["", "{", "hunter2", "{\"inner\": []} x", "{\"inner\": [],}"] {
            let (status, body) = error_response(json).await;
            assert_eq!(status, 400, "{json}");
            assert!(body.contains("line 1, column"), "{json}: {body}");
        }
    }

    #[actix_web::test]
    async fn errors_never_echo_input() {
        for json in [
            r#"{"inner": "hunter2"}"#,
            r#"{"hunter2": 1}"#,
            r#"{"inner": [{"hunter2": 1}]}"#,
            r#"{"inner": [{"number": "hunter2"}]}"#,
            r#"hunter2"#,
        ] {
            let (_, body) = error_response(json).await;
            assert!(!body.contains("hunter2"), "{json}: {body}");
        }
    }
}
