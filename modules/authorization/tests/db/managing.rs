//! Who changes members, roles and policies, and who may not: against a real server, and all at once.

use std::{collections::BTreeMap, sync::Arc};

use authorization::AuthorizationModuleImpl;
use kernel::contracts::{
    ChangeRefused, Effect, MemberRemove, MemberUpdate, Members, MembersError, Permission, PermissionInfo, Permit,
    Policies, PoliciesError, PolicyChange, PolicyDraft, PolicyId, PolicyManage, PolicyRead, PolicyTarget, RoleId,
    RoleManage, RoleRead, Roles, RolesError, UserId, UserRead,
};
use kernel::di::Given;
use rstest::rstest;
use serde_json::{Value, json};
use shaku::HasComponent;
use test_support::{MadeTenant, TestDb, db};
use tokio::task::JoinSet;

static CATALOGUE: [PermissionInfo; 7] = [
    UserRead::INFO,
    MemberUpdate::INFO,
    MemberRemove::INFO,
    RoleRead::INFO,
    RoleManage::INFO,
    PolicyRead::INFO,
    PolicyManage::INFO,
];

fn module(db: &TestDb) -> AuthorizationModuleImpl {
    AuthorizationModuleImpl::builder(db.db.module(), Given::new(Arc::default())).build()
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
struct Cast {
    tenant: MadeTenant,
    admin: UserId,
    other: UserId,
    role: RoleId,
}

/// `other` is in a role that may do what these say: effect, resource, verbs, condition.
async fn cast(db: &TestDb, rules: Value) -> Cast {
    let tenant = db.make_tenant().await;
    let (admin, other) = (db.make_user().await, db.make_user().await);
    db.make_member(&tenant, admin, tenant.admin_role).await;
    let role = db.make_role(&tenant, ["nothing", "nothing"]).await;
    db.make_member(&tenant, other, role).await;
    for rule in rules.as_array().unwrap() {
        put(db, &tenant, Some(role), rule).await;
    }
    Cast { tenant, admin, other, role }
}

/// A policy behind the module's back.
async fn put(db: &TestDb, tenant: &MadeTenant, role: Option<RoleId>, rule: &Value) -> PolicyId {
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
    .execute(&mut db.owner().await)
    .await
    .unwrap();
    id
}

async fn permit<P: Permission>(db: &TestDb, cast: &Cast, user: UserId) -> Permit<P> {
    db.permit::<P>(user, cast.tenant.id).await.unwrap()
}

fn target(resource: &str, verbs: &[&str]) -> PolicyTarget {
    let verbs: Vec<String> = verbs.iter().map(|verb| (*verb).into()).collect();
    PolicyTarget::of(&CATALOGUE, resource, &verbs).unwrap()
}

fn draft(role: Option<RoleId>, effect: Effect, (resource, verbs): (&str, &[&str]), condition: Value) -> PolicyDraft {
    let condition = Some(condition).filter(|condition| !condition.is_null());
    PolicyDraft { role, effect, target: target(resource, verbs), condition }
}

/// Each kind of outcome in a word or two.
trait Outcome {
    fn word(&self) -> String;
}

impl Outcome for ChangeRefused {
    fn word(&self) -> String {
        match self {
            Self::Gone => "gone".into(),
            Self::Denied(denial) => format!("denied {}", denial.permission.name),
            Self::NotHeld { permission } => format!("lacks {permission}"),
            Self::LastAdmin => "last admin".into(),
            Self::Db(error) => panic!("{error:?}"),
        }
    }
}

impl Outcome for MembersError {
    fn word(&self) -> String {
        match self {
            Self::NotFound => "no member".into(),
            Self::NoSuchRole => "no role".into(),
            Self::Refused(refused) => refused.word(),
            Self::Db(error) => panic!("{error:?}"),
        }
    }
}

impl Outcome for RolesError {
    fn word(&self) -> String {
        match self {
            Self::NotFound => "no role".into(),
            Self::NameTaken => "taken".into(),
            Self::System => "system".into(),
            Self::InUse => "in use".into(),
            Self::TooMany { most } => format!("more than {most}"),
            Self::Refused(refused) => refused.word(),
            Self::Db(error) => panic!("{error:?}"),
        }
    }
}

impl Outcome for PoliciesError {
    fn word(&self) -> String {
        match self {
            Self::NotFound => "no policy".into(),
            Self::NoSuchRole => "no role".into(),
            Self::Template => "template".into(),
            Self::Exists => "exists".into(),
            Self::TooMany { most } => format!("more than {most}"),
            Self::Condition(errors) => errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>().join(" "),
            Self::Refused(refused) => refused.word(),
            Self::Db(error) => panic!("{error:?}"),
        }
    }
}

impl<T, E: Outcome> Outcome for Result<T, E> {
    fn word(&self) -> String {
        self.as_ref().map_or_else(Outcome::word, |_| "done".into())
    }
}

async fn outcomes(mut tries: JoinSet<String>) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    while let Some(outcome) = tries.join_next().await {
        *outcomes.entry(outcome.unwrap()).or_default() += 1;
    }
    outcomes
}

