//! Stored conditions: a typed tree. In JSON, each node is an object with a single key:
//! `{"all": [{"feature": "sso"}, {"not": {"owner": {}}}]}`.

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::{Comparison, TimeWindow};

/// When a policy applies.
///
/// Only [`Condition::parse`] creates conditions. It enforces the size limits and canonicalizes leaves, so that policies
/// with equivalent leaves have the same digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Condition {
    /// True if every part is true, including if there are none.
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// The principal owns the resource.
    Owner {},
    /// The tenant has the feature.
    Feature(String),
    /// The tenant is on the plan.
    Plan(String),
    Attribute(Comparison),
    /// The client's IP address is in one of these ranges.
    #[serde(serialize_with = "serialize_as_strings")]
    ClientAddr(Vec<IpNet>),
    Time(TimeWindow),
}

fn serialize_as_strings<S: Serializer>(ranges: &[IpNet], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ranges.iter().map(ToString::to_string))
}
