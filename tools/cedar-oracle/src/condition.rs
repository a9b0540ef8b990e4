//! Translates conditions to Cedar expressions.
//!
//! A condition is true, false or indeterminate. A Cedar expression is true or false, or an error, in which case Cedar skips
//! the policy. So each condition is translated to two expressions: one is true if the condition is true, the other if
//! it is false. If neither is true, the condition is indeterminate.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde_json::Value;

use crate::input::BoxResult;

/// Returns the kind of a condition and its value.
pub(super) fn kind(condition: &Value) -> BoxResult<(&str, &Value)> {
    let field = condition.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.iter().next());
    Ok(field.map(|(kind, inner)| (kind.as_str(), inner)).ok_or("a condition must have exactly one field")?)
}

pub(super) fn list(value: &Value) -> BoxResult<&[Value]> {
    Ok(value.as_array().ok_or("expected a list")?)
}

pub(super) fn text(value: &Value) -> BoxResult<&str> {
    Ok(value.as_str().ok_or("expected a string")?)
}

/// Returns the expression that is true if the condition has the expected value.
///
/// Kleene logic: the expression for false is the expression for true with conjunction and disjunction swapped.
pub(super) fn expression(condition: &Value, expected: bool) -> BoxResult<String> {
    let (kind, inner) = kind(condition)?;
    match (kind, expected) {
        ("all", true) | ("any", false) => join(inner, expected, " && ", "true"),
        ("any", true) | ("all", false) => join(inner, expected, " || ", "false"),
        ("not", _) => expression(inner, !expected),
        _ => {
            let Leaf { precondition, test } = Leaf::of(kind, inner)?;
            let test = if expected { format!("({test})") } else { format!("!({test})") };
            Ok(precondition.map_or_else(|| test.clone(), |precondition| format!("({precondition} && {test})")))
        }
    }
}

fn join(parts: &Value, expected: bool, operator: &str, if_empty: &str) -> BoxResult<String> {
    let parts = list(parts)?.iter().map(|part| expression(part, expected)).collect::<BoxResult<Vec<_>>>()?;
    Ok(if parts.is_empty() { if_empty.into() } else { format!("({})", parts.join(operator)) })
}

/// A condition without nested conditions.
struct Leaf {
    /// If this expression is false, the condition is indeterminate.
    precondition: Option<String>,
    /// The value of the condition, if the precondition is true.
    test: String,
}

const OWNER: &str = "resource has owner";
const OPERATORS: [&str; 5] = ["is", "one_of", "at_least", "at_most", "is_same_as"];

impl Leaf {
    fn of(kind: &str, inner: &Value) -> BoxResult<Self> {
        let known = |test| Self { precondition: None, test };
        Ok(match kind {
            "owner" => Self { precondition: Some(OWNER.into()), test: "resource.owner == principal".into() },
            "feature" => known(format!("context.tenant.features.contains({:?})", text(inner)?)),
            "plan" => known(format!("context.tenant.plan == {:?}", text(inner)?)),
            "attribute" => Self::attribute(inner)?,
            "client_addr" => {
                let ranges = list(inner)?.iter().map(|range| text(range).and_then(in_range));
                let test = ranges.collect::<BoxResult<Vec<_>>>()?.join(" || ");
                Self { precondition: Some("context has client_addr".into()), test }
            }
            "time" => Self::time(inner)?,
            kind => return Err(format!("unknown kind of condition: {kind}").into()),
        })
    }

    fn attribute(comparison: &Value) -> BoxResult<Self> {
        let name = text(&comparison["name"])?;
        let mut tests = OPERATORS.into_iter().filter_map(|test| Some((test, comparison.get(test)?)));
        let (test, with) = tests.next().ok_or("missing comparison operator")?;
        let precondition = |name: &str| (name == "resource.owner").then(|| OWNER.to_owned());
        let test = match test {
            // A role is a parent entity of the principal, not an attribute.
            "is" if name == "subject.role" => format!("principal in {}", literal(name, with)?),
            "one_of" if name == "subject.role" => format!("principal in [{}]", literals(name, with)?),
            "is" => format!("{} == {}", value(name)?, literal(name, with)?),
            "one_of" => format!("[{}].contains({})", literals(name, with)?, value(name)?),
            "at_least" => format!("{} >= {}", value(name)?, literal(name, with)?),
            "at_most" => format!("{} <= {}", value(name)?, literal(name, with)?),
            "is_same_as" => {
                let other = text(with)?;
                let test = format!("{} == {}", value(name)?, value(other)?);
                return Ok(Self { precondition: precondition(name).or(precondition(other)), test });
            }
            test => return Err(format!("unknown comparison operator: {test}").into()),
        };
        Ok(Self { precondition: precondition(name), test })
    }

