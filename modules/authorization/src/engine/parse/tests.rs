use serde_json::json;

use super::*;

fn pointers(value: &Value) -> Vec<String> {
    Condition::parse(value).unwrap_err().into_iter().map(|error| error.pointer).collect()
}

/// Returns the stored form. Checks that it parses to the same condition.
fn stored(value: &Value) -> Value {
    let condition = Condition::parse(value).unwrap_or_else(|errors| panic!("{value}: {errors:?}"));
    let stored = serde_json::to_value(&condition).unwrap();
    assert_eq!(Condition::parse(&stored), Ok(condition));
    stored
}

#[test]
fn canonical_condition_is_unchanged() {
    let id = "019a0000-0000-7000-8000-000000000001";
    for value in [
        json!({"all": []}),
        json!({"any": [{"plan": "pro"}, {"not": {"owner": {}}}]}),
        json!({"feature": "sso"}),
        json!({"attribute": {"name": "subject.id", "is": id}}),
        json!({"attribute": {"name": "subject.id", "is_same_as": "resource.owner"}}),
        json!({"attribute": {"name": "subject.role", "one_of": [id]}}),
        json!({"attribute": {"name": "resource.owner", "one_of": [id]}}),
        json!({"attribute": {"name": "tenant.id", "is": id}}),
        json!({"attribute": {"name": "tenant.plan", "is": "pro"}}),
        json!({"attribute": {"name": "tenant.contract_type", "is_same_as": "tenant.plan"}}),
        json!({"attribute": {"name": "tenant.seat_limit", "at_least": 10}}),
        json!({"attribute": {"name": "tenant.seat_limit", "at_most": -1}}),
        json!({"attribute": {"name": "tenant.seat_limit", "one_of": [1, 5]}}),
        json!({"client_addr": ["10.0.0.0/8", "2001:db8::/32"]}),
        json!({"time": {"from": "08:00", "to": "18:00", "zone": "Europe/Berlin"}}),
        json!({"time": {"from": "22:00", "to": "06:00", "zone": "UTC", "days": ["mon", "sun"]}}),
        json!({"time": {"from": "00:00", "to": "24:00", "zone": "Asia/Kolkata", "days": ["sat"]}}),
    ] {
        assert_eq!(stored(&value), value);
    }
}

#[test]
fn equivalent_conditions_canonicalize_equally() {
    for (one, other) in [
        (
            json!({"client_addr": ["::ffff:10.0.0.0/104", "2001:DB8:0::/32"]}),
            json!({"client_addr": ["10.0.0.0/8", "2001:db8::/32"]}),
        ),
        (
            json!({"client_addr": ["fe80::/10", "10.0.0.0/8", "10.0.0.0/8"]}),
            json!({"client_addr": ["10.0.0.0/8", "fe80::/10"]}),
        ),
        (
            json!({"attribute": {"name": "tenant.plan", "one_of": ["pro", "free", "pro"]}}),
            json!({"attribute": {"name": "tenant.plan", "one_of": ["free", "pro"]}}),
        ),
        (
            json!({"attribute": {"name": "tenant.id", "is": "019A0000-0000-7000-8000-00000000ACEE"}}),
            json!({"attribute": {"name": "tenant.id", "is": "019a0000-0000-7000-8000-00000000acee"}}),
        ),
        (
            json!({"time": {"zone": "europe/berlin", "from": "22:00", "to": "00:00", "days": ["sun", "mon", "sun"]}}),
            json!({"time": {"zone": "Europe/Berlin", "from": "22:00", "to": "24:00", "days": ["mon", "sun"]}}),
        ),
        (
            json!({"time": {"zone": "UTC", "from": "01:00", "to": "02:00", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}}),
            json!({"time": {"zone": "UTC", "from": "01:00", "to": "02:00"}}),
        ),
    ] {
        assert_eq!(stored(&one), other);
    }
}

