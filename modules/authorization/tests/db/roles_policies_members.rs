//! Changing members, roles and policies: permissions, the escalation check, limits and concurrency.

use std::sync::Arc;

use authorization_api::{
    ChangeError, Effect, MemberRemove, MemberUpdate, Members, MembersError, Policies, PoliciesError, PolicyChange,
    PolicyDraft, PolicyManage, PolicyRead, PolicyTarget, RoleManage, RoleName, RoleRead, Roles, RolesError, UserRead,
};
use kernel::{Permission, PermissionInfo, Permit, PolicyId, RoleId, UserId};
use rstest::rstest;
use serde_json::{Value, json};
use shaku::HasComponent;
use test_support::{TestDb, TestTenant, test_db};
use tokio::task::JoinSet;

use crate::helpers::{counted, module, outcomes};

static PERMISSIONS: [PermissionInfo; 7] = [
    UserRead::INFO,
    MemberUpdate::INFO,
    MemberRemove::INFO,
    RoleRead::INFO,
    RoleManage::INFO,
    PolicyRead::INFO,
    PolicyManage::INFO,
];

// What to do if a test fails.
const LOCK: &str = "lock the tenant before reading, and commit the transaction";
const UNCHANGED: &str = "a rejected change changes nothing: check before writing, or roll back";

fn members(db: &TestDb) -> Arc<dyn Members> {
    module(db).resolve()
}

fn roles(db: &TestDb) -> Arc<dyn Roles> {
    module(db).resolve()
}

fn policies(db: &TestDb) -> Arc<dyn Policies> {
    module(db).resolve()
}

/// A tenant with an admin and a member with a custom role.
struct Fixture {
    tenant: TestTenant,
    admin: UserId,
    other: UserId,
    role: RoleId,
}

/// `policies` are those of the custom role, each as an array: effect, resource, verbs, condition.
async fn fixture(db: &TestDb, policies: Value) -> Fixture {
    let tenant = db.create_tenant().await;
    let admin = db.create_member(&tenant, tenant.admin_role).await;
    let role = db.create_role(&tenant, ["nothing", "nothing"]).await;
    let other = db.create_member(&tenant, role).await;
    for policy in policies.as_array().unwrap() {
        insert_policy(db, &tenant, Some(role), policy).await;
    }
    Fixture { tenant, admin, other, role }
}

