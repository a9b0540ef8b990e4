# The recipes; `just` alone lists them.

_default:
    @just --list --unsorted

# Run the server with its embedded database
run *ARGS:
    cargo run -- {{ARGS}}

# Put the demo data into the configured database
seed:
    cargo run --quiet -- seed

# Migrate the configured database: `just migrate`, `just migrate status`, `just migrate revert --steps 1`
migrate *ARGS='run':
    cargo run --quiet -- migrate {{ARGS}}

# Make the files of a new migration; its name begins with the module that owns it: `just new-migration user_phone`
new-migration NAME:
    #!/usr/bin/env bash
    set -euo pipefail
    module=$(printf '%s' '{{NAME}}' | cut -d_ -f1)
    [[ '{{NAME}}' =~ ^[a-z][a-z0-9_]*$ ]] || { echo "a migration's name has a-z, 0-9 and _ only"; exit 1; }
    [ -d "modules/$module" ] || { echo "no module is called '$module': the name begins with the module that owns the tables"; exit 1; }
    last=$(ls migrations | sed -n 's/^\([0-9]\{4\}\)_.*\.up\.sql$/\1/p' | tail -1)
    file=$(printf 'migrations/%04d_%s' $((10#$last + 1)) '{{NAME}}')
    printf -- '-- Owner: %s. What for:\n' "$module" > "$file.up.sql"
    printf -- '-- Takes back what the other file did.\n' > "$file.down.sql"
    echo "$file.up.sql"; echo "$file.down.sql"

# Write a new module, with one table and its endpoints, and wire it in: `just new-module notes`, `just new-module children child`
new-module NAME ONE='':
    #!/usr/bin/env bash
    set -euo pipefail
    step() { printf '\n%s\n' "$*" >&2; }
    cargo run --quiet --package new-module -- '{{NAME}}' '{{ONE}}'
    trap 'echo "The files are written. Once the error above is mended, what is left is just prepare, the golden files and just map: docs/adding-an-endpoint.md, part 4" >&2' ERR
    cargo fmt --all
    step "Compiling, with its queries described by a fresh database …"
    cargo build --quiet --package with-database
    SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$PWD/.sqlx" "${CARGO_TARGET_DIR:-target}/debug/with-database" \
        cargo test --quiet --package tenantry --test e2e --no-run
    step "Its routes go into the golden files and onto the map …"
    INSTA_UPDATE=always TENANTRY_DRAW_MAP=1 cargo test --quiet --package tenantry --test e2e -- \
        everybody_at_every_route the_openapi_document_is_this this_is_who_may_do_what the_map_is_as_the_code_is
    step "The module '{{NAME}}' is there, and wired in. Read it: git status, git diff. Try it: just test, cargo run"
    echo "Whoever may do everything may use it; docs/adding-a-module.md says how others come to it, and what to change first." >&2

# Describe every query anew, after a change to a query or a migration; commit .sqlx with it
prepare:
    #!/usr/bin/env bash
    set -euo pipefail
    fresh=$(mktemp -d); trap 'rm -rf "$fresh"' EXIT
    # Not by `cargo run`: what it tells the program would reach the inner cargo, which would build half of the dependencies
    # anew for it.
    cargo build --quiet --package with-database
    # The compiler must look at each query again.
    touch modules/*/src/lib.rs
    SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$fresh" "${CARGO_TARGET_DIR:-target}/debug/with-database" \
        cargo check --workspace --tests
    rm -rf .sqlx; mkdir .sqlx; cp "$fresh"/query-*.json .sqlx/
    echo "$(ls .sqlx | wc -l) queries"

# Draw docs/map.md anew, after a change to routes, permissions, tables or dependencies; commit it with the change
map:
    TENANTRY_DRAW_MAP=1 cargo test --quiet --package tenantry --test e2e -- the_map_is_as_the_code_is

# Every test, with nothing running; CI repeats them as an ordinary user and on other servers (.ci/run)
test *ARGS:
    cargo test --workspace {{ARGS}}

# The tests that need a database, on the embedded one; on any other with TEST_DATABASE_URL=…
test-db *ARGS:
    cargo test --workspace --exclude embedded-postgres --exclude wiring-tests {{ARGS}}

# The same tests on the database of compose.yml, which is started for them and left as it was
test-db-local *ARGS:
    scripts/db-compose with bash -c 'just migrate-local && TEST_DATABASE_URL="$DB_URL" just test-db {{ARGS}}'

# The same tests on a PostgreSQL in a container that lives as long as the run (Testcontainers); DB_TAG=17-alpine
test-db-ci *ARGS:
    cargo build --quiet --package test-db-ci --features containers
    "${CARGO_TARGET_DIR:-target}/debug/test-db-ci" cargo test --workspace --exclude embedded-postgres --exclude wiring-tests {{ARGS}}

# The program beside a bare one, ratios only; then a request's module; then decisions beside cedar and casbin. See docs/performance.md
bench *ARGS:
    cargo build --release -p tenantry -p bench
    "${CARGO_TARGET_DIR:-target}/release/compare" {{ARGS}}
    cargo bench -p bench
    just bench-decisions

# The last part of it alone: `just bench-decisions [ROUNDS [MILLISECONDS]]`
bench-decisions *ARGS:
    cargo run --release --quiet -p bench --features rivals --bin decisions -- {{ARGS}}

# Kill the embedded database a hundred times while it is written to; nothing that was acknowledged may be lost
torture:
    cargo test --package embedded-postgres --test server -- --ignored in_a_hundred_rounds

# Thousands of random requests with other tenants' ids in them; nothing of theirs may be read or changed (FUZZ_STEPS, FUZZ_SEED)
fuzz-tenants:
    cargo test --package tenantry --test e2e -- --ignored --nocapture in_a_long_run

# Change kernel, authorization and auth in a thousand small ways; each should turn a test red. Hours; `just mutants --shard 0/50`, `just mutants --file modules/auth/src/tokens.rs`
mutants *ARGS:
    @command -v cargo-mutants >/dev/null || { echo "cargo-mutants is missing: cargo install --locked cargo-mutants"; exit 1; }
    cargo mutants --package kernel --package authorization --package auth {{ARGS}}
    @echo "What is listed as MISSED may be caught by the end-to-end tests: just mutants --iterate --test-package tenantry"

# Start the database of compose.yml, on port 5433 (DB_COMPOSE_ENGINE: podman, docker or auto)
db-up:
    scripts/db-compose up

# Stop it; its data stays
db-down:
    scripts/db-compose down

# Migrate it
migrate-local:
    DB_DRIVER=postgres DATABASE_URL="$(scripts/db-compose url)" cargo run --quiet -- migrate run

# Format and lints of what these tests are built of; CI looks at more before it tests (.ci/run)
lint:
    cargo fmt --check
    cargo clippy --workspace --all-targets -- -D warnings

# Which crates may come in, by deny.toml, as CI checks it
deny:
    .ci/check-dependencies
