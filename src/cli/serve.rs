//! `tenantry serve`

use std::net::SocketAddr;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;
#[cfg(feature = "seeds")]
use crate::logs::Causes;
use crate::{
    bootstrap::{App, create_app},
    config::AppConfig,
    http::{self, Bound},
};

pub(super) async fn run(config: AppConfig) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let bound = http::bind(&config.http)?;
    let app = create_app(&config).await?;
    let db = app.db.clone();
    let outcome = serve(bound, app, config, signals).await;
    db.close().await;
    outcome
}

async fn serve(bound: Bound, app: App, config: AppConfig, mut signals: Signals) -> Result<(), Failure> {
    let addr = bound.addr;
    let demo = demo(&app, addr).await?;
    let server = http::start(bound, &config.http, app.module)?;
    let handle = server.handle();
    welcome(addr, demo);
    let stopping = async {
        signals.next().await;
        println!("stopping: requests under way have 10 seconds to end; once more stops at once");
        tokio::select! {
            () = handle.stop(true) => {}
            () = signals.next() => handle.stop(false).await,
        }
    };
    let (outcome, ()) = tokio::join!(server, stopping);
    Ok(outcome?)
}

/// Seeds a new embedded database, and keeps databases with demo accounts off the network. Says whether there are any.
#[cfg(feature = "seeds")]
async fn demo(app: &App, addr: SocketAddr) -> Result<bool, Failure> {
    if app.db.is_new() {
        seeds::run(&*app.db.system()).await.map_err(|error| Causes(&error).to_string())?;
        app.db.settle()?;
    }
    let demo = seeds::accounts_exist(&*app.db.system()).await?;
    if demo && !addr.ip().is_loopback() {
        return Err(format!(
            "this database has the demo accounts, whose password is public, and may be served on loopback only: set \
             HTTP_HOST=127.0.0.1, or deactivate them, or use another database instead of {} on {addr}",
            if app.db.is_embedded() { "the embedded one" } else { "this one" }
        )
        .into());
    }
    Ok(demo)
}

#[cfg(not(feature = "seeds"))]
async fn demo(app: &App, _: SocketAddr) -> Result<bool, Failure> {
    app.db.settle()?;
    Ok(false)
}

fn welcome(addr: SocketAddr, demo: bool) {
    let url = format!("http://{addr}");
    println!("tenantry is ready; Ctrl-C stops it");
    println!("  API      {url}/v1/me");
    println!("  docs     {url}/docs/");
    println!("  health   {url}/health/ready");
    #[cfg(feature = "seeds")]
    if demo {
        let password = seeds::PASSWORD;
        println!("  accounts alice@example.com (admin of acme and globex), bob@example.com (member of acme)");
        println!("  password {password}");
        println!("\nTry it:\n\n{}\n", tour(&url, password));
    }
    #[cfg(not(feature = "seeds"))]
    let _ = demo;
}

/// A line to paste: signs in and lists the members.
#[cfg(feature = "seeds")]
fn tour(url: &str, password: &str) -> String {
    format!(
        r#"curl -s {url}/v1/members -H 'X-Tenant-Id: acme' -H "Authorization: Bearer $(curl -s {url}/v1/auth/login -H 'Content-Type: application/json' -d '{{"email":"alice@example.com","password":"{password}"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')""#
    )
}

/// Ctrl-C and the service manager's request to stop. Listened to from the start: an impatient Ctrl-C ends the database
/// in order, too.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
