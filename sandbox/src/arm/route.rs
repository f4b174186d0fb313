//! What a resource manager URL names.
//!
//! Paths are read without regard to case; an id that was stored keeps the case it was made with.

use super::answer::Failure;
use super::kinds::{self, Family, Kind};

/// A parsed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Route {
    /// The subscription as written; empty for paths above subscriptions.
    pub subscription: String,
    /// The resource group as written, when the path is in one.
    pub group: Option<String>,
    /// The thing or collection.
    pub target: Target,
    /// The path with decoded segments, joined again, lower case. For a resource this is its key.
    pub key: String,
}

/// What a path ends in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Target {
    Subscriptions,
    Subscription,
    Locations,
    Groups,
    Group,
    /// The query of Azure Resource Graph, which is above subscriptions.
    Graph,
    /// What is used of what a subscription may have in a region.
    Usages(String),
    /// Everything in the group, or in the subscription.
    Resources,
    /// A resource provider; the flag is set for its registration.
    Provider {
        namespace: String,
        register: bool,
    },
    /// A long-running operation; the flag is set for the URL that ends in the result.
    Operation {
        id: String,
        result: bool,
    },
    /// One resource.
    One(Typed),
    /// All resources of a kind below the scope or parent.
    All(Typed),
    /// A POST action of a resource.
    Action(Typed, String),
}

/// A resource or collection of a known kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Typed {
    pub kind: &'static Kind,
    /// The path before the last `/providers/`, as written.
    pub scope: String,
    /// The names in the path after the provider: the resource's own last. A collection has one less.
    pub names: Vec<String>,
}

impl Typed {
    /// The resource's own name; empty for collections of the top level.
    pub fn name(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }
}

impl Route {
    /// The key of the resource group that the path is in.
    pub fn group_key(&self) -> Option<String> {
        let group = self.group.as_ref()?;
        Some(format!("/subscriptions/{}/resourcegroups/{group}", self.subscription).to_lowercase())
    }

    /// The type name that fault rules know it by, lower case, and whether it is a collection.
    pub fn subject(&self) -> (String, bool) {
        match &self.target {
            Target::Subscriptions => ("subscriptions".into(), true),
            Target::Subscription => ("subscriptions".into(), false),
            Target::Locations => ("locations".into(), true),
            Target::Usages(_) => ("usages".into(), true),
            Target::Groups => ("resourcegroups".into(), true),
            Target::Group => ("resourcegroups".into(), false),
            Target::Resources | Target::Graph => ("resources".into(), true),
            Target::Provider { .. } => ("providers".into(), false),
            Target::Operation { .. } => ("operations".into(), false),
            Target::One(typed) | Target::Action(typed, _) => (typed.kind.short().to_lowercase(), false),
            Target::All(typed) => (typed.kind.short().to_lowercase(), true),
        }
    }
}