/// Inserts a policy by SQL, without the module's checks.
async fn insert_policy(db: &TestDb, tenant: &TestTenant, role: Option<RoleId>, policy: &Value) -> PolicyId {
    let id = PolicyId::new();
    let verbs: Vec<&str> = policy[2].as_str().unwrap().split(' ').collect();
    sqlx::query(
        "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, condition, digest)
         VALUES ($1, $2, $3, $4::policy_effect, $5, $6, $7, sha256($2::text::bytea))",
    )
    .bind(tenant.id.as_uuid())
    .bind(id.as_uuid())
    .bind(role.map(RoleId::as_uuid))
    .bind(policy[0].as_str())
    .bind(policy[1].as_str())
    .bind(verbs)
    .bind(Some(&policy[3]).filter(|condition| !condition.is_null()))
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

/// A short label for each kind of outcome.
trait Outcome {
    fn label(&self) -> String;
}

impl Outcome for ChangeError {
    fn label(&self) -> String {
        match self {
            Self::NoLongerMember => "no longer a member".into(),
            Self::Denied(denial) => format!("denied {}", denial.permission.name),
            Self::PrivilegeEscalation { permission } => format!("lacks {permission}"),
            Self::RemovalNotPermitted { permission } => format!("can't take away {permission}"),
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
            Self::Change(error) => error.label(),
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
            Self::Change(error) => error.label(),
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
            Self::ConditionLimitReached { limit } => format!("conditions over {limit}"),
            Self::InvalidCondition(errors) => {
                errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>().join(" ")
            }
            Self::Change(error) => error.label(),
            Self::Db(error) => panic!("{error:?}"),
        }
    }
}

impl<T, E: Outcome> Outcome for Result<T, E> {
    fn label(&self) -> String {
        self.as_ref().map_or_else(Outcome::label, |_| "Ok".into())
    }
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

/// Returns all policies in the database, as text.
async fn stored_policies(db: &TestDb) -> Vec<String> {
    sqlx::query_scalar("SELECT p::text FROM policies AS p ORDER BY id")
        .fetch_all(&mut db.superuser().await)
        .await
        .unwrap()
}

#[rstest]
#[tokio::test]
async fn role_assignment_requires_its_permissions(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([["allow", "member", "update"], ["allow", "user", "read"]])).await;
    let other_member = test_db.create_member(&fixture.tenant, fixture.role).await;
    let assign = async |by: UserId, to: UserId, role: RoleId| {
        members(&test_db).update_role(&permit(&test_db, &fixture, by).await, to, role).await
    };
    assert_eq!(
        assign(fixture.other, other_member, fixture.tenant.member_role).await.unwrap().role.id,
        fixture.tenant.member_role
    );
    // Neither for another member nor for themselves.
    for to in [other_member, fixture.other] {
        assert_eq!(assign(fixture.other, to, fixture.tenant.admin_role).await.label(), "lacks *:*");
    }
    assert_eq!(role_of(&test_db, &fixture, other_member).await, Some(fixture.tenant.member_role));
    assert_eq!(assign(fixture.admin, other_member, fixture.tenant.admin_role).await.label(), "Ok");
    assert_eq!(role_of(&test_db, &fixture, other_member).await, Some(fixture.tenant.admin_role));
    // Demoting an admin takes away what only an admin has.
    assert_eq!(assign(fixture.other, other_member, fixture.tenant.member_role).await.label(), "can't take away *:*");
    assert_eq!(role_of(&test_db, &fixture, other_member).await, Some(fixture.tenant.admin_role));
    assert_eq!(assign(fixture.admin, other_member, fixture.tenant.member_role).await.label(), "Ok");
}

#[rstest]
#[tokio::test]
async fn removal_requires_removed_permissions(#[future(awt)] test_db: TestDb) {
    let manager = json!([
        ["allow", "member", "*"],
        ["allow", "policy", "*"],
        ["allow", "user", "read"],
        ["allow", "role", "read", {"client_addr": ["10.0.0.0/8"]}],
        ["deny", "tenant", "read", {"plan": "pro"}],
    ]);
    let fixture = fixture(&test_db, manager).await;
    // So that no change is rejected because of the last admin.
    let full = test_db.create_role(&fixture.tenant, ["*", "*"]).await;
    test_db.create_member(&fixture.tenant, full).await;
    let (members, policies) = (members(&test_db), policies(&test_db));
    let remove = permit::<MemberRemove>(&test_db, &fixture, fixture.other).await;
    let write = permit::<PolicyManage>(&test_db, &fixture, fixture.other).await;

    let (reader, archiver) = (
        test_db.create_role(&fixture.tenant, ["user", "read"]).await,
        test_db.create_role(&fixture.tenant, ["tenant", "archive"]).await,
    );
    let conditional = insert_policy(
        &test_db,
        &fixture.tenant,
        Some(reader),
        &json!(["allow", "role", "read", {"client_addr": ["10.0.0.0/8"]}]),
    )
    .await;
    for (role, expected) in [
        (fixture.tenant.admin_role, "can't take away *:*"),
        (archiver, "can't take away tenant:archive"),
        (fixture.role, "Ok"),
        (reader, "Ok"),
        (fixture.tenant.member_role, "Ok"),
    ] {
        let member = test_db.create_member(&fixture.tenant, role).await;
        assert_eq!(members.remove(&remove, member).await.label(), expected);
        let left = (expected != "Ok").then_some(role);
        assert_eq!(role_of(&test_db, &fixture, member).await, left, "{expected}");
    }
    // A deny, and deleting or narrowing an allow, take permissions away as well.
    let before = stored_policies(&test_db).await;
    for (role, resource, expected) in [
        (Some(fixture.tenant.admin_role), "role", "can't take away role:read"),
        (Some(archiver), "user", "Ok"),
        (None, "role", "can't take away role:read"),
    ] {
        let deny = draft(role, Effect::Deny, (resource, &["read"]), json!(null));
        assert_eq!(policies.create(&write, &deny).await.label(), expected, "{role:?} {resource}");
    }
    let read_deny = draft(Some(fixture.tenant.admin_role), Effect::Deny, ("user", &["read"]), json!(null));
    let read_deny = policies.create(&write, &read_deny).await.unwrap();
    policies.delete(&write, read_deny.id).await.unwrap();
    assert_eq!(stored_policies(&test_db).await.len(), before.len() + 1);
    let archive = insert_policy(&test_db, &fixture.tenant, Some(reader), &json!(["allow", "tenant", "archive"])).await;
    assert_eq!(policies.delete(&write, archive).await.label(), "can't take away tenant:archive");
    let narrow = PolicyChange { condition: Some(Some(json!({"owner": {}}))), ..PolicyChange::default() };
    assert_eq!(policies.update(&write, archive, &narrow).await.label(), "can't take away tenant:archive");
    assert_eq!(policies.delete(&write, conditional).await.label(), "Ok");
    // Leaving the tenant requires nothing.
    let scope = test_db.scope(fixture.other, fixture.tenant.id).await.unwrap();
    assert_eq!(members.leave(&scope).await.label(), "Ok");
}

#[rstest]
#[tokio::test]
async fn other_tenants_roles_and_members_are_not_found(#[future(awt)] test_db: TestDb) {
    let (here, there) = (fixture(&test_db, json!([])).await, fixture(&test_db, json!([])).await);
    let update = permit(&test_db, &here, here.admin).await;
    for (user, role, outcome) in [
        (there.other, here.role, "no member"),
        (UserId::new(), here.role, "no member"),
        (here.other, there.role, "no role"),
        (here.other, RoleId::new(), "no role"),
    ] {
        assert_eq!(members(&test_db).update_role(&update, user, role).await.label(), outcome);
    }
    let remove = permit::<MemberRemove>(&test_db, &here, here.admin).await;
    assert_eq!(members(&test_db).remove(&remove, there.other).await.label(), "no member");
    let manage = permit::<RoleManage>(&test_db, &here, here.admin).await;
    assert_eq!(roles(&test_db).delete(&manage, there.role).await.label(), "no role");
    let (write, policy) = (
        permit::<PolicyManage>(&test_db, &here, here.admin).await,
        insert_policy(&test_db, &there.tenant, None, &json!(["allow", "user", "read"])).await,
    );
    assert_eq!(policies(&test_db).delete(&write, policy).await.label(), "no policy");
    let foreign = draft(Some(there.role), Effect::Allow, ("user", &["read"]), json!(null));
    assert_eq!(policies(&test_db).create(&write, &foreign).await.label(), "no role");
    assert_eq!(
        (role_of(&test_db, &there, there.other).await, role_of(&test_db, &here, here.other).await),
        (Some(there.role), Some(here.role))
    );
}

#[rstest]
#[tokio::test]
async fn leaving_a_denied_role_counts_as_grant(#[future(awt)] test_db: TestDb) {
    let fixture =
        fixture(&test_db, json!([["allow", "member", "update"], ["allow", "role", "read"], ["allow", "user", "read"]]))
            .await;
    let (denied, free) = (
        test_db.create_role(&fixture.tenant, ["*", "*"]).await,
        test_db.create_role(&fixture.tenant, ["*", "*"]).await,
    );
    insert_policy(&test_db, &fixture.tenant, Some(denied), &json!(["deny", "policy", "*"])).await;
    let denied_member = test_db.create_member(&fixture.tenant, denied).await;
    let update = permit(&test_db, &fixture, fixture.other).await;
    assert_eq!(members(&test_db).update_role(&update, denied_member, free).await.label(), "lacks policy:*");
    // Moving a member into the denied role takes the permission away.
    let other = test_db.create_member(&fixture.tenant, free).await;
    assert_eq!(members(&test_db).update_role(&update, other, denied).await.label(), "can't take away policy:*");
}

#[rstest]
#[tokio::test]
async fn permission_is_rechecked_after_lock(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([["allow", "*", "*"]])).await;
    let other_member = test_db.create_member(&fixture.tenant, fixture.tenant.member_role).await;
    let (remove, update, write) = (
        permit::<MemberRemove>(&test_db, &fixture, fixture.other).await,
        permit::<MemberUpdate>(&test_db, &fixture, fixture.other).await,
        permit::<PolicyManage>(&test_db, &fixture, fixture.other).await,
    );
    let admin_permit = permit(&test_db, &fixture, fixture.admin).await;
    members(&test_db).update_role(&admin_permit, fixture.other, fixture.tenant.member_role).await.unwrap();
    assert_eq!(members(&test_db).remove(&remove, other_member).await.label(), "denied member:remove");
    assert_eq!(
        members(&test_db).update_role(&update, fixture.other, fixture.tenant.admin_role).await.label(),
        "denied member:update"
    );
    let everything = draft(Some(fixture.tenant.member_role), Effect::Allow, ("*", &["*"]), json!(null));
    assert_eq!(policies(&test_db).create(&write, &everything).await.label(), "denied policy:manage");
    // The caller is no longer a member, or the tenant is archived.
    members(&test_db).remove(&permit(&test_db, &fixture, fixture.admin).await, fixture.other).await.unwrap();
    assert_eq!(members(&test_db).remove(&remove, other_member).await.label(), "no longer a member");
    let late = permit::<MemberRemove>(&test_db, &fixture, fixture.admin).await;
    test_db.execute("UPDATE tenants SET status = 'archived'").await;
    assert_eq!(members(&test_db).remove(&late, other_member).await.label(), "no longer a member");
    assert_eq!(role_of(&test_db, &fixture, other_member).await, Some(fixture.tenant.member_role));
}

