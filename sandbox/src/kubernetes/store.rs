//! The objects of a cluster in the world's database: rows, versions, the log that watches read, and what falls due later.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::{Map, Value};

use super::super::world::WorldError;
use super::kinds::Resource;

/// The tables of the Kubernetes part.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS kube_clusters (
    cluster   TEXT PRIMARY KEY NOT NULL,
    rv        INTEGER NOT NULL,            -- the last resourceVersion given out
    serial    INTEGER NOT NULL DEFAULT 0,  -- counts allocated addresses and ports
    compacted INTEGER NOT NULL DEFAULT 0   -- events up to this version are gone
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kube_objects (
    cluster   TEXT NOT NULL,
    resource  TEXT NOT NULL,               -- the plural, unique among the kinds served
    namespace TEXT NOT NULL,               -- '' for objects of the cluster
    name      TEXT NOT NULL,
    uid       TEXT NOT NULL,
    owner     TEXT NOT NULL DEFAULT '',    -- uid of the first owner reference
    labels    TEXT NOT NULL,               -- the labels as JSON, for selectors
    json      TEXT NOT NULL                -- without apiVersion and kind
);
CREATE UNIQUE INDEX IF NOT EXISTS kube_objects_key ON kube_objects (cluster, resource, namespace, name);
CREATE INDEX IF NOT EXISTS kube_objects_owner ON kube_objects (cluster, owner) WHERE owner <> '';
CREATE INDEX IF NOT EXISTS kube_objects_namespace ON kube_objects (cluster, namespace) WHERE namespace <> '';
CREATE INDEX IF NOT EXISTS kube_objects_labels ON kube_objects (cluster, resource, labels, name);
DROP TABLE IF EXISTS kube_events;          -- of earlier versions, which knew only the labels of before
CREATE TABLE IF NOT EXISTS kube_changes (
    cluster    TEXT NOT NULL,
    rv         INTEGER NOT NULL,
    resource   TEXT NOT NULL,
    namespace  TEXT NOT NULL,
    name       TEXT NOT NULL,
    type       TEXT NOT NULL,              -- ADDED | MODIFIED | DELETED
    labels     TEXT NOT NULL,
    json       TEXT NOT NULL,
    old        TEXT,                       -- the object before a MODIFIED
    PRIMARY KEY (cluster, rv)
);
CREATE TABLE IF NOT EXISTS kube_due (
    cluster   TEXT NOT NULL,
    resource  TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    due_ms    INTEGER NOT NULL,
    PRIMARY KEY (cluster, resource, namespace, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kube_due_time ON kube_due (cluster, due_ms);
";

/// Events kept for watches; older ones are trimmed, and a watch from before gets 410 Gone.
const EVENTS_KEPT: i64 = 5_000;

/// A stored object, unparsed.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its Namespace; empty for objects of the cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels as JSON.
    pub labels: String,
    /// The object as JSON, without `apiVersion` and `kind`.
    pub json: String,
}

/// A change, as a watch tells it.
#[derive(Debug, Clone)]
pub struct Event {
    /// The version the change made.
    pub rv: i64,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub kind: String,
    /// The object after the change, or as it was last.
    pub row: Row,
    /// The object before a `MODIFIED`.
    pub old: Option<Row>,
}

/// Something that is to be looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The plural of its kind.
    pub resource: String,
    /// Its Namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// When, in milliseconds since the Unix epoch.
    pub due_ms: i64,
}

/// The objects of one cluster inside one transaction.
#[derive(Clone, Copy)]
pub struct Store<'t> {
    /// The transaction.
    pub tx: &'t Transaction<'t>,
    /// The cluster: the lower-cased id of the managed cluster.
    pub cluster: &'t str,
}

impl std::fmt::Debug for Store<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

/// What the database gives.
pub type Result<T> = std::result::Result<T, WorldError>;

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row { namespace: row.get(0)?, name: row.get(1)?, labels: row.get(2)?, json: row.get(3)? })
}

/// The text of `metadata.labels`, `{}` when there are none.
fn labels_text(object: &Value) -> String {
    object.pointer("/metadata/labels").map_or_else(|| "{}".to_owned(), Value::to_string)
}

/// A stored object whose labels are in its JSON alone.
fn row_of(namespace: &str, name: &str, json: String) -> Result<Row> {
    let labels = labels_text(&serde_json::from_str(&json)?);
    Ok(Row { namespace: namespace.to_owned(), name: name.to_owned(), labels, json })
}

