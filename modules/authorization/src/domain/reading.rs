//! JSON into a condition, or all that is wrong with it, each with its place. What is written and what is found in a row
//! is read by the same rules, so what is accepted once is understood ever after.

mod leaves;
#[cfg(test)]
mod tests;

use kernel::contracts::ConditionError;
use serde_json::{Map, Value};

use super::Condition;

/// How deep conditions may be nested.
const DEEPEST: usize = 8;
/// How many conditions may be in one, itself included.
const MOST_NODES: usize = 64;
/// How many entries a list of values may have.
const MOST_ENTRIES: usize = 64;
/// How long a text may be, in bytes.
const LONGEST: usize = 200;

impl Condition {
    /// # Errors
    /// All that is wrong, never nothing. What nobody could read through, too deep or too large, isn't looked at further.
    pub(crate) fn parse(value: &Value) -> Result<Self, Vec<ConditionError>> {
        let mut reader = Reader { errors: Vec::new(), nodes: 0 };
        let condition = reader.condition(value, "", 1);
        if reader.nodes > MOST_NODES {
            reader.complain("", "A condition has 64 conditions in it at the most, itself included.");
        }
        condition.filter(|_| reader.errors.is_empty()).ok_or(reader.errors)
    }
}

/// What each kind of condition is read with. `None` is always accompanied by an error.
struct Reader {
    errors: Vec<ConditionError>,
    nodes: usize,
}

impl Reader {
    fn condition(&mut self, value: &Value, at: &str, depth: usize) -> Option<Condition> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return None;
        }
        if depth > DEEPEST {
            return self.refuse(at, "Conditions are nested 8 deep at the most.");
        }
        let single = value.as_object().filter(|fields| fields.len() == 1);
        let Some((kind, value)) = single.and_then(|fields| fields.iter().next()) else {
            return self.refuse(at, "A condition is an object with exactly one field: its kind.");
        };
        let inside = format!("{at}/{kind}");
        match kind.as_str() {
            "all" => self.parts(value, &inside, depth).map(Condition::All),
            "any" => self.parts(value, &inside, depth).map(Condition::Any),
            "not" => self.condition(value, &inside, depth + 1).map(|part| Condition::Not(Box::new(part))),
            "owner" => self.fields(value, &inside, &[]).map(|_| Condition::Owner {}),
            "feature" => self.text(value, &inside).map(Condition::Feature),
            "plan" => self.text(value, &inside).map(Condition::Plan),
            "attribute" => self.comparison(value, &inside).map(Condition::Attribute),
            "client_addr" => self.ranges(value, &inside).map(Condition::ClientAddr),
            "time" => self.window(value, &inside).map(Condition::Time),
            _ => self.refuse(
                at,
                "There is no such kind of condition. The kinds are all, any, not, owner, feature, plan, attribute, \
                 client_addr and time.",
            ),
        }
    }

    fn parts(&mut self, value: &Value, at: &str, depth: usize) -> Option<Vec<Condition>> {
        let Some(parts) = value.as_array() else { return self.refuse(at, "A list of conditions belongs here.") };
        // Each is read even where one before it doesn't fit: all that is wrong is said at once.
        let mut conditions = Some(Vec::new());
        for (index, part) in parts.iter().enumerate() {
            if self.nodes > MOST_NODES {
                return None;
            }
            let part = self.condition(part, &format!("{at}/{index}"), depth + 1);
            conditions = conditions.zip(part).map(|(mut conditions, part)| {
                conditions.push(part);
                conditions
            });
        }
        conditions
    }

    fn text(&mut self, value: &Value, at: &str) -> Option<String> {
        match value.as_str() {
            Some(text) if (1..=LONGEST).contains(&text.len()) => Some(text.into()),
            _ => self.refuse(at, "A text of 1 to 200 bytes belongs here."),
        }
    }

    /// An object with no fields but these.
    fn fields<'v>(&mut self, value: &'v Value, at: &str, known: &[&str]) -> Option<&'v Map<String, Value>> {
        let Some(fields) = value.as_object() else { return self.refuse(at, "An object belongs here.") };
        if fields.keys().any(|name| !known.contains(&name.as_str())) {
            return self.refuse(at, "There is a field here that isn't known.");
        }
        Some(fields)
    }

    fn field<'v>(&mut self, fields: &'v Map<String, Value>, at: &str, name: &str) -> Option<&'v Value> {
        let value = fields.get(name);
        if value.is_none() {
            self.complain(&format!("{at}/{name}"), "This field is missing.");
        }
        value
    }

    /// A list of 1 to 64 values, each read, sorted and without repeats.
    fn list<T: Ord>(
        &mut self,
        value: &Value,
        at: &str,
        mut read: impl FnMut(&mut Self, &Value, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(entries) = value.as_array().filter(|entries| (1..=MOST_ENTRIES).contains(&entries.len())) else {
            return self.refuse(at, "A list of 1 to 64 values belongs here.");
        };
        let read: Vec<_> =
            entries.iter().enumerate().map(|(index, entry)| read(self, entry, &format!("{at}/{index}"))).collect();
        let mut values = read.into_iter().collect::<Option<Vec<_>>>()?;
        values.sort();
        values.dedup();
        Some(values)
    }

    fn refuse<T>(&mut self, at: &str, detail: &'static str) -> Option<T> {
        self.complain(at, detail);
        None
    }

    fn complain(&mut self, at: &str, detail: &'static str) {
        self.errors.push(ConditionError { pointer: at.into(), detail });
    }
}
