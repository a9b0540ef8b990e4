//! Who changes members, roles and policies, and who may not: against a real server, and all at once.

use std::{collections::BTreeMap, sync::Arc};

use authorization::AuthorizationModuleImpl;
use kernel::contracts::{
    ChangeError, Effect, MemberRemove, MemberUpdate, Members, MembersError, Permission, PermissionInfo, Permit,
    Policies, PoliciesError, PolicyChange, PolicyDraft, PolicyId, PolicyManage, PolicyRead, PolicyTarget, RoleId,
    RoleManage, RoleRead, Roles, RolesError, UserId, UserRead,
};
use kernel::shaku_value::ValueModule;
use rstest::rstest;
use serde_json::{Value, json};
use shaku::HasComponent;
use test_support::{TestTenant, TestDb, db};
use tokio::task::JoinSet;

static PERMISSIONS: [PermissionInfo; 7] = [
    UserRead::INFO,
    MemberUpdate::INFO,
    MemberRemove::INFO,
    RoleRead::INFO,
    RoleManage::INFO,
    PolicyRead::INFO,
    PolicyManage::INFO,
];

fn module(db: &TestDb) -> AuthorizationModuleImpl {
    AuthorizationModuleImpl::builder(db.db.module(), ValueModule::new(Arc::default())).build()
}

fn members(db: &TestDb) -> Arc<dyn Members> {
    module(db).resolve()
}

fn roles(db: &TestDb) -> Arc<dyn Roles> {
    module(db).resolve()
}

fn policies(db: &TestDb) -> Arc<dyn Policies> {
    module(db).resolve()
}

/// A tenant, its admin, and somebody in a role of their own.
struct Fixture {
    tenant: TestTenant,
    admin: UserId,
    other: UserId,
    role: RoleId,
}

/// `other` is in a role that may do what these say: effect, resource, verbs, condition.
async fn fixture(db: &TestDb, rules: Value) -> Fixture {
    let tenant = db.create_tenant().await;
    let (admin, other) = (db.create_user().await, db.create_user().await);
    db.add_member(&tenant, admin, tenant.admin_role).await;
    let role = db.create_role(&tenant, ["nothing", "nothing"]).await;
    db.add_member(&tenant, other, role).await;
    for rule in rules.as_array().unwrap() {
        insert_policy(db, &tenant, Some(role), rule).await;
    }
    Fixture { tenant, admin, other, role }
}

/// A policy behind the module's back.
async fn insert_policy(db: &TestDb, tenant: &TestTenant, role: Option<RoleId>, rule: &Value) -> PolicyId {
    let id = PolicyId::new();
    let verbs: Vec<&str> = rule[2].as_str().unwrap().split(' ').collect();
    sqlx::query(
        "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, condition, digest)
         VALUES ($1, $2, $3, $4::policy_effect, $5, $6, $7, sha256($2::text::bytea))",
    )
    .bind(tenant.id.as_uuid())
    .bind(id.as_uuid())
    .bind(role.map(RoleId::as_uuid))
    .bind(rule[0].as_str())
    .bind(rule[1].as_str())
    .bind(verbs)
    .bind(Some(&rule[3]).filter(|condition| !condition.is_null()))
    .execute(&mut db.superuser().await)
    .await
    .unwrap();
    id
}

async fn permit<P: Permission>(db: &TestDb, fixture: &Fixture, user: UserId) -> Permit<P> {
    db.permit::<P>(user, fixture.tenant.id).await.unwrap()
}

fn target(resource: &str, verbs: &[&str]) -> PolicyTarget {
    let verbs: Vec<String> = verbs.iter().map(|verb| (*verb).into()).collect();
    PolicyTarget::new(&PERMISSIONS, resource, &verbs).unwrap()
}

fn draft(role: Option<RoleId>, effect: Effect, (resource, verbs): (&str, &[&str]), condition: Value) -> PolicyDraft {
    let condition = Some(condition).filter(|condition| !condition.is_null());
    PolicyDraft { role, effect, target: target(resource, verbs), condition }
}