#[rstest]
#[tokio::test]
async fn last_admin_cannot_be_removed(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([["allow", "*", "*", {"plan": "free"}]])).await;
    let (members, policies) = (members(&test_db), policies(&test_db));
    let update = permit::<MemberUpdate>(&test_db, &fixture, fixture.admin).await;
    let remove = permit::<MemberRemove>(&test_db, &fixture, fixture.admin).await;
    let write = permit::<PolicyManage>(&test_db, &fixture, fixture.admin).await;
    // A member with conditional permissions and a deactivated admin don't count as admins.
    let deactivated = test_db.create_member(&fixture.tenant, fixture.tenant.admin_role).await;
    sqlx::query("UPDATE users SET deactivated_at = now() WHERE id = $1")
        .bind(deactivated.as_uuid())
        .execute(&mut test_db.superuser().await)
        .await
        .unwrap();
    let scope = test_db.scope(fixture.admin, fixture.tenant.id).await.unwrap();
    assert_eq!(members.update_role(&update, fixture.admin, fixture.role).await.label(), "last admin");
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
    // A deny whose condition never matches the admin is allowed.
    let others = json!({"attribute": {"name": "subject.role", "is": fixture.role}});
    assert_eq!(policies.create(&write, &draft(None, Effect::Deny, ("user", &["read"]), others)).await.label(), "Ok");
    // With another admin, the first one can leave.
    test_db.create_member(&fixture.tenant, fixture.tenant.admin_role).await;
    assert_eq!(members.leave(&scope).await.label(), "Ok");
    assert_eq!(role_of(&test_db, &fixture, fixture.admin).await, None);
}

