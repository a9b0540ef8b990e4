//! `tenantry serve`

use std::{net::SocketAddr, pin::pin, time::Duration};

use kernel::contracts::Tenancy;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, policies, say, tenants};
#[cfg(feature = "seeds")]
use crate::logs::Causes;
use crate::{
    bootstrap::{App, create_app},
    config::AppConfig,
    http::{self, Bound},
};

pub(super) async fn run(config: AppConfig) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let bound = http::bind(&config.http)?;
    // What is given up half-way is rolled back, and an embedded server that is just starting is stopped.
    let app = tokio::select! {
        app = create_app(&config) => app?,
        () = signals.next() => return Ok(()),
    };
    let db = app.db.clone();
    let ended = serve(bound, app, config, &mut signals).await;
    if let Ok(Ended::AtOnce) = ended {
        // Connections are in use, and nobody waits for them; an embedded server ends with its last handle.
        return Ok(());
    }
    // Bounded, for a request that didn't end in its time may have a connection still.
    let _ = tokio::time::timeout(Duration::from_secs(10), db.close()).await;
    ended.map(|_| ())
}

/// How the server came to its end.
enum Ended {
    /// All requests were answered, or had their time.
    InOrder,
    /// Somebody couldn't wait.
    AtOnce,
}

async fn serve(bound: Bound, app: App, config: AppConfig, signals: &mut Signals) -> Result<Ended, Failure> {
    let addr = bound.addr;
    let demo = tokio::select! {
        demo = look_around(&app, addr, &config.tenancy) => demo?,
        () = signals.next() => return Ok(Ended::InOrder),
    };
    let mut server = pin!(http::start(bound, &config.http, app.module)?);
    let stopping = {
        let handle = server.handle();
        welcome(addr, demo, &config.tenancy);
        async move {
            signals.next().await;
            say("stopping: requests under way have 10 seconds to end; once more stops at once");
            // The command is on its way from here on; the server ends when it has been carried out.
            drop(handle.stop(true));
            signals.next().await;
        }
    };
    tokio::select! {
        ended = &mut server => ended.map(|()| Ended::InOrder).map_err(Into::into),
        () = stopping => Ok(Ended::AtOnce),
    }
}

/// Says whether there are demo accounts. Warns of what only whoever operates the program can mend.
async fn look_around(app: &App, addr: SocketAddr, tenancy: &Tenancy) -> Result<bool, Failure> {
    let demo = demo(app, addr).await?;
    tenants::warn_if_missing(&app.db, tenancy).await?;
    policies::tell_of_tenants_behind(&app.db).await?;
    Ok(demo)
}

/// Seeds a new embedded database, and keeps databases with demo accounts off the network: their password is public.
/// Says whether there are any.
async fn demo(app: &App, addr: SocketAddr) -> Result<bool, Failure> {
    let local = addr.ip().is_loopback();
    if local && app.db.is_new() {
        #[cfg(feature = "seeds")]
        seeds::run(&*app.db.system()).await.map_err(|error| Causes(&error).to_string())?;
        app.db.settle()?;
    }
    let mut tx = app.db.database().begin_unscoped().await?;
    let demo = user::seed::exist(&mut tx).await?;
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

fn welcome(addr: SocketAddr, demo: bool, tenancy: &Tenancy) {
    let url = format!("http://{addr}");
    say("tenantry is ready; Ctrl-C stops it");
    say(format_args!("  API      {url}/v1/me"));
    say(format_args!("  docs     {url}/docs/"));
    say(format_args!("  health   {url}/health/ready"));
    #[cfg(feature = "seeds")]
    if demo {
        let password = seeds::PASSWORD;
        say(match tenancy {
            Tenancy::Personal => {
                "  accounts alice@example.com, bob@example.com (POST /v1/tenants makes each their tenant)"
            }
            _ => "  accounts alice@example.com (admin of acme and globex), bob@example.com (member of acme)",
        });
        say(format_args!("  password {password}"));
        say(format_args!("\nTry it:\n\n{}\n", tour(&url, password, tenancy)));
    }
    #[cfg(not(feature = "seeds"))]
    let _ = (demo, tenancy);
}

/// A line to paste: signs in and lists the members, or the tenants where a header alone doesn't name one.
#[cfg(feature = "seeds")]
fn tour(url: &str, password: &str, tenancy: &Tenancy) -> String {
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