/// Each kind of outcome in a word or two.
trait Outcome {
    fn label(&self) -> String;
}

impl Outcome for ChangeError {
    fn label(&self) -> String {
        match self {
            Self::NoLongerMember => "gone".into(),
            Self::Denied(denial) => format!("denied {}", denial.permission.name),
            Self::PrivilegeEscalation { permission } => format!("lacks {permission}"),
            Self::LastAdmin => "last admin".into(),
            Self::Db(error) => panic!("{error:?}"),
        }
    }
}

impl Outcome for MembersError {
    fn label(&self) -> String {
        match self {
            Self::NotFound => "no member".into(),
            Self::RoleNotFound => "no role".into(),
            Self::Change(refused) => refused.label(),
            Self::Db(error) => panic!("{error:?}"),
        }
    }
}

impl Outcome for RolesError {
    fn label(&self) -> String {
        match self {
            Self::NotFound => "no role".into(),
            Self::NameTaken => "taken".into(),
            Self::SystemRoleImmutable => "system".into(),
            Self::InUse => "in use".into(),
            Self::LimitReached { limit } => format!("more than {limit}"),
            Self::Change(refused) => refused.label(),
            Self::Db(error) => panic!("{error:?}"),
        }
    }
}

impl Outcome for PoliciesError {
    fn label(&self) -> String {
        match self {
            Self::NotFound => "no policy".into(),
            Self::RoleNotFound => "no role".into(),
            Self::TemplateImmutable => "template".into(),
            Self::Duplicate => "exists".into(),
            Self::LimitReached { limit } => format!("more than {limit}"),
            Self::InvalidCondition(errors) => errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>().join(" "),
            Self::Change(refused) => refused.label(),
            Self::Db(error) => panic!("{error:?}"),
        }
    }
}

impl<T, E: Outcome> Outcome for Result<T, E> {
    fn label(&self) -> String {
        self.as_ref().map_or_else(Outcome::label, |_| "done".into())
    }
}

async fn outcomes(mut tasks: JoinSet<String>) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    while let Some(outcome) = tasks.join_next().await {
        *outcomes.entry(outcome.unwrap()).or_default() += 1;
    }
    outcomes
}

fn counted<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()
}

async fn role_of(db: &TestDb, fixture: &Fixture, user: UserId) -> Option<RoleId> {
    let role: Option<uuid::Uuid> =
        sqlx::query_scalar("SELECT role_id FROM memberships WHERE tenant_id = $1 AND user_id = $2")
            .bind(fixture.tenant.id.as_uuid())
            .bind(user.as_uuid())
            .fetch_optional(&mut db.superuser().await)
            .await
            .unwrap();
    role.map(RoleId::from_uuid)
}