/// A stored object under another version.
///
/// # Errors
/// It is no JSON.
pub fn at_version(json: &str, rv: i64) -> Result<String> {
    let mut object: Value = serde_json::from_str(json)?;
    metadata(&mut object).insert("resourceVersion".into(), rv.to_string().into());
    Ok(object.to_string())
}

/// A string at a JSON pointer, or the empty string.
#[must_use]
pub fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a list at a JSON pointer.
#[must_use]
pub fn list<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The map at a JSON pointer, if there is one.
#[must_use]
pub fn map<'v>(object: &'v Value, pointer: &str) -> Option<&'v Map<String, Value>> {
    object.pointer(pointer).and_then(Value::as_object)
}

/// Namespace and name of an object.
#[must_use]
pub fn key(object: &Value) -> (String, String) {
    (text(object, "/metadata/namespace").to_owned(), text(object, "/metadata/name").to_owned())
}

/// Whether the object is on its way out.
#[must_use]
pub fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// The object's `metadata`, made when missing.
pub fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    map_at(object, &["metadata"])
}

/// The map at a path of fields; whatever stands in the way becomes a map.
pub fn map_at<'v>(value: &'v mut Value, path: &[&str]) -> &'v mut Map<String, Value> {
    let map = as_map(value);
    match path.split_first() {
        None => map,
        Some((first, rest)) => map_at(map.entry((*first).to_owned()).or_insert(Value::Null), rest),
    }
}

fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => {
            *other = Value::Object(Map::new());
            as_map(other)
        }
    }
}

/// Puts `apiVersion` and `kind` in front of a stored object.
#[must_use]
pub fn with_type(resource: &Resource, json: &str) -> String {
    let rest = json.get(1..).unwrap_or("}");
    let comma = if rest == "}" { "" } else { "," };
    format!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\"{comma}{rest}", resource.kind, resource.api_version())
}

fn parse(resource: &Resource, json: &str) -> Result<Value> {
    let mut object: Value = serde_json::from_str(json)?;
    let map = as_map(&mut object);
    map.insert("apiVersion".into(), resource.api_version().into());
    map.insert("kind".into(), resource.kind.into());
    Ok(object)
}

