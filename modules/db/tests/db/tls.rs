//! TLS between program and server: a relay that strips it, and certificates.

use std::{sync::Arc, time::Duration};

use db::{DbConfig, OpenError, open_db};
use rstest::rstest;
use sqlx::postgres::PgConnectOptions;
use test_support::{TestDb, test_db};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::tcp_proxy::{relay, through_proxy_at};

/// A CA, and a certificate that it issued for 0.0.0.0 and db.test. Both expire in 2126.
const CA_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/db/tls/ca.pem");
const SERVER_PEM: &[u8] = include_bytes!("tls/server.pem");

/// Reaches this machine, but isn't a loopback address, so it counts as another machine.
const REMOTE: &str = "0.0.0.0";

/// SSLRequest: <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Opens the database in production and returns the error. `Superuser` means that the connection was accepted, since
/// that check follows it.
async fn open_in_production(config: DbConfig) -> OpenError {
    // A rejected server must not be retried until this timeout.
    let config = DbConfig { production: true, connect_timeout: Duration::from_secs(600), ..config };
    open_db(config).await.unwrap_err()
}

/// Reads the first message, and rejects TLS if that is what it requests.
async fn strip_tls(mut client: TcpStream, server: PgConnectOptions) {
    let mut first = [0; 8];
    if client.read_exact(&mut first).await.is_err() {
        return;
    }
    if first == SSL_REQUEST {
        client.write_all(b"N").await.unwrap();
        return relay(client, &server, &[]).await;
    }
    relay(client, &server, &first).await;
}

#[rstest]
#[case::default("")]
#[case::other_parameters("options=-cwork_mem%3D8MB")]
#[case::require("sslmode=require")]
#[case::verify_full("sslmode=verify-full")]
#[tokio::test]
async fn stripped_tls_is_rejected_in_production(#[future(awt)] test_db: TestDb, #[case] query: &str) {
    let error = open_in_production(through_proxy_at(&test_db, REMOTE, query, strip_tls).await).await;
    assert!(matches!(&error, OpenError::Tls { reason, .. } if reason == "server does not support TLS"), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("enable TLS on the server") && !message.contains('\n'), "{message}");
}

#[rstest]
#[case::prefer(REMOTE, "sslmode=prefer")]
#[case::disable(REMOTE, "sslmode=disable")]
#[case::local("127.0.0.1", "")]
#[tokio::test]
async fn configured_plaintext_is_accepted(#[future(awt)] test_db: TestDb, #[case] host: &str, #[case] query: &str) {
    let error = open_in_production(through_proxy_at(&test_db, host, query, strip_tls).await).await;
    assert!(matches!(error, OpenError::Superuser), "{error:?}");
}

#[rstest]
#[tokio::test]
async fn plaintext_is_accepted_in_development(#[future(awt)] test_db: TestDb) {
    let config = through_proxy_at(&test_db, REMOTE, "", strip_tls).await;
    open_db(config).await.unwrap().close().await;
}

/// Accepts TLS with the certificate and forwards the decrypted messages.
async fn terminate_tls(mut client: TcpStream, server: PgConnectOptions) {
    let mut first = [0; 8];
    client.read_exact(&mut first).await.unwrap();
    assert_eq!(first, SSL_REQUEST);
    client.write_all(b"S").await.unwrap();
    let certificate = CertificateDer::from_pem_slice(SERVER_PEM).unwrap();
    let key = PrivateKeyDer::from_pem_slice(SERVER_PEM).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    // Fails if the client rejects the certificate.
    if let Ok(client) = TlsAcceptor::from(Arc::new(config)).accept(client).await {
        relay(client, &server, &[]).await;
    }
}

#[rstest]
#[case::unknown_ca(REMOTE, String::new(), "UnknownIssuer")]
#[case::unknown_ca_without_name(REMOTE, "sslmode=verify-ca".into(), "UnknownIssuer")]
#[case::missing_ca_file(REMOTE, "sslrootcert=/missing/ca.pem".into(), "a certificate file in the URL can't be read")]
#[case::other_name("127.0.0.1", format!("sslmode=verify-full&sslrootcert={CA_FILE}"), "not valid for name")]
#[tokio::test]
async fn untrusted_certificate_is_rejected(
    #[future(awt)] test_db: TestDb,
    #[case] host: &str,
    #[case] query: String,
    #[case] expected: &str,
) {
    let error = open_in_production(through_proxy_at(&test_db, host, &query, terminate_tls).await).await;
    assert!(matches!(&error, OpenError::Tls { reason, .. } if reason.contains(expected)), "{error:?}");
    assert!(error.to_string().contains("sslrootcert") && !error.to_string().contains('\n'), "{error}");
}

#[rstest]
#[case::configured_ca(format!("sslrootcert={CA_FILE}"))]
#[case::unverified("sslmode=require".into())]
#[tokio::test]
async fn trusted_certificate_is_accepted(#[future(awt)] test_db: TestDb, #[case] query: String) {
    let error = open_in_production(through_proxy_at(&test_db, REMOTE, &query, terminate_tls).await).await;
    assert!(matches!(error, OpenError::Superuser), "{error:?}");
}
