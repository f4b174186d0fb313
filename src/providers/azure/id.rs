//! ARM resource ids: what they name, without regard to case.

use std::fmt;

/// The id of a resource, of an extension resource (role assignment, lock) or of a resource group.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ArmId {
    text: String,
    subscription: String,
    kind: String,
    /// Length of what it lives in: its scope, its parent, or its resource group.
    parent_end: usize,
    /// Length of the part before the last `/providers/`.
    scope_end: usize,
}

/// Why a text is no id that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no Azure resource id: {problem}")]
pub(super) struct IdError {
    text: String,
    problem: &'static str,
}

impl ArmId {
    /// Reads `/subscriptions/S/resourceGroups/G[/providers/NAMESPACE/TYPE/NAME…]` and ids of extension resources on any
    /// scope in a subscription.
    ///
    /// # Errors
    /// Not such an id, or one with characters that would change the path of a request.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let error = |problem| IdError { text: text.to_owned(), problem };
        let text_trimmed = text.strip_suffix('/').unwrap_or(text);
        let rest = text_trimmed.strip_prefix('/').ok_or_else(|| error("it must begin with `/`"))?;
        let segments: Vec<&str> = rest.split('/').collect();
        if segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(error("it has an empty or dotted segment"));
        }
        if rest.contains(|c: char| matches!(c, '%' | '?' | '#' | '\\') || c.is_control()) {
            return Err(error("it has a character that no resource name has"));
        }
        let is = |index: usize, word: &str| segments.get(index).is_some_and(|found| found.eq_ignore_ascii_case(word));
        let subscription = match segments.get(1) {
            Some(subscription) if is(0, "subscriptions") => (*subscription).to_owned(),
            _ => return Err(error("it must begin with /subscriptions/ID")),
        };
        let end_of = |count: usize| segments[..count].iter().map(|segment| segment.len() + 1).sum::<usize>();
        let Some(provider) = segments.iter().rposition(|segment| segment.eq_ignore_ascii_case("providers")) else {
            if segments.len() == 4 && is(2, "resourceGroups") {
                return Ok(Self {
                    text: text_trimmed.to_owned(),
                    subscription,
                    kind: "Microsoft.Resources/resourceGroups".to_owned(),
                    parent_end: end_of(2),
                    scope_end: end_of(2),
                });
            }
            return Err(error("it names no resource"));
        };
        let pairs = segments.get(provider + 2..).unwrap_or_default();
        if pairs.is_empty() || pairs.len() % 2 != 0 {
            return Err(error("each type needs a name after it"));
        }
        let types: Vec<&str> = pairs.iter().step_by(2).copied().collect();
        let parent_end = if pairs.len() == 2 { end_of(provider) } else { end_of(segments.len() - 2) };
        Ok(Self {
            text: text_trimmed.to_owned(),
            subscription,
            kind: format!("{}/{}", segments[provider + 1], types.join("/")),
            parent_end,
            scope_end: end_of(provider),
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same for all spellings.
    pub fn key(&self) -> String {
        self.text.to_lowercase()
    }

    /// The subscription's id.
    pub fn subscription(&self) -> &str {
        &self.subscription
    }

    /// The full type, such as `Microsoft.ContainerService/managedClusters/agentPools`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The id of what it is directly in: a parent resource, else its scope.
    pub fn parent(&self) -> &str {
        &self.text[..self.parent_end]
    }

    /// What an extension resource extends; for others their resource group.
    pub fn scope(&self) -> &str {
        &self.text[..self.scope_end]
    }

    /// The last segment.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for ArmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ArmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_an_id_names() {
        let group = "/subscriptions/s/resourceGroups/g";
        let id = ArmId::parse(group).unwrap();
        assert_eq!(
            (id.kind(), id.parent(), id.name()),
            ("Microsoft.Resources/resourceGroups", "/subscriptions/s", "g")
        );
        let pool = format!("{group}/providers/Microsoft.ContainerService/managedClusters/c/agentPools/p");
        let id = ArmId::parse(&pool).unwrap();
        assert_eq!(id.kind(), "Microsoft.ContainerService/managedClusters/agentPools");
        assert_eq!(id.parent(), format!("{group}/providers/Microsoft.ContainerService/managedClusters/c"));
        assert_eq!((id.scope(), id.subscription()), (group, "s"));
        let scope = format!("{group}/providers/Microsoft.KeyVault/vaults/v/secrets/x");
        let id = ArmId::parse(&format!("{scope}/providers/Microsoft.Authorization/roleAssignments/1")).unwrap();
        assert_eq!((id.kind(), id.parent()), ("Microsoft.Authorization/roleAssignments", scope.as_str()));
    }

    #[test]
    fn refuses_what_would_change_the_path() {
        for bad in [
            "",
            "x",
            "/",
            "/subscriptions/s",
            "/subscriptions/s/resourceGroups/..",
            "/subscriptions/s/resourceGroups/g?x=1",
            "/subscriptions/s/resourceGroups/%2e%2e",
            "/subscriptions/s/resourceGroups/g/providers",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks",
            "/providers/Microsoft.Authorization/roleDefinitions/x",
        ] {
            assert!(ArmId::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[/a-zA-Z.%é?]{0,60}", names in prop::collection::vec("[a-zé]{1,4}", 0..9)) {
            let _ = ArmId::parse(&text);
            let joined = format!("/subscriptions/s/resourceGroups/g/providers/{}", names.join("/"));
            if let Ok(id) = ArmId::parse(&joined) {
                prop_assert!(id.as_str().starts_with(id.parent()));
                prop_assert!(id.parent().starts_with(id.scope()));
            }
        }
    }
}
