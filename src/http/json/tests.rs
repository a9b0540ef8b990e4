use actix_web::ResponseError;
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
};

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
struct Outer {
    inner: Vec<Inner>,
    #[serde(default)]
    free: Option<Value>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Inner {
    number: u8,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    choice: Option<Choice>,
    #[serde(default)]
    kind: Vec<Choice>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Choice {
    One,
}

/// Returns status and body of the error response.
async fn error_response(json: impl AsRef<[u8]>) -> (u16, String) {
    let problem = read::<Outer>(json.as_ref()).unwrap_err();
    let response = problem.error_response();
    let status = response.status().as_u16();
    let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn valid_body_is_read() {
    let json = r#"{"inner": [{"number": 1, "text": "ä\"\\ 😀", "choice": "one", "kind": ["one"]}, {"number": 2}],
                   "free": {"a": [1, -1, 1.5, null, true, {}]}}"#;
    let Outer { inner, free } = read(json.as_bytes()).unwrap();
    assert_eq!(inner[0].text.as_deref(), Some("ä\"\\ 😀"));
    assert_eq!((inner[0].choice.as_ref(), &inner[0].kind), (Some(&Choice::One), &vec![Choice::One]));
    assert_eq!(inner[1], Inner { number: 2, text: None, choice: None, kind: Vec::new() });
    assert_eq!(free, Some(serde_json::json!({"a": [1, -1, 1.5, null, true, {}]})));
}

#[actix_web::test]
async fn invalid_values_have_json_pointers() {
    for (json, pointer) in [
        (r#"{"inner": 1}"#, "/inner"),
        (r#"{"inner": [{"number": 1}, {"number": "x"}]}"#, "/inner/1/number"),
        (r#"{"inner": [{"number": 300}]}"#, "/inner/0/number"),
        (r#"{"inner": [{"number": 1.0}]}"#, "/inner/0/number"),
        (r#"{"inner": [{"number": 1e0}]}"#, "/inner/0/number"),
        (r#"{"inner": [{"number": -0}]}"#, "/inner/0/number"),
        (r#"{"inner": [{}]}"#, "/inner/0"),
        (r#"{"inner": [{"number": 1, "other": 2}]}"#, "/inner/0"),
        (r#"{"inner": [{"number": 1, "choice": "two"}]}"#, "/inner/0/choice"),
        (r#"{"inner": [{"number": 1, "kind": ["one", null]}]}"#, "/inner/0/kind/1"),
        (r#"{}"#, ""),
        // serde reads an array as a struct, and an object as a unit variant.
        (r#"[[]]"#, ""),
        (r#"null"#, ""),
        (r#"{"inner": [[1]]}"#, "/inner/0"),
        (r#"{"inner": {"0": {"number": 1}}}"#, "/inner"),
        (r#"{"inner": [{"number": 1, "choice": {"one": null}}]}"#, "/inner/0/choice"),
        (r#"{"inner": [{"number": 1, "kind": [{"one": null}]}]}"#, "/inner/0/kind/0"),
        // Duplicate fields.
        (r#"{"inner": [], "inner": []}"#, ""),
        (r#"{"inner": [], "in\u006eer": []}"#, ""),
        (r#"{"inner": [{"number": 1, "number": 1}]}"#, "/inner/0"),
        (r#"{"inner": [], "free": {"a": 1, "a": 1}}"#, "/free"),
        (r#"{"inner": [], "free": [{"a": [{"b": {}, "b": {}}]}]}"#, "/free"),
        // Control characters.
        (r#"{"inner": [{"number": 1, "text": "a\u0000"}]}"#, "/inner/0/text"),
        (r#"{"inner": [{"number": 1, "text": "\n"}]}"#, "/inner/0/text"),
        (r#"{"inner": [{"number": 1, "text": "\u007f"}]}"#, "/inner/0/text"),
        (r#"{"inner": [{"number": 1, "text": "\u0085"}]}"#, "/inner/0/text"),
        (r#"{"inner": [], "free": "\u0000"}"#, "/free"),
        (r#"{"inner": [], "free": {"a": ["\u0000"]}}"#, "/free"),
        (r#"{"inner": [], "free": {"\u0000": 1}}"#, "/free"),
    ] {
        let (status, body) = error_response(json).await;
        assert_eq!(status, 422, "{json}");
        assert!(body.contains(&format!(r#""pointer":"{pointer}""#)), "{json}: {body}");
    }
}

#[actix_web::test]
async fn syntax_error_has_line_and_column() {
    for json in [
        "",
        "{",
        "hunter2",
        "{\"inner\": []} x",
        "{\"inner\": [],}",
        "\u{feff}{}",
        r#"{"inner": [], "free": "\ud800"}"#,
        r#"{"inner": [], "free": +5}"#,
        r#"{"inner": [], "free": 05}"#,
        r#"{"inner": [], "free": 1e999}"#,
        r#"{"inner": [], "free": NaN}"#,
        "{\"inner\": [], \"free\": \"\0\"}",
    ] {
        let (status, body) = error_response(json).await;
        assert_eq!(status, 400, "{json}");
        assert!(body.contains("line 1, column"), "{json}: {body}");
    }
}

#[actix_web::test]
async fn invalid_utf8_is_malformed() {
    for json in [
        &b"{\"inner\": [], \"free\": \"\xff\"}"[..],
        b"\xff",
        b"{\"\xc3\": 1}",
        b"{\"inner\": [], \"free\": \"\xed\xa0\x80\"}",
    ] {
        let (status, body) = error_response(json).await;
        assert_eq!(status, 400, "{json:?}");
        assert!(body.contains("not UTF-8"), "{body}");
    }
}

#[actix_web::test]
async fn depth_is_bounded() {
    let nested = |depth: usize| format!(r#"{{"inner": [], "free": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(read::<Outer>(nested(126).as_bytes()).is_ok());
    for depth in [127, 10_000] {
        let (status, body) = error_response(nested(depth)).await;
        assert!(status == 400 && body.contains("more than 127 levels deep"), "{depth}: {status} {body}");
    }
}

#[actix_web::test]
async fn errors_never_echo_input() {
    for json in [
        r#"{"inner": "hunter2"}"#,
        r#"{"hunter2": 1}"#,
        r#"{"inner": [{"hunter2": 1}]}"#,
        r#"{"inner": [{"number": "hunter2"}]}"#,
        r#"{"inner": [], "free": {"hunter2": {"a": 1, "a": 1}}}"#,
        r#"{"inner": [], "free": {"hunter2": "\u0000"}}"#,
        r#"hunter2"#,
    ] {
        let (_, body) = error_response(json).await;
        assert!(!body.contains("hunter2"), "{json}: {body}");
    }
}

fn text() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{0,8}"
}

/// A document with unique field names and without control characters.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |part| {
        prop_oneof![
            vec(part.clone(), 0..5).prop_map(Value::from),
            btree_map(text(), part, 0..5).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn valid_document_equals_serde_json_value(document in document()) {
        let text = document.to_string();
        prop_assert_eq!(read::<Value>(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
    }

    /// Never accepts what serde_json rejects, and never panics.
    #[test]
    fn accepted_input_equals_serde_json_value(text in "[\\[\\]{}\",:0-9a\\\\u+.e \u{0}-]{0,30}") {
        if let Ok(value) = read::<Value>(text.as_bytes()) {
            prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
        }
    }

    #[test]
    fn invalid_part_is_rejected_wherever_it_occurs(document in document(), part in prop_oneof![
        Just(r#""\u0000""#), Just(r#""\u001b""#), Just(r#""\u009f""#), Just(r#"{"a":1,"a":2}"#), Just(r#"{"\t":1}"#),
        Just(r#""\ud800""#), Just("05"), Just("+5"), Just("[1,]"),
    ]) {
        // Each null is replaced; without one, the document is wrapped.
        let text = format!(r#"[{document},null]"#).replace("null", part);
        prop_assert!(read::<Value>(text.as_bytes()).is_err(), "{}", text);
    }
}