/// All that there is of policies, as text.
async fn stored_policies(db: &TestDb) -> Vec<String> {
    sqlx::query_scalar("SELECT p::text FROM policies AS p ORDER BY id").fetch_all(&mut db.superuser().await).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn role_assignment_requires_holding_role(#[future(awt)] db: TestDb) {
    let fixture = fixture(&db, json!([["allow", "member", "update"], ["allow", "user", "read"]])).await;
    let bystander = db.create_user().await;
    db.add_member(&fixture.tenant, bystander, fixture.role).await;
    let give = async |by: UserId, to: UserId, role: RoleId| {
        members(&db).change_role(&permit(&db, &fixture, by).await, to, role).await
    };
    assert_eq!(give(fixture.other, bystander, fixture.tenant.member_role).await.unwrap().role.id, fixture.tenant.member_role);
    // Neither to others nor to themselves.
    for to in [bystander, fixture.other] {
        assert_eq!(give(fixture.other, to, fixture.tenant.admin_role).await.label(), "lacks *:*");
    }
    assert_eq!(role_of(&db, &fixture, bystander).await, Some(fixture.tenant.member_role));
    assert_eq!(give(fixture.admin, bystander, fixture.tenant.admin_role).await.label(), "done");
    assert_eq!(role_of(&db, &fixture, bystander).await, Some(fixture.tenant.admin_role));
    // To lower somebody takes nothing but the permission to.
    assert_eq!(give(fixture.other, bystander, fixture.tenant.member_role).await.label(), "done");
}

#[rstest]
#[tokio::test]
async fn other_tenants_roles_and_members_are_not_found(#[future(awt)] db: TestDb) {
    let (here, there) = (fixture(&db, json!([])).await, fixture(&db, json!([])).await);
    let update = permit(&db, &here, here.admin).await;
    for (user, role, outcome) in [
        (there.other, here.role, "no member"),
        (UserId::new(), here.role, "no member"),
        (here.other, there.role, "no role"),
        (here.other, RoleId::new(), "no role"),
    ] {
        assert_eq!(members(&db).change_role(&update, user, role).await.label(), outcome);
    }
    let remove = permit::<MemberRemove>(&db, &here, here.admin).await;
    assert_eq!(members(&db).remove(&remove, there.other).await.label(), "no member");
    let manage = permit::<RoleManage>(&db, &here, here.admin).await;
    assert_eq!(roles(&db).delete(&manage, there.role).await.label(), "no role");
    let (write, policy) = (
        permit::<PolicyManage>(&db, &here, here.admin).await,
        insert_policy(&db, &there.tenant, None, &json!(["allow", "user", "read"])).await,
    );
    assert_eq!(policies(&db).delete(&write, policy).await.label(), "no policy");
    let foreign = draft(Some(there.role), Effect::Allow, ("user", &["read"]), json!(null));
    assert_eq!(policies(&db).create(&write, &foreign).await.label(), "no role");
    assert_eq!(
        (role_of(&db, &there, there.other).await, role_of(&db, &here, here.other).await),
        (Some(there.role), Some(here.role))
    );
}

#[rstest]
#[tokio::test]
async fn leaving_a_denied_role_counts_as_grant(#[future(awt)] db: TestDb) {
    let fixture =
        fixture(&db, json!([["allow", "member", "update"], ["allow", "role", "read"], ["allow", "user", "read"]])).await;
    let (denied, free) = (db.create_role(&fixture.tenant, ["*", "*"]).await, db.create_role(&fixture.tenant, ["*", "*"]).await);
    insert_policy(&db, &fixture.tenant, Some(denied), &json!(["deny", "policy", "*"])).await;
    let somebody = db.create_user().await;
    db.add_member(&fixture.tenant, somebody, denied).await;
    let update = permit(&db, &fixture, fixture.other).await;
    assert_eq!(members(&db).change_role(&update, somebody, free).await.label(), "lacks policy:*");
    // Back under it they may put anybody.
    let other = db.create_user().await;
    db.add_member(&fixture.tenant, other, free).await;
    assert_eq!(members(&db).change_role(&update, other, denied).await.label(), "done");
}

#[rstest]
#[tokio::test]
async fn permission_is_rechecked_after_lock(#[future(awt)] db: TestDb) {
    let fixture = fixture(&db, json!([["allow", "*", "*"]])).await;
    let bystander = db.create_user().await;
    db.add_member(&fixture.tenant, bystander, fixture.tenant.member_role).await;
    let (remove, update, write) = (
        permit::<MemberRemove>(&db, &fixture, fixture.other).await,
        permit::<MemberUpdate>(&db, &fixture, fixture.other).await,
        permit::<PolicyManage>(&db, &fixture, fixture.other).await,
    );
    let admins = permit(&db, &fixture, fixture.admin).await;
    members(&db).change_role(&admins, fixture.other, fixture.tenant.member_role).await.unwrap();
    assert_eq!(members(&db).remove(&remove, bystander).await.label(), "denied member:remove");
    assert_eq!(
        members(&db).change_role(&update, fixture.other, fixture.tenant.admin_role).await.label(),
        "denied member:update"
    );
    let everything = draft(Some(fixture.tenant.member_role), Effect::Allow, ("*", &["*"]), json!(null));
    assert_eq!(policies(&db).create(&write, &everything).await.label(), "denied policy:manage");
    // And who is no member any more, or in a tenant that isn't there any more, is nobody.
    members(&db).remove(&permit(&db, &fixture, fixture.admin).await, fixture.other).await.unwrap();
    assert_eq!(members(&db).remove(&remove, bystander).await.label(), "gone");
    let late = permit::<MemberRemove>(&db, &fixture, fixture.admin).await;
    sqlx::raw_sql("UPDATE tenants SET status = 'archived'").execute(&mut db.superuser().await).await.unwrap();
    assert_eq!(members(&db).remove(&late, bystander).await.label(), "gone");
    assert_eq!(role_of(&db, &fixture, bystander).await, Some(fixture.tenant.member_role));
}

#[rstest]
#[tokio::test]
async fn last_admin_cannot_be_removed(#[future(awt)] db: TestDb) {
    let fixture = fixture(&db, json!([["allow", "*", "*", {"plan": "free"}]])).await;
    let (members, policies) = (members(&db), policies(&db));
    let update = permit::<MemberUpdate>(&db, &fixture, fixture.admin).await;
    let remove = permit::<MemberRemove>(&db, &fixture, fixture.admin).await;
    let write = permit::<PolicyManage>(&db, &fixture, fixture.admin).await;
    // Whoever may do everything under a condition may not be able to tomorrow; who is deactivated can't sign in.
    let asleep = db.create_user().await;
    db.add_member(&fixture.tenant, asleep, fixture.tenant.admin_role).await;
    sqlx::query("UPDATE users SET deactivated_at = now() WHERE id = $1")
        .bind(asleep.as_uuid())
        .execute(&mut db.superuser().await)
        .await
        .unwrap();
    let scope = db.scope(fixture.admin, fixture.tenant.id).await.unwrap();
    assert_eq!(members.change_role(&update, fixture.admin, fixture.role).await.label(), "last admin");
    assert_eq!(members.remove(&remove, fixture.admin).await.label(), "last admin");
    assert_eq!(members.leave(&scope).await.label(), "last admin");
    for (role, condition) in [
        (Some(fixture.tenant.admin_role), json!(null)),
        (None, json!(null)),
        (None, json!({"not": {"client_addr": ["10.0.0.0/8"]}})),
    ] {
        let deny = draft(role, Effect::Deny, ("user", &["read"]), condition);
        assert_eq!(policies.create(&write, &deny).await.label(), "last admin");
    }
    // A deny that can never meet them is another matter.
    let others = json!({"attribute": {"name": "subject.role", "is": fixture.role}});
    assert_eq!(policies.create(&write, &draft(None, Effect::Deny, ("user", &["read"]), others)).await.label(), "done");
    // With another admin, they may go.
    let another = db.create_user().await;
    db.add_member(&fixture.tenant, another, fixture.tenant.admin_role).await;
    assert_eq!(members.leave(&scope).await.label(), "done");
    assert_eq!(role_of(&db, &fixture, fixture.admin).await, None);
}

#[rstest]
#[tokio::test]
async fn custom_role_lifecycle(#[future(awt)] db: TestDb) {
    let fixture = fixture(&db, json!([])).await;
    let (roles, manage) = (roles(&db), permit::<RoleManage>(&db, &fixture, fixture.admin).await);
    let name = |name: &str| name.parse().unwrap();
    let made = roles.create(&manage, &name("Käufer")).await.unwrap();
    assert_eq!((made.name.as_str(), made.is_system, made.members), ("Käufer", false, 0));
    for taken in ["KÄUFER", "Admin", "member"] {
        assert_eq!(roles.create(&manage, &name(taken)).await.label(), "taken", "{taken}");
        assert_eq!(roles.rename(&manage, fixture.role, &name(taken)).await.label(), "taken", "{taken}");
    }
    assert_eq!(roles.rename(&manage, made.id, &name("käufer")).await.unwrap().name, "käufer");
    for system in [fixture.tenant.admin_role, fixture.tenant.member_role] {
        assert_eq!(roles.rename(&manage, system, &name("Other")).await.label(), "system");
        assert_eq!(roles.delete(&manage, system).await.label(), "system");
    }
    assert_eq!(roles.delete(&manage, fixture.role).await.label(), "in use");
    insert_policy(&db, &fixture.tenant, Some(made.id), &json!(["deny", "user", "read"])).await;
    let before = stored_policies(&db).await.len();
    roles.delete(&manage, made.id).await.unwrap();
    assert_eq!(stored_policies(&db).await.len(), before - 1, "its policies go with it");
    assert_eq!(roles.delete(&manage, made.id).await.label(), "no role");
    let listed = roles.list(&permit(&db, &fixture, fixture.admin).await).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|role| (role.id, role.is_system, role.members)).collect();
    let (admin, member) = (fixture.tenant.admin_role, fixture.tenant.member_role);
    assert_eq!(listed, [(admin, true, 1), (member, true, 0), (fixture.role, false, 1)]);
}

