//! Conditions have three outcomes, and Cedar's expressions two, or an error that has the policy left out. So each
//! condition is said twice: when it surely holds, and when it surely doesn't. Where neither is so, it can't be told.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde_json::Value;

use super::Outcome;

#[derive(Debug, Clone, Copy)]
enum Surely {
    Holds,
    Fails,
}

pub(super) fn surely_holds(condition: &Value) -> Outcome<String> {
    expression(condition, Surely::Holds)
}

pub(super) fn surely_fails(condition: &Value) -> Outcome<String> {
    expression(condition, Surely::Fails)
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
fn expression(condition: &Value, surely: Surely) -> Outcome<String> {
    let (kind, inside) = kind(condition)?;
    match (kind, surely) {
        ("all", Surely::Holds) | ("any", Surely::Fails) => joined(inside, surely, " && ", "true"),
        ("any", Surely::Holds) | ("all", Surely::Fails) => joined(inside, surely, " || ", "false"),
        ("not", Surely::Holds) => expression(inside, Surely::Fails),
        ("not", Surely::Fails) => expression(inside, Surely::Holds),
        (kind, surely) => {
            let Leaf { needs, test } = Leaf::of(kind, inside)?;
            let test = match surely {
                Surely::Holds => format!("({test})"),
                Surely::Fails => format!("!({test})"),
            };
            Ok(needs.map_or_else(|| test.clone(), |needs| format!("({needs} && {test})")))
        }
    }
}

fn joined(parts: &Value, surely: Surely, by: &str, of_none: &str) -> Outcome<String> {
    let parts = list(parts)?.iter().map(|part| expression(part, surely)).collect::<Outcome<Vec<_>>>()?;
    Ok(if parts.is_empty() { of_none.into() } else { format!("({})", parts.join(by)) })
}

/// A condition without parts.
struct Leaf {
    /// Without this it can't be told.
    needs: Option<String>,
    /// What it comes down to where that is there.
    test: String,
}

const OWNER: &str = "resource has owner";
const COMPARISONS: [&str; 5] = ["is", "one_of", "at_least", "at_most", "is_same_as"];

impl Leaf {
    fn of(kind: &str, inside: &Value) -> Outcome<Self> {
        let known = |test| Self { needs: None, test };
        Ok(match kind {
            "owner" => Self { needs: Some(OWNER.into()), test: "resource.owner == principal".into() },
            "feature" => known(format!("context.tenant.features.contains({:?})", text(inside)?)),
            "plan" => known(format!("context.tenant.plan == {:?}", text(inside)?)),
            "attribute" => Self::attribute(inside)?,
            "client_addr" => {
                let ranges = list(inside)?.iter().map(|range| text(range).and_then(in_range));
                let test = ranges.collect::<Outcome<Vec<_>>>()?.join(" || ");
                Self { needs: Some("context has client_addr".into()), test }
            }
            "time" => Self::time(inside)?,
            kind => return Err(format!("no kind of condition: {kind}").into()),
        })
    }

    fn attribute(comparison: &Value) -> Outcome<Self> {
        let name = text(&comparison["name"])?;
        let mut tests = COMPARISONS.into_iter().filter_map(|test| Some((test, comparison.get(test)?)));
        let (test, with) = tests.next().ok_or("nothing to compare with")?;
        let needs = |name: &str| (name == "resource.owner").then(|| OWNER.to_owned());
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
                return Ok(Self { needs: needs(name).or(needs(other)), test });
            }
            test => return Err(format!("no comparison: {test}").into()),
        };
        Ok(Self { needs: needs(name), test })
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
        Ok(Self { needs: Some(format!("context.clocks has {zone}")), test })
    }
}

fn value(attribute: &str) -> Outcome<&'static str> {
    Ok(match attribute {
        "subject.id" => "principal",
        "resource.owner" => "resource.owner",
        "tenant.id" => "context.tenant",
        "tenant.plan" => "context.tenant.plan",
        "tenant.contract_type" => "context.tenant.contract_type",
        "tenant.max_users" => "context.tenant.max_users",
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
        "tenant.max_users" => Ok(value.as_i64().ok_or("a number was expected")?.to_string()),
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
    Ok(format!("context.client_addr.isInRange(ip(\"{}/{}\"))", spelled(range.addr()), range.prefix_len()))
}

/// Cedar doesn't read IPv6 addresses that end like an IPv4 one.
pub(super) fn spelled(addr: IpAddr) -> String {
    match addr {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|segment| format!("{segment:x}")).join(":"),
    }
}
