//! Resource IDs: `/ws/ops/prv/aks1/cls/c1/app/gitea/box/tools`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::text::dns::is_label;

/// The kinds that have a Resource ID, in their nesting order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// `ws`
    Workspace,
    /// `prv`
    Provider,
    /// `cls`
    Cluster,
    /// `app`
    App,
    /// `box`
    Box,
}

impl ResourceKind {
    /// All kinds, outermost first.
    pub const ALL: [Self; 5] = [Self::Workspace, Self::Provider, Self::Cluster, Self::App, Self::Box];

    /// The short kind that a Resource ID uses.
    pub fn short(self) -> &'static str {
        match self {
            Self::Workspace => "ws",
            Self::Provider => "prv",
            Self::Cluster => "cls",
            Self::App => "app",
            Self::Box => "box",
        }
    }

    /// The `kind` of its documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workspace => "Workspace",
            Self::Provider => "Provider",
            Self::Cluster => "Cluster",
            Self::App => "App",
            Self::Box => "Box",
        }
    }

    /// Its name with the indefinite article, for messages: `an App`.
    pub fn with_article(self) -> &'static str {
        match self {
            Self::Workspace => "a Workspace",
            Self::Provider => "a Provider",
            Self::Cluster => "a Cluster",
            Self::App => "an App",
            Self::Box => "a Box",
        }
    }

    fn depth(self) -> usize {
        match self {
            Self::Workspace => 1,
            Self::Provider => 2,
            Self::Cluster => 3,
            Self::App => 4,
            Self::Box => 5,
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is no Resource ID.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResourceIdError {
    /// It is empty or does not begin with a slash.
    #[error("a Resource ID begins with \"/ws/\"")]
    NotAbsolute,
    /// A short kind without a name, or a trailing slash.
    #[error("the segment \"{0}\" has no name after it")]
    NoName(String),
    /// Another kind stands where the nesting wants this one.
    #[error("\"{found}\" stands where \"{expected}\" must; kinds nest as ws, prv, cls, app, box")]
    Kind {
        /// What the nesting wants.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// More segments than kinds.
    #[error("nothing can follow a box, but \"{0}\" does")]
    TooDeep(String),
    /// A name is not a DNS-1123 label.
    #[error("the name \"{0}\" is not a DNS-1123 label: 1 to 63 of a-z, 0-9 and \"-\", not at its ends")]
    Name(String),
}

/// The validated identity of a KOM object. Cheap to clone; ordered by its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    text: Arc<str>,
    kind: ResourceKind,
}

impl ResourceId {
    /// Reads a Resource ID.
    ///
    /// # Errors
    /// What is wrong with the first wrong segment.
    pub fn parse(text: &str) -> Result<Self, ResourceIdError> {
        let mut rest = text.strip_prefix('/').ok_or(ResourceIdError::NotAbsolute)?.split('/');
        let mut last = None;
        let mut kinds = ResourceKind::ALL.into_iter();
        while let Some(short) = rest.next() {
            let Some(kind) = kinds.next() else {
                return Err(ResourceIdError::TooDeep(short.to_owned()));
            };
            if short != kind.short() {
                return Err(ResourceIdError::Kind { expected: kind.short(), found: short.to_owned() });
            }
            let name = rest.next().ok_or_else(|| ResourceIdError::NoName(short.to_owned()))?;
            if !is_label(name) {
                return Err(ResourceIdError::Name(name.to_owned()));
            }
            last = Some(kind);
        }
        let kind = last.ok_or(ResourceIdError::NotAbsolute)?;
        Ok(Self { text: text.into(), kind })
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it identifies.
    pub fn kind(&self) -> ResourceKind {
        self.kind
    }

    /// The name in its last segment.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// The workspace it is, or is in; every ID has one.
    pub fn workspace(&self) -> Option<&str> {
        self.segment(ResourceKind::Workspace)
    }

    /// The provider it is, or is in.
    pub fn provider(&self) -> Option<&str> {
        self.segment(ResourceKind::Provider)
    }

    /// The cluster it is, or is in.
    pub fn cluster(&self) -> Option<&str> {
        self.segment(ResourceKind::Cluster)
    }

    /// The app it is, or is in.
    pub fn app(&self) -> Option<&str> {
        self.segment(ResourceKind::App)
    }

    /// The box it is.
    pub fn boxed(&self) -> Option<&str> {
        self.segment(ResourceKind::Box)
    }

    /// The ID one level up; none for a workspace.
    pub fn parent(&self) -> Option<Self> {
        let kind = *ResourceKind::ALL.get(self.kind.depth().checked_sub(2)?)?;
        self.ancestor(kind)
    }

    /// The ID of the enclosing object of this kind, or itself; none where `kind` is deeper than this.
    pub fn ancestor(&self, kind: ResourceKind) -> Option<Self> {
        if kind > self.kind {
            return None;
        }
        // "/ws/a/prv/b": the text up to the (2 * depth + 1)th slash.
        let end = self.text.match_indices('/').nth(2 * kind.depth()).map_or(self.text.len(), |(at, _)| at);
        Some(Self { text: self.text.get(..end)?.into(), kind })
    }

    /// The ID of a child one level down.
    ///
    /// # Errors
    /// When `name` is no DNS-1123 label, or this is a box.
    pub fn child(&self, name: &str) -> Result<Self, ResourceIdError> {
        match ResourceKind::ALL.get(self.kind.depth()) {
            Some(kind) => Self::parse(&format!("{}/{}/{name}", self.text, kind.short())),
            None => Err(ResourceIdError::TooDeep(name.to_owned())),
        }
    }

    fn segment(&self, kind: ResourceKind) -> Option<&str> {
        // Split at slashes: "", "ws", name, "prv", name, …
        self.text.split('/').nth(2 * kind.depth())
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ResourceId {
    type Err = ResourceIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn knows_its_segments() {
        let id = ResourceId::parse("/ws/ops/prv/aks1/cls/c1/app/gitea/box/tools").unwrap();
        assert_eq!(id.kind(), ResourceKind::Box);
        assert_eq!(id.name(), "tools");
        assert_eq!(
            (id.workspace(), id.provider(), id.cluster(), id.app(), id.boxed()),
            (Some("ops"), Some("aks1"), Some("c1"), Some("gitea"), Some("tools"))
        );
        let mut chain = Vec::new();
        let mut next = id.parent();
        while let Some(id) = next {
            next = id.parent();
            chain.push(id.to_string());
        }
        assert_eq!(
            chain,
            ["/ws/ops/prv/aks1/cls/c1/app/gitea", "/ws/ops/prv/aks1/cls/c1", "/ws/ops/prv/aks1", "/ws/ops"]
        );
        let provider = id.ancestor(ResourceKind::Provider).unwrap();
        assert_eq!((provider.to_string().as_str(), provider.cluster()), ("/ws/ops/prv/aks1", None));
        assert_eq!(provider.ancestor(ResourceKind::App), None);
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |text: &str| ResourceId::parse(text).unwrap_err();
        assert_eq!(error(""), ResourceIdError::NotAbsolute);
        assert_eq!(error("ws/a"), ResourceIdError::NotAbsolute);
        assert_eq!(error("/"), ResourceIdError::Kind { expected: "ws", found: String::new() });
        assert_eq!(error("/ws"), ResourceIdError::NoName("ws".into()));
        assert_eq!(error("/ws/a/"), ResourceIdError::Kind { expected: "prv", found: String::new() });
        assert_eq!(error("/ws/a/cls/c"), ResourceIdError::Kind { expected: "prv", found: "cls".into() });
        assert_eq!(error("/ws/A"), ResourceIdError::Name("A".into()));
        assert_eq!(error("/ws/-a"), ResourceIdError::Name("-a".into()));
        assert_eq!(error(&format!("/ws/{}", "a".repeat(64))), ResourceIdError::Name("a".repeat(64)));
        assert_eq!(error("/ws/a/prv/b/cls/c/app/d/box/e/x/f"), ResourceIdError::TooDeep("x".into()));
    }

    fn label() -> impl Strategy<Value = String> {
        "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?"
    }

    proptest! {
        #[test]
        fn a_child_knows_its_parent(names in prop::collection::vec(label(), 1..=5)) {
            let mut id = ResourceId::parse(&format!("/ws/{}", names[0])).unwrap();
            for name in &names[1..] {
                let child = id.child(name).unwrap();
                prop_assert_eq!(child.parent(), Some(id.clone()));
                prop_assert_eq!(child.name(), name.as_str());
                id = child;
            }
            prop_assert_eq!(&ResourceId::parse(id.as_str()).unwrap(), &id);
            prop_assert_eq!(id.workspace(), Some(names[0].as_str()));
            prop_assert_eq!(id.app(), names.get(3).map(String::as_str));
        }

        #[test]
        fn accepts_only_what_it_prints(text in "(/(ws|prv|cls|app|box|[a-zA-Z0-9.-]{0,5})){0,11}/?") {
            if let Ok(id) = ResourceId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
                prop_assert!(id.workspace().is_some());
            }
        }
    }
}
