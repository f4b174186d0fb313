//! Where a state can be kept, each backend on the server of this process.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kompox_state::{Config, Objects, Variables};
use uuid::Uuid;

use super::server::{ACCOUNT, AZURITE, BUCKET, GCS, MOTO, Postgres, Server, VERSITYGW, aws, azure, google, installed};

/// A backend, and the server that it is tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    File,
    Folder,
    Versitygw,
    Moto,
    Azurite,
    Gcs,
    Postgres,
    Pgbouncer,
}

/// A place where nobody has kept a state yet.
pub struct Home {
    /// What the configuration says of it.
    pub text: String,
    /// What whoever uses it has in the environment.
    pub variables: Vec<(&'static str, String)>,
    kind: Kind,
}

enum Kind {
    /// Relative to `.kompox`.
    File(PathBuf),
    Folder(PathBuf),
    Bucket,
    Schema(String),
}

impl Backend {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "sqlite",
            Self::Folder => "object (folder)",
            Self::Versitygw => "object (versitygw)",
            Self::Moto => "object (moto)",
            Self::Azurite => "object (azurite)",
            Self::Gcs => "object (gcs)",
            Self::Postgres => "postgres",
            Self::Pgbouncer => "postgres (pgbouncer)",
        }
    }

    /// The folder in which its server keeps everything, once it was started; none where it has no server.
    pub fn kept_in(self) -> Option<PathBuf> {
        let server = |n: usize| SERVERS[n].get().and_then(Option::as_ref).map(|server| server.folder().to_owned());
        match self {
            Self::File | Self::Folder => None,
            Self::Versitygw => server(0),
            Self::Moto => server(1),
            Self::Azurite => server(2),
            Self::Gcs => server(3),
            Self::Postgres | Self::Pgbouncer => postgres().map(|server| server.folder().to_owned()),
        }
    }

    /// A new place; `None` where the server is not installed, which is said.
    pub fn home(self) -> Option<Home> {
        let id = Uuid::new_v4().simple().to_string();
        let server = |n: usize, program: &str, start: fn(&Path) -> Server| {
            SERVERS[n].get_or_init(|| installed(program).map(|program| start(&program))).as_ref()
        };
        let bucket = |url: String, variables: &[(&'static str, String)]| Home {
            text: format!("{{type: object, url: '{url}/{id}'}}"),
            variables: variables.to_vec(),
            kind: Kind::Bucket,
        };
        let s3 = |server: &Server| bucket(format!("s3://{BUCKET}"), &aws(&server.endpoint));
        match self {
            Self::File | Self::Folder => Some(Home::on_disk(self, Path::new(""))),
            Self::Versitygw => server(0, VERSITYGW, Server::versitygw).map(s3),
            Self::Moto => server(1, MOTO, Server::moto).map(s3),
            Self::Azurite => {
                let server = server(2, AZURITE, Server::azurite)?;
                Some(bucket(format!("az://{ACCOUNT}/{BUCKET}"), &azure(&server.endpoint)))
            }
            Self::Gcs => {
                let server = server(3, GCS, Server::gcs)?;
                Some(bucket(format!("gs://{BUCKET}"), &google(&server.endpoint)))
            }
            Self::Postgres | Self::Pgbouncer => {
                let server = postgres()?;
                let port = if self == Self::Postgres { server.port } else { server.pooled? };
                let schema = format!("state_{id}");
                Some(Home {
                    text: format!("{{type: postgres, schema: {schema}}}"),
                    variables: Postgres::at(port),
                    kind: Kind::Schema(schema),
                })
            }
        }
    }
}

/// versitygw, moto, Azurite and the Google Cloud Storage of this process.
static SERVERS: [OnceLock<Option<Server>>; 4] = [const { OnceLock::new() }; 4];

/// The PostgreSQL of this process.
fn postgres() -> Option<&'static Postgres> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    SERVER.get_or_init(Postgres::start).as_ref()
}

impl Home {
    /// A place below a folder, which is relative to `.kompox` if it is not absolute.
    pub fn on_disk(backend: Backend, folder: &Path) -> Self {
        let (kind, path) = match backend {
            Backend::File => ("sqlite", folder.join("state/sandbox.db")),
            _ => ("object", folder.join("objects")),
        };
        let text = format!("{{type: {kind}, path: {}}}", path.display());
        let kind = if backend == Backend::File { Kind::File(path) } else { Kind::Folder(path) };
        Self { text, variables: Vec::new(), kind }
    }

    /// The place as `--from` takes it.
    pub fn word(&self) -> String {
        match &self.kind {
            Kind::File(path) | Kind::Folder(path) => path.to_str().unwrap().to_owned(),
            Kind::Bucket => self.url().to_owned(),
            Kind::Schema(schema) => format!("postgres:{schema}"),
        }
    }

    fn url(&self) -> &str {
        self.text.split('\'').nth(1).unwrap_or_default()
    }

    /// What opens the state of a rehearsal here, for a project whose `.kompox` is this folder.
    pub fn config(&self, folder: &Path) -> Config {
        let pairs = self.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let variables: Variables = pairs.collect();
        let presence = folder.join("state/sandbox.lock");
        match &self.kind {
            Kind::File(path) => Config::Sqlite { path: folder.join(path) },
            Kind::Folder(path) => Config::Object { objects: Objects::Folder(folder.join(path)), variables, presence },
            Kind::Bucket => Config::Object { objects: Objects::parse(self.url()).unwrap(), variables, presence },
            Kind::Schema(schema) => Config::Postgres { schema: schema.clone(), variables, presence },
        }
    }
}
