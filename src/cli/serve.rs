//! `tenantry serve`

use std::{net::SocketAddr, pin::pin, time::Duration};

use kernel::contracts::TenancyMode;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{CliError, policies, print, tenants};
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
    // What is given up half-way is rolled back, and an embedded server that is just starting is stopped.
    let app = tokio::select! {
        app = create_app(&config) => app?,
        () = signals.next() => return Ok(()),
    };
    let db = app.db.clone();
    let shutdown = serve(bound, app, config, &mut signals).await;
    if let Ok(Shutdown::Immediate) = shutdown {
        // Connections are in use, and nobody waits for them; an embedded server ends with its last handle.
        return Ok(());
    }
    // Bounded, for a request that didn't end in its time may have a connection still.
    let _ = tokio::time::timeout(Duration::from_secs(10), db.close()).await;
    shutdown.map(|_| ())
}

/// How the server came to its end.
enum Shutdown {
    /// All requests were answered, or had their time.
    Graceful,
    /// Somebody couldn't wait.
    Immediate,
}

async fn serve(bound: BoundListener, app: App, config: AppConfig, signals: &mut Signals) -> Result<Shutdown, CliError> {
    let addr = bound.addr;
    let demo = tokio::select! {
        demo = startup_checks(&app, addr, &config.tenancy) => demo?,
        () = signals.next() => return Ok(Shutdown::Graceful),
    };
    let mut server = pin!(http::start(bound, &config.http, app.module)?);
    let stopping = {
        let handle = server.handle();
        print_banner(addr, demo, &config.tenancy);
        async move {
            signals.next().await;
            print("stopping: requests under way have 10 seconds to end; once more stops at once");
            // The command is on its way from here on; the server ends when it has been carried out.
            drop(handle.stop(true));
            signals.next().await;
        }
    };
    tokio::select! {
        shutdown = &mut server => shutdown.map(|()| Shutdown::Graceful).map_err(Into::into),
        () = stopping => Ok(Shutdown::Immediate),
    }
}

/// Says whether there are demo accounts. Warns of what only whoever operates the program can mend.
async fn startup_checks(app: &App, addr: SocketAddr, tenancy: &TenancyMode) -> Result<bool, CliError> {
    let demo = check_demo_accounts(app, addr).await?;
    tenants::warn_if_missing(&app.db, tenancy).await?;
    policies::warn_if_outdated(&app.db).await?;
    Ok(demo)
}

/// Seeds a new embedded database, and keeps databases with demo accounts off the network: their password is public.
/// Says whether there are any.
async fn check_demo_accounts(app: &App, addr: SocketAddr) -> Result<bool, CliError> {
    let local = addr.ip().is_loopback();
    if local && app.db.needs_setup() {
        #[cfg(feature = "seeds")]
        seeds::run(&*app.db.system()).await.map_err(|error| ErrorChain(&error).to_string())?;
        app.db.mark_initialized()?;
    }
    let mut tx = app.db.database().begin_unscoped().await?;
    let demo = user::seed::any_active(&mut tx).await?;
    if demo && !local {
        return Err(format!(
            "this database has the demo accounts, whose password is public, and {addr} can be reached from elsewhere: \
             set HTTP_HOST=127.0.0.1, or use another database, or end their access with \
             UPDATE users SET deactivated_at = now() WHERE email IN ('alice@example.com', 'bob@example.com')"
        )
        .into());
    }
    Ok(demo)
}

fn print_banner(addr: SocketAddr, demo: bool, tenancy: &TenancyMode) {
    let url = format!("http://{addr}");
    print("tenantry is ready; Ctrl-C stops it");
    print(format_args!("  API      {url}/v1/me"));
    print(format_args!("  docs     {url}/docs/"));
    print(format_args!("  health   {url}/health/ready"));
    #[cfg(feature = "seeds")]
    if demo {
        let password = seeds::PASSWORD;
        print(match tenancy {
            TenancyMode::Personal => {
                "  accounts alice@example.com, bob@example.com (POST /v1/tenants makes each their tenant)"
            }
            _ => "  accounts alice@example.com (admin of acme and globex), bob@example.com (member of acme)",
        });
        print(format_args!("  password {password}"));
        print(format_args!("\nTry it:\n\n{}\n", example_request(&url, password, tenancy)));
    }
    #[cfg(not(feature = "seeds"))]
    let _ = (demo, tenancy);
}

/// A line to paste: signs in and lists the members, or the tenants where a header alone doesn't name one.
#[cfg(feature = "seeds")]
fn example_request(url: &str, password: &str, tenancy: &TenancyMode) -> String {
    let what = if tenancy.reads_header() { "v1/members -H 'X-Tenant-Id: acme'" } else { "v1/me" };
    format!(
        r#"curl -s {url}/{what} -H "Authorization: Bearer $(curl -s {url}/v1/auth/login -H 'Content-Type: application/json' -d '{{"email":"alice@example.com","password":"{password}"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')""#
    )
}

/// Ctrl-C and the service manager's request to stop. Listened to from the start: an impatient Ctrl-C ends the database
/// in order, too.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
