//! A model of cached admissions. The checker visits every order of the steps of concurrent requests and of changes by
//! other programs. The tests of the server see only the orders that happen to occur.
//!
//! A step is what happens at one moment: a statement, which reads one snapshot, or one access to a cache. The steps are
//! those of `AdmissionService` (`mod.rs`), `MembershipTenantResolver` (crate `kernel`), `admitted_scope`
//! (`migrations/0004_authorization.up.sql`) and `Routes` (`src/http/route.rs`). No test compares the model with them:
//! change both together.
//!
//! Not modelled: requests that write, tenants selected by id, and database errors, which end a request without rows.
//! The owner of a personal tenant is like the slug. The initial caches cover evictions and restarts.

use std::collections::BTreeSet;

use rstest::rstest;
use stateright::{Checker, HasDiscoveries, Model, Property, Representative};

/// A handler executes at most this many statements. A third one could only have the outcomes of the second.
const MAX_STATEMENTS: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Role {
    Admin,
    Member,
}

/// Admins may read. Members may, unless a policy denies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Policies {
    version: u8,
    deny_members: bool,
}

impl Policies {
    fn allow(self, role: Role) -> bool {
        role == Role::Admin || !self.deny_members
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Facts {
    role: Role,
    policy_version: u8,
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Status {
    Ok,
    Unauthorized,
    Forbidden,
    NotFound,
    Unavailable,
}

/// What the database contains about the caller, and about the tenant that the requests name by its slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Tables {
    user_is_active: bool,
    tenant_is_active: bool,
    has_slug: bool,
    role: Option<Role>,
    policies: Policies,
}

impl Tables {
    /// The statement of `find_for_admission`, and the check of the tenant's status.
    fn membership(self) -> Result<Facts, Status> {
        match self.role {
            _ if !self.user_is_active => Err(Status::Unauthorized),
            Some(role) if self.has_slug && self.tenant_is_active => {
                Ok(Facts { role, policy_version: self.policies.version })
            }
            _ => Err(Status::NotFound),
        }
    }

    /// The comparison in `admitted_scope`.
    fn confirm(self, facts: Facts) -> bool {
        let is_unchanged = self.role == Some(facts.role) && self.policies.version == facts.policy_version;
        is_unchanged && self.user_is_active && self.tenant_is_active
    }

    /// The status of a request that reads everything in this snapshot.
    fn correct_status(self) -> Status {
        match self.membership() {
            Ok(facts) if self.policies.allow(facts.role) => Status::Ok,
            Ok(_) => Status::Forbidden,
            Err(status) => status,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Membership(Option<Role>),
    User,
    Tenant,
    Slug,
    Policies,
}

/// The caches of one program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Caches {
    admission: Option<Facts>,
    policies: Option<Policies>,
}

/// The next step of a request, with what the request knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Step {
    // `TenantAdmission::cached`
    FindAdmission,
    FindPolicies(Facts),
    // `TenantAdmission::admit`
    ReadMembership,
    FindPoliciesOfMembership(Facts),
    ReadPolicies(Facts),
    InsertPolicies(Facts, Policies),
    InsertAdmission(Facts, Policies),
    RemoveAdmission(Status),
    /// The handler executes a statement, or responds.
    Handle(Facts),
    Responded {
        status: Status,
        is_authorized: bool,
        is_correct: bool,
        is_necessary: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Request {
    program: usize,
    step: Step,
    /// Number of discarded attempts.
    discarded: u8,
    /// Number of confirmed statements of this attempt.
    confirmed: u8,
    /// Whether the caller was allowed to read the rows of each confirmed statement, in that statement's snapshot.
    is_authorized: bool,
    /// The facts that `is_current` compares with another admission, and the status of the response that it confirms.
    unconfirmed: Option<(Facts, Status)>,
    /// A bit for each status that was correct at a moment since the request began.
    correct: u8,
    /// Number of changes since the request began.
    changes: u8,
}

impl Request {
    fn new(program: usize) -> Self {
        Self {
            program,
            step: Step::FindAdmission,
            discarded: 0,
            confirmed: 0,
            is_authorized: true,
            unconfirmed: None,
            correct: 0,
            changes: 0,
        }
    }

    fn observe(&mut self, tables: Tables) {
        self.correct |= 1 << tables.correct_status() as u8;
    }

    /// The response of the handler, and `TenantResolver::is_current`.
    fn finish(&mut self, facts: Facts, status: Status) {
        if self.confirmed > 0 {
            self.respond(status);
        } else {
            self.unconfirmed = Some((facts, status));
            self.step = Step::ReadMembership;
        }
    }

    fn respond(&mut self, status: Status) {
        let is_error = status == Status::Unavailable;
        let step = Step::Responded {
            status,
            is_authorized: self.is_authorized,
            is_correct: is_error || self.correct & (1 << status as u8) != 0,
            // The first attempt needs no change during the request: the cache may have been outdated already.
            is_necessary: !is_error || self.changes + 1 >= self.discarded,
        };
        *self = Self { step, discarded: self.discarded, ..Self::new(self.program) };
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    tables: Tables,
    programs: Vec<Caches>,
    requests: Vec<Request>,
    changes: u8,
}

/// States that differ only in the order of their requests are equivalent.
impl Representative for State {
    fn representative(&self) -> Self {
        let mut state = self.clone();
        state.requests.sort_unstable();
        state
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Change(Change),
    /// The request with this index takes its next step.
    Advance(usize),
    /// Its handler responds.
    Respond(usize),
}

/// A mistake in the protocol that the checker must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutant {
    /// Statements don't compare the admission.
    NoComparison,
    /// Denials aren't confirmed.
    UnconfirmedDenial,
    /// A repeated attempt uses the cache.
    CachedRepetition,
    /// The cache returns policies of any version.
    AnyPolicyVersion,
    /// A change of the slug doesn't renew the policy version.
    SlugKeepsVersion,
    /// If the policies were read after a change, the admission has their version instead of the one read with the
    /// membership. The slug may have changed in between.
    NewerPolicyVersion,
}

struct Protocol {
    /// The program of each request.
    requests: Vec<usize>,
    max_changes: u8,
    /// `MAX_ATTEMPTS` in `src/http/route.rs`.
    max_attempts: u8,
    mutant: Option<Mutant>,
}

impl Protocol {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn apply(&self, change: Change, state: &mut State) {
        let tables = &mut state.tables;
        match change {
            Change::Membership(role) => tables.role = role,
            Change::User => tables.user_is_active = !tables.user_is_active,
            Change::Tenant => tables.tenant_is_active = !tables.tenant_is_active,
            Change::Slug => tables.has_slug = !tables.has_slug,
            Change::Policies => tables.policies.deny_members = !tables.policies.deny_members,
        }
        if change == Change::Policies || (change == Change::Slug && !self.is(Mutant::SlugKeepsVersion)) {
            tables.policies.version += 1;
        }
        state.changes += 1;
        for request in state.requests.iter_mut().filter(|request| request.correct != 0) {
            request.observe(*tables);
            request.changes += 1;
        }
    }

    fn advance(&self, request: &mut Request, tables: Tables, caches: &mut Caches) {
        request.step = match request.step {
            Step::FindAdmission => {
                request.observe(tables);
                caches.admission.map_or(Step::ReadMembership, Step::FindPolicies)
            }
            Step::FindPolicies(facts) => match self.find_policies(*caches, facts) {
                Some(policies) => return self.decide(request, facts, policies),
                None => Step::ReadMembership,
            },
            Step::ReadMembership => match tables.membership() {
                Ok(facts) => Step::FindPoliciesOfMembership(facts),
                Err(status) => Step::RemoveAdmission(status),
            },
            Step::FindPoliciesOfMembership(facts) => match self.find_policies(*caches, facts) {
                Some(policies) => Step::InsertAdmission(facts, policies),
                None => Step::ReadPolicies(facts),
            },
            Step::ReadPolicies(facts) => Step::InsertPolicies(facts, tables.policies),
            Step::InsertPolicies(mut facts, policies) => {
                caches.policies = Some(policies);
                if self.is(Mutant::NewerPolicyVersion) {
                    facts.policy_version = policies.version;
                }
                Step::InsertAdmission(facts, policies)
            }
            Step::InsertAdmission(facts, policies) => {
                caches.admission = Some(facts);
                return match request.unconfirmed.take() {
                    None => self.decide(request, facts, policies),
                    Some((compared, status)) if compared == facts => request.respond(status),
                    Some(_) => self.discard(request),
                };
            }
            Step::RemoveAdmission(status) => {
                caches.admission = None;
                return match request.unconfirmed.take() {
                    None => request.respond(status),
                    Some(_) => self.discard(request),
                };
            }
            Step::Handle(facts) => {
                if !self.is(Mutant::NoComparison) && !tables.confirm(facts) {
                    return self.discard(request);
                }
                request.confirmed += 1;
                request.is_authorized &= tables.correct_status() == Status::Ok;
                return;
            }
            Step::Responded { .. } => return,
        }
    }

    fn find_policies(&self, caches: Caches, facts: Facts) -> Option<Policies> {
        caches.policies.filter(|cached| cached.version == facts.policy_version || self.is(Mutant::AnyPolicyVersion))
    }

    fn decide(&self, request: &mut Request, facts: Facts, policies: Policies) {
        if policies.allow(facts.role) {
            request.step = Step::Handle(facts);
        } else if self.is(Mutant::UnconfirmedDenial) {
            request.respond(Status::Forbidden);
        } else {
            request.finish(facts, Status::Forbidden);
        }
    }

    fn discard(&self, request: &mut Request) {
        request.discarded += 1;
        (request.confirmed, request.is_authorized) = (0, true);
        if request.discarded == self.max_attempts {
            request.respond(Status::Unavailable);
        } else {
            let is_cached = self.is(Mutant::CachedRepetition);
            request.step = if is_cached { Step::FindAdmission } else { Step::ReadMembership };
        }
    }
}

const AUTHORIZED: &str = "the caller may read the rows of a response in the snapshot of each statement";
const CORRECT: &str = "the status of a response was correct at a moment of the request";
const NECESSARY: &str = "a request fails only after a change for each repetition";

fn any(state: &State, matches: fn(&Request) -> bool) -> bool {
    state.requests.iter().any(matches)
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    /// A member may read. The caches are empty, or have what is true or was true before.
    fn init_states(&self) -> Vec<State> {
        let policies = Policies { version: 1, deny_members: false };
        let tables =
            Tables { user_is_active: true, tenant_is_active: true, has_slug: true, role: Some(Role::Member), policies };
        let mut admissions = vec![None];
        for role in [Role::Admin, Role::Member] {
            admissions.extend([0, 1].map(|policy_version| Some(Facts { role, policy_version })));
        }
        let old = |deny_members| Some(Policies { version: 0, deny_members });
        let last_program = self.requests.iter().copied().max().unwrap_or_default();
        let mut states = Vec::new();
        for admission in admissions {
            for policies in [None, Some(policies), old(false), old(true)] {
                let programs = vec![Caches { admission, policies }; last_program + 1];
                let requests = self.requests.iter().copied().map(Request::new).collect();
                states.push(State { tables, programs, requests, changes: 0 });
            }
        }
        states
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, request) in state.requests.iter().enumerate() {
            match request.step {
                Step::Responded { .. } => {}
                Step::Handle(_) if request.confirmed == MAX_STATEMENTS => actions.push(Action::Respond(index)),
                Step::Handle(_) => actions.extend([Action::Advance(index), Action::Respond(index)]),
                _ => actions.push(Action::Advance(index)),
            }
        }
        if !actions.is_empty() && state.changes < self.max_changes {
            let roles =
                [None, Some(Role::Member), Some(Role::Admin)].into_iter().filter(|role| *role != state.tables.role);
            let others = [Change::User, Change::Tenant, Change::Slug, Change::Policies];
            actions.extend(roles.map(Change::Membership).chain(others).map(Action::Change));
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Change(change) => self.apply(change, &mut next),
            Action::Advance(index) => {
                let request = &mut next.requests[index];
                self.advance(request, next.tables, &mut next.programs[request.program]);
            }
            Action::Respond(index) => {
                let request = &mut next.requests[index];
                if let Step::Handle(facts) = request.step {
                    request.finish(facts, Status::Ok);
                }
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        use Step::Responded;
        vec![
            Property::always(AUTHORIZED, |_, state| {
                !any(state, |request| matches!(request.step, Responded { is_authorized: false, .. }))
            }),
            Property::always(CORRECT, |_, state| {
                !any(state, |request| matches!(request.step, Responded { is_correct: false, .. }))
            }),
            Property::always(NECESSARY, |_, state| {
                !any(state, |request| matches!(request.step, Responded { is_necessary: false, .. }))
            }),
            Property::sometimes("an admission is outdated", |_, state| any(state, |request| request.discarded > 0)),
            Property::sometimes("a repeated read succeeds", |_, state| {
                any(state, |request| {
                    request.discarded > 0 && matches!(request.step, Responded { status: Status::Ok, .. })
                })
            }),
            Property::sometimes("a denial is confirmed", |_, state| {
                any(state, |request| matches!(request.step, Responded { status: Status::Forbidden, .. }))
            }),
            Property::sometimes("every attempt is outdated", |_, state| {
                any(state, |request| matches!(request.step, Responded { status: Status::Unavailable, .. }))
            }),
        ]
    }
}

/// Programs share only the tables, which reads don't change. So a third program would add no outcomes.
#[rstest]
#[case::one_request(vec![0], 4, 5)]
#[case::concurrent_requests(vec![0, 0], 2, 2)]
#[case::two_programs(vec![0, 1], 1, 2)]
fn concurrent_changes_keep_responses_correct(
    #[case] requests: Vec<usize>,
    #[case] max_changes: u8,
    #[case] max_attempts: u8,
) {
    let protocol = Protocol { requests, max_changes, max_attempts, mutant: None };
    // `spawn_bfs` finds shorter counterexamples, but takes twice as long.
    protocol.checker().symmetry().spawn_dfs().join().assert_properties();
}

#[rstest]
#[case::no_comparison(Mutant::NoComparison, AUTHORIZED)]
#[case::unconfirmed_denial(Mutant::UnconfirmedDenial, CORRECT)]
#[case::cached_repetition(Mutant::CachedRepetition, NECESSARY)]
#[case::any_policy_version(Mutant::AnyPolicyVersion, AUTHORIZED)]
#[case::slug_keeps_version(Mutant::SlugKeepsVersion, AUTHORIZED)]
#[case::newer_policy_version(Mutant::NewerPolicyVersion, CORRECT)]
fn mutant_has_counterexample(#[case] mutant: Mutant, #[case] property: &'static str) {
    let protocol = Protocol { requests: vec![0, 0], max_changes: 1, max_attempts: 2, mutant: Some(mutant) };
    let is_found = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    protocol.checker().finish_when(is_found).spawn_bfs().join().assert_any_discovery(property);
}
