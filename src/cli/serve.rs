//! `tenantry serve`

use std::{net::SocketAddr, pin::pin, time::Duration};

use kernel::TenancyMode;

use super::{
    output::{CliError, print},
    policies,
    signals::Signals,
    tenants,
};
#[cfg(feature = "seeds")]
use crate::logs::ErrorChain;
use crate::{
    bootstrap::{App, create_app},
    config::AppConfig,
    http::{self, BoundListener},
};

pub(super) async fn run(config: AppConfig) -> Result<(), CliError> {
    let mut signals = Signals::listen()?;
    let bound = http::bind(&config.http)?;
    // Cancelled by a signal, it rolls back its transaction and stops an embedded server that is starting.
    let app = tokio::select! {
        app = create_app(&config) => app?,
        () = signals.next() => return Ok(()),
    };
    let db = app.db.clone();
    let shutdown = serve(bound, app, config, &mut signals).await;
    if let Ok(Shutdown::Immediate) = shutdown {
        // Connections in use are abandoned. An embedded server stops when its last handle is dropped.
        return Ok(());
    }
    // Bounded, because a request that exceeded the shutdown timeout may still hold a connection.
    let _ = tokio::time::timeout(Duration::from_secs(10), db.close()).await;
    shutdown.map(|_| ())
}

/// How the server was shut down.
enum Shutdown {
    /// All requests were answered or exceeded the shutdown timeout.
    Graceful,
    /// A second signal arrived.
    Immediate,
}

async fn serve(bound: BoundListener, app: App, config: AppConfig, signals: &mut Signals) -> Result<Shutdown, CliError> {
    let addr = bound.addr;
    let demo = tokio::select! {
        demo = startup_checks(&app, addr, &config.tenancy) => demo?,
        () = signals.next() => return Ok(Shutdown::Graceful),
    };
    let mut server = pin!(http::start(bound, &config.http, app.module)?);
    let handle = server.handle();
    let stopping = {
        let handle = handle.clone();
        print_banner(addr, demo, &config.tenancy);
        async move {
            signals.next().await;
            print("stopping: waiting up to 10 seconds for open requests; press Ctrl-C again to stop immediately");
            // `stop` sends its command before it returns; the server future completes when it has been carried out.
            drop(handle.stop(true));
            signals.next().await;
        }
    };
    tokio::select! {
        shutdown = &mut server => shutdown.map(|()| Shutdown::Graceful).map_err(Into::into),
        () = stopping => Ok(Shutdown::Immediate),
        log = app.db.embedded_exit() => {
            // Restarting it is left to the service manager, which limits how often that is tried.
            tracing::error!("the embedded database exited unexpectedly; stopping");
            drop(handle.stop(true));
            // Requests in progress are answered with 503.
            server.await?;
            Err(format!(
                "the embedded database exited unexpectedly; read the end of {}, then start the program again, which \
                 recovers all committed data",
                log.display()
            )
            .into())
        }
    }
}

/// Warns about problems that only the operator can fix. Returns whether demo accounts exist.
async fn startup_checks(app: &App, addr: SocketAddr, tenancy: &TenancyMode) -> Result<bool, CliError> {
    let demo = check_demo_accounts(app, addr).await?;
    tenants::warn_if_missing(&app.db, tenancy).await?;
    policies::warn_if_outdated(&app.db).await?;
    Ok(demo)
}

/// Seeds a new embedded database if the server listens on loopback. Returns whether demo accounts exist.
///
/// # Errors
/// Demo accounts exist, whose password is public, and the server listens on the network.
async fn check_demo_accounts(app: &App, addr: SocketAddr) -> Result<bool, CliError> {
    let is_loopback = addr.ip().is_loopback();
    if is_loopback && app.db.needs_setup() {
        #[cfg(feature = "seeds")]
        seeds::run(&*app.db.system()).await.map_err(|error| ErrorChain(&error).to_string())?;
        app.db.mark_initialized()?;
    }
    let mut tx = app.db.database().begin_unscoped().await?;
    let demo = user::seed::any_active(&mut tx).await?;
    if demo && !is_loopback {
        return Err(format!(
            "this database has the demo accounts, whose password is public, and {addr} is not a loopback address: \
             set HTTP_HOST=127.0.0.1, use another database, or deactivate the accounts with \
             UPDATE users SET deactivated_at = now() WHERE email IN ('alice@example.com', 'bob@example.com')"
        )
        .into());
    }
    Ok(demo)
}

fn print_banner(addr: SocketAddr, demo: bool, tenancy: &TenancyMode) {
    let url = format!("http://{addr}");
    print("tenantry is ready; press Ctrl-C to stop");
    print(format_args!("  API      {url}/v1/me"));
    print(format_args!("  docs     {url}/docs/"));
    print(format_args!("  health   {url}/health/ready"));
    #[cfg(feature = "seeds")]
    if demo {
        let password = seeds::PASSWORD;
        print(match tenancy {
            TenancyMode::Personal => {
                "  accounts alice@example.com, bob@example.com (POST /v1/tenants creates a personal tenant)"
            }
            _ => "  accounts alice@example.com (admin of acme and globex), bob@example.com (member of acme)",
        });
        print(format_args!("  password {password}"));
        print(format_args!("\nTry it:\n\n{}\n", example_request(&url, password, tenancy)));
    }
    #[cfg(not(feature = "seeds"))]
    let _ = (demo, tenancy);
}

/// Returns a curl command to paste. It signs in and lists members, or the user's tenants if a header can't select one.
#[cfg(feature = "seeds")]
fn example_request(url: &str, password: &str, tenancy: &TenancyMode) -> String {
    let target = if tenancy.reads_header() { "v1/members -H 'X-Tenant-Id: acme'" } else { "v1/me" };
    format!(
        r#"curl -s {url}/{target} -H "Authorization: Bearer $(curl -s {url}/v1/auth/login -H 'Content-Type: application/json' -d '{{"email":"alice@example.com","password":"{password}"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')""#
    )
}
