//! Rows of resources: reading, writing, listing in pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::types::Value as Sql;
use rusqlite::{OptionalExtension, Transaction, params, params_from_iter};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::world::WorldError;
use super::answer::{Answer, Content, Failure};

/// The type of resource groups, as rows carry it.
pub(super) const GROUP_TYPE: &str = "microsoft.resources/resourcegroups";

/// Where a resource belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The resource's key: its id in lower case.
    pub key: &'a str,
    /// Its type in lower case.
    pub kind: &'a str,
    /// The key of its parent, or of its scope.
    pub parent: &'a str,
}

/// The object with this key.
pub(super) fn get(tx: &Transaction<'_>, key: &str) -> Result<Option<Value>, WorldError> {
    get_as(tx, key)
}

/// The part of the object with this key that a caller asks for.
pub(super) fn get_as<T: DeserializeOwned>(tx: &Transaction<'_>, key: &str) -> Result<Option<T>, WorldError> {
    let text: Option<String> = tx
        .prepare_cached("SELECT body FROM arm_resources WHERE id_lower = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// Whether there is one.
pub(super) fn exists(tx: &Transaction<'_>, key: &str) -> Result<bool, WorldError> {
    Ok(tx.prepare_cached("SELECT 1 FROM arm_resources WHERE id_lower = ?1")?.exists([key])?)
}

/// Writes a new object or one that is there already.
pub(super) fn put(tx: &Transaction<'_>, place: Place<'_>, body: &Value) -> Result<(), WorldError> {
    let mut segments = place.key.split('/').skip(1);
    let subscription = segments.nth(1).unwrap_or_default();
    let group = match segments.next() {
        Some("resourcegroups") => segments.next().unwrap_or_default(),
        _ => "",
    };
    let id = body.get("id").and_then(Value::as_str).unwrap_or(place.key);
    tx.prepare_cached(
        "INSERT INTO arm_resources (id_lower, id, type, subscription, grp, parent, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id_lower) DO UPDATE SET id = excluded.id, body = excluded.body",
    )?
    .execute(params![place.key, id, place.kind, subscription, group, place.parent, serde_json::to_string(body)?])?;
    Ok(())
}

/// Counts a creation under this key, and gives a text to derive its identifiers from: the key itself the first time.
pub(super) fn incarnation(tx: &Transaction<'_>, key: &str) -> Result<String, WorldError> {
    let count: i64 = tx
        .prepare_cached(
            "INSERT INTO arm_incarnations (id_lower, count) VALUES (?1, 1)
             ON CONFLICT (id_lower) DO UPDATE SET count = count + 1 RETURNING count",
        )?
        .query_row([key], |row| row.get(0))?;
    Ok(if count == 1 { key.to_owned() } else { format!("{key}#{count}") })
}

/// Writes the object of a row that is there.
pub(super) fn update(tx: &Transaction<'_>, key: &str, body: &Value) -> Result<(), WorldError> {
    tx.prepare_cached("UPDATE arm_resources SET body = ?2 WHERE id_lower = ?1")?
        .execute(params![key, serde_json::to_string(body)?])?;
    Ok(())
}

/// The half-open range of keys below a key: children, and what is attached to them.
fn below(key: &str) -> (String, String) {
    // `0` is the character after `/`.
    (format!("{key}/"), format!("{key}0"))
}

/// Removes a resource, its children and what is attached to them.
pub(super) fn remove_tree(tx: &Transaction<'_>, key: &str) -> Result<(), WorldError> {
    let (low, high) = below(key);
    tx.prepare_cached("DELETE FROM arm_resources WHERE id_lower = ?1 OR (id_lower >= ?2 AND id_lower < ?3)")?
        .execute(params![key, low, high])?;
    tx.prepare_cached(
        "UPDATE arm_operations SET settled = 1 WHERE settled = 0 AND (target = ?1 OR (target >= ?2 AND target < ?3))",
    )?
    .execute(params![key, low, high])?;
    Ok(())
}

/// (key, object) of everything of a type at or below a key.
pub(super) fn tree(tx: &Transaction<'_>, key: &str, kind: &str) -> Result<Vec<(String, Value)>, WorldError> {
    let (low, high) = below(key);
    rows(
        tx,
        "SELECT id_lower, body FROM arm_resources WHERE type = ?1 AND (id_lower = ?2 OR (id_lower >= ?3 AND id_lower < ?4)) ORDER BY id_lower",
        &[kind, key, &low, &high],
    )
}

/// (key, object) of the children of a type.
pub(super) fn children(tx: &Transaction<'_>, parent: &str, kind: &str) -> Result<Vec<(String, Value)>, WorldError> {
    rows(
        tx,
        "SELECT id_lower, body FROM arm_resources WHERE parent = ?1 AND type = ?2 ORDER BY id_lower",
        &[parent, kind],
    )
}

/// Keys of the children whose type is like a pattern of SQL.
pub(super) fn keys_of_children(tx: &Transaction<'_>, parent: &str, kinds: &str) -> Result<Vec<String>, WorldError> {
    let mut statement =
        tx.prepare_cached("SELECT id_lower FROM arm_resources WHERE parent = ?1 AND type LIKE ?2 ORDER BY id_lower")?;
    Ok(statement.query_map([parent, kinds], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// (key, object) of everything of a type in a subscription.
pub(super) fn of_type(
    tx: &Transaction<'_>,
    subscription: &str,
    kind: &str,
) -> Result<Vec<(String, Value)>, WorldError> {
    rows(
        tx,
        "SELECT id_lower, body FROM arm_resources WHERE subscription = ?1 AND type = ?2 ORDER BY id_lower",
        &[&subscription.to_lowercase(), kind],
    )
}

fn rows(tx: &Transaction<'_>, sql: &str, arguments: &[&str]) -> Result<Vec<(String, Value)>, WorldError> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut found = statement.query(params_from_iter(arguments))?;
    let mut result = Vec::new();
    while let Some(row) = found.next()? {
        result.push((row.get(0)?, serde_json::from_str(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?));
    }
    Ok(result)
}

/// What a list shows: conditions in SQL over the columns, and how to shape each object.
pub(super) struct Query {
    conditions: Vec<&'static str>,
    arguments: Vec<Sql>,
}

impl Query {
    /// Everything in a subscription.
    pub fn in_subscription(subscription: &str) -> Self {
        let mut query = Self { conditions: Vec::new(), arguments: Vec::new() };
        query.and("subscription = ?", subscription.to_lowercase());
        query
    }

    /// Narrows to one value; `condition` holds one `?`.
    pub fn and(&mut self, condition: &'static str, value: impl Into<Sql>) -> &mut Self {
        self.conditions.push(condition);
        self.arguments.push(value.into());
        self
    }

    /// Narrows without a value.
    pub fn and_that(&mut self, condition: &'static str) -> &mut Self {
        self.conditions.push(condition);
        self
    }

    /// Narrows to what is attached to a scope itself, to anything below it, to anything above it.
    pub fn around(&mut self, scope: &str, below_too: bool, above_too: bool) -> &mut Self {
        let (low, high) = below(scope);
        self.conditions.push(match (below_too, above_too) {
            (false, false) => "parent = ?",
            (true, false) => "(parent = ? OR (parent >= ? AND parent < ?))",
            (false, true) => "(parent = ? OR substr(?, 1, length(parent) + 1) = parent || '/')",
            (true, true) => {
                "(parent = ? OR (parent >= ? AND parent < ?) OR substr(?, 1, length(parent) + 1) = parent || '/')"
            }
        });
        self.arguments.push(scope.to_owned().into());
        if below_too {
            self.arguments.extend([low.into(), high.into()]);
        }
        if above_too {
            self.arguments.push(scope.to_owned().into());
        }
        self
    }

    /// Narrows to resources with a tag, and a value when one is given. Names match without regard to case.
    pub fn tagged(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        self.conditions.push(
            "EXISTS (SELECT 1 FROM json_each(body, '$.tags') AS tag WHERE lower(tag.key) = ? AND (? IS NULL OR tag.value = ?))",
        );
        let value: Sql = value.map_or(Sql::Null, |value| value.to_owned().into());
        self.arguments.extend([name.to_lowercase().into(), value.clone(), value]);
        self
    }

    /// One page, as `{"value": […], "nextLink": …}`.
    ///
    /// # Errors
    /// Failures of the database, and `InvalidSkipToken`.
    pub fn page(
        mut self,
        tx: &Transaction<'_>,
        paging: &Paging,
        shape: Option<fn(&Value) -> Value>,
    ) -> Result<Answer, Failure> {
        if let Some(after) = &paging.after {
            self.and("id_lower > ?", after.clone());
        }
        let size = paging.size.max(1);
        self.arguments.push(i64::try_from(size + 1).unwrap_or(i64::MAX).into());
        let sql = format!(
            "SELECT id_lower, body FROM arm_resources WHERE {} ORDER BY id_lower LIMIT ?",
            self.conditions.join(" AND ")
        );
        let mut statement = tx.prepare_cached(&sql)?;
        let mut found = statement.query(params_from_iter(self.arguments))?;
        let mut text = String::from("{\"value\":[");
        let mut last = String::new();
        let mut count = 0;
        let mut more = false;
        while let Some(row) = found.next()? {
            if count == size {
                more = true;
                break;
            }
            if count > 0 {
                text.push(',');
            }
            let body = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
            match shape {
                Some(shape) => text.push_str(&serde_json::to_string(&shape(&serde_json::from_str(body)?))?),
                None => text.push_str(body),
            }
            last = row.get(0)?;
            count += 1;
        }
        text.push(']');
        if more {
            let link = Value::from(paging.next(&last)).to_string();
            text.push_str(",\"nextLink\":");
            text.push_str(&link);
        }
        text.push('}');
        Ok(Answer { status: 200, headers: Vec::new(), content: Content::Text(text), effect: false })
    }
}

/// Where a page starts and how long it is.
#[derive(Debug, Clone)]
pub(super) struct Paging {
    size: usize,
    after: Option<String>,
    /// The URL of the request, without `$skiptoken`, ready for more parameters.
    link: String,
}

impl Paging {
    /// Reads `$top` and `$skiptoken`.
    ///
    /// # Errors
    /// `InvalidSkipToken`, `InvalidParameter`.
    pub fn of(url: &str, query: &[(String, String)], size: usize) -> Result<Self, Failure> {
        let parameter =
            |name: &str| query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let top = parameter("$top")
            .map(|top| {
                top.parse::<usize>()
                    .ok()
                    .filter(|top| *top > 0)
                    .ok_or_else(|| Failure::invalid(format!("The value '{top}' of '$top' is invalid.")))
            })
            .transpose()?;
        let after = parameter("$skiptoken")
            .map(|token| {
                URL_SAFE_NO_PAD
                    .decode(token)
                    .ok()
                    .and_then(|bytes| String::from_utf8(bytes).ok())
                    .ok_or_else(|| Failure::new(400, "InvalidSkipToken", "The skip token is invalid."))
            })
            .transpose()?;
        let kept = query.iter().filter(|(key, _)| !key.eq_ignore_ascii_case("$skiptoken"));
        let parameters = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
        Ok(Self { size: top.unwrap_or(size).min(size), after, link: format!("{url}?{parameters}") })
    }

    fn next(&self, last: &str) -> String {
        format!("{}&%24skiptoken={}", self.link, URL_SAFE_NO_PAD.encode(last))
    }
}

/// (id, type, object) of every resource.
pub(super) fn everything(tx: &Transaction<'_>) -> Result<Vec<(String, String, Value)>, WorldError> {
    let mut statement = tx.prepare_cached("SELECT id, type, body FROM arm_resources ORDER BY id_lower")?;
    let mut found = statement.query([])?;
    let mut result = Vec::new();
    while let Some(row) = found.next()? {
        let object: Value = serde_json::from_str(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?;
        let kind = match object.get("type").and_then(Value::as_str) {
            Some(kind) => kind.to_owned(),
            None => row.get(1)?,
        };
        result.push((row.get(0)?, kind, object));
    }
    Ok(result)
}