#[rstest]
#[tokio::test]
async fn policies_are_canonical_and_unique(#[future(awt)] db: TestDb) {
    let fixture = fixture(&db, json!([])).await;
    let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &fixture, fixture.admin).await);
    let twice = json!({"client_addr": ["10.0.0.0/8", "2001:db8::/32", "10.0.0.0/8"]});
    let made = policies
        .create(&write, &draft(Some(fixture.role), Effect::Allow, ("role", &["read", "manage", "read"]), twice))
        .await
        .unwrap();
    assert_eq!(
        (made.resource.as_str(), made.verbs.as_slice()),
        ("role", &["manage".to_owned(), "read".to_owned()][..])
    );
    assert_eq!(made.role.as_ref().unwrap().id, fixture.role);
    let read = permit::<PolicyRead>(&db, &fixture, fixture.admin).await;
    assert_eq!(policies.get(&read, made.id).await.unwrap(), made);
    let again = draft(Some(fixture.role), Effect::Allow, ("role", &["manage", "read"]), made.condition.clone().unwrap());
    assert_eq!(policies.create(&write, &again).await.label(), "exists");
    assert!(policies.create(&write, &PolicyDraft { condition: None, ..again }).await.is_ok());
    let mut listed = policies.list(&read, None, 100).await.unwrap();
    assert!(listed.is_sorted_by_key(|policy| policy.id));
    let rest = policies.list(&read, Some(listed[1].id), 100).await.unwrap();
    assert_eq!(rest, listed.split_off(2));
}