#[rstest]
#[tokio::test]
async fn custom_role_lifecycle(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([])).await;
    let (roles, manage) = (roles(&test_db), permit::<RoleManage>(&test_db, &fixture, fixture.admin).await);
    let name = |name: &str| name.parse().unwrap();
    let created = roles.create(&manage, &name("Käufer")).await.unwrap();
    assert_eq!((created.name.as_str(), created.is_system, created.members), ("Käufer", false, 0));
    let look_alikes = ["\u{ff21}\u{ff44}\u{ff4d}\u{ff49}\u{ff4e}", "admin\u{fe0f}", "memb\u{212f}r", "Ka\u{308}ufer"];
    for taken in ["KÄUFER", "Admin", "member"].into_iter().chain(look_alikes) {
        assert_eq!(roles.create(&manage, &name(taken)).await.label(), "taken", "{taken}");
        assert_eq!(roles.rename(&manage, fixture.role, &name(taken)).await.label(), "taken", "{taken}");
    }
    assert_eq!(roles.rename(&manage, created.id, &name("käufer")).await.unwrap().name, name("käufer"));
    for system in [fixture.tenant.admin_role, fixture.tenant.member_role] {
        assert_eq!(roles.rename(&manage, system, &name("Other")).await.label(), "system");
        assert_eq!(roles.delete(&manage, system).await.label(), "system");
    }
    assert_eq!(roles.delete(&manage, fixture.role).await.label(), "in use");
    insert_policy(&test_db, &fixture.tenant, Some(created.id), &json!(["deny", "user", "read"])).await;
    let before = stored_policies(&test_db).await.len();
    roles.delete(&manage, created.id).await.unwrap();
    assert_eq!(stored_policies(&test_db).await.len(), before - 1, "the role's policies are deleted");
    assert_eq!(roles.delete(&manage, created.id).await.label(), "no role");
    let listed = roles.list(&permit(&test_db, &fixture, fixture.admin).await).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|role| (role.id, role.is_system, role.members)).collect();
    let (admin, member) = (fixture.tenant.admin_role, fixture.tenant.member_role);
    assert_eq!(listed, [(admin, true, 1), (member, true, 0), (fixture.role, false, 1)]);
}

