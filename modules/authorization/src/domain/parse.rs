//! JSON into a condition, or all that is wrong with it, each with its place. What is written and what is found in a row
//! is read by the same rules, so what is accepted once is understood ever after.

mod values;
#[cfg(test)]
mod tests;

use kernel::contracts::ConditionError;
use serde_json::{Map, Value};

use super::Condition;

/// How deep conditions may be nested.
const MAX_DEPTH: usize = 8;
/// How many conditions may be in one, itself included.
const MAX_NODES: usize = 64;
/// How many entries a list of values may have.
const MAX_LIST_LENGTH: usize = 64;
/// How long a text may be, in bytes.
const MAX_TEXT_BYTES: usize = 200;

impl Condition {
    /// # Errors
    /// All that is wrong, never nothing. What nobody could read through, too deep or too large, isn't looked at further.
    pub(crate) fn parse(value: &Value) -> Result<Self, Vec<ConditionError>> {
        let mut parser = ConditionParser { errors: Vec::new(), nodes: 0 };
        let condition = parser.condition(value, "", 1);
        if parser.nodes > MAX_NODES {
            parser.error("", "A condition has 64 conditions in it at the most, itself included.");
        }
        condition.filter(|_| parser.errors.is_empty()).ok_or(parser.errors)
    }
}

/// What each kind of condition is read with. `None` is always accompanied by an error.
struct ConditionParser {
    errors: Vec<ConditionError>,
    nodes: usize,
}

impl ConditionParser {
    fn condition(&mut self, value: &Value, pointer: &str, depth: usize) -> Option<Condition> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return None;
        }
        if depth > MAX_DEPTH {
            return self.fail(pointer, "Conditions are nested 8 deep at the most.");
        }
        let single = value.as_object().filter(|fields| fields.len() == 1);
        let Some((kind, value)) = single.and_then(|fields| fields.iter().next()) else {
            return self.fail(pointer, "A condition is an object with exactly one field: its kind.");
        };
        let inner_pointer = format!("{pointer}/{kind}");
        match kind.as_str() {
            "all" => self.parts(value, &inner_pointer, depth).map(Condition::All),
            "any" => self.parts(value, &inner_pointer, depth).map(Condition::Any),
            "not" => self.condition(value, &inner_pointer, depth + 1).map(|part| Condition::Not(Box::new(part))),
            "owner" => self.fields(value, &inner_pointer, &[]).map(|_| Condition::Owner {}),
            "feature" => self.text(value, &inner_pointer).map(Condition::Feature),
            "plan" => self.text(value, &inner_pointer).map(Condition::Plan),
            "attribute" => self.comparison(value, &inner_pointer).map(Condition::Attribute),
            "client_addr" => self.ranges(value, &inner_pointer).map(Condition::ClientAddr),
            "time" => self.window(value, &inner_pointer).map(Condition::Time),
            _ => self.fail(
                pointer,
                "There is no such kind of condition. The kinds are all, any, not, owner, feature, plan, attribute, \
                 client_addr and time.",
            ),
        }
    }

    fn parts(&mut self, value: &Value, pointer: &str, depth: usize) -> Option<Vec<Condition>> {
        let Some(parts) = value.as_array() else { return self.fail(pointer, "A list of conditions belongs here.") };
        // Each is read even where one before it doesn't fit: all that is wrong is said at once.
        let mut conditions = Some(Vec::new());
        for (index, part) in parts.iter().enumerate() {
            if self.nodes > MAX_NODES {
                return None;
            }
            let part = self.condition(part, &format!("{pointer}/{index}"), depth + 1);
            conditions = conditions.zip(part).map(|(mut conditions, part)| {
                conditions.push(part);
                conditions
            });
        }
        conditions
    }

    fn text(&mut self, value: &Value, pointer: &str) -> Option<String> {
        match value.as_str() {
            Some(text) if (1..=MAX_TEXT_BYTES).contains(&text.len()) => Some(text.into()),
            _ => self.fail(pointer, "A text of 1 to 200 bytes belongs here."),
        }
    }

    /// An object with no fields but these.
    fn fields<'v>(&mut self, value: &'v Value, pointer: &str, known: &[&str]) -> Option<&'v Map<String, Value>> {
        let Some(fields) = value.as_object() else { return self.fail(pointer, "An object belongs here.") };
        if fields.keys().any(|name| !known.contains(&name.as_str())) {
            return self.fail(pointer, "There is a field here that isn't known.");
        }
        Some(fields)
    }

    fn field<'v>(&mut self, fields: &'v Map<String, Value>, pointer: &str, name: &str) -> Option<&'v Value> {
        let value = fields.get(name);
        if value.is_none() {
            self.error(&format!("{pointer}/{name}"), "This field is missing.");
        }
        value
    }

    /// A list of 1 to 64 values, each read, sorted and without repeats.
    fn list<T: Ord>(
        &mut self,
        value: &Value,
        pointer: &str,
        mut read: impl FnMut(&mut Self, &Value, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(entries) = value.as_array().filter(|entries| (1..=MAX_LIST_LENGTH).contains(&entries.len())) else {
            return self.fail(pointer, "A list of 1 to 64 values belongs here.");
        };
        let read: Vec<_> =
            entries.iter().enumerate().map(|(index, entry)| read(self, entry, &format!("{pointer}/{index}"))).collect();
        let mut values = read.into_iter().collect::<Option<Vec<_>>>()?;
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
