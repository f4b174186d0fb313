//! Where a state is, and what is needed to get there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
