//! What becomes of every key of the Compose Specification's schema, said once, in `table`. Readers ask here; [`words`]
//! says it to people; `docs/compose-support.md` is written by its test.

mod table;
mod verdict;
pub mod words;

pub use self::table::{SERVICE_KEYS, TOP_LEVEL_KEYS};
pub use self::verdict::{Support, Verdict};

fn find(table: &'static [Support], key: &str) -> Option<&'static Support> {
    table.binary_search_by(|row| row.key.cmp(key)).ok().map(|at| &table[at])
}

/// The row of a key of a service, such as `ports.mode`.
pub fn service_key(key: &str) -> Option<&'static Support> {
    find(SERVICE_KEYS, key)
}

/// The row of a top-level key, such as `volumes.driver`.
pub fn top_level_key(key: &str) -> Option<&'static Support> {
    find(TOP_LEVEL_KEYS, key)
}

/// The row that holds for a key with this value: that of the value's first word, else the key's own.
pub fn service_value(key: &str, value: &str) -> Option<&'static Support> {
    let word = value.split(':').next().unwrap_or_default();
    service_key(&format!("{key}: {value}"))
        .or_else(|| service_key(&format!("{key}: {word}")))
        .or_else(|| service_key(key))
}

/// The names that may stand directly inside a service key, or in the service itself for an empty `path`.
pub fn service_names(path: &str) -> impl Iterator<Item = &'static str> {
    let inside = move |row: &'static Support| {
        let rest = if path.is_empty() { row.key } else { row.key.strip_prefix(path)?.strip_prefix('.')? };
        (!rest.contains(['.', ':'])).then_some(rest)
    };
    SERVICE_KEYS.iter().filter_map(inside)
}

#[cfg(test)]
mod tests;
