//! Where a state is, and how to get there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::change::Change;
use crate::copy::Copy;
use crate::error::StateError;
use crate::identity::Identity;
use crate::lock::LockRequest;
use crate::object::ObjectStore;
use crate::postgres::PostgresStore;
use crate::seen::{Astray, Seen};
use crate::sqlite::SqliteStore;
use crate::store::Store;

/// Where a state is kept, as a person is told: a file by its path; a database by its server and name, a bucket by its name
/// and prefix. It never holds a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of this machine.
    File(PathBuf),
    /// Objects in a bucket, container or folder.
    Objects(Arc<Objects>),
    /// Tables of a database.
    Database {
        /// Its server and port.
        server: Arc<str>,
        /// The database and the schema in it.
        name: Arc<str>,
    },
}

impl Place {
    pub(crate) fn file(path: &Path) -> Self {
        Self::File(path.to_owned())
    }

    /// The place that the variables of `libpq` say, as far as they do.
    pub(crate) fn database(schema: &str, variables: &Variables) -> Self {
        let of = |name, default| variables.get(name).unwrap_or(default);
        let server = format!("{}:{}", of("PGHOST", "?"), of("PGPORT", "5432"));
        let name = format!("{}.{schema}", of("PGDATABASE", of("PGUSER", "?")));
        Self::Database { server: server.into(), name: name.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Objects(objects) => objects.fmt(f),
            Self::Database { server, name } => write!(f, "{name} on {server}"),
        }
    }
}

/// Where objects are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objects {
    /// A folder of this machine, or of a file server with durable renames and locks.
    Folder(PathBuf),
    /// A bucket of S3, or of a server that speaks like it.
    S3 {
        /// Its name.
        bucket: String,
        /// What the names of all objects begin with.
        prefix: String,
    },
    /// A bucket of Google Cloud Storage.
    Google {
        /// Its name.
        bucket: String,
        /// What the names of all objects begin with.
        prefix: String,
    },
    /// A container of Azure Blob Storage.
    Azure {
        /// The storage account.
        account: String,
        /// The container's name.
        container: String,
        /// What the names of all objects begin with.
        prefix: String,
    },
}

/// A text that says no place of objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write `s3://<bucket>/<prefix>`, `gs://<bucket>/<prefix>` or `az://<account>/<container>/<prefix>`")]
pub struct NotObjects(String);

impl Objects {
    /// Reads a URL of a bucket. It has no server: those of the clouds are known, and others come from the environment.
    ///
    /// # Errors
    /// It has another form, or a part that cannot be a name.
    pub fn parse(url: &str) -> Result<Self, NotObjects> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| NotObjects(format!("\"{url}\" is no URL")))?;
        let mut parts = rest.split('/');
        let mut name = |what: &str| {
            let name = parts.next().unwrap_or_default();
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            match !name.is_empty() && name.chars().all(plain) && !name.starts_with('.') {
                true => Ok(name.to_owned()),
                false => Err(NotObjects(format!("\"{url}\" names no {what}"))),
            }
        };
        let objects = match scheme {
            "s3" => Self::S3 { bucket: name("bucket")?, prefix: String::new() },
            "gs" => Self::Google { bucket: name("bucket")?, prefix: String::new() },
            "az" => {
                Self::Azure { account: name("storage account")?, container: name("container")?, prefix: String::new() }
            }
            _ => return Err(NotObjects(format!("\"{url}\" begins with no kind of storage"))),
        };
        let below: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        let odd =
            |part: &&str| matches!(*part, "." | "..") || part.contains(|c: char| c.is_control() || "?#%\\".contains(c));
        if below.iter().any(odd) {
            return Err(NotObjects(format!("\"{url}\" has a prefix that cannot be one")));
        }
        Ok(objects.below(below.join("/")))
    }

    fn below(self, prefix: String) -> Self {
        match self {
            Self::Folder(path) => Self::Folder(path),
            Self::S3 { bucket, .. } => Self::S3 { bucket, prefix },
            Self::Google { bucket, .. } => Self::Google { bucket, prefix },
            Self::Azure { account, container, .. } => Self::Azure { account, container, prefix },
        }
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, prefix) = match self {
            Self::Folder(path) => return path.display().fmt(f),
            Self::S3 { bucket, prefix } => (format!("s3://{bucket}"), prefix),
            Self::Google { bucket, prefix } => (format!("gs://{bucket}"), prefix),
            Self::Azure { account, container, prefix } => (format!("az://{account}/{container}"), prefix),
        };
        match prefix.as_str() {
            "" => f.write_str(&start),
            prefix => write!(f, "{start}/{prefix}"),
        }
    }
}

