//! From the variables of `libpq` to a server. A project names none: whoever works on it says which server may have the
//! password (<https://www.postgresql.org/docs/current/libpq-envars.html>).

use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::{Client, Config, NoTls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::passfile;
use crate::error::StateError;
use crate::place::{Place, Variables};

/// How long a connection may take, and how long an answer may stay out: well below a lease.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(15);

/// A server, and how to sign in there.
pub(super) struct Server {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    pub(super) place: Place,
}

impl Server {
    /// Reads the variables.
    ///
    /// # Errors
    /// They name no server, or something that cannot be one.
    pub(super) fn of(schema: &str, variables: &Variables) -> Result<Self, StateError> {
        let mut config = Config::new();
        let wrong = |what: String| StateError::Misconfigured { what };
        let host = variables.get("PGHOST").ok_or_else(|| wrong("PGHOST names no server".to_owned()))?;
        config.host(host).application_name("kompox").connect_timeout(CONNECT).tcp_user_timeout(SILENCE);
        config.keepalives_idle(SILENCE).keepalives_interval(Duration::from_secs(5)).keepalives_retries(3);
        let port = variables.get("PGPORT").unwrap_or("5432");
        config.port(port.parse().map_err(|_| wrong(format!("PGPORT is no port: {port}")))?);
        let user = variables.get("PGUSER").ok_or_else(|| wrong("PGUSER names no user".to_owned()))?;
        let database = variables.get("PGDATABASE").unwrap_or(user);
        config.user(user).dbname(database);
        let password = match variables.get("PGPASSWORD") {
            Some(password) => Some(password.to_owned()),
            None => passfile::password(variables, [host, port, database, user]).map_err(wrong)?,
        };
        if let Some(password) = password {
            config.password(password);
        }
        let is_near = match config.get_hosts() {
            [Host::Tcp(name)] => {
                name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
            // A socket in a folder.
            _ => true,
        };
        let tls = match variables.get("PGSSLMODE") {
            Some("disable") => None,
            None | Some("prefer" | "allow") if is_near => None,
            None | Some("require" | "verify-ca" | "verify-full" | "prefer" | "allow") => {
                config.ssl_mode(SslMode::Require);
                Some(tls(variables.get("PGSSLROOTCERT"))?)
            }
            Some(other) => return Err(wrong(format!("PGSSLMODE cannot be {other}"))),
        };
        if tls.is_none() {
            config.ssl_mode(SslMode::Disable);
        }
        let place = Place::database(schema, variables);
        Ok(Self { config, tls, place })
    }

    pub(super) fn connect(&self) -> Result<Client, postgres::Error> {
        match &self.tls {
            Some(tls) => self.config.connect(tls.clone()),
            None => self.config.connect(NoTls),
        }
    }
}

/// TLS that checks the server's name and certificate, by the usual authorities and one of one's own.
fn tls(own: Option<&str>) -> Result<MakeRustlsConnect, StateError> {
    let wrong = |what: String| StateError::Misconfigured { what };
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = own.filter(|path| *path != "system") {
        let unreadable = |e: &dyn std::fmt::Display| wrong(format!("PGSSLROOTCERT {path} cannot be read: {e}"));
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| unreadable(&e))? {
            roots.add(certificate.map_err(|e| unreadable(&e))?).map_err(|e| unreadable(&e))?;
        }
    }
    let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(format!("there is no TLS: {e}")))?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}
