//! Reads query strings (`application/x-www-form-urlencoded`). actix's `Query` also accepts `+5` and `05` as numbers, and
//! replaces invalid UTF-8.

use kernel::parse_integer;
use percent_encoding::percent_decode_str;
use serde::{
    Deserializer,
    de::{
        DeserializeOwned, Error as _, IntoDeserializer, Visitor,
        value::{Error, MapDeserializer},
    },
    forward_to_deserialize_any,
};

/// Reads a query string. `None`: a parameter is unknown, occurs twice or has an invalid value.
pub(super) fn read<T: DeserializeOwned>(query: &str) -> Option<T> {
    let parameters: Option<Vec<(String, Text)>> =
        query.split('&').filter(|text| !text.is_empty()).map(parameter).collect();
    T::deserialize(MapDeserializer::<_, Error>::new(parameters?.into_iter())).ok()
}

fn parameter(text: &str) -> Option<(String, Text)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    Some((decode(name)?, Text(decode(value)?)))
}

/// Returns `None` for invalid UTF-8 and for control characters.
fn decode(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    let text = percent_decode_str(&text).decode_utf8().ok()?;
    (!text.contains(char::is_control)).then(|| text.into_owned())
}

/// The value of a parameter.
struct Text(String);

impl IntoDeserializer<'_, Error> for Text {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! deserialize_integer {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(parse_integer(&self.0).ok_or_else(|| Error::custom("not an integer"))?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Text {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.0.parse().map_err(Error::custom)?)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    deserialize_integer! {
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Parameters {
        limit: Option<u16>,
        text: Option<String>,
        flag: Option<bool>,
    }

    #[test]
    fn parameters_are_decoded() {
        let read = |query| read::<Parameters>(query);
        let empty = || Parameters { limit: None, text: None, flag: None };
        assert_eq!(read(""), Some(empty()));
        assert_eq!(read("&"), Some(empty()));
        assert_eq!(read("limit=5&flag=true"), Some(Parameters { limit: Some(5), flag: Some(true), ..empty() }));
        assert_eq!(read("%74ext=a%20b+%C3%A4%2B%26"), Some(Parameters { text: Some("a b ä+&".into()), ..empty() }));
        assert_eq!(read("text"), Some(Parameters { text: Some(String::new()), ..empty() }));
    }

    #[test]
    fn ambiguous_parameter_is_rejected() {
        for query in [
            "limit=+5",
            "limit=%2B5",
            "limit=05",
            "limit=5.0",
            "limit=",
            "limit=5&limit=5",
            "limit[]=5",
            "Limit=5",
            "flag=1",
            "other=1",
            "other",
            "text=%FF",
            "text=%00",
            "text=a%0Ab",
            "%FF=1",
        ] {
            assert_eq!(read::<Parameters>(query), None, "{query}");
        }
    }
}