/// The CHECK constraints reject what hides or reorders text, and accept every name that the types accept.
#[rstest]
#[tokio::test]
async fn names_match_check_constraints(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([])).await;
    let mut superuser = test_db.superuser().await;
    for (update, is_key) in [
        ("UPDATE roles SET name = $2 WHERE tenant_id = $1 AND NOT is_system", false),
        ("UPDATE tenants SET name = $2 WHERE id = $1", false),
        ("UPDATE roles SET name_key = $2 WHERE tenant_id = $1 AND NOT is_system", true),
    ] {
        let common = ["", "e\u{301}"];
        let names = ["admin\u{200b}", "\u{202e}nimda", "ad\u{ad}min", "a\u{2028}b", "a\tb", " admin", "\u{feff}a"];
        let keys = ["Admin", "\u{ff41}dmin", "\u{fb03}"];
        for text in common.into_iter().chain(if is_key { &keys[..] } else { &names }.iter().copied()) {
            let rejected = sqlx::query(update).bind(fixture.tenant.id.as_uuid()).bind(text);
            let error = rejected.execute(&mut superuser).await.unwrap_err();
            assert_eq!(error.as_database_error().unwrap().code().unwrap(), "23514", "{update} {text:?}");
        }
    }
    // All characters but the large blocks of ideographs and Hangul syllables, which behave alike.
    let is_alike = |c: &char| matches!(c, '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{17000}'..='\u{18fff}' | '\u{20000}'..='\u{dffff}');
    let names = ('\0'..=char::MAX).filter(|c| !is_alike(c)).map(|c| format!("a{c}\u{323}\u{301}"));
    let accepted: Vec<RoleName> = names.filter_map(|name| name.parse().ok()).collect();
    assert!(accepted.len() > 30_000, "{}", accepted.len());
    let (names, keys): (Vec<_>, Vec<_>) = accepted.iter().map(|name| (name.as_str(), name.key())).unzip();
    // The version of Unicode may be older than that of the program.
    let rejected = "SELECT count(*) FROM unnest($1::text[], $2::text[]) AS n (name, key)
        WHERE NOT is_normalized_name(name) OR key IS NOT NFKC NORMALIZED OR key <> lower(key COLLATE \"C\")";
    let rejected: i64 = sqlx::query_scalar(rejected).bind(names).bind(keys).fetch_one(&mut superuser).await.unwrap();
    assert_eq!(rejected, 0, "names that the program accepts and the database rejects");

    let (roles, manage) = (roles(&test_db), permit::<RoleManage>(&test_db, &fixture, fixture.admin).await);
    // The key of the last one has 288 characters of 2 bytes; the one before has the most bytes of all keys.
    for text in ["Zoe\u{308}", "\u{1f469}\u{200d}\u{1f680}", &"\u{1f680}".repeat(100), &"\u{fdfa}".repeat(16)] {
        roles.create(&manage, &text.parse().unwrap()).await.unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn policies_are_canonical_and_unique(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([])).await;
    let (policies, write) = (policies(&test_db), permit::<PolicyManage>(&test_db, &fixture, fixture.admin).await);
    let with_duplicate = json!({"client_addr": ["10.0.0.0/8", "2001:db8::/32", "10.0.0.0/8"]});
    let created = policies
        .create(
            &write,
            &draft(Some(fixture.role), Effect::Allow, ("role", &["read", "manage", "read"]), with_duplicate),
        )
        .await
        .unwrap();
    assert_eq!(
        (created.resource.as_str(), created.verbs.as_slice()),
        ("role", &["manage".to_owned(), "read".to_owned()][..])
    );
    assert_eq!(created.role.as_ref().unwrap().id, fixture.role);
    let read = permit::<PolicyRead>(&test_db, &fixture, fixture.admin).await;
    assert_eq!(policies.get(&read, created.id).await.unwrap(), created);
    let again =
        draft(Some(fixture.role), Effect::Allow, ("role", &["manage", "read"]), created.condition.clone().unwrap());
    assert_eq!(policies.create(&write, &again).await.label(), "exists");
    assert!(policies.create(&write, &PolicyDraft { condition: None, ..again }).await.is_ok());
    let mut listed = policies.list(&read, None, 100).await.unwrap();
    assert!(listed.is_sorted_by_key(|policy| policy.id));
    let rest = policies.list(&read, Some(listed[1].id), 100).await.unwrap();
    assert_eq!(rest, listed.split_off(2));
}

#[rstest]
#[tokio::test]
async fn patch_leaves_omitted_fields(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([])).await;
    let (policies, write) = (policies(&test_db), permit::<PolicyManage>(&test_db, &fixture, fixture.admin).await);
    let owner = json!({"owner": {}});
    let created = policies
        .create(&write, &draft(Some(fixture.role), Effect::Allow, ("user", &["read"]), owner.clone()))
        .await
        .unwrap();
    let mut expected = created.clone();
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
        assert_eq!(policies.update(&write, created.id, &change).await.unwrap(), expected);
    }
    // An invalid condition is kept as well.
    let invalid = insert_policy(
        &test_db,
        &fixture.tenant,
        Some(fixture.role),
        &json!(["deny", "user", "read", {"unknown": "x"}]),
    )
    .await;
    let deny = PolicyChange { target: Some(target("user", &["*"])), ..none() };
    assert_eq!(policies.update(&write, invalid, &deny).await.unwrap().condition, Some(json!({"unknown": "x"})));
}

