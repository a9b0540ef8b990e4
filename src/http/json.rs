//! Reads JSON bodies. serde and `serde_json` accept several documents for one value. This reader accepts one:
//!
//! - The body is UTF-8, and arrays and objects are nested at most 127 levels deep.
//! - Only an object is read as a struct, and only a string as an enum. serde also accepts an array and `{"variant":null}`.
//! - An object has no unknown and no duplicate fields.
//! - No string contains NUL, which PostgreSQL can't store, or another control character.
//!
//! [`RawJson`] is the parsed body; unlike `Value`, it keeps duplicate fields. [`read`] deserializes a type from it.
//! Errors have the JSON pointer of the value. The names in a pointer are those of the types' fields, never names from
//! the body.

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Number, Value};

use super::problem::{FieldError, Problem};

#[cfg(test)]
mod tests;

/// Reads a body.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Problem::malformed(format!("The body is not UTF-8: error at byte {}. Send UTF-8.", error.valid_up_to()))
    })?;
    let json: RawJson = serde_json::from_str(text).map_err(|error| syntax_error(&error))?;
    serde_path_to_error::deserialize(json).map_err(|error| {
        let pointer = pointer(error.path());
        FieldError { pointer, detail: error.into_inner().0.into() }.into()
    })
}

fn syntax_error(error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    // serde_json has no other way to tell.
    if error.to_string().starts_with("recursion limit exceeded") {
        return Problem::malformed(format!("The body is nested more than 127 levels deep at {place}."));
    }
    Problem::malformed(format!("The body is not valid JSON: error at {place}."))
}

/// Returns a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let segments = path.iter().map_while(|segment| match segment {
        Segment::Seq { index } => Some(format!("/{index}")),
        // `deserialize_struct` has checked that this is the name of a field of the struct.
        Segment::Map { key } => Some(format!("/{key}")),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    segments.collect()
}

/// Why a value is rejected. It contains no part of the body, which may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Rejection(&'static str);

impl Rejection {
    const CONTROL_CHARACTER: Self = Self("Control characters are not allowed.");
    const DUPLICATE_FIELD: Self = Self("A field occurs twice.");
    const MISSING_FIELD: Self = Self("A required field is missing. See /openapi.json for the list of fields.");
    const NOT_ALLOWED: Self = Self("The value is not allowed.");
    const UNKNOWN_FIELD: Self = Self("Unknown field. See /openapi.json for the list of fields.");
    const UNKNOWN_VARIANT: Self = Self("The value is not one of the allowed values.");
    const WRONG_TYPE: Self = Self("The value has the wrong type.");
}

impl serde::de::Error for Rejection {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self::NOT_ALLOWED
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::WRONG_TYPE
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::UNKNOWN_VARIANT
    }

    fn missing_field(_: &'static str) -> Self {
        Self::MISSING_FIELD
    }
}

/// A parsed JSON document. Unlike [`Value`], it keeps duplicate fields.
#[derive(Debug)]
enum RawJson {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawJsonVisitor)
    }
}

struct RawJsonVisitor;

impl<'de> Visitor<'de> for RawJsonVisitor {
    type Value = RawJson;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<RawJson, E> {
        Ok(RawJson::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawJson, E> {
        Ok(RawJson::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<RawJson, E> {
        Ok(RawJson::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<RawJson, E> {
        Ok(RawJson::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<RawJson, E> {
        Number::from_f64(number).map(RawJson::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, text: &str) -> Result<RawJson, E> {
        Ok(RawJson::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RawJson, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(RawJson::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<RawJson, A::Error> {
        let mut object = Vec::new();
        while let Some(field) = fields.next_entry()? {
            object.push(field);
        }
        Ok(RawJson::Object(object))
    }
}

fn without_control_characters(text: String) -> Result<String, Rejection> {
    if text.contains(char::is_control) { Err(Rejection::CONTROL_CHARACTER) } else { Ok(text) }
}

impl RawJson {
    /// Converts a value whose fields the body's type doesn't know, such as a policy condition.
    fn into_value(self) -> Result<Value, Rejection> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(number) => Value::Number(number),
            Self::String(text) => Value::String(without_control_characters(text)?),
            Self::Array(items) => Value::Array(items.into_iter().map(Self::into_value).collect::<Result<_, _>>()?),
            Self::Object(fields) => {
                let mut object = Map::new();
                for (name, value) in fields {
                    if object.insert(without_control_characters(name)?, value.into_value()?).is_some() {
                        return Err(Rejection::DUPLICATE_FIELD);
                    }
                }
                Value::Object(object)
            }
        })
    }
}

impl IntoDeserializer<'_, Rejection> for RawJson {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Methods for types that are read from a string, a number or a boolean.
macro_rules! deserialize_scalar {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
            match self {
                Self::Array(_) | Self::Object(_) => Err(Rejection::WRONG_TYPE),
                scalar => scalar.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for RawJson {
    type Error = Rejection;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (_, _, Some(number)) => visitor.visit_f64(number),
                _ => Err(Rejection::NOT_ALLOWED),
            },
            Self::String(text) => visitor.visit_string(without_control_characters(text)?),
            // Checked as a whole, so that no error's path contains a name from the body.
            Self::Array(_) | Self::Object(_) => {
                self.into_value()?.deserialize_any(visitor).map_err(|_| Rejection::NOT_ALLOWED)
            }
        }
    }

    deserialize_scalar! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_unit
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        match self {
            Self::Null => visitor.visit_none(),
            value => visitor.visit_some(value),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Rejection> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        let Self::Array(items) = self else { return Err(Rejection::WRONG_TYPE) };
        SeqDeserializer::new(items.into_iter()).deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Rejection> {
        let Self::Object(fields) = self else { return Err(Rejection::WRONG_TYPE) };
        if fields.iter().any(|(name, _)| !known.contains(&name.as_str())) {
            return Err(Rejection::UNKNOWN_FIELD);
        }
        // Each name is known, so there are at most as many distinct ones as the struct has fields.
        if known.iter().any(|name| fields.iter().filter(|(other, _)| other == name).count() > 1) {
            return Err(Rejection::DUPLICATE_FIELD);
        }
        MapDeserializer::new(fields.into_iter()).deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Rejection> {
        let Self::String(text) = self else { return Err(Rejection::WRONG_TYPE) };
        visitor.visit_enum(text.into_deserializer())
    }

    /// Errors would contain the map's keys.
    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Rejection> {
        Err(Rejection::custom("maps and flattened structs can't be read from a body; use a struct or a `Value`"))
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit_struct tuple tuple_struct identifier ignored_any
    }
}
