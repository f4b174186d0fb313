//! Merging two trees by the rules of the Compose Specification ("Merge") as the reference loader has them.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::fault::{Step, fail};
use super::path::{Cursor, Path, Rules};
use super::scalar::{printed, same};
use super::unicity;
use crate::compose::tree::{Tree, TreeContent, TreeEntry};

/// How values at a path are merged, other than by their kind.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// The later one stands.
    Override,
    /// Lists of `KEY=VALUE`, by key.
    Pairs,
    /// Lists, a single value being a list of one.
    Lists,
    /// A text is the context of a build.
    Build,
    /// Names as keys of a mapping that says how the dependency is met.
    DependsOn,
    /// Names as keys of a mapping.
    Named,
    /// Options of one driver mean nothing to another.
    Logging,
    Ulimit,
    /// By subnet.
    Ipam,
}

static RULES: LazyLock<Rules<Rule>> = LazyLock::new(|| {
    let mut rules =
        vec![("networks.*.ipam.config".to_owned(), Rule::Ipam), ("services.*.deploy.labels".to_owned(), Rule::Pairs)];
    for kind in ["networks", "volumes", "secrets", "configs"] {
        rules.push((format!("{kind}.*.labels"), Rule::Pairs));
    }
    let keys: [(&str, Rule); 24] = [
        ("annotations", Rule::Pairs),
        ("build", Rule::Build),
        ("build.args", Rule::Pairs),
        ("build.additional_contexts", Rule::Pairs),
        ("build.extra_hosts", Rule::Lists),
        ("build.labels", Rule::Pairs),
        ("command", Rule::Override),
        ("depends_on", Rule::DependsOn),
        ("dns", Rule::Lists),
        ("dns_opt", Rule::Lists),
        ("dns_search", Rule::Lists),
        ("entrypoint", Rule::Override),
        ("env_file", Rule::Lists),
        ("label_file", Rule::Lists),
        ("environment", Rule::Pairs),
        ("extra_hosts", Rule::Lists),
        ("healthcheck.test", Rule::Override),
        ("labels", Rule::Pairs),
        ("logging", Rule::Logging),
        ("models", Rule::Named),
        ("networks", Rule::Named),
        ("sysctls", Rule::Pairs),
        ("tmpfs", Rule::Lists),
        ("ulimits.*", Rule::Ulimit),
    ];
    for prefix in ["services.*", "jobs.*"] {
        rules.extend(keys.iter().map(|(key, rule)| (format!("{prefix}.{key}"), *rule)));
    }
    Rules::new(rules)
});

/// A file over those before it.
pub(super) fn files(base: Tree, over: Tree) -> Step<Tree> {
    merge(base, over, &Path::ROOT, RULES.root())
}

/// A service over the one that it extends.
pub(super) fn service(base: Tree, over: Tree, path: &Path<'_>) -> Step<Tree> {
    let cursor = RULES.key(RULES.key(RULES.root(), "services"), "x");
    merge(base, over, path, cursor)
}

/// A resource of this file over one of the same name that came by `include`.
pub(super) fn resource(base: Tree, over: Tree, kind: &str, path: &Path<'_>) -> Step<Tree> {
    merge(base, over, path, RULES.key(RULES.key(RULES.root(), kind), "x"))
}

/// A value at `develop` over the one that was said under its old name.
pub(super) fn plain(base: Tree, over: Tree, path: &Path<'_>) -> Step<Tree> {
    merge(base, over, path, None)
}

fn merge(base: Tree, over: Tree, path: &Path<'_>, cursor: Cursor) -> Step<Tree> {
    if let Some(rule) = RULES.rule(cursor) {
        return special(*rule, base, over, path, cursor);
    }
    if over.is_null() {
        return Ok(base);
    }
    match base.content {
        TreeContent::Mapping(entries) => match over.content {
            TreeContent::Mapping(others) => {
                let content = TreeContent::Mapping(mappings(entries, others, path, cursor)?);
                Ok(Tree { content, location: over.location, ..base_of(base.location, false) })
            }
            _ => conflict(path, "a mapping", &over),
        },
        TreeContent::Sequence(items) => match over.content {
            TreeContent::Sequence(others) => {
                Ok(Tree { content: TreeContent::Sequence(append(items, others)), ..base_of(over.location, false) })
            }
            _ => conflict(path, "a list", &over),
        },
        TreeContent::Scalar(_) => Ok(over),
    }
}

fn base_of(location: crate::diag::Location, interpolated: bool) -> Tree {
    Tree { location, interpolated, content: TreeContent::Mapping(Vec::new()) }
}