#[rstest]
#[tokio::test]
async fn patch_leaves_omitted_fields(#[future(awt)] db: TestDb) {
    let fixture = fixture(&db, json!([])).await;
    let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &fixture, fixture.admin).await);
    let owner = json!({"owner": {}});
    let made = policies
        .create(&write, &draft(Some(fixture.role), Effect::Allow, ("user", &["read"]), owner.clone()))
        .await
        .unwrap();
    let mut expected = made.clone();
    let none = PolicyChange::default;
    for change in [
        PolicyChange { effect: Some(Effect::Deny), ..none() },
        PolicyChange { target: Some(target("role", &["*"])), ..none() },
        PolicyChange { condition: Some(Some(json!({"plan": "pro"}))), ..none() },
        PolicyChange { effect: Some(Effect::Allow), ..none() },
        PolicyChange { condition: Some(None), ..none() },
    ] {
        expected.effect = change.effect.unwrap_or(expected.effect);
        if let Some(target) = &change.target {
            expected.resource = target.resource().into();
            expected.verbs = target.verbs().iter().map(|verb| (*verb).into()).collect();
        }
        expected.condition = change.condition.clone().unwrap_or(expected.condition);
        assert_eq!(policies.update(&write, made.id, &change).await.unwrap(), expected);
    }
    // One that can't be read is kept as well.
    let unreadable = insert_policy(&db, &fixture.tenant, Some(fixture.role), &json!(["deny", "user", "read", {"moon": "full"}])).await;
    let deny = PolicyChange { target: Some(target("user", &["*"])), ..none() };
    assert_eq!(policies.update(&write, unreadable, &deny).await.unwrap().condition, Some(json!({"moon": "full"})));
}

