# Recipes. `just` without arguments lists them.

_default:
    @just --list --unsorted

# Run the server with its embedded database
run *ARGS:
    cargo run -- {{ARGS}}

# Insert the demo data into the configured database
seed:
    cargo run --quiet -- seed

# Migrate the configured database: `just migrate`, `just migrate status`, `just migrate revert --steps 1`
migrate *ARGS='run':
    cargo run --quiet -- migrate {{ARGS}}

# Create the files of a new migration. The name starts with the owning module: `just new-migration user_phone`
new-migration NAME:
    #!/usr/bin/env bash
    set -euo pipefail
    module=$(printf '%s' '{{NAME}}' | cut -d_ -f1)
    [[ '{{NAME}}' =~ ^[a-z][a-z0-9_]*$ ]] || { echo "invalid migration name '{{NAME}}': use a-z, 0-9 and _ only, and start with a letter"; exit 1; }
    [ -d "modules/$module" ] || { echo "no module is called '$module': start the name with the module that owns the tables"; exit 1; }
    last=$(ls migrations | sed -n 's/^\([0-9]\{4\}\)_.*\.up\.sql$/\1/p' | tail -1)
    file=$(printf 'migrations/%04d_%s' $((10#$last + 1)) '{{NAME}}')
    printf -- '-- Owner: %s. Purpose:\n' "$module" > "$file.up.sql"
    printf -- '-- Reverts the up migration.\n' > "$file.down.sql"
    echo "$file.up.sql"; echo "$file.down.sql"

# Generate a module with one table and its endpoints, and wire it in: `just new-module notes`, `just new-module children child`
new-module NAME SINGULAR='':
    #!/usr/bin/env bash
    set -euo pipefail
    step() { printf '\n%s\n' "$*" >&2; }
    cargo run --quiet --package new-module -- '{{NAME}}' '{{SINGULAR}}'
    trap 'echo "The files are written. Fix the error above, then run just prepare, update the golden files and run just update-docs: docs/adding-an-endpoint.md, step 4" >&2' ERR
    cargo fmt --all
    step "Compiling, with query metadata from a fresh database …"
    cargo build --quiet --package run-with-db
    SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$PWD/.sqlx" "${CARGO_TARGET_DIR:-target}/debug/run-with-db" \
        cargo test --quiet --package tenantry --test e2e --no-run
    step "Updating the golden files, docs/reference/ and migrations/checksums.txt …"
    INSTA_UPDATE=always cargo test --quiet --package tenantry --test e2e -- \
        route_authorization_matrix openapi_snapshot permission_matrix
    INSTA_UPDATE=always cargo test --quiet --package arch-lint -- production_dependencies_snapshot
    {{just_executable()}} update-docs
    step "The module '{{NAME}}' is created and wired in. Review it: git status, git diff. Try it: just test, cargo run"
    echo "Only admins may use it; docs/adding-a-module.md explains how to grant it to other roles, and what to change first." >&2

# Regenerate the query metadata in .sqlx after a change to a query or a migration; commit it with the change
prepare:
    #!/usr/bin/env bash
    set -euo pipefail
    fresh=$(mktemp -d); trap 'rm -rf "$fresh"' EXIT
    # Not `cargo run`: the environment variables that it sets would reach the inner cargo and make it rebuild half of
    # the dependencies.
    cargo build --quiet --package run-with-db
    # Force the compiler to check each query again.
    touch modules/*/src/lib.rs
    SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$fresh" "${CARGO_TARGET_DIR:-target}/debug/run-with-db" \
        cargo check --workspace --tests
    rm -rf .sqlx; mkdir .sqlx; cp "$fresh"/query-*.json .sqlx/
    echo "$(ls .sqlx | wc -l) queries"

# Regenerate docs/reference/ and add new migrations to migrations/checksums.txt; commit the files with the change
update-docs:
    UPDATE_DOCS=1 cargo test --quiet --package tenantry --test e2e -- reference_docs migration_checksums

# Run the tests, except those that take minutes. CI repeats them as an ordinary user and on other servers (.ci/run)
test *ARGS:
    cargo test --workspace {{ARGS}}

# Run the same tests except those of embedded-postgres and compile-fail, on an embedded server or TEST_DATABASE_URL
test-db *ARGS:
    cargo test --workspace --exclude embedded-postgres --exclude compile-fail {{ARGS}}

# Run the same tests on the database of compose.yml; if it isn't running, it is started first and stopped afterwards
test-db-local *ARGS:
    scripts/db-compose with bash -c 'just migrate-local && TEST_DATABASE_URL="$DB_URL" just test-db {{ARGS}}'

# Run the same tests on PostgreSQL in a container that is removed afterwards (Testcontainers); DB_TAG=17-alpine
test-db-ci *ARGS:
    cargo build --quiet --package testcontainers-runner --features containers
    "${CARGO_TARGET_DIR:-target}/debug/testcontainers-runner" cargo test --workspace --exclude embedded-postgres --exclude compile-fail {{ARGS}}

# Compare the server with the baseline (ratios only), then measure request modules and authorization decisions (against Cedar and Casbin). See docs/performance.md
bench *ARGS:
    cargo build --release -p tenantry -p bench
    "${CARGO_TARGET_DIR:-target}/release/compare" {{ARGS}}
    cargo bench -p bench
    just bench-decisions

# Compare the server with programs in other frameworks: `just bench-peers [ROUNDS [SECONDS]]`; npm and pip install some
bench-peers ROUNDS='6' SECONDS='2':
    cargo build --release -p tenantry -p bench --features bench/peers
    scripts/install-bench-peers "${CARGO_TARGET_DIR:-target}/bench-peers"
    "${CARGO_TARGET_DIR:-target}/release/compare" {{ROUNDS}} {{SECONDS}} "${CARGO_TARGET_DIR:-target}/bench-peers"

# Compare requests in databases with 10 to 100,000 tenants: `just bench-scale [ROUNDS [SECONDS]]`; takes 12 minutes, and 6 GB with the write-ahead log
bench-scale *ARGS:
    cargo build --release -p tenantry -p bench
    "${CARGO_TARGET_DIR:-target}/release/scale" {{ARGS}}

# Run only the decision benchmark: `just bench-decisions [ROUNDS [MILLISECONDS]]`
bench-decisions *ARGS:
    cargo run --release --quiet -p bench --features engines --bin decisions -- {{ARGS}}

# Kill the embedded server 100 times during writes; no acknowledged commit may be lost
crash-test:
    cargo test --package embedded-postgres --test server -- --ignored acknowledged_commits_survive_100_crashes

# Send thousands of random requests with other tenants' ids; none may read or change their data (FUZZ_STEPS, FUZZ_SEED)
fuzz-tenants:
    cargo test --package tenantry --test e2e -- --ignored --nocapture tenants_are_isolated_long

# Send requests generated from the OpenAPI document with schemathesis; `just fuzz-api --seed 7 --max-examples 500`
fuzz-api *ARGS:
    .ci/fuzz-api {{ARGS}}

# Run mutation tests on kernel, db, authorization and auth; takes hours. `just mutants --shard 0/50`, `just mutants --file modules/auth/src/tokens.rs`
mutants *ARGS:
    @command -v cargo-mutants >/dev/null || { echo "cargo-mutants is not installed: run cargo install --locked cargo-mutants"; exit 1; }
    cargo mutants --package kernel --package db --package authorization-api --package authorization --package auth-api --package auth {{ARGS}}
    @echo "Mutants listed as MISSED may be caught by the end-to-end tests: run just mutants --iterate --test-package tenantry"

# Start the database of compose.yml on port 5433 (DB_COMPOSE_ENGINE: podman, docker or auto)
db-up:
    scripts/db-compose up

# Stop the database of compose.yml; its data is kept
db-down:
    scripts/db-compose down

# Migrate the database of compose.yml
migrate-local:
    DB_DRIVER=postgres DATABASE_URL="$(scripts/db-compose url)" cargo run --quiet -- migrate run

# Check formatting and lints; CI checks more (.ci/run)
lint:
    cargo fmt --check
    cargo clippy --workspace --all-targets -- -D warnings

# Check the dependencies against deny.toml, as CI does
deny:
    .ci/check-dependencies