#[rstest]
#[tokio::test]
async fn invalid_policy_changes_nothing(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([["allow", "user", "read"]])).await;
    let template: uuid::Uuid = sqlx::query_scalar("SELECT id FROM policies WHERE is_template AND resource = 'user'")
        .fetch_one(&mut test_db.superuser().await)
        .await
        .unwrap();
    let template = PolicyId::from_uuid(template);
    let before = stored_policies(&test_db).await;
    let (policies, write) = (policies(&test_db), permit::<PolicyManage>(&test_db, &fixture, fixture.admin).await);
    for (condition, pointers) in [
        (json!({"unknown": "x"}), ""),
        (json!({"all": [{"plan": 1}, {"owner": {"x": 1}}]}), "/all/0/plan /all/1/owner"),
        (json!([]), ""),
    ] {
        let draft = draft(None, Effect::Allow, ("user", &["read"]), condition.clone());
        assert_eq!(policies.create(&write, &draft).await.label(), pointers, "{condition}");
    }
    let narrow = PolicyChange { effect: Some(Effect::Deny), ..PolicyChange::default() };
    assert_eq!(policies.update(&write, template, &narrow).await.label(), "template");
    assert_eq!(policies.delete(&write, template).await.label(), "template");
    assert_eq!(policies.delete(&write, PolicyId::new()).await.label(), "no policy");
    assert_eq!(stored_policies(&test_db).await, before, "{UNCHANGED}");
}

#[rstest]
#[tokio::test]
async fn policy_write_cannot_escalate(#[future(awt)] test_db: TestDb) {
    let writer = json!([
        ["allow", "policy", "*"],
        ["allow", "user", "read"],
        ["allow", "role", "read", {"client_addr": ["10.0.0.0/8"]}],
        ["deny", "policy", "read", {"plan": "free"}],
    ]);
    let fixture = fixture(&test_db, writer).await;
    let deny =
        insert_policy(&test_db, &fixture.tenant, Some(fixture.tenant.member_role), &json!(["deny", "*", "*"])).await;
    insert_policy(&test_db, &fixture.tenant, Some(fixture.tenant.member_role), &json!(["allow", "tenant", "read"]))
        .await;
    let before = stored_policies(&test_db).await;
    let (policies, write) = (policies(&test_db), permit::<PolicyManage>(&test_db, &fixture, fixture.other).await);
    let (member, none) = (Some(fixture.tenant.member_role), PolicyChange::default);
    let address = json!({"client_addr": ["10.0.0.0/8"]});
    for (role, target, condition, expected) in [
        (None, ("*", &["*"][..]), json!(null), "lacks *:*"),
        (None, ("user", &["*"]), json!(null), "lacks user:*"),
        (None, ("role", &["read"]), json!(null), "lacks role:read"),
        (None, ("role", &["read"]), json!({"client_addr": ["10.0.0.0/16"]}), "lacks role:read"),
        // The writer has a conditional deny on it. A tenant-wide policy also applies to future roles, which have no
        // such deny.
        (None, ("policy", &["*"]), json!(null), "lacks policy:*"),
        // The writer's own role.
        (Some(fixture.role), ("member", &["update"]), json!({"owner": {}}), "lacks member:update"),
    ] {
        let draft = draft(role, Effect::Allow, target, condition);
        assert_eq!(policies.create(&write, &draft).await.label(), expected, "{target:?}");
    }
    // Inverting the deny would grant what it denied.
    for change in [
        PolicyChange { effect: Some(Effect::Allow), ..none() },
        PolicyChange {
            target: Some(target("*", &["*"])),
            condition: Some(Some(json!({"plan": "pro"}))),
            effect: Some(Effect::Allow),
        },
    ] {
        let label = policies.update(&write, deny, &change).await.label();
        assert!(["lacks *:*", "lacks tenant:read"].contains(&label.as_str()), "{label}");
    }
    assert_eq!(stored_policies(&test_db).await, before, "{UNCHANGED}");
    let conditional = draft(None, Effect::Allow, ("role", &["read"]), address);
    assert_eq!(policies.create(&write, &conditional).await.label(), "Ok");
    // Deleting or narrowing the deny would grant members a permission that the writer doesn't have.
    assert_eq!(policies.delete(&write, deny).await.label(), "lacks tenant:read");
    let narrower = PolicyChange { target: Some(target("user", &["*"])), ..none() };
    assert_eq!(policies.update(&write, deny, &narrower).await.label(), "lacks tenant:read");
    let other = insert_policy(&test_db, &fixture.tenant, member, &json!(["deny", "user", "*"])).await;
    assert_eq!(policies.delete(&write, other).await.label(), "Ok");
}