#[rstest]
#[tokio::test]
async fn invalid_policy_changes_nothing(#[future(awt)] db: TestDb) {
    let fixture = fixture(&db, json!([["allow", "user", "read"]])).await;
    let template: uuid::Uuid = sqlx::query_scalar("SELECT id FROM policies WHERE is_template AND resource = 'user'")
        .fetch_one(&mut db.superuser().await)
        .await
        .unwrap();
    let template = PolicyId::from_uuid(template);
    let before = stored_policies(&db).await;
    let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &fixture, fixture.admin).await);
    for (condition, wrong) in [
        (json!({"moon": "full"}), ""),
        (json!({"all": [{"plan": 1}, {"owner": {"x": 1}}]}), "/all/0/plan /all/1/owner"),
        (json!([]), ""),
    ] {
        let draft = draft(None, Effect::Allow, ("user", &["read"]), condition.clone());
        assert_eq!(policies.create(&write, &draft).await.label(), wrong, "{condition}");
    }
    let narrow = PolicyChange { effect: Some(Effect::Deny), ..PolicyChange::default() };
    assert_eq!(policies.update(&write, template, &narrow).await.label(), "template");
    assert_eq!(policies.delete(&write, template).await.label(), "template");
    assert_eq!(policies.delete(&write, PolicyId::new()).await.label(), "no policy");
    assert_eq!(stored_policies(&db).await, before);
}

#[rstest]
#[tokio::test]
async fn policy_write_cannot_escalate(#[future(awt)] db: TestDb) {
    let writer = json!([
        ["allow", "policy", "*"],
        ["allow", "user", "read"],
        ["allow", "role", "read", {"client_addr": ["10.0.0.0/8"]}],
        ["deny", "policy", "read", {"plan": "free"}],
    ]);
    let fixture = fixture(&db, writer).await;
    let deny = insert_policy(&db, &fixture.tenant, Some(fixture.tenant.member_role), &json!(["deny", "*", "*"])).await;
    insert_policy(&db, &fixture.tenant, Some(fixture.tenant.member_role), &json!(["allow", "tenant", "read"])).await;
    let before = stored_policies(&db).await;
    let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &fixture, fixture.other).await);
    let (member, none) = (Some(fixture.tenant.member_role), PolicyChange::default);
    let address = json!({"client_addr": ["10.0.0.0/8"]});
    for (role, what, condition, lacks) in [
        (None, ("*", &["*"][..]), json!(null), "lacks *:*"),
        (None, ("user", &["*"]), json!(null), "lacks user:*"),
        (None, ("role", &["read"]), json!(null), "lacks role:read"),
        (None, ("role", &["read"]), json!({"client_addr": ["10.0.0.0/16"]}), "lacks role:read"),
        // What they are denied themselves, if only at times; and roles that aren't there yet are members' as well.
        (None, ("policy", &["*"]), json!(null), "lacks policy:*"),
        // Nor to themselves.
        (Some(fixture.role), ("member", &["update"]), json!({"owner": {}}), "lacks member:update"),
    ] {
        let draft = draft(role, Effect::Allow, what, condition);
        assert_eq!(policies.create(&write, &draft).await.label(), lacks, "{what:?}");
    }
    // Turned round, the deny would give what it took.
    for change in [
        PolicyChange { effect: Some(Effect::Allow), ..none() },
        PolicyChange {
            target: Some(target("*", &["*"])),
            condition: Some(Some(json!({"plan": "pro"}))),
            effect: Some(Effect::Allow),
        },
    ] {
        let word = policies.update(&write, deny, &change).await.label();
        assert!(["lacks *:*", "lacks tenant:read"].contains(&word.as_str()), "{word}");
    }
    assert_eq!(stored_policies(&db).await, before);
    let conditional = draft(None, Effect::Allow, ("role", &["read"]), address);
    assert_eq!(policies.create(&write, &conditional).await.label(), "done");
    // Of what it holds back from members, the writer hasn't all.
    assert_eq!(policies.delete(&write, deny).await.label(), "lacks tenant:read");
    let narrower = PolicyChange { target: Some(target("user", &["*"])), ..none() };
    assert_eq!(policies.update(&write, deny, &narrower).await.label(), "lacks tenant:read");
    let other = insert_policy(&db, &fixture.tenant, member, &json!(["deny", "user", "*"])).await;
    assert_eq!(policies.delete(&write, other).await.label(), "done");
}