fn counted<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()
}

async fn role_of(db: &TestDb, cast: &Cast, user: UserId) -> Option<RoleId> {
    let role: Option<uuid::Uuid> =
        sqlx::query_scalar("SELECT role_id FROM memberships WHERE tenant_id = $1 AND user_id = $2")
            .bind(cast.tenant.id.as_uuid())
            .bind(user.as_uuid())
            .fetch_optional(&mut db.owner().await)
            .await
            .unwrap();
    role.map(RoleId::from_uuid)
}

/// All that there is of policies, as text.
async fn stored(db: &TestDb) -> Vec<String> {
    sqlx::query_scalar("SELECT p::text FROM policies AS p ORDER BY id").fetch_all(&mut db.owner().await).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn a_member_gets_a_role_that_the_giver_could_fill(#[future(awt)] db: TestDb) {
    let cast = cast(&db, json!([["allow", "member", "update"], ["allow", "user", "read"]])).await;
    let bystander = db.make_user().await;
    db.make_member(&cast.tenant, bystander, cast.role).await;
    let give = async |by: UserId, to: UserId, role: RoleId| {
        members(&db).change_role(&permit(&db, &cast, by).await, to, role).await
    };
    assert_eq!(give(cast.other, bystander, cast.tenant.member_role).await.unwrap().role.id, cast.tenant.member_role);
    // Neither to others nor to themselves.
    for to in [bystander, cast.other] {
        assert_eq!(give(cast.other, to, cast.tenant.admin_role).await.word(), "lacks *:*");
    }
    assert_eq!(role_of(&db, &cast, bystander).await, Some(cast.tenant.member_role));
    assert_eq!(give(cast.admin, bystander, cast.tenant.admin_role).await.word(), "done");
    assert_eq!(role_of(&db, &cast, bystander).await, Some(cast.tenant.admin_role));
    // To lower somebody takes nothing but the permission to.
    assert_eq!(give(cast.other, bystander, cast.tenant.member_role).await.word(), "done");
}

#[rstest]
#[tokio::test]
async fn roles_and_members_of_other_tenants_are_none(#[future(awt)] db: TestDb) {
    let (here, there) = (cast(&db, json!([])).await, cast(&db, json!([])).await);
    let update = permit(&db, &here, here.admin).await;
    for (user, role, outcome) in [
        (there.other, here.role, "no member"),
        (UserId::new(), here.role, "no member"),
        (here.other, there.role, "no role"),
        (here.other, RoleId::new(), "no role"),
    ] {
        assert_eq!(members(&db).change_role(&update, user, role).await.word(), outcome);
    }
    let remove = permit::<MemberRemove>(&db, &here, here.admin).await;
    assert_eq!(members(&db).remove(&remove, there.other).await.word(), "no member");
    let manage = permit::<RoleManage>(&db, &here, here.admin).await;
    assert_eq!(roles(&db).delete(&manage, there.role).await.word(), "no role");
    let (write, policy) = (
        permit::<PolicyManage>(&db, &here, here.admin).await,
        put(&db, &there.tenant, None, &json!(["allow", "user", "read"])).await,
    );
    assert_eq!(policies(&db).delete(&write, policy).await.word(), "no policy");
    let foreign = draft(Some(there.role), Effect::Allow, ("user", &["read"]), json!(null));
    assert_eq!(policies(&db).create(&write, &foreign).await.word(), "no role");
    assert_eq!(
        (role_of(&db, &there, there.other).await, role_of(&db, &here, here.other).await),
        (Some(there.role), Some(here.role))
    );
}

#[rstest]
#[tokio::test]
async fn to_move_somebody_out_from_under_a_deny_is_to_grant(#[future(awt)] db: TestDb) {
    let cast =
        cast(&db, json!([["allow", "member", "update"], ["allow", "role", "read"], ["allow", "user", "read"]])).await;
    let (denied, free) = (db.make_role(&cast.tenant, ["*", "*"]).await, db.make_role(&cast.tenant, ["*", "*"]).await);
    put(&db, &cast.tenant, Some(denied), &json!(["deny", "policy", "*"])).await;
    let somebody = db.make_user().await;
    db.make_member(&cast.tenant, somebody, denied).await;
    let update = permit(&db, &cast, cast.other).await;
    assert_eq!(members(&db).change_role(&update, somebody, free).await.word(), "lacks policy:*");
    // Back under it they may put anybody.
    let other = db.make_user().await;
    db.make_member(&cast.tenant, other, free).await;
    assert_eq!(members(&db).change_role(&update, other, denied).await.word(), "done");
}

#[rstest]
#[tokio::test]
async fn who_lost_a_permission_while_waiting_has_lost_it(#[future(awt)] db: TestDb) {
    let cast = cast(&db, json!([["allow", "*", "*"]])).await;
    let bystander = db.make_user().await;
    db.make_member(&cast.tenant, bystander, cast.tenant.member_role).await;
    let (remove, update, write) = (
        permit::<MemberRemove>(&db, &cast, cast.other).await,
        permit::<MemberUpdate>(&db, &cast, cast.other).await,
        permit::<PolicyManage>(&db, &cast, cast.other).await,
    );
    let admins = permit(&db, &cast, cast.admin).await;
    members(&db).change_role(&admins, cast.other, cast.tenant.member_role).await.unwrap();
    assert_eq!(members(&db).remove(&remove, bystander).await.word(), "denied member:remove");
    assert_eq!(
        members(&db).change_role(&update, cast.other, cast.tenant.admin_role).await.word(),
        "denied member:update"
    );
    let everything = draft(Some(cast.tenant.member_role), Effect::Allow, ("*", &["*"]), json!(null));
    assert_eq!(policies(&db).create(&write, &everything).await.word(), "denied policy:manage");
    // And who is no member any more, or in a tenant that isn't there any more, is nobody.
    members(&db).remove(&permit(&db, &cast, cast.admin).await, cast.other).await.unwrap();
    assert_eq!(members(&db).remove(&remove, bystander).await.word(), "gone");
    let late = permit::<MemberRemove>(&db, &cast, cast.admin).await;
    sqlx::raw_sql("UPDATE tenants SET status = 'archived'").execute(&mut db.owner().await).await.unwrap();
    assert_eq!(members(&db).remove(&late, bystander).await.word(), "gone");
    assert_eq!(role_of(&db, &cast, bystander).await, Some(cast.tenant.member_role));
}

#[rstest]
#[tokio::test]
async fn somebody_is_left_who_may_do_everything(#[future(awt)] db: TestDb) {
    let cast = cast(&db, json!([["allow", "*", "*", {"plan": "free"}]])).await;
    let (members, policies) = (members(&db), policies(&db));
    let update = permit::<MemberUpdate>(&db, &cast, cast.admin).await;
    let remove = permit::<MemberRemove>(&db, &cast, cast.admin).await;
    let write = permit::<PolicyManage>(&db, &cast, cast.admin).await;
    // Whoever may do everything under a condition may not be able to tomorrow; who is deactivated can't sign in.
    let asleep = db.make_user().await;
    db.make_member(&cast.tenant, asleep, cast.tenant.admin_role).await;
    sqlx::query("UPDATE users SET deactivated_at = now() WHERE id = $1")
        .bind(asleep.as_uuid())
        .execute(&mut db.owner().await)
        .await
        .unwrap();
    let scope = db.scope(cast.admin, cast.tenant.id).await.unwrap();
    assert_eq!(members.change_role(&update, cast.admin, cast.role).await.word(), "last admin");
    assert_eq!(members.remove(&remove, cast.admin).await.word(), "last admin");
    assert_eq!(members.leave(&scope).await.word(), "last admin");
    for (role, condition) in [
        (Some(cast.tenant.admin_role), json!(null)),
        (None, json!(null)),
        (None, json!({"not": {"client_addr": ["10.0.0.0/8"]}})),
    ] {
        let deny = draft(role, Effect::Deny, ("user", &["read"]), condition);
        assert_eq!(policies.create(&write, &deny).await.word(), "last admin");
    }
    // A deny that can never meet them is another matter.
    let others = json!({"attribute": {"name": "subject.role", "is": cast.role}});
    assert_eq!(policies.create(&write, &draft(None, Effect::Deny, ("user", &["read"]), others)).await.word(), "done");
    // With another admin, they may go.
    let another = db.make_user().await;
    db.make_member(&cast.tenant, another, cast.tenant.admin_role).await;
    assert_eq!(members.leave(&scope).await.word(), "done");
    assert_eq!(role_of(&db, &cast, cast.admin).await, None);
}

#[rstest]
#[tokio::test]
async fn a_role_of_the_tenants_own_comes_is_renamed_and_goes(#[future(awt)] db: TestDb) {
    let cast = cast(&db, json!([])).await;
    let (roles, manage) = (roles(&db), permit::<RoleManage>(&db, &cast, cast.admin).await);
    let name = |name: &str| name.parse().unwrap();
    let made = roles.create(&manage, &name("Käufer")).await.unwrap();
    assert_eq!((made.name.as_str(), made.is_system, made.members), ("Käufer", false, 0));
    for taken in ["KÄUFER", "Admin", "member"] {
        assert_eq!(roles.create(&manage, &name(taken)).await.word(), "taken", "{taken}");
        assert_eq!(roles.rename(&manage, cast.role, &name(taken)).await.word(), "taken", "{taken}");
    }
    assert_eq!(roles.rename(&manage, made.id, &name("käufer")).await.unwrap().name, "käufer");
    for system in [cast.tenant.admin_role, cast.tenant.member_role] {
        assert_eq!(roles.rename(&manage, system, &name("Other")).await.word(), "system");
        assert_eq!(roles.delete(&manage, system).await.word(), "system");
    }
    assert_eq!(roles.delete(&manage, cast.role).await.word(), "in use");
    put(&db, &cast.tenant, Some(made.id), &json!(["deny", "user", "read"])).await;
    let before = stored(&db).await.len();
    roles.delete(&manage, made.id).await.unwrap();
    assert_eq!(stored(&db).await.len(), before - 1, "its policies go with it");
    assert_eq!(roles.delete(&manage, made.id).await.word(), "no role");
    let listed = roles.list(&permit(&db, &cast, cast.admin).await).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|role| (role.id, role.is_system, role.members)).collect();
    let (admin, member) = (cast.tenant.admin_role, cast.tenant.member_role);
    assert_eq!(listed, [(admin, true, 1), (member, true, 0), (cast.role, false, 1)]);
}

