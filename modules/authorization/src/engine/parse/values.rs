//! Parsing of the leaf conditions with structured values: comparisons, IP ranges and time windows.

use ipnet::IpNet;
use kernel::parse_uuid;
use serde_json::Value;

use super::{
    super::{
        Attribute, AttributeType, Comparison, Days, IpRangeError, Literal, Predicate, TimeOfDay, TimeWindow,
        parse_ip_range, time_window,
    },
    ConditionParser,
};

const COMPARISON_FIELDS: [&str; 6] = ["name", "is", "one_of", "at_least", "at_most", "is_same_as"];

impl ConditionParser {
    pub(super) fn parse_comparison(&mut self, value: &Value, pointer: &str) -> Option<Comparison> {
        let fields = self.parse_fields(value, pointer, &COMPARISON_FIELDS)?;
        let name = self.parse_field(fields, pointer, "name", Self::parse_attribute)?;
        let [_, operators @ ..] = COMPARISON_FIELDS;
        let mut operators = operators.into_iter().filter_map(|operator| Some((operator, fields.get(operator)?)));
        let (Some((operator, value)), None) = (operators.next(), operators.next()) else {
            return self.fail(pointer, "Expected exactly one of is, one_of, at_least, at_most and is_same_as.");
        };
        let pointer = format!("{pointer}/{operator}");
        let predicate = match operator {
            "is" => Predicate::Is(self.parse_literal(name, value, &pointer)?),
            "one_of" => Predicate::OneOf(
                self.parse_list(value, &pointer, |parser, value, pointer| parser.parse_literal(name, value, pointer))?,
            ),
            "is_same_as" => Predicate::IsSameAs(self.parse_comparable_attribute(name, value, &pointer)?),
            "at_least" => Predicate::AtLeast(self.parse_bound(name, value, &pointer)?),
            _ => Predicate::AtMost(self.parse_bound(name, value, &pointer)?),
        };
        Some(Comparison { name, predicate })
    }

    fn parse_attribute(&mut self, value: &Value, pointer: &str) -> Option<Attribute> {
        let attribute = value.as_str().and_then(Attribute::from_name);
        attribute.or_else(|| {
            self.fail(
                pointer,
                "Unknown attribute. Expected subject.id, subject.role, resource.owner, tenant.id, tenant.plan, \
                 tenant.contract_type or tenant.seat_limit.",
            )
        })
    }

    fn parse_comparable_attribute(&mut self, attribute: Attribute, value: &Value, pointer: &str) -> Option<Attribute> {
        let other = self.parse_attribute(value, pointer)?;
        if other == attribute {
            return self.fail(pointer, "An attribute can't be compared with itself. Choose another attribute.");
        }
        if other.attribute_type() != attribute.attribute_type() {
            return self.fail(
                pointer,
                "These attributes have different types and are never equal. Compare attributes of one type.",
            );
        }
        Some(other)
    }

    fn parse_literal(&mut self, attribute: Attribute, value: &Value, pointer: &str) -> Option<Literal> {
        match attribute.attribute_type() {
            AttributeType::UserId | AttributeType::RoleId | AttributeType::TenantId => {
                match value.as_str().and_then(|text| parse_uuid(text).ok()) {
                    Some(id) => Some(Literal::Id(id)),
                    None => self.fail(pointer, "Expected a UUID, because this attribute is an id."),
                }
            }
            AttributeType::Text => self.parse_text(value, pointer).map(Literal::Text),
            AttributeType::Number => self.parse_number(value, pointer).map(Literal::Number),
        }
    }

    fn parse_bound(&mut self, attribute: Attribute, value: &Value, pointer: &str) -> Option<i64> {
        if attribute.attribute_type() != AttributeType::Number {
            return self.fail(pointer, "This attribute isn't a number. Use is, one_of or is_same_as.");
        }
        self.parse_number(value, pointer)
    }

    fn parse_number(&mut self, value: &Value, pointer: &str) -> Option<i64> {
        value.as_i64().or_else(|| self.fail(pointer, "Expected an integer, because this attribute is a number."))
    }

    pub(super) fn parse_range(&mut self, value: &Value, pointer: &str) -> Option<IpNet> {
        match value.as_str().map_or(Err(IpRangeError::Malformed), parse_ip_range) {
            Ok(range) => Some(range),
            Err(IpRangeError::Malformed) => self.fail(
                pointer,
                "Expected an IP range in CIDR notation, such as 10.0.0.0/8 or 2001:db8::/32. IPv4 numbers and the prefix \
                 length have no leading zeros.",
            ),
            Err(IpRangeError::HostBits) => self.fail(
                pointer,
                "The address has bits set beyond its prefix length. Correct the address or the prefix length.",
            ),
        }
    }

    pub(super) fn parse_window(&mut self, value: &Value, pointer: &str) -> Option<TimeWindow> {
        let fields = self.parse_fields(value, pointer, &["from", "to", "zone", "days"])?;
        let from = self.parse_field(fields, pointer, "from", Self::parse_start_time);
        let to = self.parse_field(fields, pointer, "to", Self::parse_end_time);
        let zone = self.parse_field(fields, pointer, "zone", Self::parse_zone);
        let days = match fields.get("days") {
            Some(days) => self.parse_days(days, &format!("{pointer}/days")),
            None => Some(Days::EVERY),
        };
        let (from, to, zone, days) = (from?, to?, zone?, days?);
        if from == to {
            return self.fail(pointer, "The times from and to are equal. For a whole day, use 00:00 to 24:00.");
        }
        // Canonical form: `to` 00:00 becomes 24:00.
        let to = if to == TimeOfDay::MIDNIGHT { TimeOfDay::END_OF_DAY } else { to };
        Some(TimeWindow { from, to, zone, days })
    }

    fn parse_start_time(&mut self, value: &Value, pointer: &str) -> Option<TimeOfDay> {
        let time = value.as_str().and_then(TimeOfDay::parse).filter(|time| *time != TimeOfDay::END_OF_DAY);
        time.or_else(|| self.fail(pointer, "Expected a time from 00:00 to 23:59."))
    }

    fn parse_end_time(&mut self, value: &Value, pointer: &str) -> Option<TimeOfDay> {
        let time = value.as_str().and_then(TimeOfDay::parse);
        time.or_else(|| self.fail(pointer, "Expected a time from 00:00 to 24:00."))
    }

    fn parse_zone(&mut self, value: &Value, pointer: &str) -> Option<String> {
        let zone = value.as_str().and_then(time_window::find_zone);
        match zone.as_ref().and_then(|zone| zone.iana_name()) {
            Some(name) => Some(name.into()),
            None => self.fail(pointer, "Unknown time zone. Use an IANA name such as Europe/Berlin, or UTC."),
        }
    }

    fn parse_days(&mut self, value: &Value, pointer: &str) -> Option<Days> {
        let names = value.as_array().filter(|names| !names.is_empty());
        let days = names.and_then(|names| names.iter().try_fold(Days::NONE, |days, name| days.with(name.as_str()?)));
        days.or_else(|| self.fail(pointer, "Expected a list of at least one of mon, tue, wed, thu, fri, sat and sun."))
    }
}