#[rstest]
#[tokio::test]
async fn concurrent_demotions_keep_one_admin(#[future(awt)] db: TestDb) {
    let fixture = fixture(&db, json!([])).await;
    let mut admins = vec![fixture.admin];
    for _ in 1..30 {
        let admin = db.create_user().await;
        db.add_member(&fixture.tenant, admin, fixture.tenant.admin_role).await;
        admins.push(admin);
    }
    // All are let in before any of them does anything: 300 tries, each admin at ten others.
    let (mut permits, mut tasks) = (Vec::new(), JoinSet::new());
    for (place, admin) in admins.iter().enumerate() {
        for step in 1..=10 {
            let victim = admins[(place + step) % admins.len()];
            let remove = permit::<MemberRemove>(&db, &fixture, *admin).await;
            permits.push((step, victim, remove, permit::<MemberUpdate>(&db, &fixture, *admin).await));
        }
    }
    for (step, victim, remove, update) in permits {
        let (members, to) = (members(&db), fixture.tenant.member_role);
        tasks.spawn(async move {
            match step % 2 {
                0 => members.remove(&remove, victim).await.label(),
                _ => members.change_role(&update, victim, to).await.label(),
            }
        });
    }
    let outcomes = outcomes(tasks).await;
    let known = ["done", "no member", "gone", "last admin", "denied member:remove", "denied member:update"];
    assert!(outcomes.keys().all(|word| known.contains(&word.as_str())), "{outcomes:?}");
    assert_eq!(outcomes.values().sum::<usize>(), 300);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM memberships WHERE role_id = $1")
        .bind(fixture.tenant.admin_role.as_uuid())
        .fetch_one(&mut db.superuser().await)
        .await
        .unwrap();
    assert!(left >= 1, "{outcomes:?}");
    assert!(outcomes["done"] >= 15, "they did get at one another: {outcomes:?}");
}

#[rstest]
#[tokio::test]
async fn concurrent_leaves_keep_one_admin(#[future(awt)] db: TestDb) {
    let fixture = fixture(&db, json!([])).await;
    let mut admins = vec![fixture.admin];
    for _ in 1..40 {
        let admin = db.create_user().await;
        db.add_member(&fixture.tenant, admin, fixture.tenant.admin_role).await;
        admins.push(admin);
    }
    let mut tasks = JoinSet::new();
    for admin in admins {
        let (members, scope) = (members(&db), db.scope(admin, fixture.tenant.id).await.unwrap());
        tasks.spawn(async move { members.leave(&scope).await.label() });
    }
    assert_eq!(outcomes(tasks).await, counted([("done", 39), ("last admin", 1)]));
}