/// Variables of the environment that a backend signs in with. Their values are never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        let found = self.0.iter().filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty());
        found.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// Which backend keeps a state, and what it must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Config {
    /// One SQLite file on this machine.
    Sqlite {
        /// Its path.
        path: PathBuf,
    },
    /// A log of objects.
    Object {
        /// Where they are.
        objects: Objects,
        /// How to sign in, and to which server if it is none of the cloud's own.
        variables: Variables,
        /// A file of this machine, beside the project, that shows which process holds the lock.
        presence: PathBuf,
    },
    /// Tables of a PostgreSQL database.
    Postgres {
        /// The schema that they are in: lower-case letters, digits and `_`.
        schema: String,
        /// Which server, and how to sign in there.
        variables: Variables,
        /// A file of this machine, beside the project, that shows which process holds the lock.
        presence: PathBuf,
    },
}

impl Config {
    /// Whether the state can be read without a network.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Sqlite { .. } | Self::Object { objects: Objects::Folder(_), .. })
    }

    /// Where the state is, whether there is one or not.
    pub fn place(&self) -> Place {
        match self {
            Self::Sqlite { path } => Place::file(path),
            Self::Object { objects, .. } => Place::Objects(Arc::new(objects.clone())),
            Self::Postgres { schema, variables, .. } => Place::database(schema, variables),
        }
    }
}

/// Opens the state; without one it is made, readable for its owner only, with a random lineage and key. Of several that do
/// so at once one makes it and all open that one. A state of an older schema version is brought to the current one.
///
/// # Errors
/// See [`StateError`]: not writable, not a state, damaged, of a newer version, or of an older one while somebody writes to
/// it.
pub fn open(config: &Config) -> Result<Arc<dyn Store>, StateError> {
    match config {
        Config::Sqlite { path } => Ok(Arc::new(SqliteStore::open(path)?)),
        Config::Object { objects, variables, presence } => {
            Ok(Arc::new(ObjectStore::open(objects, variables, presence)?))
        }
        Config::Postgres { schema, variables, presence } => {
            Ok(Arc::new(PostgresStore::open(schema, variables, presence)?))
        }
    }
}

/// Opens the state; `None` when there is none, and then nothing is made.
///
/// # Errors
/// As [`open`].
pub fn open_existing(config: &Config) -> Result<Option<Arc<dyn Store>>, StateError> {
    match config {
        Config::Sqlite { path } => Ok(SqliteStore::open_existing(path)?.map(|store| Arc::new(store) as Arc<dyn Store>)),
        Config::Object { objects, variables, presence } => {
            let found = ObjectStore::open_existing(objects, variables, presence)?;
            Ok(found.map(|store| Arc::new(store) as Arc<dyn Store>))
        }
        Config::Postgres { schema, variables, presence } => {
            let found = PostgresStore::open_existing(schema, variables, presence)?;
            Ok(found.map(|store| Arc::new(store) as Arc<dyn Store>))
        }
    }
}

/// Makes a state of this lineage, with a new key.
///
/// # Errors
/// [`StateError::Exists`] where there is one; as [`open`].
pub fn create(config: &Config, lineage: &str) -> Result<Arc<dyn Store>, StateError> {
    make(config, Identity::of(lineage)?)
}