#[rstest]
#[tokio::test]
async fn concurrent_demotions_keep_one_admin(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([])).await;
    let mut admins = vec![fixture.admin];
    for _ in 1..30 {
        admins.push(test_db.create_member(&fixture.tenant, fixture.tenant.admin_role).await);
    }
    // All permits are obtained before the first change. Each of the 30 admins demotes or removes ten others.
    let (mut permits, mut tasks) = (Vec::new(), JoinSet::new());
    for (index, admin) in admins.iter().enumerate() {
        for step in 1..=10 {
            let victim = admins[(index + step) % admins.len()];
            let remove = permit::<MemberRemove>(&test_db, &fixture, *admin).await;
            permits.push((step, victim, remove, permit::<MemberUpdate>(&test_db, &fixture, *admin).await));
        }
    }
    for (step, victim, remove, update) in permits {
        let (members, to) = (members(&test_db), fixture.tenant.member_role);
        tasks.spawn(async move {
            match step % 2 {
                0 => members.remove(&remove, victim).await.label(),
                _ => members.update_role(&update, victim, to).await.label(),
            }
        });
    }
    let outcomes = outcomes(tasks).await;
    let known = ["Ok", "no member", "no longer a member", "last admin", "denied member:remove", "denied member:update"];
    assert!(outcomes.keys().all(|label| known.contains(&label.as_str())), "{outcomes:?}");
    assert_eq!(outcomes.values().sum::<usize>(), 300);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM memberships WHERE role_id = $1")
        .bind(fixture.tenant.admin_role.as_uuid())
        .fetch_one(&mut test_db.superuser().await)
        .await
        .unwrap();
    assert!(left >= 1, "a tenant keeps an admin: {LOCK}; {outcomes:?}");
    assert!(outcomes["Ok"] >= 15, "too few changes succeeded: {outcomes:?}");
}

#[rstest]
#[tokio::test]
async fn concurrent_leaves_keep_one_admin(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([])).await;
    let mut admins = vec![fixture.admin];
    for _ in 1..40 {
        admins.push(test_db.create_member(&fixture.tenant, fixture.tenant.admin_role).await);
    }
    let mut tasks = JoinSet::new();
    for admin in admins {
        let (members, scope) = (members(&test_db), test_db.scope(admin, fixture.tenant.id).await.unwrap());
        tasks.spawn(async move { members.leave(&scope).await.label() });
    }
    assert_eq!(outcomes(tasks).await, counted([("Ok", 39), ("last admin", 1)]), "a tenant keeps an admin: {LOCK}");
}

/// An admin widens a role while another member, who doesn't have the new permission, assigns it to 200 members.
#[rstest]
#[tokio::test]
async fn assignment_and_role_widening_are_serializable(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([["allow", "member", "update"], ["allow", "user", "read"]])).await;
    let (plain, wide) = (fixture.tenant.member_role, test_db.create_role(&fixture.tenant, ["user", "read"]).await);
    let mut tasks = JoinSet::new();
    let mut users = Vec::new();
    for number in 0..200 {
        let user = test_db.create_member(&fixture.tenant, plain).await;
        users.push(user);
        let (members, update) = (members(&test_db), permit::<MemberUpdate>(&test_db, &fixture, fixture.other).await);
        tasks.spawn(async move { members.update_role(&update, user, wide).await.label() });
        if number == 20 {
            let (policies, write) =
                (policies(&test_db), permit::<PolicyManage>(&test_db, &fixture, fixture.admin).await);
            tasks.spawn(async move {
                let widen = draft(Some(wide), Effect::Allow, ("policy", &["*"]), json!(null));
                format!("widened: {}", policies.create(&write, &widen).await.label())
            });
        }
    }
    let outcomes = outcomes(tasks).await;
    let assigned = outcomes.get("Ok").copied().unwrap_or_default();
    let rejected = outcomes.get("lacks policy:*").copied().unwrap_or_default();
    assert_eq!((outcomes["widened: Ok"], assigned + rejected), (1, 200), "{outcomes:?}");
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM memberships WHERE role_id = $1")
        .bind(wide.as_uuid())
        .fetch_one(&mut test_db.superuser().await)
        .await
        .unwrap();
    assert_eq!(usize::try_from(stored).unwrap(), assigned);
    // After the widening, no assignment succeeds.
    let late = permit(&test_db, &fixture, fixture.other).await;
    assert_eq!(members(&test_db).update_role(&late, fixture.other, wide).await.label(), "lacks policy:*");
}