#[rstest]
#[tokio::test]
async fn a_policy_is_kept_in_one_form_and_once(#[future(awt)] db: TestDb) {
    let cast = cast(&db, json!([])).await;
    let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &cast, cast.admin).await);
    let twice = json!({"client_addr": ["10.0.0.0/8", "2001:db8::/32", "10.0.0.0/8"]});
    let made = policies
        .create(&write, &draft(Some(cast.role), Effect::Allow, ("role", &["read", "manage", "read"]), twice))
        .await
        .unwrap();
    assert_eq!(
        (made.resource.as_str(), made.verbs.as_slice()),
        ("role", &["manage".to_owned(), "read".to_owned()][..])
    );
    assert_eq!(made.role.as_ref().unwrap().id, cast.role);
    let read = permit::<PolicyRead>(&db, &cast, cast.admin).await;
    assert_eq!(policies.get(&read, made.id).await.unwrap(), made);
    let again = draft(Some(cast.role), Effect::Allow, ("role", &["manage", "read"]), made.condition.clone().unwrap());
    assert_eq!(policies.create(&write, &again).await.word(), "exists");
    assert!(policies.create(&write, &PolicyDraft { condition: None, ..again }).await.is_ok());
    let mut listed = policies.list(&read, None, 100).await.unwrap();
    assert!(listed.is_sorted_by_key(|policy| policy.id));
    let rest = policies.list(&read, Some(listed[1].id), 100).await.unwrap();
    assert_eq!(rest, listed.split_off(2));
}