/// Bob may give roles and holds little; an admin widens a role while he gives it to hundreds.
#[rstest]
#[tokio::test]
async fn assignment_and_role_widening_are_serializable(#[future(awt)] db: TestDb) {
    let fixture = fixture(&db, json!([["allow", "member", "update"], ["allow", "user", "read"]])).await;
    let (plain, wide) = (fixture.tenant.member_role, db.create_role(&fixture.tenant, ["user", "read"]).await);
    let mut tasks = JoinSet::new();
    let mut users = Vec::new();
    for number in 0..200 {
        let user = db.create_user().await;
        db.add_member(&fixture.tenant, user, plain).await;
        users.push(user);
        let (members, update) = (members(&db), permit::<MemberUpdate>(&db, &fixture, fixture.other).await);
        tasks.spawn(async move { members.change_role(&update, user, wide).await.label() });
        if number == 20 {
            let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &fixture, fixture.admin).await);
            tasks.spawn(async move {
                let widen = draft(Some(wide), Effect::Allow, ("policy", &["*"]), json!(null));
                format!("widened: {}", policies.create(&write, &widen).await.label())
            });
        }
    }
    let outcomes = outcomes(tasks).await;
    let given = outcomes.get("done").copied().unwrap_or_default();
    let refused = outcomes.get("lacks policy:*").copied().unwrap_or_default();
    assert_eq!((outcomes["widened: done"], given + refused), (1, 200), "{outcomes:?}");
    let have: i64 = sqlx::query_scalar("SELECT count(*) FROM memberships WHERE role_id = $1")
        .bind(wide.as_uuid())
        .fetch_one(&mut db.superuser().await)
        .await
        .unwrap();
    assert_eq!(usize::try_from(have).unwrap(), given);
    // From then on, nobody.
    let late = permit(&db, &fixture, fixture.other).await;
    assert_eq!(members(&db).change_role(&late, fixture.other, wide).await.label(), "lacks policy:*");
}

#[rstest]
#[tokio::test]
async fn limits_hold_under_concurrency(#[future(awt)] db: TestDb) {
    let fixture = fixture(&db, json!([])).await;
    // Three roles and three policies are there.
    sqlx::query(
        "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, digest)
         SELECT $1, gen_random_uuid(), $2, 'allow', 'made-up', '{read}', sha256(n::text::bytea) FROM generate_series(1, 980) AS n",
    )
    .bind(fixture.tenant.id.as_uuid())
    .bind(fixture.role.as_uuid())
    .execute(&mut db.superuser().await)
    .await
    .unwrap();
    let (mut making, mut writing, mut same) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
    for number in 0..110 {
        let (roles, manage) = (roles(&db), permit::<RoleManage>(&db, &fixture, fixture.admin).await);
        making.spawn(async move { roles.create(&manage, &format!("role {number}").parse().unwrap()).await.label() });
    }
    assert_eq!(outcomes(making).await, counted([("done", 97), ("more than 100", 13)]));
    for number in 0..30 {
        let role = fixture.role;
        let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &fixture, fixture.admin).await);
        let feature = json!({"feature": format!("feature-{}", number.max(10))});
        writing.spawn(async move {
            policies.create(&write, &draft(Some(role), Effect::Allow, ("user", &["read"]), feature)).await.label()
        });
    }
    let words = outcomes(writing).await;
    assert_eq!((words["done"], words.values().sum::<usize>()), (17, 30), "{words:?}");
    sqlx::raw_sql("DELETE FROM policies WHERE resource = 'made-up'").execute(&mut db.superuser().await).await.unwrap();
    for _ in 0..50 {
        let role = fixture.role;
        let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &fixture, fixture.admin).await);
        same.spawn(async move {
            policies.create(&write, &draft(Some(role), Effect::Allow, ("role", &["read"]), json!(null))).await.label()
        });
    }
    assert_eq!(outcomes(same).await, counted([("done", 1), ("exists", 49)]));
}