#[test]
fn parse_errors_carry_json_pointers() {
    let attribute = |fields: Value| json!({"attribute": fields});
    let time = |name: &str, value: Value| {
        let mut fields = json!({"from": "08:00", "to": "18:00", "zone": "UTC", "days": ["mon"]});
        fields[name] = value;
        json!({"time": fields})
    };
    for (value, pointer) in [
        (json!(null), ""),
        (json!("owner"), ""),
        (json!([]), ""),
        (json!({}), ""),
        (json!({"unknown": "x"}), ""),
        (json!({"Owner": {}}), ""),
        (json!({"plan": "pro", "feature": "sso"}), ""),
        (json!({"all": {"plan": "pro"}}), "/all"),
        (json!({"any": [{"plan": "pro"}, {"unknown": 1}]}), "/any/1"),
        (json!({"not": [{"plan": "pro"}]}), "/not"),
        (json!({"not": {"all": [{"feature": 1}]}}), "/not/all/0/feature"),
        (json!({"owner": null}), "/owner"),
        (json!({"owner": {"of": "x"}}), "/owner"),
        (json!({"plan": 1}), "/plan"),
        (json!({"plan": ""}), "/plan"),
        (json!({"feature": "x".repeat(201)}), "/feature"),
        (json!({"feature": "s\u{0}o"}), "/feature"),
        (json!({"feature": "sso\u{200b}"}), "/feature"),
        (json!({"plan": "pro\n"}), "/plan"),
        (attribute(json!({"name": "tenant.plan", "one_of": ["pro", "\u{85}"]})), "/attribute/one_of/1"),
        (attribute(json!("tenant.plan")), "/attribute"),
        (attribute(json!({"is": "pro"})), "/attribute/name"),
        (attribute(json!({"name": "tenant.unknown", "is": "pro"})), "/attribute/name"),
        (attribute(json!({"name": 1, "is": "pro"})), "/attribute/name"),
        (attribute(json!({"name": "tenant.plan"})), "/attribute"),
        (attribute(json!({"name": "tenant.plan", "is": "a", "one_of": ["b"]})), "/attribute"),
        (attribute(json!({"name": "tenant.plan", "like": "a"})), "/attribute"),
        (attribute(json!({"name": "tenant.plan", "is": 1})), "/attribute/is"),
        (attribute(json!({"name": "tenant.plan", "at_least": 1})), "/attribute/at_least"),
        (attribute(json!({"name": "tenant.plan", "one_of": []})), "/attribute/one_of"),
        (attribute(json!({"name": "tenant.plan", "one_of": ["a", 1]})), "/attribute/one_of/1"),
        (attribute(json!({"name": "tenant.plan", "one_of": vec!["a"; 65]})), "/attribute/one_of"),
        (attribute(json!({"name": "tenant.seat_limit", "is": "10"})), "/attribute/is"),
        (attribute(json!({"name": "tenant.seat_limit", "at_most": 1.5})), "/attribute/at_most"),
        (attribute(json!({"name": "tenant.seat_limit", "at_most": 10.0})), "/attribute/at_most"),
        (attribute(json!({"name": "subject.id", "is": "alice"})), "/attribute/is"),
        (attribute(json!({"name": "subject.id", "is": "019a0000000070008000000000000001"})), "/attribute/is"),
        (attribute(json!({"name": "subject.id", "is_same_as": "tenant.id"})), "/attribute/is_same_as"),
        (attribute(json!({"name": "subject.id", "is_same_as": "subject.role"})), "/attribute/is_same_as"),
        (attribute(json!({"name": "subject.id", "is_same_as": "subject.id"})), "/attribute/is_same_as"),
        (attribute(json!({"name": "subject.id", "is_same_as": "unknown"})), "/attribute/is_same_as"),
        (json!({"client_addr": "10.0.0.0/8"}), "/client_addr"),
        (json!({"client_addr": []}), "/client_addr"),
        (json!({"client_addr": vec!["10.0.0.0/8"; 65]}), "/client_addr"),
        (json!({"client_addr": ["10.0.0.0/8", "10.0.0.0/33"]}), "/client_addr/1"),
        (json!({"client_addr": ["10.0.0.1"]}), "/client_addr/0"),
        (json!({"client_addr": ["010.0.0.0/8"]}), "/client_addr/0"),
        (json!({"client_addr": ["10.0.0.0/08"]}), "/client_addr/0"),
        (json!({"client_addr": ["10.0.0.1/8"]}), "/client_addr/0"),
        (json!({"client_addr": ["2001:db8::1/32"]}), "/client_addr/0"),
        (json!({"client_addr": ["localhost/8"]}), "/client_addr/0"),
        (json!({"client_addr": [1]}), "/client_addr/0"),
        (json!({"time": []}), "/time"),
        (time("unknown", json!("x")), "/time"),
        (time("to", json!("08:00")), "/time"),
        (time("from", json!("24:00")), "/time/from"),
        (time("from", json!("8:00")), "/time/from"),
        (time("from", json!("+8:00")), "/time/from"),
        (time("from", json!("08:60")), "/time/from"),
        (time("from", json!("08:00:00")), "/time/from"),
        (time("from", json!(8)), "/time/from"),
        (time("to", json!("24:01")), "/time/to"),
        (time("to", json!("25:00")), "/time/to"),
        (time("zone", json!("Europe/Atlantis")), "/time/zone"),
        (time("zone", json!("Etc/Unknown")), "/time/zone"),
        (time("zone", json!("+02:00")), "/time/zone"),
        (time("zone", json!("")), "/time/zone"),
        (time("days", json!([])), "/time/days"),
        (time("days", json!(["monday"])), "/time/days"),
        (time("days", json!("mon")), "/time/days"),
        (time("days", json!(null)), "/time/days"),
    ] {
        assert_eq!(pointers(&value), [pointer], "{value}");
    }
}