    /// The request's context has the local time in each time zone. The comparison is part of the policy.
    fn time(window: &Value) -> BoxResult<Self> {
        let zone = format!("{:?}", text(&window["zone"])?);
        let clock = format!("context.clocks[{zone}]");
        let (from, to) = (minutes(&window["from"])?, minutes(&window["to"])?);
        let (today, yesterday) = (begins_on(window, &clock, "day")?, begins_on(window, &clock, "day_before")?);
        let test = if from < to {
            format!("{today} && {clock}.minute >= {from} && {clock}.minute < {to}")
        } else {
            format!("({today} && {clock}.minute >= {from}) || ({yesterday} && {clock}.minute < {to})")
        };
        Ok(Self { precondition: Some(format!("context.clocks has {zone}")), test })
    }
}

fn value(attribute: &str) -> BoxResult<&'static str> {
    Ok(match attribute {
        "subject.id" => "principal",
        "resource.owner" => "resource.owner",
        "tenant.id" => "context.tenant",
        "tenant.plan" => "context.tenant.plan",
        "tenant.contract_type" => "context.tenant.contract_type",
        "tenant.seat_limit" => "context.tenant.seat_limit",
        attribute => return Err(format!("{attribute} has no value to compare").into()),
    })
}

/// An id is an entity of the attribute's type. Parsing normalizes the spelling of UUIDs.
fn literal(attribute: &str, value: &Value) -> BoxResult<String> {
    let id = |kind| Ok(format!(r#"{kind}::"{}""#, text(value)?.parse::<uuid::Uuid>()?));
    match attribute {
        "subject.id" | "resource.owner" => id("User"),
        "subject.role" => id("Role"),
        "tenant.id" => id("Tenant"),
        "tenant.seat_limit" => Ok(value.as_i64().ok_or("expected a number")?.to_string()),
        _ => Ok(format!("{:?}", text(value)?)),
    }
}

fn literals(attribute: &str, values: &Value) -> BoxResult<String> {
    let literals = list(values)?.iter().map(|value| literal(attribute, value));
    Ok(literals.collect::<BoxResult<Vec<_>>>()?.join(", "))
}

/// Returns an expression for whether a window starts on the clock's `day` or `day_before`.
fn begins_on(window: &Value, clock: &str, day: &str) -> BoxResult<String> {
    let Some(days) = window.get("days") else { return Ok("true".into()) };
    let days = list(days)?.iter().map(text).collect::<BoxResult<Vec<_>>>()?;
    Ok(format!("{days:?}.contains({clock}.{day})"))
}

/// Returns the minutes since midnight: 510 for `08:30`.
fn minutes(time: &Value) -> BoxResult<u32> {
    let (hours, minutes) = text(time)?.split_once(':').ok_or("expected a time")?;
    Ok(hours.parse::<u32>()? * 60 + minutes.parse::<u32>()?)
}

fn in_range(range: &str) -> BoxResult<String> {
    let range: IpNet = range.parse()?;
    let mapped = match range {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let range = mapped.map_or(Ok(range), |(addr, length)| Ipv4Net::new(addr, length).map(IpNet::V4))?;
    Ok(format!("context.client_addr.isInRange(ip(\"{}/{}\"))", format_ip(range.addr()), range.prefix_len()))
}

/// Formats IPv6 addresses in hexadecimal only, because Cedar doesn't parse those that end in IPv4 notation.
pub(super) fn format_ip(addr: IpAddr) -> String {
    match addr {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|segment| format!("{segment:x}")).join(":"),
    }
}