#[rstest]
#[tokio::test]
async fn what_a_change_does_not_mention_stays(#[future(awt)] db: TestDb) {
    let cast = cast(&db, json!([])).await;
    let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &cast, cast.admin).await);
    let owner = json!({"owner": {}});
    let made = policies
        .create(&write, &draft(Some(cast.role), Effect::Allow, ("user", &["read"]), owner.clone()))
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
    let unreadable = put(&db, &cast.tenant, Some(cast.role), &json!(["deny", "user", "read", {"moon": "full"}])).await;
    let deny = PolicyChange { target: Some(target("user", &["*"])), ..none() };
    assert_eq!(policies.update(&write, unreadable, &deny).await.unwrap().condition, Some(json!({"moon": "full"})));
}

#[rstest]
#[tokio::test]
async fn what_does_not_fit_changes_nothing(#[future(awt)] db: TestDb) {
    let cast = cast(&db, json!([["allow", "user", "read"]])).await;
    let template: uuid::Uuid = sqlx::query_scalar("SELECT id FROM policies WHERE is_template AND resource = 'user'")
        .fetch_one(&mut db.owner().await)
        .await
        .unwrap();
    let template = PolicyId::from_uuid(template);
    let before = stored(&db).await;
    let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &cast, cast.admin).await);
    for (condition, wrong) in [
        (json!({"moon": "full"}), ""),
        (json!({"all": [{"plan": 1}, {"owner": {"x": 1}}]}), "/all/0/plan /all/1/owner"),
        (json!([]), ""),
    ] {
        let draft = draft(None, Effect::Allow, ("user", &["read"]), condition.clone());
        assert_eq!(policies.create(&write, &draft).await.word(), wrong, "{condition}");
    }
    let narrow = PolicyChange { effect: Some(Effect::Deny), ..PolicyChange::default() };
    assert_eq!(policies.update(&write, template, &narrow).await.word(), "template");
    assert_eq!(policies.delete(&write, template).await.word(), "template");
    assert_eq!(policies.delete(&write, PolicyId::new()).await.word(), "no policy");
    assert_eq!(stored(&db).await, before);
}