#[test]
fn all_parse_errors_are_reported() {
    let value = json!({"all": [
        {"unknown": 1},
        {"time": {"from": "25:00", "zone": "Nowhere"}},
        {"plan": "pro"},
        {"client_addr": ["x", "10.0.0.0/8", "y"]},
    ]});
    assert_eq!(
        pointers(&value),
        [
            "/all/0",
            "/all/1/time/from",
            "/all/1/time/to",
            "/all/1/time/zone",
            "/all/3/client_addr/0",
            "/all/3/client_addr/2"
        ]
    );
}

#[test]
fn errors_never_echo_input() {
    for value in [
        json!({"hunter2": 1}),
        json!({"owner": {"hunter2": 1}}),
        json!({"plan": ["hunter2"]}),
        json!({"attribute": {"name": "hunter2"}}),
        json!({"attribute": {"hunter2": 1}}),
        json!({"client_addr": ["hunter2"]}),
        json!({"time": {"from": "hunter2", "to": "hunter2", "zone": "hunter2", "days": ["hunter2"]}}),
    ] {
        let errors = Condition::parse(&value).unwrap_err();
        assert!(!format!("{errors:?}").contains("hunter2"), "{value}: {errors:?}");
    }
}

#[test]
fn condition_depth_limit_is_8() {
    for (step, around) in [
        ("/not", (|inner| json!({"not": inner})) as fn(Value) -> Value),
        ("/all/0", |inner| json!({"all": [inner]})),
        ("/any/0", |inner| json!({"any": [inner]})),
    ] {
        let nested = |depth: usize| (1..depth).fold(json!({"plan": "pro"}), |inner, _| around(inner));
        assert!(Condition::parse(&nested(8)).is_ok());
        assert_eq!(pointers(&nested(9)), [step.repeat(8)]);
        assert_eq!(pointers(&nested(100)), [step.repeat(8)]);
    }
}

#[test]
fn condition_node_limit_is_64() {
    let wide = |parts: usize| json!({"all": vec![json!({"plan": "pro"}); parts]});
    assert!(Condition::parse(&wide(63)).is_ok());
    assert_eq!(pointers(&wide(64)), [""]);
    assert_eq!(pointers(&wide(100_000)), [""]);
}

#[test]
fn condition_cost_counts_nodes_and_values() {
    let ids = [uuid::Uuid::nil(), uuid::Uuid::max()];
    for (value, cost) in [
        (json!({"owner": {}}), 1),
        (json!({"all": []}), 1),
        (json!({"not": {"any": [{"plan": "pro"}, {"feature": "sso"}]}}), 4),
        (json!({"attribute": {"name": "subject.id", "is": ids[0]}}), 1),
        (json!({"attribute": {"name": "subject.id", "one_of": ids}}), 3),
        // Duplicates aren't stored.
        (json!({"client_addr": ["10.0.0.0/8", "11.0.0.0/8", "10.0.0.0/8"]}), 3),
        (json!({"time": {"from": "08:00", "to": "18:00", "zone": "UTC", "days": ["mon", "tue"]}}), 10),
    ] {
        assert_eq!(Condition::parse(&value).unwrap().cost(), cost, "{value}");
    }
}
