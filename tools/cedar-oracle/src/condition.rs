//! Conditions have three outcomes, and Cedar's expressions two, or an error that has the policy left out. So each
//! condition is said twice: when it surely holds, and when it surely doesn't. Where neither is so, it can't be told.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde_json::Value;

use super::Outcome;

#[derive(Debug, Clone, Copy)]
enum Polarity {
    True,
    False,
}

pub(super) fn true_expression(condition: &Value) -> Outcome<String> {
    expression(condition, Polarity::True)
}

pub(super) fn false_expression(condition: &Value) -> Outcome<String> {
    expression(condition, Polarity::False)
}

/// The kind of a condition, and what is inside.
pub(super) fn kind(condition: &Value) -> Outcome<(&str, &Value)> {
    let only = condition.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.iter().next());
    Ok(only.map(|(kind, inside)| (kind.as_str(), inside)).ok_or("a condition has exactly one field")?)
}

/// The entries of a list.
pub(super) fn list(value: &Value) -> Outcome<&[Value]> {
    Ok(value.as_array().ok_or("a list was expected")?)
}

pub(super) fn text(value: &Value) -> Outcome<&str> {
    Ok(value.as_str().ok_or("a text was expected")?)
}

/// Kleene's logic: a whole of parts holds as its parts do, and fails as they do the other way round.
fn expression(condition: &Value, polarity: Polarity) -> Outcome<String> {
    let (kind, inside) = kind(condition)?;
    match (kind, polarity) {
        ("all", Polarity::True) | ("any", Polarity::False) => joined(inside, polarity, " && ", "true"),
        ("any", Polarity::True) | ("all", Polarity::False) => joined(inside, polarity, " || ", "false"),
        ("not", Polarity::True) => expression(inside, Polarity::False),
        ("not", Polarity::False) => expression(inside, Polarity::True),
        (kind, polarity) => {
            let Leaf { precondition, test } = Leaf::of(kind, inside)?;
            let test = match polarity {
                Polarity::True => format!("({test})"),
                Polarity::False => format!("!({test})"),
            };
            Ok(precondition.map_or_else(|| test.clone(), |precondition| format!("({precondition} && {test})")))
        }
    }
}

fn joined(parts: &Value, polarity: Polarity, by: &str, of_none: &str) -> Outcome<String> {
    let parts = list(parts)?.iter().map(|part| expression(part, polarity)).collect::<Outcome<Vec<_>>>()?;
    Ok(if parts.is_empty() { of_none.into() } else { format!("({})", parts.join(by)) })
}

/// A condition without parts.
struct Leaf {
    /// Without this it can't be told.
    precondition: Option<String>,
    /// What it comes down to where that is there.
    test: String,
}

const OWNER: &str = "resource has owner";
const COMPARISONS: [&str; 5] = ["is", "one_of", "at_least", "at_most", "is_same_as"];

impl Leaf {
    fn of(kind: &str, inside: &Value) -> Outcome<Self> {
        let known = |test| Self { precondition: None, test };
        Ok(match kind {
            "owner" => Self { precondition: Some(OWNER.into()), test: "resource.owner == principal".into() },
            "feature" => known(format!("context.tenant.features.contains({:?})", text(inside)?)),
            "plan" => known(format!("context.tenant.plan == {:?}", text(inside)?)),
            "attribute" => Self::attribute(inside)?,
            "client_addr" => {
                let ranges = list(inside)?.iter().map(|range| text(range).and_then(in_range));
                let test = ranges.collect::<Outcome<Vec<_>>>()?.join(" || ");
                Self { precondition: Some("context has client_addr".into()), test }
            }
            "time" => Self::time(inside)?,
            kind => return Err(format!("no kind of condition: {kind}").into()),
        })
    }

    fn attribute(comparison: &Value) -> Outcome<Self> {
        let name = text(&comparison["name"])?;
        let mut tests = COMPARISONS.into_iter().filter_map(|test| Some((test, comparison.get(test)?)));
        let (test, with) = tests.next().ok_or("nothing to compare with")?;
        let precondition = |name: &str| (name == "resource.owner").then(|| OWNER.to_owned());
        let test = match test {
            // A role is a group that one is in: it has no attribute of its own.
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
            test => return Err(format!("no comparison: {test}").into()),
        };
        Ok(Self { precondition: precondition(name), test })
    }

    /// What the clocks show comes with the request; what is made of it is said here.
    fn time(window: &Value) -> Outcome<Self> {
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

fn value(attribute: &str) -> Outcome<&'static str> {
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

/// Ids are entities of a type each; UUIDs are in one spelling.
fn literal(attribute: &str, value: &Value) -> Outcome<String> {
    let id = |kind| Ok(format!(r#"{kind}::"{}""#, text(value)?.parse::<uuid::Uuid>()?));
    match attribute {
        "subject.id" | "resource.owner" => id("User"),
        "subject.role" => id("Role"),
        "tenant.id" => id("Tenant"),
        "tenant.seat_limit" => Ok(value.as_i64().ok_or("a number was expected")?.to_string()),
        _ => Ok(format!("{:?}", text(value)?)),
    }
}

fn literals(attribute: &str, values: &Value) -> Outcome<String> {
    let literals = list(values)?.iter().map(|value| literal(attribute, value));
    Ok(literals.collect::<Outcome<Vec<_>>>()?.join(", "))
}

/// Whether a window begins on the day that the clock names so.
fn begins_on(window: &Value, clock: &str, day: &str) -> Outcome<String> {
    let Some(days) = window.get("days") else { return Ok("true".into()) };
    let days = list(days)?.iter().map(text).collect::<Outcome<Vec<_>>>()?;
    Ok(format!("{days:?}.contains({clock}.{day})"))
}

/// `08:30` is 510.
fn minutes(time: &Value) -> Outcome<u32> {
    let (hours, minutes) = text(time)?.split_once(':').ok_or("a time was expected")?;
    Ok(hours.parse::<u32>()? * 60 + minutes.parse::<u32>()?)
}

fn in_range(range: &str) -> Outcome<String> {
    let range: IpNet = range.parse()?;
    let mapped = match range {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let range = mapped.map_or(Ok(range), |(addr, length)| Ipv4Net::new(addr, length).map(IpNet::V4))?;
    Ok(format!("context.client_addr.isInRange(ip(\"{}/{}\"))", format_ip(range.addr()), range.prefix_len()))
}

/// Cedar doesn't read IPv6 addresses that end like an IPv4 one.
pub(super) fn format_ip(addr: IpAddr) -> String {
    match addr {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|segment| format!("{segment:x}")).join(":"),
    }
}
