//! Policies and requests in Cedar's terms, and their evaluation.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Write,
    net::IpAddr,
};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicySet, Request,
    RestrictedExpression as Expression,
};
use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};
use kernel::{AccessRequest, PermissionInfo, PolicyId, Principal, RoleId, UserId};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    condition,
    input::{BoxResult, PolicyCondition, PolicyInput, Tenant},
};

/// A tenant's policies, parsed by Cedar.
#[derive(Debug)]
pub struct CedarOracle {
    authorizer: Authorizer,
    types: EntityTypes,
    tenant: Entity,
    /// The time zones that the policies refer to.
    zones: BTreeMap<String, TimeZone>,
    policies: PolicySet,
}

/// Cedar's decision.
#[derive(Debug, PartialEq, Eq)]
pub struct OracleDecision {
    /// Whether the request is allowed.
    pub allows: bool,
    /// The applicable policies with the effect of the decision. Empty if no policy applies.
    pub reasons: Vec<PolicyId>,
    /// Evaluation errors. There should be none, because expressions check that a value exists before they read it.
    pub errors: Vec<String>,
}

impl CedarOracle {
    /// Translates the policies of a tenant.
    ///
    /// # Errors
    /// Fails if Cedar rejects the translation.
    pub fn new(stored: &[PolicyInput<'_>], tenant: &Tenant<'_>) -> BoxResult<Self> {
        let mut zones = BTreeMap::new();
        let mut policies = PolicySet::new();
        for stored in stored {
            if let PolicyCondition::If(condition) = stored.condition {
                collect_zones(condition, &mut zones)?;
            }
            let id = cedar_policy::PolicyId::new(stored.id.to_string());
            policies.add(Policy::parse(Some(id), translate(stored)?)?)?;
        }
        let types = EntityTypes::new()?;
        Ok(Self { authorizer: Authorizer::new(), tenant: types.tenant(tenant)?, types, zones, policies })
    }

    /// Evaluates a request.
    ///
    /// # Errors
    /// Fails if Cedar reports a policy whose name isn't a policy id.
    pub fn evaluate(&self, request: &Request, entities: &Entities) -> BoxResult<OracleDecision> {
        let response = self.authorizer.is_authorized(request, &self.policies, entities);
        let reasons = response.diagnostics().reason().map(|id| Ok(PolicyId::from_uuid(id.to_string().parse()?)));
        Ok(OracleDecision {
            allows: response.decision() == Decision::Allow,
            reasons: reasons.collect::<BoxResult<_>>()?,
            errors: response.diagnostics().errors().map(ToString::to_string).collect(),
        })
    }

    /// Evaluates a request and discards the diagnostics, as a server would. Used by the benchmark.
    #[must_use]
    pub fn allows(&self, request: &Request, entities: &Entities) -> bool {
        self.authorizer.is_authorized(request, &self.policies, entities).decision() == Decision::Allow
    }

    /// Returns the entities of a request: the member with its role, the tenant, the action with its parents, and the
    /// resource with its owner, if any.
    ///
    /// # Errors
    /// Fails if the principal isn't a user or if Cedar rejects the entities.
    pub fn entities(&self, principal: Principal, role: RoleId, request: &AccessRequest<'_>) -> BoxResult<Entities> {
        let types = &self.types;
        let role = uid(&types.role, &role.to_string());
        let owner = request.resource.and_then(|resource| resource.owner);
        let owner = owner.map(|owner| ("owner".to_owned(), Expression::new_entity_uid(types.user(owner))));
        let entities = [
            Entity::new_no_attrs(types.principal(principal)?, HashSet::from([role])),
            self.tenant.clone(),
            types.permission(request.permission),
            Entity::new(types.resource(), owner.into_iter().collect(), HashSet::new())?,
        ];
        Ok(Entities::from_entities(entities, None)?)
    }

    /// Returns the request with its context.
    ///
    /// # Errors
    /// Fails if the principal isn't a user or if Cedar rejects the request.
    pub fn request(&self, principal: Principal, request: &AccessRequest<'_>) -> BoxResult<Request> {
        let clocks =
            self.zones.iter().filter_map(|(name, zone)| Some((name.clone(), clock(request.environment.now, zone)?)));
        let clocks = clocks.map(|(name, clock)| Ok((name, Expression::new_record(clock)?)));
        let clocks = Expression::new_record(clocks.collect::<BoxResult<Vec<_>>>()?)?;
        let mut context =
            vec![("tenant".to_owned(), Expression::new_entity_uid(self.tenant.uid())), ("clocks".to_owned(), clocks)];
        if let Some(addr) = request.environment.client_addr {
            context.push(("client_addr".to_owned(), Expression::new_ip(condition::format_ip(unmap_ipv4(addr)))));
        }
        let PermissionInfo { resource, verb, .. } = request.permission;
        let action = self.types.action(resource, verb);
        let context = Context::from_pairs(context)?;
        Ok(Request::new(self.types.principal(principal)?, action, self.types.resource(), context, None)?)
    }
}

/// Translates a policy to Cedar's syntax.
///
/// An indeterminate condition never satisfies an allow and always satisfies a deny. So an allow requires its condition to
/// be true, and a deny applies unless its condition is false.
fn translate(stored: &PolicyInput<'_>) -> BoxResult<String> {
    let mut text = String::from(if stored.denies { "forbid (principal" } else { "permit (principal" });
    if let Some(role) = stored.role {
        write!(text, r#" in Role::"{role}""#)?;
    }
    let actions = stored.verbs.iter().map(|verb| format!("Action::{:?}", format!("{}:{verb}", stored.resource)));
    write!(text, ", action in [{}], resource)", actions.collect::<Vec<_>>().join(", "))?;
    let keyword = if stored.denies { "unless" } else { "when" };
    match stored.condition {
        PolicyCondition::Always => {}
        PolicyCondition::If(condition) => {
            write!(text, " {keyword} {{ {} }}", condition::expression(condition, !stored.denies)?)?;
        }
        PolicyCondition::Invalid => write!(text, " {keyword} {{ false }}")?,
    }
    text.push(';');
    Ok(text)
}

/// The names of the entity types, parsed once.
#[derive(Debug)]
struct EntityTypes {
    action: EntityTypeName,
    resource: EntityTypeName,
    role: EntityTypeName,
    tenant: EntityTypeName,
    user: EntityTypeName,
}

impl EntityTypes {
    fn new() -> BoxResult<Self> {
        Ok(Self {
            action: "Action".parse()?,
            resource: "Resource".parse()?,
            role: "Role".parse()?,
            tenant: "Tenant".parse()?,
            user: "User".parse()?,
        })
    }

    fn user(&self, user: UserId) -> EntityUid {
        uid(&self.user, &user.to_string())
    }

    fn principal(&self, principal: Principal) -> BoxResult<EntityUid> {
        match principal {
            Principal::User(user) => Ok(self.user(user)),
            principal => Err(format!("not a user: {principal:?}").into()),
        }
    }

    /// The resource of a request. All requests use the same id, because policies don't refer to it.
    fn resource(&self) -> EntityUid {
        uid(&self.resource, "requested")
    }

    fn action(&self, resource: &str, verb: &str) -> EntityUid {
        uid(&self.action, &format!("{resource}:{verb}"))
    }

    /// Returns the action of a permission. Each pattern with `*` is a parent of the actions that it covers.
    fn permission(&self, PermissionInfo { resource, verb, .. }: &PermissionInfo) -> Entity {
        let groups = [(*resource, "*"), ("*", *verb), ("*", "*")];
        let parents = groups.map(|(resource, verb)| self.action(resource, verb)).into();
        Entity::new_no_attrs(self.action(resource, verb), parents)
    }

    fn tenant(&self, tenant: &Tenant<'_>) -> BoxResult<Entity> {
        let text = |text: &str| Expression::new_string(text.into());
        let attributes = HashMap::from([
            ("plan".into(), text(tenant.plan)),
            ("contract_type".into(), text(tenant.contract_type)),
            ("features".into(), Expression::new_set(tenant.features.iter().map(|feature| text(feature)))),
            ("seat_limit".into(), Expression::new_long(tenant.seat_limit)),
        ]);
        Ok(Entity::new(uid(&self.tenant, &tenant.id.to_string()), attributes, HashSet::new())?)
    }
}

fn uid(name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
}

/// Adds the time zones that a condition refers to.
fn collect_zones(condition: &Value, zones: &mut BTreeMap<String, TimeZone>) -> BoxResult<()> {
    match condition::kind(condition)? {
        ("all" | "any", parts) => condition::list(parts)?.iter().try_for_each(|part| collect_zones(part, zones)),
        ("not", part) => collect_zones(part, zones),
        ("time", window) => {
            let name = condition::text(&window["zone"])?;
            if !zones.contains_key(name) {
                zones.insert(name.into(), TimeZoneDatabase::bundled().get(name)?);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Converts an IPv4-mapped IPv6 address to an IPv4 address.
fn unmap_ipv4(addr: IpAddr) -> IpAddr {
    match addr {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(addr, IpAddr::V4),
        IpAddr::V4(_) => addr,
    }
}

/// Returns the local time, the day and the day before. `None` if `now` is out of the calendar's range.
fn clock(now: OffsetDateTime, zone: &TimeZone) -> Option<[(String, Expression); 3]> {
    let local = Timestamp::from_second(now.unix_timestamp()).ok()?.to_zoned(zone.clone());
    let day = |date: jiff::civil::Date| {
        let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let day = usize::try_from(date.weekday().to_monday_zero_offset()).ok()?;
        days.get(day).map(|day| Expression::new_string((*day).into()))
    };
    Some([
        ("minute".into(), Expression::new_long(i64::from(local.hour()) * 60 + i64::from(local.minute()))),
        ("day".into(), day(local.date())?),
        ("day_before".into(), day(local.date().yesterday().ok()?)?),
    ])
}
