//! Requests for every route, built from the OpenAPI document: bodies from the examples of the schemas, ids from the
//! collection in the path. A new route needs no code here. Without examples, or with an empty collection, the tests that
//! use it fail.

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::client::{Client, Response, TestApp};

/// A route of the OpenAPI document.
#[derive(Debug)]
pub(crate) struct Route {
    /// In upper case.
    pub(crate) method: String,
    /// With the placeholder `{id}`.
    pub(crate) path: String,
    /// `public`, `signed-in`, `member` or `permission`.
    pub(crate) class: String,
    pub(crate) permission: Option<String>,
    /// The schema of the body.
    body: Option<Value>,
    parameters: Value,
    document: Rc<Value>,
}

/// The fields of a body that are sent.
#[derive(Clone, Copy)]
pub(crate) enum Fields {
    /// The required fields. If there are none, the first field with an example.
    Required,
    /// All fields with an example.
    All,
}

/// Returns the value of a field, given its name and schema, instead of its example.
type Replace<'a> = &'a dyn Fn(&str, &Value) -> Option<Value>;

/// Returns every route, ordered by path and method.
pub(crate) fn routes(app: &TestApp) -> Vec<Route> {
    let document = Rc::new(app.anonymous().get("/openapi.json").json());
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let text = |name: &str| operation[name].as_str().map(ToOwned::to_owned);
            routes.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                class: text("x-access-class").expect("the operation has no x-access-class"),
                permission: text("x-permission"),
                parameters: operation["parameters"].clone(),
                body: operation.pointer("/requestBody/content/application~1json/schema").cloned(),
                document: document.clone(),
            });
        }
    }
    routes.sort_by(|one, other| (&one.path, &one.method).cmp(&(&other.path, &other.method)));
    routes
}

impl Route {
    /// Returns the method and path.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Returns the collection whose items `{id}` identifies, such as `members` for `/v1/members/{id}`.
    pub(crate) fn collection(&self) -> Option<&str> {
        let (collection, _) = self.path.split_once("/{id}")?;
        collection.rsplit('/').next()
    }

    /// Returns whether the route has a query parameter of this name.
    pub(crate) fn has_parameter(&self, name: &str) -> bool {
        self.parameters.as_array().into_iter().flatten().any(|parameter| parameter["name"] == name)
    }

    /// Returns the schema of the body, if there is one.
    pub(crate) fn body_schema(&self) -> Option<&Value> {
        let schema = self.body.as_ref()?;
        match schema["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')),
            None => Some(schema),
        }
    }

    /// Builds a body as JSON. `None`: the route has none.
    pub(crate) fn body(&self, fields: Fields, replace: Replace<'_>) -> Option<String> {
        let schema = self.body.as_ref()?;
        let body = self.value(schema, fields, replace);
        Some(body.unwrap_or_else(|| panic!("{}: the body needs examples", self.name())).to_string())
    }

    /// Returns a value for the schema. `None`: it has no example.
    fn value(&self, schema: &Value, fields: Fields, replace: Replace<'_>) -> Option<Value> {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.value(self.document.pointer(reference.trim_start_matches('#'))?, fields, replace);
        }
        if let Some(example) = schema.get("example").or_else(|| schema["enum"].get(0)) {
            return Some(example.clone());
        }
        if let Some(items) = schema.get("items") {
            return Some(Value::Array(vec![self.value(items, fields, replace)?]));
        }
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut object = Map::new();
        for (name, schema) in schema["properties"].as_object()? {
            let is_required = required.contains(&name.as_str());
            let is_sent = match fields {
                Fields::All => true,
                Fields::Required => is_required || (required.is_empty() && object.is_empty()),
            };
            if !is_sent {
                continue;
            }
            match replace(name, schema).or_else(|| self.value(schema, fields, replace)) {
                Some(value) => _ = object.insert(name.clone(), value),
                None => assert!(!is_required, "{}: `{name}` needs `#[schema(example = …)]`", self.name()),
            }
        }
        Some(Value::Object(object))
    }

    /// Builds a request whose outcome depends on authorization alone. `{id}` is the last item of the collection that
    /// Acme's admin can read, except the admin.
    pub(crate) fn sample(&self, acme_admin: &Client) -> Sample {
        let path = match (self.path.split_once("/{id}"), self.collection()) {
            (Some((list, rest)), Some(collection)) => {
                let (items, me) = (acme_admin.get(list).json(), acme_admin.get("/v1/me").json());
                let mut ids = items[collection].as_array().into_iter().flatten().map(|item| &item["id"]);
                let id = ids.rfind(|id| **id != me["id"]).and_then(Value::as_str);
                let id = id.unwrap_or_else(|| panic!("GET {list} returns no `{collection}`: add one to the demo data"));
                format!("{list}/{id}{rest}")
            }
            _ => self.path.clone(),
        };
        Sample { method: self.method.clone(), path, body: self.body(Fields::Required, &|_, _| None) }
    }
}

/// A request without credentials.
pub(crate) struct Sample {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Option<String>,
}

impl Sample {
    pub(crate) fn send(&self, client: &Client) -> Response {
        client.send_json(&self.method, &self.path, self.body.as_deref())
    }
}
