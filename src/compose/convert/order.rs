//! `depends_on` inside one Pod: what must complete first becomes an init container. What others wait for to be healthy
//! becomes an init container that keeps running: its startup probe holds the containers after it ("Sidecar Containers",
//! <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/>). So does what either of these needs in turn, so that
//! a migration finds its database.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use crate::compose::model::{Condition, Service};
use crate::diag::Diagnostic;

/// How a service runs in the Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// An ordinary container.
    Container,
    /// An init container that others wait for until it has ended.
    Init,
    /// An init container that goes on running (`restartPolicy: Always`).
    Sidecar,
}

/// The role of every service by name, and the order of those that are not ordinary containers.
pub(super) struct Order<'a> {
    pub(super) roles: BTreeMap<&'a str, Role>,
    pub(super) init: Vec<&'a Service>,
}

/// Works out roles and order; cycles are errors, an order that a Pod does not keep is a note.
///
/// `services` are those of one Pod; what another Pod runs cannot be waited for.
pub(super) fn order<'a>(cx: &mut Context<'_>, services: &[&'a Service]) -> Order<'a> {
    let by_name: BTreeMap<&str, &Service> = services.iter().map(|service| (service.name.as_str(), *service)).collect();
    let mut walk = Walk { by_name: &by_name, done: Vec::new(), seen: BTreeSet::new(), path: Vec::new(), cycle: None };
    for &service in services {
        walk.visit(service);
    }
    let (sorted, cycle) = (walk.done, walk.cycle);
    if let Some((cycle, at)) = cycle {
        let message = format!("depends_on goes round in a circle: {}", cycle.join(" → "));
        cx.error("compose-dependency-cycle", message, &at.location);
        return Order { roles: BTreeMap::new(), init: Vec::new() };
    }

    let mut roles: BTreeMap<&str, Role> =
        services.iter().map(|service| (service.name.as_str(), Role::Container)).collect();
    elsewhere(cx, services, &by_name);
    for dependency in services.iter().flat_map(|service| &service.depends_on) {
        let is_checked = by_name.get(dependency.service.as_str()).is_some_and(|other| other.healthcheck.is_some());
        let Some(role) = roles.get_mut(dependency.service.as_str()) else { continue };
        match dependency.condition {
            Condition::Completed => *role = Role::Init,
            Condition::Healthy if is_checked && *role == Role::Container => *role = Role::Sidecar,
            Condition::Healthy | Condition::Started => {}
        }
    }
    // What runs before others needs what it depends on before it; dependencies precede their dependents in `sorted`.
    for service in sorted.iter().rev() {
        if roles[service.name.as_str()] == Role::Container {
            continue;
        }
        for dependency in &service.depends_on {
            if let Some(role) = roles.get_mut(dependency.service.as_str())
                && *role == Role::Container
            {
                *role = Role::Sidecar;
            }
        }
    }
    for service in services {
        let loose = service.depends_on.iter().find(|dependency| {
            let kept = roles.get(dependency.service.as_str()) != Some(&Role::Container);
            !kept && by_name.contains_key(dependency.service.as_str())
        });
        if let Some(dependency) = loose {
            let message = format!(
                "{} does not wait for {}: the containers of a Pod start together",
                service.name, dependency.service
            );
            cx.push(Diagnostic::note("compose-depends-on", message), &dependency.location);
        }
    }
    let init = sorted.into_iter().filter(|service| roles[service.name.as_str()] != Role::Container).collect();
    Order { roles, init }
}

/// Dependencies on what does not run in this Pod.
fn elsewhere(cx: &mut Context<'_>, services: &[&Service], here: &BTreeMap<&str, &Service>) {
    for service in services {
        for dependency in service.depends_on.iter().filter(|other| !here.contains_key(other.service.as_str())) {
            let (name, other) = (&service.name, &dependency.service);
            let runs = cx.services.iter().any(|service| service.name == *other);
            let finding = match (runs, dependency.condition) {
                (true, Condition::Completed) => Diagnostic::error(
                    "compose-dependency",
                    format!("{name} must wait for {other} to complete, but a Box runs it in another Pod"),
                )
                .help("let both run in one Pod: network_mode: \"service:…\" takes a service along"),
                (true, _) => {
                    let message = format!("{name} does not wait for {other}: it runs in another Pod");
                    Diagnostic::note("compose-depends-on", message)
                }
                (false, _) if dependency.required => {
                    Diagnostic::warning("compose-depends-on", format!("{name} depends on {other}, which is left out"))
                }
                (false, _) => continue,
            };
            cx.push(finding, &dependency.location);
        }
    }
}

struct Walk<'a, 'b> {
    by_name: &'b BTreeMap<&'a str, &'a Service>,
    done: Vec<&'a Service>,
    seen: BTreeSet<&'a str>,
    path: Vec<&'a str>,
    cycle: Option<(Vec<&'a str>, &'a Service)>,
}

impl<'a> Walk<'a, '_> {
    /// Depth first, dependencies before dependents. The depth is bounded by the number of services of one file.
    fn visit(&mut self, service: &'a Service) {
        let name = service.name.as_str();
        if let Some(start) = self.path.iter().position(|known| *known == name) {
            if self.cycle.is_none() {
                let mut cycle = self.path[start..].to_vec();
                cycle.push(name);
                self.cycle = Some((cycle, service));
            }
            return;
        }
        if !self.seen.insert(name) {
            return;
        }
        self.path.push(name);
        for dependency in &service.depends_on {
            if let Some(other) = self.by_name.get(dependency.service.as_str()) {
                self.visit(other);
            }
        }
        self.path.pop();
        self.done.push(service);
    }
}