#[rstest]
#[tokio::test]
async fn a_policy_lets_nobody_do_what_its_writer_may_not(#[future(awt)] db: TestDb) {
    let writer = json!([
        ["allow", "policy", "*"],
        ["allow", "user", "read"],
        ["allow", "role", "read", {"client_addr": ["10.0.0.0/8"]}],
        ["deny", "policy", "read", {"plan": "free"}],
    ]);
    let cast = cast(&db, writer).await;
    let deny = put(&db, &cast.tenant, Some(cast.tenant.member_role), &json!(["deny", "*", "*"])).await;
    put(&db, &cast.tenant, Some(cast.tenant.member_role), &json!(["allow", "tenant", "read"])).await;
    let before = stored(&db).await;
    let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &cast, cast.other).await);
    let (member, none) = (Some(cast.tenant.member_role), PolicyChange::default);
    let address = json!({"client_addr": ["10.0.0.0/8"]});
    for (role, what, condition, lacks) in [
        (None, ("*", &["*"][..]), json!(null), "lacks *:*"),
        (None, ("user", &["*"]), json!(null), "lacks user:*"),
        (None, ("role", &["read"]), json!(null), "lacks role:read"),
        (None, ("role", &["read"]), json!({"client_addr": ["10.0.0.0/16"]}), "lacks role:read"),
        // What they are denied themselves, if only at times; and roles that aren't there yet are members' as well.
        (None, ("policy", &["*"]), json!(null), "lacks policy:*"),
        // Nor to themselves.
        (Some(cast.role), ("member", &["update"]), json!({"owner": {}}), "lacks member:update"),
    ] {
        let draft = draft(role, Effect::Allow, what, condition);
        assert_eq!(policies.create(&write, &draft).await.word(), lacks, "{what:?}");
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
        let word = policies.update(&write, deny, &change).await.word();
        assert!(["lacks *:*", "lacks tenant:read"].contains(&word.as_str()), "{word}");
    }
    assert_eq!(stored(&db).await, before);
    let conditional = draft(None, Effect::Allow, ("role", &["read"]), address);
    assert_eq!(policies.create(&write, &conditional).await.word(), "done");
    // Of what it holds back from members, the writer hasn't all.
    assert_eq!(policies.delete(&write, deny).await.word(), "lacks tenant:read");
    let narrower = PolicyChange { target: Some(target("user", &["*"])), ..none() };
    assert_eq!(policies.update(&write, deny, &narrower).await.word(), "lacks tenant:read");
    let other = put(&db, &cast.tenant, member, &json!(["deny", "user", "*"])).await;
    assert_eq!(policies.delete(&write, other).await.word(), "done");
}