/// Reads the path of a request.
///
/// # Errors
/// `InvalidResourceType`, `InvalidResourceNamespace` or `NotFound` for what the emulator does not serve.
pub(in super::super) fn parse(path: &str, is_post: bool) -> Result<Route, Failure> {
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    let key = format!("/{}", words.join("/")).to_lowercase();
    let not_found = || Failure::new(404, "NotFound", format!("No operation of the sandbox has the path '{path}'."));

    let is = |index: usize, word: &str| words.get(index).is_some_and(|found| found.eq_ignore_ascii_case(word));
    if is_post && key == "/providers/microsoft.resourcegraph/resources" {
        return Ok(Route { subscription: String::new(), group: None, target: Target::Graph, key });
    }
    if !is(0, "subscriptions") {
        return Err(not_found());
    }
    let subscription = words.get(1).map_or(String::new(), |found| (*found).to_owned());
    let in_group = is(2, "resourceGroups") && words.len() > 3;
    let group = in_group.then(|| words[3].to_owned());
    let route = |target| Route { subscription: subscription.clone(), group: group.clone(), target, key: key.clone() };

    let provider = words.iter().rposition(|word| word.eq_ignore_ascii_case("providers"));
    let Some(provider) = provider else {
        let target = match words.len() {
            1 => Target::Subscriptions,
            2 => Target::Subscription,
            3 if is(2, "locations") => Target::Locations,
            3 if is(2, "resourceGroups") => Target::Groups,
            3 if is(2, "resources") => Target::Resources,
            4 if is(2, "resourceGroups") => Target::Group,
            4 if is(2, "operationresults") => Target::Operation { id: words[3].to_owned(), result: true },
            5 if in_group && is(4, "resources") => Target::Resources,
            _ => return Err(not_found()),
        };
        return Ok(route(target));
    };

    let namespace = words.get(provider + 1).copied().unwrap_or_default();
    let rest = &words[(provider + 2).min(words.len())..];
    match rest {
        [] => return Ok(route(Target::Provider { namespace: namespace.to_owned(), register: false })),
        [word] if word.eq_ignore_ascii_case("register") && is_post => {
            return Ok(route(Target::Provider { namespace: namespace.to_owned(), register: true }));
        }
        [locations, location, usages]
            if namespace.eq_ignore_ascii_case("Microsoft.Compute")
                && locations.eq_ignore_ascii_case("locations")
                && usages.eq_ignore_ascii_case("usages")
                && provider == 2 =>
        {
            return Ok(route(Target::Usages(location.to_lowercase())));
        }
        [locations, _, what, id] if locations.eq_ignore_ascii_case("locations") => {
            let result = what.eq_ignore_ascii_case("operationresults");
            if result || what.eq_ignore_ascii_case("operations") {
                return Ok(route(Target::Operation { id: (*id).to_owned(), result }));
            }
        }
        _ => {}
    }

    let scope = format!("/{}", words[..provider].join("/"));
    let types: Vec<&str> = rest.iter().step_by(2).copied().collect();
    let names: Vec<String> = rest.iter().skip(1).step_by(2).map(|name| (*name).to_owned()).collect();
    let target = if types.len() == names.len() {
        Target::One(Typed { kind: kinds::find(namespace, &types)?, scope, names })
    } else if is_post {
        // A POST to what looks like a collection is an action of the resource before it.
        let (action, parents) = types.split_last().ok_or_else(not_found)?;
        Target::Action(Typed { kind: kinds::find(namespace, parents)?, scope, names }, (*action).to_owned())
    } else {
        Target::All(Typed { kind: kinds::find(namespace, &types)?, scope, names })
    };
    if let Target::One(typed) | Target::All(typed) | Target::Action(typed, _) = &target {
        let at_group = in_group && provider == 4;
        let at_subscription = provider == 2;
        let fits = match (&target, typed.kind.family) {
            (_, Family::RoleAssignment | Family::RoleDefinition | Family::Lock | Family::Tags) => true,
            (Target::All(_), _) if typed.names.is_empty() => at_group || at_subscription,
            _ => at_group,
        };
        if !fits {
            return Err(not_found());
        }
    }
    Ok(route(target))
}

/// Undoes percent-encoding; what is no valid escape stays as it is.
fn decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_path_breaks_the_reader(path in "(/(subscriptions|resourceGroups|providers|Microsoft.Compute|disks|%|%2|%2F|é|[a-z]{0,3})){0,12}/?") {
            for is_post in [false, true] {
                if let Ok(route) = parse(&path, is_post) {
                    prop_assert_eq!(route.key.to_lowercase(), route.key.clone());
                }
            }
        }
    }

    #[test]
    fn names_are_decoded_and_keep_their_case() {
        let route =
            parse("/Subscriptions/S/resourcegroups/My%20Group/Providers/microsoft.compute/DISKS/D+%41", false).unwrap();
        assert_eq!(route.group.as_deref(), Some("My Group"));
        assert_eq!(route.key, "/subscriptions/s/resourcegroups/my group/providers/microsoft.compute/disks/d+a");
        let Target::One(typed) = route.target else { panic!("{:?}", route.target) };
        assert_eq!((typed.kind.family, typed.name()), (Family::Disk, "D+A"));
    }

    #[test]
    fn what_is_attached_to_a_resource_has_it_as_scope() {
        let disk = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/d";
        let route = parse(&format!("{disk}/providers/Microsoft.Authorization/locks/l"), false).unwrap();
        let Target::One(typed) = route.target else { panic!("{:?}", route.target) };
        assert_eq!((typed.kind.family, typed.scope.as_str()), (Family::Lock, disk));
        let all = parse(&format!("{disk}/providers/Microsoft.Authorization/locks"), false).unwrap();
        assert!(matches!(all.target, Target::All(typed) if typed.scope == disk));
        assert!(parse("/subscriptions/s/providers/Microsoft.Compute/disks/d", false).is_err(), "a disk is in a group");
    }
}