impl Store<'_> {
    /// Whether the cluster exists.
    ///
    /// # Errors
    /// Failures of the database, as for all methods here.
    pub fn exists(&self) -> Result<bool> {
        let mut query = self.tx.prepare_cached("SELECT 1 FROM kube_clusters WHERE cluster = ?1")?;
        Ok(query.exists(params![self.cluster])?)
    }

    /// The last version given out, and the version up to which events are gone.
    pub fn versions(&self) -> Result<(i64, i64)> {
        let mut query = self.tx.prepare_cached("SELECT rv, compacted FROM kube_clusters WHERE cluster = ?1")?;
        Ok(query.query_row(params![self.cluster], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    fn next_version(&self) -> Result<i64> {
        let mut query =
            self.tx.prepare_cached("UPDATE kube_clusters SET rv = rv + 1 WHERE cluster = ?1 RETURNING rv")?;
        let rv: i64 = query.query_row(params![self.cluster], |row| row.get(0))?;
        if rv % 1_000 == 0 && rv > EVENTS_KEPT {
            let oldest = rv - EVENTS_KEPT;
            self.tx
                .prepare_cached("DELETE FROM kube_changes WHERE cluster = ?1 AND rv <= ?2")?
                .execute(params![self.cluster, oldest])?;
            self.tx
                .prepare_cached("UPDATE kube_clusters SET compacted = ?2 WHERE cluster = ?1")?
                .execute(params![self.cluster, oldest])?;
        }
        Ok(rv)
    }

    /// The next number of the cluster's counter, for addresses and ports.
    pub fn next_serial(&self) -> Result<i64> {
        let mut query = self
            .tx
            .prepare_cached("UPDATE kube_clusters SET serial = serial + 1 WHERE cluster = ?1 RETURNING serial")?;
        Ok(query.query_row(params![self.cluster], |row| row.get(0))?)
    }

    /// The object's JSON without its type.
    pub fn get_text(&self, resource: &Resource, namespace: &str, name: &str) -> Result<Option<String>> {
        let mut query = self.tx.prepare_cached(
            "SELECT json FROM kube_objects WHERE cluster = ?1 AND resource = ?2 AND namespace = ?3 AND name = ?4",
        )?;
        Ok(query.query_row(params![self.cluster, resource.plural, namespace, name], |row| row.get(0)).optional()?)
    }

    /// The object with its type.
    pub fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Result<Option<Value>> {
        self.get_text(resource, namespace, name)?.map(|json| parse(resource, &json)).transpose()
    }

    /// Calls `each` for the objects in order of Namespace and name after `after`, until it says stop. An empty `namespace` means all.
    pub fn scan(
        &self,
        resource: &Resource,
        namespace: &str,
        after: Option<(&str, &str)>,
        mut each: impl FnMut(Row) -> Result<bool>,
    ) -> Result<()> {
        let (after_namespace, after_name) = after.unwrap_or(("", ""));
        let sql = if namespace.is_empty() {
            "SELECT namespace, name, labels, json FROM kube_objects WHERE cluster = ?1 AND resource = ?2
             AND (namespace, name) > (?3, ?4) ORDER BY namespace, name"
        } else {
            "SELECT namespace, name, labels, json FROM kube_objects WHERE cluster = ?1 AND resource = ?2
             AND namespace = ?3 AND name > ?4 ORDER BY name"
        };
        let mut query = self.tx.prepare_cached(sql)?;
        let from = if namespace.is_empty() { after_namespace } else { namespace };
        let mut rows = query.query(params![self.cluster, resource.plural, from, after_name])?;
        while let Some(row) = rows.next()? {
            if !each(read_row(row)?)? {
                break;
            }
        }
        Ok(())
    }

    /// The objects of a kind, unparsed, that have this name or in whose labels this text stands, in order of Namespace and
    /// name. The index tells which: what is no such object is not read. (One of these alone, by a condition of its own, would
    /// have SQLite prepare every statement about objects anew at each call: its planner would look at their names.)
    pub fn search(&self, resource: &Resource, name: &str, label: &str) -> Result<Vec<Row>> {
        let mut query = self.tx.prepare_cached(
            "SELECT namespace, name, labels, json FROM kube_objects INDEXED BY kube_objects_labels
             WHERE cluster = ?1 AND resource = ?2 AND (name = ?3 OR instr(labels, ?4) > 0) ORDER BY namespace, name",
        )?;
        let rows = query.query_map(params![self.cluster, resource.plural, name, label], read_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// All objects of a kind, parsed. An empty `namespace` means all.
    pub fn list(&self, resource: &Resource, namespace: &str) -> Result<Vec<Value>> {
        let mut out = Vec::new();
        self.scan(resource, namespace, None, |row| {
            out.push(parse(resource, &row.json)?);
            Ok(true)
        })?;
        Ok(out)
    }

    /// The keys of everything in a Namespace: plural and name.
    pub fn contents(&self, namespace: &str) -> Result<Vec<(String, String)>> {
        let mut query = self.tx.prepare_cached(
            "SELECT resource, name FROM kube_objects WHERE cluster = ?1 AND namespace = ?2 AND namespace <> ''",
        )?;
        let rows = query.query_map(params![self.cluster, namespace], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The keys of the objects whose first owner has this uid: plural, Namespace and name.
    pub fn dependents(&self, uid: &str) -> Result<Vec<(String, String, String)>> {
        let mut query = self.tx.prepare_cached(
            "SELECT resource, namespace, name FROM kube_objects WHERE cluster = ?1 AND owner = ?2 AND owner <> ''",
        )?;
        let rows = query.query_map(params![self.cluster, uid], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Stores the object under a new version, which is set in it, and logs the change.
    pub fn put(&self, resource: &Resource, object: &mut Value) -> Result<()> {
        let rv = self.next_version()?;
        metadata(object).insert("resourceVersion".into(), rv.to_string().into());
        let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        let old: Option<String> = self
            .tx
            .prepare_cached(
                "SELECT json FROM kube_objects WHERE cluster = ?1 AND resource = ?2 AND namespace = ?3 AND name = ?4",
            )?
            .query_row(params![self.cluster, resource.plural, namespace, name], |row| row.get(0))
            .optional()?;
        let labels = labels_text(object);
        let json = untyped(object)?;
        self.tx
            .prepare_cached(
                "INSERT INTO kube_objects (cluster, resource, namespace, name, uid, owner, labels, json)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (cluster, resource, namespace, name)
                 DO UPDATE SET uid = excluded.uid, owner = excluded.owner, labels = excluded.labels, json = excluded.json",
            )?
            .execute(params![
                self.cluster,
                resource.plural,
                namespace,
                name,
                text(object, "/metadata/uid"),
                text(object, "/metadata/ownerReferences/0/uid"),
                labels,
                json
            ])?;
        let kind = if old.is_some() { "MODIFIED" } else { "ADDED" };
        let row = Row { namespace: namespace.to_owned(), name: name.to_owned(), labels, json };
        self.log(resource, rv, kind, &row, old.as_deref())
    }

    /// Removes the object and logs that, with the object as it was stored last.
    pub fn remove(&self, resource: &Resource, object: &mut Value) -> Result<()> {
        let rv = self.next_version()?;
        metadata(object).insert("resourceVersion".into(), rv.to_string().into());
        let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        let key = params![self.cluster, resource.plural, namespace, name];
        let stored: Option<String> = self
            .tx
            .prepare_cached(
                "DELETE FROM kube_objects WHERE cluster = ?1 AND resource = ?2 AND namespace = ?3 AND name = ?4
                 RETURNING json",
            )?
            .query_row(key, |row| row.get(0))
            .optional()?;
        self.tx
            .prepare_cached(
                "DELETE FROM kube_due WHERE cluster = ?1 AND resource = ?2 AND namespace = ?3 AND name = ?4",
            )?
            .execute(key)?;
        let last = stored.map_or_else(|| untyped(object), |json| at_version(&json, rv))?;
        self.log(resource, rv, "DELETED", &row_of(namespace, name, last)?, None)
    }

    fn log(&self, resource: &Resource, rv: i64, kind: &str, row: &Row, old: Option<&str>) -> Result<()> {
        self.tx
            .prepare_cached(
                "INSERT INTO kube_changes (cluster, rv, resource, namespace, name, type, labels, json, old)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                self.cluster,
                rv,
                resource.plural,
                row.namespace,
                row.name,
                kind,
                row.labels,
                row.json,
                old
            ])?;
        Ok(())
    }

    /// The changes of a kind after version `rv`, oldest first. An empty `namespace` means all.
    pub fn events_since(&self, resource: &Resource, namespace: &str, rv: i64) -> Result<Vec<Event>> {
        let mut query = self.tx.prepare_cached(
            "SELECT namespace, name, labels, json, rv, type, old FROM kube_changes
             WHERE cluster = ?1 AND rv > ?2 AND resource = ?3 AND (?4 = '' OR namespace = ?4) ORDER BY rv",
        )?;
        let rows = query.query_map(params![self.cluster, rv, resource.plural, namespace], |row| {
            Ok((read_row(row)?, row.get(4)?, row.get(5)?, row.get::<_, Option<String>>(6)?))
        })?;
        rows.map(|row| {
            let (row, rv, kind, old) = row?;
            let old = old.map(|json| row_of(&row.namespace, &row.name, json)).transpose()?;
            Ok(Event { rv, kind, row, old })
        })
        .collect()
    }

    /// Has an object looked at when `due_ms` has come; an earlier appointment stands.
    pub fn schedule(&self, resource: &str, namespace: &str, name: &str, due_ms: i64) -> Result<()> {
        self.tx
            .prepare_cached(
                "INSERT INTO kube_due (cluster, resource, namespace, name, due_ms) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (cluster, resource, namespace, name) DO UPDATE SET due_ms = min(due_ms, excluded.due_ms)",
            )?
            .execute(params![self.cluster, resource, namespace, name, due_ms])?;
        Ok(())
    }

    /// Whether anything is due at `now_ms`.
    pub fn anything_due(&self, now_ms: i64) -> Result<bool> {
        Ok(self.next_due()?.is_some_and(|due| due.due_ms <= now_ms))
    }

    /// The earliest appointment. A bound on the time would have SQLite prepare the statement anew at each call: its planner
    /// looks at the values of bounds.
    fn next_due(&self) -> Result<Option<Due>> {
        let mut query = self.tx.prepare_cached(
            "SELECT resource, namespace, name, due_ms FROM kube_due WHERE cluster = ?1 ORDER BY due_ms LIMIT 1",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Due { resource: row.get(0)?, namespace: row.get(1)?, name: row.get(2)?, due_ms: row.get(3)? })
        };
        Ok(query.query_row(params![self.cluster], read).optional()?)
    }

    /// Takes the earliest appointment that is due at `now_ms`.
    pub fn take_due(&self, now_ms: i64) -> Result<Option<Due>> {
        let found = self.next_due()?.filter(|due| due.due_ms <= now_ms);
        if let Some(due) = &found {
            self.tx
                .prepare_cached(
                    "DELETE FROM kube_due WHERE cluster = ?1 AND resource = ?2 AND namespace = ?3 AND name = ?4",
                )?
                .execute(params![self.cluster, due.resource, due.namespace, due.name])?;
        }
        Ok(found)
    }
}

fn untyped(object: &Value) -> Result<String> {
    let Some(map) = object.as_object() else { return Ok("{}".to_owned()) };
    let body: std::collections::BTreeMap<&String, &Value> =
        map.iter().filter(|(name, _)| *name != "apiVersion" && *name != "kind").collect();
    Ok(serde_json::to_string(&body)?)
}
