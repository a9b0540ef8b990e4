//! Parser for conditions in JSON. Reports every error with its JSON pointer.
//!
//! Comparisons, IP ranges and time windows are parsed in `values.rs`. New conditions and stored ones go through the
//! same parser. A stricter parser would make stored conditions invalid.

#[cfg(test)]
mod tests;
mod values;

use authorization_api::ConditionError;
use kernel::find_disallowed;
use serde_json::{Map, Value};

use super::Condition;

/// Maximum nesting depth of a condition.
const MAX_DEPTH: usize = 8;
/// Maximum number of conditions in a condition, including itself.
const MAX_NODES: usize = 64;
/// Maximum number of entries in a list of values.
const MAX_LIST_LENGTH: usize = 64;
/// Maximum length of a string, in bytes.
const MAX_TEXT_BYTES: usize = 200;

impl Condition {
    /// Parses a condition.
    ///
    /// # Errors
    /// Returns every error, at least one. Parts beyond the depth and size limits aren't parsed.
    pub(crate) fn parse(value: &Value) -> Result<Self, Vec<ConditionError>> {
        let mut parser = ConditionParser { errors: Vec::new(), nodes: 0 };
        let condition = parser.parse_condition(value, "", 1);
        if parser.nodes > MAX_NODES {
            parser.error("", "A condition may contain at most 64 conditions, including itself.");
        }
        condition.filter(|_| parser.errors.is_empty()).ok_or(parser.errors)
    }
}

/// The parser state. A method that returns `None` has recorded an error, unless the size limit is exceeded.
struct ConditionParser {
    errors: Vec<ConditionError>,
    nodes: usize,
}

impl ConditionParser {
    fn parse_condition(&mut self, value: &Value, pointer: &str, depth: usize) -> Option<Condition> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return None;
        }
        if depth > MAX_DEPTH {
            return self.fail(pointer, "Conditions may be nested at most 8 levels deep.");
        }
        let single = value.as_object().filter(|fields| fields.len() == 1);
        let Some((kind, value)) = single.and_then(|fields| fields.iter().next()) else {
            return self.fail(pointer, "A condition must be an object with exactly one field, named after its kind.");
        };
        let inner_pointer = format!("{pointer}/{kind}");
        match kind.as_str() {
            "all" => self.parse_parts(value, &inner_pointer, depth).map(Condition::All),
            "any" => self.parse_parts(value, &inner_pointer, depth).map(Condition::Any),
            "not" => self.parse_condition(value, &inner_pointer, depth + 1).map(|part| Condition::Not(Box::new(part))),
            "owner" => self.parse_fields(value, &inner_pointer, &[]).map(|_| Condition::Owner {}),
            "feature" => self.parse_text(value, &inner_pointer).map(Condition::Feature),
            "plan" => self.parse_text(value, &inner_pointer).map(Condition::Plan),
            "attribute" => self.parse_comparison(value, &inner_pointer).map(Condition::Attribute),
            "client_addr" => self.parse_list(value, &inner_pointer, Self::parse_range).map(Condition::ClientAddr),
            "time" => self.parse_window(value, &inner_pointer).map(Condition::Time),
            _ => self.fail(
                pointer,
                "Unknown kind of condition. Expected all, any, not, owner, feature, plan, attribute, client_addr or time.",
            ),
        }
    }

    fn parse_parts(&mut self, value: &Value, pointer: &str, depth: usize) -> Option<Vec<Condition>> {
        let Some(parts) = value.as_array() else { return self.fail(pointer, "Expected a list of conditions.") };
        let mut conditions = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            if self.nodes > MAX_NODES {
                return None;
            }
            conditions.push(self.parse_condition(part, &format!("{pointer}/{index}"), depth + 1));
        }
        // Every part is parsed, even after an invalid one, so that all errors are reported at once.
        conditions.into_iter().collect()
    }

    fn parse_text(&mut self, value: &Value, pointer: &str) -> Option<String> {
        match value.as_str() {
            Some(text) if (1..=MAX_TEXT_BYTES).contains(&text.len()) && find_disallowed(text).is_none() => {
                Some(text.into())
            }
            _ => self.fail(pointer, "Expected a string of 1 to 200 bytes without control or invisible characters."),
        }
    }

    /// Returns the fields of an object that has no unknown fields.
    fn parse_fields<'v>(&mut self, value: &'v Value, pointer: &str, known: &[&str]) -> Option<&'v Map<String, Value>> {
        let Some(fields) = value.as_object() else { return self.fail(pointer, "Expected an object.") };
        if fields.keys().any(|name| !known.contains(&name.as_str())) {
            return self.fail(pointer, "This object has an unknown field.");
        }
        Some(fields)
    }

    /// Parses a required field.
    fn parse_field<T>(
        &mut self,
        fields: &Map<String, Value>,
        pointer: &str,
        name: &str,
        parse: fn(&mut Self, &Value, &str) -> Option<T>,
    ) -> Option<T> {
        let pointer = format!("{pointer}/{name}");
        match fields.get(name) {
            Some(value) => parse(self, value, &pointer),
            None => self.fail(&pointer, "This field is required."),
        }
    }

    /// Parses a list of 1 to 64 values. Returns them sorted, without duplicates.
    fn parse_list<T: Ord>(
        &mut self,
        value: &Value,
        pointer: &str,
        mut parse: impl FnMut(&mut Self, &Value, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(entries) = value.as_array().filter(|entries| (1..=MAX_LIST_LENGTH).contains(&entries.len())) else {
            return self.fail(pointer, "Expected a list of 1 to 64 values.");
        };
        let parsed: Vec<_> = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| parse(self, entry, &format!("{pointer}/{index}")))
            .collect();
        let mut values = parsed.into_iter().collect::<Option<Vec<_>>>()?;
        values.sort();
        values.dedup();
        Some(values)
    }

    fn fail<T>(&mut self, pointer: &str, detail: &'static str) -> Option<T> {
        self.error(pointer, detail);
        None
    }

    fn error(&mut self, pointer: &str, detail: &'static str) {
        self.errors.push(ConditionError { pointer: pointer.into(), detail });
    }
}
