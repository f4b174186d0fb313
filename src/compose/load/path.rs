//! Where a value stands in a compose file, by keys, and tables of rules by such paths.

use std::collections::HashMap;
use std::fmt;

/// A path that lives on the stack of the walk.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The whole file.
    pub(super) const ROOT: Path<'static> = Path { parent: None, segment: Segment::Root };

    /// The path of the value under `key`.
    pub(super) fn key<'b>(&'b self, key: &'b str) -> Path<'b> {
        Path { parent: Some(self), segment: Segment::Key(key) }
    }

    /// The path of an item of a list.
    pub(super) fn index(&self, index: usize) -> Path<'_> {
        Path { parent: Some(self), segment: Segment::Index(index) }
    }

    /// The path above.
    pub(super) fn parent(&self) -> Option<&Path<'a>> {
        self.parent
    }

    /// Keys from the root on; none when an item of a list is among them.
    pub(super) fn keys(&self) -> Option<Vec<String>> {
        let mut keys = match self.parent {
            Some(parent) => parent.keys()?,
            None => Vec::new(),
        };
        match self.segment {
            Segment::Root => {}
            Segment::Key(key) => keys.push(key.to_owned()),
            Segment::Index(_) => return None,
        }
        Some(keys)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.segment {
            Segment::Root => Ok(()),
            Segment::Key(key) if self.parent.is_none_or(|parent| matches!(parent.segment, Segment::Root)) => {
                f.write_str(key)
            }
            Segment::Key(key) => write!(f, ".{key}"),
            Segment::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Rules by patterns such as `services.*.ports`, where `*` is any key or item and `[]` any item.
pub(super) struct Rules<T> {
    nodes: Vec<RuleNode<T>>,
}

struct RuleNode<T> {
    keys: HashMap<String, u16>,
    any: Option<u16>,
    rule: Option<T>,
}

/// A place in [`Rules`]; none where no rule can follow.
pub(super) type Cursor = Option<u16>;

impl<T> Rules<T> {
    /// The table of these rules; of two with one pattern the later wins.
    pub(super) fn new(rules: impl IntoIterator<Item = (String, T)>) -> Self {
        let empty = || RuleNode { keys: HashMap::new(), any: None, rule: None };
        let mut nodes: Vec<RuleNode<T>> = vec![empty()];
        for (pattern, rule) in rules {
            let mut at = 0usize;
            for part in pattern.split('.').filter(|part| !part.is_empty()) {
                let known = if part == "*" { nodes[at].any } else { nodes[at].keys.get(part).copied() };
                at = match known {
                    Some(next) => usize::from(next),
                    None => {
                        let next = nodes.len();
                        nodes.push(empty());
                        let id = u16::try_from(next).unwrap_or(u16::MAX);
                        if part == "*" {
                            nodes[at].any = Some(id);
                        } else {
                            nodes[at].keys.insert(part.to_owned(), id);
                        }
                        next
                    }
                };
            }
            nodes[at].rule = Some(rule);
        }
        Self { nodes }
    }

    /// The place of the root.
    pub(super) fn root(&self) -> Cursor {
        Some(0)
    }

    /// The place of the value under `key`.
    pub(super) fn key(&self, cursor: Cursor, key: &str) -> Cursor {
        let node = self.nodes.get(usize::from(cursor?))?;
        node.keys.get(key).copied().or(node.any)
    }

    /// The place of an item.
    pub(super) fn item(&self, cursor: Cursor) -> Cursor {
        self.key(cursor, "[]")
    }

    /// The rule at a place.
    pub(super) fn rule(&self, cursor: Cursor) -> Option<&T> {
        self.nodes.get(usize::from(cursor?))?.rule.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_as_people_write_them() {
        let services = Path::ROOT.key("services");
        let web = services.key("web");
        let ports = web.key("ports");
        assert_eq!(ports.index(0).key("target").to_string(), "services.web.ports[0].target");
        assert_eq!(ports.keys().unwrap(), ["services", "web", "ports"]);
        assert!(ports.index(0).keys().is_none());
    }

    #[test]
    fn rules_match_by_pattern() {
        let rules = Rules::new([("services.*.ports".to_owned(), 1), ("services.*.volumes.[].source".to_owned(), 2)]);
        let web = rules.key(rules.key(rules.root(), "services"), "web");
        assert_eq!(rules.rule(rules.key(web, "ports")), Some(&1));
        assert_eq!(rules.rule(rules.key(rules.item(rules.key(web, "volumes")), "source")), Some(&2));
        assert_eq!(rules.rule(rules.key(web, "image")), None);
        assert_eq!(rules.key(rules.root(), "volumes"), None);
    }
}
