//! The kinds of conditions that have more to them than a text.

use ipnet::{IpNet, Ipv4Net};
use serde_json::Value;

use super::{
    super::{Attribute, Comparison, Days, Literal, Test, TimeOfDay, TimeWindow, Type, time_window},
    Reader,
};

const COMPARISONS: [&str; 5] = ["is", "one_of", "at_least", "at_most", "is_same_as"];

impl Reader {
    pub(super) fn comparison(&mut self, value: &Value, at: &str) -> Option<Comparison> {
        let fields = self.fields(value, at, &["name", "is", "one_of", "at_least", "at_most", "is_same_as"])?;
        let name = self.field(fields, at, "name")?;
        let name = self.attribute(name, &format!("{at}/name"))?;
        let mut tests = COMPARISONS.into_iter().filter_map(|test| Some((test, fields.get(test)?)));
        let (Some((test, value)), None) = (tests.next(), tests.next()) else {
            return self.refuse(at, "Exactly one of is, one_of, at_least, at_most and is_same_as belongs here.");
        };
        let at = format!("{at}/{test}");
        let test = match test {
            "is" => Test::Is(self.literal(name, value, &at)?),
            "one_of" => Test::OneOf(self.list(value, &at, |reader, value, at| reader.literal(name, value, at))?),
            "is_same_as" => Test::IsSameAs(self.other_than(name, value, &at)?),
            "at_least" => Test::AtLeast(self.bound(name, value, &at)?),
            _ => Test::AtMost(self.bound(name, value, &at)?),
        };
        Some(Comparison { name, test })
    }

    fn attribute(&mut self, value: &Value, at: &str) -> Option<Attribute> {
        let found = value.as_str().and_then(Attribute::find);
        found.or_else(|| {
            self.refuse(
                at,
                "There is no such attribute. The attributes are subject.id, subject.role, resource.owner, tenant.id, \
                 tenant.plan, tenant.contract_type and tenant.max_users.",
            )
        })
    }

    fn other_than(&mut self, attribute: Attribute, value: &Value, at: &str) -> Option<Attribute> {
        let other = self.attribute(value, at)?;
        if other == attribute {
            return self.refuse(at, "An attribute is always the same as itself: name another one.");
        }
        if other.is_a() != attribute.is_a() {
            return self.refuse(at, "These two are never the same: they are of different types.");
        }
        Some(other)
    }

    fn literal(&mut self, attribute: Attribute, value: &Value, at: &str) -> Option<Literal> {
        match attribute.is_a() {
            Type::PersonId | Type::RoleId | Type::TenantId => match value.as_str().and_then(|text| text.parse().ok()) {
                Some(id) => Some(Literal::Id(id)),
                None => self.refuse(at, "This attribute is an id: a UUID belongs here."),
            },
            Type::Text => self.text(value, at).map(Literal::Text),
            Type::Number => self.number(value, at).map(Literal::Number),
        }
    }

    fn bound(&mut self, attribute: Attribute, value: &Value, at: &str) -> Option<i64> {
        if attribute.is_a() != Type::Number {
            return self.refuse(at, "This attribute isn't a number: it can only be the same or another.");
        }
        self.number(value, at)
    }

    fn number(&mut self, value: &Value, at: &str) -> Option<i64> {
        value.as_i64().or_else(|| self.refuse(at, "This attribute is a number: a whole number belongs here."))
    }

    pub(super) fn ranges(&mut self, value: &Value, at: &str) -> Option<Vec<IpNet>> {
        self.list(value, at, Self::range)
    }

    fn range(&mut self, value: &Value, at: &str) -> Option<IpNet> {
        let Some(range) = value.as_str().and_then(|text| text.parse::<IpNet>().ok()) else {
            return self.refuse(at, "A range of addresses belongs here, such as 10.0.0.0/8 or 2001:db8::/32.");
        };
        if range != range.trunc() {
            return self
                .refuse(at, "The address has bits set beyond the length of its prefix: a slip in one of the two.");
        }
        Some(unmapped(range))
    }

    pub(super) fn window(&mut self, value: &Value, at: &str) -> Option<TimeWindow> {
        let fields = self.fields(value, at, &["from", "to", "zone", "days"])?;
        let from = self.field(fields, at, "from").and_then(|from| self.begin(from, &format!("{at}/from")));
        let to = self.field(fields, at, "to").and_then(|to| self.end(to, &format!("{at}/to")));
        let zone = self.field(fields, at, "zone").and_then(|zone| self.zone(zone, &format!("{at}/zone")));
        let days = match fields.get("days") {
            Some(days) => self.days(days, &format!("{at}/days")),
            None => Some(Days::EVERY),
        };
        let (from, to, zone, days) = (from?, to?, zone?, days?);
        if from == to {
            return self.refuse(at, "A window that ends when it begins is empty; a whole day is from 00:00 to 24:00.");
        }
        // One form for the same moment.
        let to = if to == TimeOfDay::MIDNIGHT { TimeOfDay::END_OF_DAY } else { to };
        Some(TimeWindow { from, to, zone, days })
    }

    fn begin(&mut self, value: &Value, at: &str) -> Option<TimeOfDay> {
        let time = value.as_str().and_then(TimeOfDay::parse).filter(|time| *time != TimeOfDay::END_OF_DAY);
        time.or_else(|| self.refuse(at, "A time from 00:00 to 23:59 belongs here."))
    }

    fn end(&mut self, value: &Value, at: &str) -> Option<TimeOfDay> {
        let time = value.as_str().and_then(TimeOfDay::parse);
        time.or_else(|| self.refuse(at, "A time from 00:00 to 24:00 belongs here."))
    }

    fn zone(&mut self, value: &Value, at: &str) -> Option<String> {
        let zone = value.as_str().and_then(time_window::zone);
        match zone.as_ref().and_then(|zone| zone.iana_name()) {
            Some(name) => Some(name.into()),
            None => self.refuse(at, "There is no such time zone. Zones are named as in Europe/Berlin, or UTC."),
        }
    }

    fn days(&mut self, value: &Value, at: &str) -> Option<Days> {
        let names = value.as_array().filter(|names| !names.is_empty());
        let days = names.and_then(|names| names.iter().try_fold(Days::NONE, |days, name| days.with(name.as_str()?)));
        days.or_else(|| self.refuse(at, "A list of at least one of mon, tue, wed, thu, fri, sat and sun belongs here."))
    }
}

/// A range of IPv4 addresses in IPv6's clothes is one of IPv4 addresses: as such are those compared that come.
fn unmapped(range: IpNet) -> IpNet {
    let IpNet::V6(v6) = range else { return range };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(addr, length)| Ipv4Net::new(addr, length).ok()).map_or(range, IpNet::V4)
}