fn conflict<T>(path: &Path<'_>, was: &str, over: &Tree) -> Step<T> {
    let message = format!("{path} is {was} in what this overrides, and cannot become {}", over.kind());
    fail("compose-merge", message, &over.location)
}

fn mappings(mut base: Vec<TreeEntry>, over: Vec<TreeEntry>, path: &Path<'_>, cursor: Cursor) -> Step<Vec<TreeEntry>> {
    // A map pays off only where both are long.
    let places: Option<HashMap<String, usize>> = (base.len() > 8 && over.len() > 2)
        .then(|| base.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at)).collect());
    let before = base.len();
    for entry in over {
        let found = match &places {
            Some(places) => places.get(&entry.key).copied(),
            None => base[..before].iter().position(|known| known.key == entry.key),
        };
        match found {
            None => base.push(entry),
            Some(at) => {
                // A placeholder takes the old value's place while it is merged.
                let nothing = Tree::null(entry.key_location.clone());
                let old = std::mem::replace(&mut base[at].value, nothing);
                let merged = merge(old, entry.value, &path.key(&entry.key), RULES.key(cursor, &entry.key))?;
                base[at].value = merged;
                base[at].key_location = entry.key_location;
            }
        }
    }
    Ok(base)
}

/// Appends what is not there yet to the letter.
fn append(mut base: Vec<Tree>, over: Vec<Tree>) -> Vec<Tree> {
    if base.len().saturating_mul(over.len()) < 256 {
        for item in over {
            if !base.iter().any(|known| same(known, &item)) {
                base.push(item);
            }
        }
        return base;
    }
    // Long lists are compared by their print, and only those with one print value by value.
    let mut known: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, item) in base.iter().enumerate() {
        known.entry(printed(item)).or_default().push(at);
    }
    for item in over {
        let places = known.entry(printed(&item)).or_default();
        if !places.iter().any(|at| same(&base[*at], &item)) {
            places.push(base.len());
            base.push(item);
        }
    }
    base
}

fn special(rule: Rule, base: Tree, over: Tree, path: &Path<'_>, cursor: Cursor) -> Step<Tree> {
    match rule {
        Rule::Override => Ok(over),
        Rule::Pairs => {
            let location = if over.is_null() { base.location.clone() } else { over.location.clone() };
            let mut items = sequence(base);
            items.extend(sequence(over));
            unicity::pairs(Tree::list(location, items), path)
        }
        Rule::Lists => {
            let location = if over.is_null() { base.location.clone() } else { over.location.clone() };
            Ok(Tree::list(location, append(sequence(base), sequence(over))))
        }
        Rule::Build => keyed(build(base), build(over), path, cursor),
        Rule::DependsOn => {
            let (base, over) = (named(base, true, path)?, named(over, true, path)?);
            keyed(base, over, path, cursor)
        }
        Rule::Named => {
            let (base, over) = (named(base, false, path)?, named(over, false, path)?);
            keyed(base, over, path, cursor)
        }
        Rule::Logging => {
            for tree in [&base, &over] {
                if tree.as_mapping().is_none() {
                    return fail(
                        "compose-merge",
                        format!("{path} must be a mapping, not {}", tree.kind()),
                        &tree.location,
                    );
                }
            }
            match (base.get("driver"), over.get("driver")) {
                (Some(first), Some(second)) if !same(first, second) => Ok(over),
                _ => keyed(base, over, path, cursor),
            }
        }
        Rule::Ulimit => match (base.as_mapping(), over.as_mapping()) {
            (Some(_), Some(_)) => keyed(base, over, path, cursor),
            _ => Ok(over),
        },
        Rule::Ipam => ipam(base, over, path, cursor),
    }
}

/// Two mappings, key by key.
fn keyed(base: Tree, over: Tree, path: &Path<'_>, cursor: Cursor) -> Step<Tree> {
    let location = if over.is_null() { base.location.clone() } else { over.location.clone() };
    let entries = |tree: Tree| match tree.content {
        TreeContent::Mapping(entries) => entries,
        _ => Vec::new(),
    };
    Ok(Tree::mapping(location, mappings(entries(base), entries(over), path, cursor)?))
}

