//! Conditions as stored: a typed tree, in JSON one key an object:
//! `{"all": [{"feature": "sso"}, {"not": {"owner": {}}}]}`.

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::{Comparison, TimeWindow};

/// When a policy applies. Made from JSON by [`Condition::parse`] alone, which keeps the limits; one form for each meaning of
/// a leaf, so that two policies that say the same have the same digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Condition {
    /// Each holds; so does none at all.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It doesn't hold.
    Not(Box<Condition>),
    /// The resource is the principal's own.
    Owner {},
    /// The tenant has the feature.
    Feature(String),
    /// The tenant has the plan.
    Plan(String),
    /// An attribute compares like this.
    Attribute(Comparison),
    /// The client's address is in one of these ranges.
    #[serde(serialize_with = "as_text")]
    ClientAddr(Vec<IpNet>),
    /// It is this time of the day.
    Time(TimeWindow),
}

fn as_text<S: Serializer>(ranges: &[IpNet], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ranges.iter().map(ToString::to_string))
}