#[rstest]
#[tokio::test]
async fn of_thirty_admins_who_demote_one_another_at_once_one_is_left(#[future(awt)] db: TestDb) {
    let cast = cast(&db, json!([])).await;
    let mut admins = vec![cast.admin];
    for _ in 1..30 {
        let admin = db.make_user().await;
        db.make_member(&cast.tenant, admin, cast.tenant.admin_role).await;
        admins.push(admin);
    }
    // All are let in before any of them does anything: 300 tries, each admin at ten others.
    let (mut permits, mut tries) = (Vec::new(), JoinSet::new());
    for (place, admin) in admins.iter().enumerate() {
        for step in 1..=10 {
            let victim = admins[(place + step) % admins.len()];
            let remove = permit::<MemberRemove>(&db, &cast, *admin).await;
            permits.push((step, victim, remove, permit::<MemberUpdate>(&db, &cast, *admin).await));
        }
    }
    for (step, victim, remove, update) in permits {
        let (members, to) = (members(&db), cast.tenant.member_role);
        tries.spawn(async move {
            match step % 2 {
                0 => members.remove(&remove, victim).await.word(),
                _ => members.change_role(&update, victim, to).await.word(),
            }
        });
    }
    let outcomes = outcomes(tries).await;
    let known = ["done", "no member", "gone", "last admin", "denied member:remove", "denied member:update"];
    assert!(outcomes.keys().all(|word| known.contains(&word.as_str())), "{outcomes:?}");
    assert_eq!(outcomes.values().sum::<usize>(), 300);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM memberships WHERE role_id = $1")
        .bind(cast.tenant.admin_role.as_uuid())
        .fetch_one(&mut db.owner().await)
        .await
        .unwrap();
    assert!(left >= 1, "{outcomes:?}");
    assert!(outcomes["done"] >= 15, "they did get at one another: {outcomes:?}");
}

#[rstest]
#[tokio::test]
async fn of_forty_admins_who_leave_at_once_one_stays(#[future(awt)] db: TestDb) {
    let cast = cast(&db, json!([])).await;
    let mut admins = vec![cast.admin];
    for _ in 1..40 {
        let admin = db.make_user().await;
        db.make_member(&cast.tenant, admin, cast.tenant.admin_role).await;
        admins.push(admin);
    }
    let mut tries = JoinSet::new();
    for admin in admins {
        let (members, scope) = (members(&db), db.scope(admin, cast.tenant.id).await.unwrap());
        tries.spawn(async move { members.leave(&scope).await.word() });
    }
    assert_eq!(outcomes(tries).await, counted([("done", 39), ("last admin", 1)]));
}