/// A value as a list of `KEY=VALUE`, `KEY` for null, in the order of the texts where it was a mapping.
fn sequence(tree: Tree) -> Vec<Tree> {
    match tree.content {
        TreeContent::Mapping(entries) => {
            let mut items = Vec::with_capacity(entries.len());
            for entry in entries {
                let TreeEntry { key, key_location, value } = entry;
                let pair = |text: String, interpolated| Tree::text(text, key_location.clone(), interpolated);
                match &value.content {
                    TreeContent::Scalar(scalar) if scalar.is_null() => items.push(pair(key, false)),
                    TreeContent::Sequence(values) => {
                        items.extend(values.iter().map(|v| pair(format!("{key}={}", printed(v)), v.interpolated)));
                    }
                    _ => items.push(pair(format!("{key}={}", printed(&value)), value.interpolated)),
                }
            }
            items.sort_by(|a, b| a.as_text().cmp(&b.as_text()));
            items
        }
        TreeContent::Sequence(items) => items,
        TreeContent::Scalar(scalar) => match super::scalar::value(&scalar) {
            super::scalar::Value::Str(_) => {
                vec![Tree { content: TreeContent::Scalar(scalar), ..base_of(tree.location, tree.interpolated) }]
            }
            _ => Vec::new(),
        },
    }
}

fn build(tree: Tree) -> Tree {
    if tree.as_str().is_none() {
        return tree;
    }
    let location = tree.location.clone();
    let entry = TreeEntry { key: "context".into(), key_location: location.clone(), value: tree };
    Tree::mapping(location, vec![entry])
}

/// What a dependency in the short syntax means.
pub(super) fn dependency(location: &crate::diag::Location) -> Tree {
    let entry = |key: &str, value| TreeEntry { key: key.into(), key_location: location.clone(), value };
    Tree::mapping(
        location.clone(),
        vec![
            entry("condition", Tree::text("service_started", location.clone(), false)),
            entry("required", Tree::literal("true", location.clone())),
        ],
    )
}

/// Names as the keys of a mapping.
fn named(tree: Tree, dependencies: bool, path: &Path<'_>) -> Step<Tree> {
    let value = |location: &crate::diag::Location| {
        if dependencies { dependency(location) } else { Tree::null(location.clone()) }
    };
    let location = tree.location.clone();
    let items = match tree.content {
        TreeContent::Mapping(_) => return Ok(tree),
        TreeContent::Scalar(ref scalar) if scalar.is_null() => return Ok(Tree::mapping(location, Vec::new())),
        TreeContent::Scalar(_) => vec![tree],
        TreeContent::Sequence(items) => items,
    };
    let mut seen = HashSet::new();
    let mut entries = Vec::with_capacity(items.len());
    for item in items {
        let Some(name) = item.as_str() else {
            let message = format!("{path} must hold names, not {}", item.kind());
            return fail("compose-type", message, &item.location);
        };
        if seen.insert(name.to_owned()) {
            let value = value(&item.location);
            entries.push(TreeEntry { key: name.to_owned(), key_location: item.location.clone(), value });
        }
    }
    Ok(Tree::mapping(location, entries))
}

fn ipam(base: Tree, over: Tree, path: &Path<'_>, cursor: Cursor) -> Step<Tree> {
    let location = over.location.clone();
    let (TreeContent::Sequence(bases), TreeContent::Sequence(overs)) = (base.content, over.content) else {
        return fail("compose-merge", format!("{path} must be a list"), &location);
    };
    for tree in bases.iter().chain(&overs) {
        if tree.as_mapping().is_none() {
            let message = format!("{path} must hold mappings, not {}", tree.kind());
            return fail("compose-type", message, &tree.location);
        }
    }
    let subnet = |tree: &Tree| tree.get("subnet").filter(|tree| !tree.is_null()).map(printed);
    /// The reference's list refers to pools that later steps still change.
    #[derive(Clone, Copy)]
    enum Pool {
        Base(usize),
        Over(usize),
    }
    let mut bases = bases;
    let mut kept: Vec<Pool> = Vec::new();
    for at in 0..bases.len() {
        for (over_at, left) in overs.iter().enumerate() {
            let place = |kept: &[Pool], bases: &[Tree], wanted: &Tree| {
                kept.iter().position(|pool| match pool {
                    Pool::Base(at) => subnet(&bases[*at]) == subnet(wanted),
                    Pool::Over(at) => subnet(&overs[*at]) == subnet(wanted),
                })
            };
            if subnet(left) != subnet(&bases[at]) && place(&kept, &bases, left).is_none() {
                kept.push(Pool::Over(over_at));
                continue;
            }
            let right = std::mem::replace(&mut bases[at], Tree::null(location.clone()));
            bases[at] = keyed(right, left.clone(), path, cursor)?;
            match place(&kept, &bases, &bases[at]) {
                Some(found) => kept[found] = Pool::Base(at),
                None => kept.push(Pool::Base(at)),
            }
        }
    }
    let pools = kept.iter().map(|pool| match pool {
        Pool::Base(at) => bases[*at].clone(),
        Pool::Over(at) => overs[*at].clone(),
    });
    let pools = pools.collect();
    Ok(Tree::list(location, pools))
}