fn make(config: &Config, identity: Identity) -> Result<Arc<dyn Store>, StateError> {
    match config {
        Config::Sqlite { path } => Ok(Arc::new(SqliteStore::create(path, &identity)?)),
        Config::Object { objects, variables, presence } => {
            Ok(Arc::new(ObjectStore::create(objects, variables, presence, identity)?))
        }
        Config::Postgres { schema, variables, presence } => {
            Ok(Arc::new(PostgresStore::create(schema, variables, presence, identity)?))
        }
    }
}

/// Makes a state of a copy where there is none, or one in which nobody has written anything yet.
///
/// # Errors
/// [`StateError::Exists`] where there is another; as [`open`] and [`Store::commit`].
pub fn restore(config: &Config, copy: &Copy, request: &LockRequest) -> Result<Arc<dyn Store>, StateError> {
    let store = match open_existing(config)? {
        None => make(config, copy.identity())?,
        // An attempt that was stopped in between.
        Some(store) if store.lineage() == copy.lineage() && is_blank(store.as_ref())? => store,
        Some(store) => {
            let lock = store.try_lock(request)?;
            if !is_blank(store.as_ref())? {
                return Err(StateError::Exists { place: config.place() });
            }
            // Whoever has it open finds that it is another one now.
            lock.release()?;
            drop(store);
            remove(config)?;
            make(config, copy.identity())?
        }
    };
    let lock = store.try_lock(request)?;
    store.commit(&lock, &[Change::Replace(Box::new(copy.contents().clone()))])?;
    lock.release()?;
    Ok(store)
}

/// Whether nobody has written anything yet.
///
/// # Errors
/// It cannot be read.
pub fn is_blank(store: &dyn Store) -> Result<bool, StateError> {
    Ok(store.serial()? == 0)
}

/// Removes the state with all that belongs to it; without one there is nothing to do. For rehearsals: nothing asks whether
/// it is locked or still needed.
///
/// # Errors
/// [`StateError::Io`] or [`StateError::ReadOnly`] when a part of it cannot be removed.
pub fn remove(config: &Config) -> Result<(), StateError> {
    match config {
        Config::Sqlite { path } => SqliteStore::remove(path),
        Config::Object { objects, variables, .. } => ObjectStore::remove(objects, variables),
        Config::Postgres { schema, variables, .. } => PostgresStore::remove(schema, variables),
    }
}

/// How a copy would be astray in the place of the state, as [`Store::astray`] says it of the state.
pub fn astray(config: &Config, copy: &Copy) -> Option<Astray> {
    let path = match config {
        Config::Sqlite { path } => SqliteStore::seen(path),
        Config::Object { presence, .. } | Config::Postgres { presence, .. } => Seen::beside_lock(presence),
    };
    Seen::at(path, copy.lineage(), &copy.digester()).astray_with(copy.contents())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_objects_print_as_they_are_read() {
        for url in ["s3://b", "s3://my.bucket/team/prod", "gs://b/p", "az://acc/cont", "az://acc/cont/a/b"] {
            assert_eq!(Objects::parse(url).unwrap().to_string(), url);
        }
        assert_eq!(Objects::parse("s3://b//p/").unwrap().to_string(), "s3://b/p");
        for url in [
            "",
            "b/p",
            "s3://",
            "s3:///p",
            "az://acc",
            "http://b/p",
            "s3://user@evil/p",
            "s3://b:80/p",
            "s3://b/../c",
            "s3://b/p?x",
        ] {
            assert!(Objects::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn variables_do_not_show_their_values() {
        let variables: Variables = [("AWS_SECRET_ACCESS_KEY".to_owned(), "hunter2".to_owned())].into_iter().collect();
        assert_eq!(format!("{variables:?}"), r#"["AWS_SECRET_ACCESS_KEY"]"#);
    }
}