/// Bob may give roles and holds little; an admin widens a role while he gives it to hundreds.
#[rstest]
#[tokio::test]
async fn a_role_that_is_widened_at_the_same_time_is_given_before_or_not_at_all(#[future(awt)] db: TestDb) {
    let cast = cast(&db, json!([["allow", "member", "update"], ["allow", "user", "read"]])).await;
    let (plain, wide) = (cast.tenant.member_role, db.make_role(&cast.tenant, ["user", "read"]).await);
    let mut tries = JoinSet::new();
    let mut people = Vec::new();
    for number in 0..200 {
        let person = db.make_user().await;
        db.make_member(&cast.tenant, person, plain).await;
        people.push(person);
        let (members, update) = (members(&db), permit::<MemberUpdate>(&db, &cast, cast.other).await);
        tries.spawn(async move { members.change_role(&update, person, wide).await.word() });
        if number == 20 {
            let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &cast, cast.admin).await);
            tries.spawn(async move {
                let widen = draft(Some(wide), Effect::Allow, ("policy", &["*"]), json!(null));
                format!("widened: {}", policies.create(&write, &widen).await.word())
            });
        }
    }
    let outcomes = outcomes(tries).await;
    let given = outcomes.get("done").copied().unwrap_or_default();
    let refused = outcomes.get("lacks policy:*").copied().unwrap_or_default();
    assert_eq!((outcomes["widened: done"], given + refused), (1, 200), "{outcomes:?}");
    let have: i64 = sqlx::query_scalar("SELECT count(*) FROM memberships WHERE role_id = $1")
        .bind(wide.as_uuid())
        .fetch_one(&mut db.owner().await)
        .await
        .unwrap();
    assert_eq!(usize::try_from(have).unwrap(), given);
    // From then on, nobody.
    let late = permit(&db, &cast, cast.other).await;
    assert_eq!(members(&db).change_role(&late, cast.other, wide).await.word(), "lacks policy:*");
}

#[rstest]
#[tokio::test]
async fn limits_hold_however_many_try_at_once(#[future(awt)] db: TestDb) {
    let cast = cast(&db, json!([])).await;
    // Three roles and three policies are there.
    sqlx::query(
        "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, digest)
         SELECT $1, gen_random_uuid(), $2, 'allow', 'made-up', '{read}', sha256(n::text::bytea) FROM generate_series(1, 980) AS n",
    )
    .bind(cast.tenant.id.as_uuid())
    .bind(cast.role.as_uuid())
    .execute(&mut db.owner().await)
    .await
    .unwrap();
    let (mut making, mut writing, mut same) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
    for number in 0..110 {
        let (roles, manage) = (roles(&db), permit::<RoleManage>(&db, &cast, cast.admin).await);
        making.spawn(async move { roles.create(&manage, &format!("role {number}").parse().unwrap()).await.word() });
    }
    assert_eq!(outcomes(making).await, counted([("done", 97), ("more than 100", 13)]));
    for number in 0..30 {
        let role = cast.role;
        let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &cast, cast.admin).await);
        let feature = json!({"feature": format!("feature-{}", number.max(10))});
        writing.spawn(async move {
            policies.create(&write, &draft(Some(role), Effect::Allow, ("user", &["read"]), feature)).await.word()
        });
    }
    let words = outcomes(writing).await;
    assert_eq!((words["done"], words.values().sum::<usize>()), (17, 30), "{words:?}");
    sqlx::raw_sql("DELETE FROM policies WHERE resource = 'made-up'").execute(&mut db.owner().await).await.unwrap();
    for _ in 0..50 {
        let role = cast.role;
        let (policies, write) = (policies(&db), permit::<PolicyManage>(&db, &cast, cast.admin).await);
        same.spawn(async move {
            policies.create(&write, &draft(Some(role), Effect::Allow, ("role", &["read"]), json!(null))).await.word()
        });
    }
    assert_eq!(outcomes(same).await, counted([("done", 1), ("exists", 49)]));
}