#[rstest]
#[tokio::test]
async fn limits_are_enforced_concurrently(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([])).await;
    // The fixture has 3 roles and 3 policies.
    sqlx::query(
        "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, digest)
         SELECT $1, gen_random_uuid(), $2, 'allow', 'made-up', '{read}', sha256(n::text::bytea) FROM generate_series(1, 980) AS n",
    )
    .bind(fixture.tenant.id.as_uuid())
    .bind(fixture.role.as_uuid())
    .execute(&mut test_db.superuser().await)
    .await
    .unwrap();
    let (mut role_tasks, mut policy_tasks, mut duplicate_tasks) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
    for number in 0..110 {
        let (roles, manage) = (roles(&test_db), permit::<RoleManage>(&test_db, &fixture, fixture.admin).await);
        role_tasks
            .spawn(async move { roles.create(&manage, &format!("role {number}").parse().unwrap()).await.label() });
    }
    assert_eq!(outcomes(role_tasks).await, counted([("Ok", 97), ("more than 100", 13)]));
    for number in 0..30 {
        let role = fixture.role;
        let (policies, write) = (policies(&test_db), permit::<PolicyManage>(&test_db, &fixture, fixture.admin).await);
        let feature = json!({"feature": format!("feature-{}", number.max(10))});
        policy_tasks.spawn(async move {
            policies.create(&write, &draft(Some(role), Effect::Allow, ("user", &["read"]), feature)).await.label()
        });
    }
    let labels = outcomes(policy_tasks).await;
    assert_eq!((labels["Ok"], labels.values().sum::<usize>()), (17, 30), "{labels:?}");
    test_db.execute("DELETE FROM policies WHERE resource = 'made-up'").await;
    for _ in 0..50 {
        let role = fixture.role;
        let (policies, write) = (policies(&test_db), permit::<PolicyManage>(&test_db, &fixture, fixture.admin).await);
        duplicate_tasks.spawn(async move {
            policies.create(&write, &draft(Some(role), Effect::Allow, ("role", &["read"]), json!(null))).await.label()
        });
    }
    assert_eq!(outcomes(duplicate_tasks).await, counted([("Ok", 1), ("exists", 49)]));
}

/// Returns a condition with `cost` conditions and values, at most 64 times 64. No two are equal.
fn condition_of_cost(cost: usize, number: usize) -> Value {
    let range = |index: usize| format!("10.{number}.{}.{}/32", index / 256, index % 256);
    let leaf =
        |length: usize, start: usize| json!({"client_addr": (start..start + length).map(range).collect::<Vec<_>>()});
    let (full, rest) = ((cost - 1) / 65, (cost - 1) % 65);
    let parts = (0..full).map(|part| leaf(64, part * 64)).chain((rest > 1).then(|| leaf(rest - 1, full * 64)));
    json!({"any": parts.collect::<Vec<_>>()})
}

#[rstest]
#[tokio::test]
async fn condition_limit_is_enforced_concurrently(#[future(awt)] test_db: TestDb) {
    let fixture = fixture(&test_db, json!([])).await;
    let mut tasks = JoinSet::new();
    for number in 0..12 {
        let (policies, write) = (policies(&test_db), permit::<PolicyManage>(&test_db, &fixture, fixture.admin).await);
        let draft = draft(None, Effect::Allow, ("user", &["read"]), condition_of_cost(1_111, number));
        tasks.spawn(async move { policies.create(&write, &draft).await.label() });
    }
    // 9 conditions cost 9,999.
    assert_eq!(outcomes(tasks).await, counted([("conditions over 10000", 3), ("Ok", 9)]));
    let (policies, write) = (policies(&test_db), permit::<PolicyManage>(&test_db, &fixture, fixture.admin).await);
    let create = async |condition: Value| {
        let draft = draft(None, Effect::Allow, ("user", &["read"]), condition);
        policies.create(&write, &draft).await
    };
    assert_eq!(create(json!({"not": {"owner": {}}})).await.label(), "conditions over 10000");
    let last = create(json!({"owner": {}})).await.unwrap();
    assert_eq!(create(json!({"plan": "pro"})).await.label(), "conditions over 10000");
    assert_eq!(create(json!(null)).await.label(), "Ok");
    // A condition may be replaced by one of the same cost, and becomes cheaper or removed, but not more expensive.
    let replace = async |condition: Value| {
        let condition = Some(Some(condition).filter(|condition| !condition.is_null()));
        policies.update(&write, last.id, &PolicyChange { condition, ..PolicyChange::default() }).await.label()
    };
    assert_eq!(replace(json!({"plan": "pro"})).await, "Ok");
    assert_eq!(replace(json!({"not": {"plan": "pro"}})).await, "conditions over 10000");
    // Lowering the limit or inserting by SQL can leave a tenant over the limit. Its policies can still be changed.
    let over = json!(["allow", "role", "read", condition_of_cost(2_000, 100)]);
    let over = insert_policy(&test_db, &fixture.tenant, None, &over).await;
    assert_eq!(replace(json!({"plan": "free"})).await, "Ok");
    let wider = PolicyChange { target: Some(target("user", &["*"])), ..PolicyChange::default() };
    assert_eq!(policies.update(&write, last.id, &wider).await.label(), "Ok");
    assert_eq!(policies.delete(&write, over).await.label(), "Ok");
}
