//! `tenantry serve`

use std::{net::SocketAddr, pin::pin, time::Duration};

use db::SystemReason;
#[cfg(feature = "seeds")]
use kernel::TenancyMode;

use super::{
    exposure::Exposure,
    output::{CliError, print},
    policies,
    signals::Signals,
    tenants,
};
#[cfg(feature = "seeds")]
use crate::logs::ErrorChain;
use crate::{
    background,
    bootstrap::{App, create_app},
    config::AppConfig,
    http::{self, BoundListener, ConnectionLimit},
};

pub(super) async fn run(config: AppConfig) -> Result<(), CliError> {
    let mut signals = Signals::listen()?;
    let limit = ConnectionLimit::reserve(&config.http, config.db.pool_size)?;
    // Bound before anything else starts, so a second instance fails without side effects.
    let bound = http::bind(&config.http)?;
    // Cancelled by a signal, it rolls back its transaction and stops an embedded server that is starting.
    let app = tokio::select! {
        app = create_app(&config) => app?,
        () = signals.next() => return Ok(()),
    };
    let (db, module) = (app.db.clone(), app.module.clone());
    let shutdown = serve(bound, limit, app, config, &mut signals).await;
    if let Ok(Shutdown::Immediate) = shutdown {
        // Connections in use are abandoned. An embedded server stops when its last handle is dropped.
        return Ok(());
    }
    // Bounded, because a request that exceeded the shutdown timeout may still hold a connection.
    let closing = async {
        background::flush(&module).await;
        db.close().await;
    };
    let _ = tokio::time::timeout(Duration::from_secs(10), closing).await;
    shutdown.map(|_| ())
}

/// How the server was shut down.
enum Shutdown {
    /// All requests were answered or exceeded the shutdown timeout.
    Graceful,
    /// A second signal arrived.
    Immediate,
}

async fn serve(
    bound: BoundListener,
    limit: ConnectionLimit,
    app: App,
    config: AppConfig,
    signals: &mut Signals,
) -> Result<Shutdown, CliError> {
    let addr = bound.addr;
    let demo = tokio::select! {
        demo = startup_checks(&app, addr, &config) => demo?,
        () = signals.next() => return Ok(Shutdown::Graceful),
    };
    let mut server = pin!(http::start(bound, &config.http, limit, app.module.clone())?);
    let handle = server.handle();
    let stopping = {
        let handle = handle.clone();
        print_banner(addr, demo, &config);
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
        never = background::run(app.module.clone(), background::FLUSH_INTERVAL) => match never {},
        log = app.db.embedded_exit() => {
            // Restarting it is left to the service manager, which limits how often that is tried.
            tracing::error!("the embedded database exited unexpectedly; stopping");
            drop(handle.stop(true));
            // Requests in progress are answered with 503. Without closing the pool, they would wait for a connection.
            let (stopped, ()) = tokio::join!(server, app.db.clone().close());
            stopped?;
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
async fn startup_checks(app: &App, addr: SocketAddr, config: &AppConfig) -> Result<bool, CliError> {
    let demo = check_demo_accounts(app, Exposure::of(config, addr.ip())).await?;
    tenants::warn_if_missing(&app.db, &config.tenancy).await?;
    policies::warn_if_outdated(&app.db).await?;
    Ok(demo)
}

/// Seeds a new embedded database, unless other machines may reach the server. Such a database isn't seeded later
/// either, since it may have real users by then. Returns whether demo accounts exist.
///
/// # Errors
/// Demo accounts exist, whose password is public, and other machines may reach the server.
async fn check_demo_accounts(app: &App, exposure: Option<Exposure>) -> Result<bool, CliError> {
    if app.db.needs_setup() {
        #[cfg(feature = "seeds")]
        if exposure.is_none() {
            seeds::run(&*app.db.system()).await.map_err(|error| ErrorChain(&error).to_string())?;
        }
        app.db.mark_initialized()?;
    }
    let mut tx = app.db.system().begin(SystemReason::Seed).await?;
    let demo = user::seed::any_active(&mut tx).await?;
    match exposure {
        Some(Exposure { reason, remedy }) if demo => {
            let remedy = remedy.map(|remedy| format!("{remedy}, ")).unwrap_or_default();
            Err(format!(
                "this database has the demo accounts, whose password is public, and {reason}: {remedy}use another \
                 database, or deactivate the accounts with UPDATE users SET deactivated_at = now() \
                 WHERE email IN ('alice@example.com', 'bob@example.com')"
            )
            .into())
        }
        _ => Ok(demo),
    }
}

fn print_banner(addr: SocketAddr, demo: bool, config: &AppConfig) {
    let url = http::listen_url(addr);
    print("tenantry is ready; press Ctrl-C to stop");
    print(format_args!("  API      {url}/v1/me"));
    if config.http.docs {
        print(format_args!("  docs     {url}/docs/"));
    }
    print(format_args!("  health   {url}/health/ready"));
    #[cfg(feature = "seeds")]
    if demo {
        let (password, tenancy) = (seeds::PASSWORD, &config.tenancy);
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
    let _ = demo;
}

/// Returns a curl command to paste. It signs in and lists members, or the user's tenants if a header can't select one.
#[cfg(feature = "seeds")]
fn example_request(url: &str, password: &str, tenancy: &TenancyMode) -> String {
    let target = if tenancy.reads_header() { "v1/members -H 'X-Tenant-Id: acme'" } else { "v1/me" };
    format!(
        r#"curl -s {url}/{target} -H "Authorization: Bearer $(curl -s {url}/v1/auth/login -H 'Content-Type: application/json' -d '{{"email":"alice@example.com","password":"{password}"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')""#
    )
}
