//! Ingress rules: which ports get hosts. What is published for everybody and looks like HTTP does; what is bound to the
//! loopback address was meant for this machine only and does not, while there is anything else.

use std::collections::{BTreeMap, BTreeSet};

use super::found::{Change, Port, Remark, Rule, Service, Survey, texts};
use super::images;
use super::yaml::slug;
use crate::compose::syntax::Protocol;
use crate::compose::tree::Tree;

/// Host ports of one service that get rules; ranges beyond are no web servers.
const MOST_RULES: usize = 4;
/// Longest name of a rule, which is also a Service port's (RFC 6335 section 5.1: at most 15 characters).
const RULE_NAME: usize = 15;

/// Rules for published ports that look like HTTP; where there is none, for the likeliest port that is not published.
pub(super) fn rules<'t>(survey: &mut Survey, services: &[Service<'t>], changes: &mut BTreeMap<&'t str, Change>) {
    let mut found = Found { taken: published(services), rules: Vec::new() };
    for service in services {
        let web: Vec<&Port> = service.ports.iter().filter(|port| is_web(service, port)).collect();
        https_only(survey, service, &web);
        found.add(service, web.into_iter().filter(|port| !port.local), changes);
        for port in service.ports.iter().filter(|port| !is_web(service, port) && port.published.is_some()) {
            let text = format!(
                "{}: port {} does not look like HTTP and gets no host: it is reached inside of the cluster only",
                service.name, port.target
            );
            survey.decided.push(Remark { at: Some(port.at.clone()), text });
        }
    }
    // A proxy in the compose file would have been told of these.
    if found.rules.is_empty() {
        let told = services.iter().find_map(|service| Some((service, told_port(service)?)));
        found.hidden(survey, told, changes);
    }
    let open = services.iter().flat_map(|service| &service.ports).any(|port| !port.local);
    if found.rules.is_empty() && !open {
        private(survey, &mut found, services, changes);
    }
    if found.rules.is_empty() {
        let private = |service: &&Service<'_>| service.ports.iter().any(|port| port.local);
        let likely = services.iter().filter(|service| !private(service));
        let likely = likely.filter_map(|service| Some((service, hidden_port(service)?))).next();
        found.hidden(survey, likely, changes);
    }
    left_private(survey, services, &found.rules);
    survey.rules = found.rules;
    name(&mut survey.rules, services);
    if survey.rules.is_empty() {
        let mut text =
            "no service publishes a port that looks like HTTP, so the app has no host; add a rule if one does"
                .to_owned();
        let off: Vec<&str> = survey.profiles.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        if !off.is_empty() {
            text += &format!(", or turn on what is behind the profiles {}", off.join(", "));
        }
        survey.todo.push(Remark { at: None, text });
    }
}

/// Host ports that the compose files take; one that is chosen must be another.
fn published(services: &[Service<'_>]) -> BTreeSet<u16> {
    services.iter().flat_map(|service| &service.ports).filter_map(|port| port.published).collect()
}

/// Rules so far, and the host ports that are taken.
struct Found {
    taken: BTreeSet<u16>,
    rules: Vec<Rule>,
}

impl Found {
    /// Rules for these ports of a service.
    fn add<'t, 'p>(
        &mut self,
        service: &Service<'t>,
        ports: impl Iterator<Item = &'p Port>,
        changes: &mut BTreeMap<&'t str, Change>,
    ) {
        let mut named: BTreeSet<u16> = BTreeSet::new();
        for port in ports.filter(|port| !images::is_https(port.target)) {
            // One rule leads to each container port, however often that is published.
            if named.len() >= MOST_RULES || named.contains(&port.target) {
                continue;
            }
            let published = match port.published {
                Some(published) if self.rules.iter().any(|rule| rule.port == published) => continue,
                Some(published) => published,
                None => {
                    let Some(published) = self.publish(port.target) else { continue };
                    let change = changes.entry(service.name).or_default();
                    change.ports.push(format!("{published}:{}", port.target));
                    change.why.push(format!("port {} has no host port, which a rule needs", port.target));
                    published
                }
            };
            named.insert(port.target);
            let (name, service) = (String::new(), service.name.to_owned());
            self.rules.push(Rule { name, port: published, service, local: port.local });
        }
    }

    /// A free host port, from the wanted one on.
    fn publish(&mut self, wanted: u16) -> Option<u16> {
        let port = (wanted..=u16::MAX).find(|port| !self.taken.contains(port))?;
        self.taken.insert(port);
        Some(port)
    }

    /// A rule for a port that is not published.
    fn hidden<'t>(
        &mut self,
        survey: &mut Survey,
        found: Option<(&Service<'t>, u16)>,
        changes: &mut BTreeMap<&'t str, Change>,
    ) {
        let Some((service, target)) = found else { return };
        let Some(published) = self.publish(target) else { return };
        let rule = Rule { name: String::new(), port: published, service: service.name.to_owned(), local: false };
        self.rules.push(rule);
        let change = changes.entry(service.name).or_default();
        change.ports.push(format!("{published}:{target}"));
        change.why.push("no service publishes a port for browsers; this is the likeliest".to_owned());
        let text = format!("{} gets a host for port {target}: no service publishes one", service.name);
        survey.decided.push(Remark { at: Some(service.at.clone()), text });
    }
}

/// Says what a service lacks that has TLS ports only.
fn https_only(survey: &mut Survey, service: &Service<'_>, web: &[&Port]) {
    if web.iter().any(|port| !images::is_https(port.target)) {
        return;
    }
    for port in web {
        let text = format!(
            "{} speaks HTTPS on {}: the ingress ends TLS and speaks HTTP to it; publish its HTTP port and write a rule \
             for it",
            service.name, port.target
        );
        survey.todo.push(Remark { at: Some(port.at.clone()), text });
    }
}

/// Rules for ports of this machine where nothing else is published: they would be reached through a proxy on it.
fn private<'t>(
    survey: &mut Survey,
    found: &mut Found,
    services: &[Service<'t>],
    changes: &mut BTreeMap<&'t str, Change>,
) {
    for service in services {
        found.add(service, service.ports.iter().filter(|port| is_web(service, port)), changes);
        for port in &service.ports {
            let rule =
                found.rules.iter().find(|rule| rule.service == service.name && Some(rule.port) == port.published);
            if let Some(rule) = rule {
                let text = format!(
                    "{}: port {} was for this machine only, and its rule opens it to everybody: take the rule out if \
                     that is not meant",
                    service.name, rule.port
                );
                survey.todo.push(Remark { at: Some(port.at.clone()), text });
            }
        }
    }
}

/// Says which ports of this machine got no rule.
fn left_private(survey: &mut Survey, services: &[Service<'_>], rules: &[Rule]) {
    for service in services {
        for port in service.ports.iter().filter(|port| port.local && is_web(service, port)) {
            let Some(published) = port.published else { continue };
            if rules.iter().any(|rule| rule.service == service.name && rule.port == published) {
                continue;
            }
            let text = format!(
                "{}: port {published} is for this machine only and gets no host: it is reached inside of the cluster \
                 only",
                service.name
            );
            survey.decided.push(Remark { at: Some(port.at.clone()), text });
        }
    }
}

fn is_web(service: &Service<'_>, port: &Port) -> bool {
    port.protocol == Protocol::Tcp && images::may_be_http(port.target) && !images::is_backend(service.image)
}

/// The pairs of a mapping or of a list of `key=value`.
fn pairs(service: &Service<'_>, key: &str) -> Vec<(String, String)> {
    let Some(tree) = service.tree.get(key) else { return Vec::new() };
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        (key.to_owned(), value.to_owned())
    };
    match tree.as_mapping() {
        Some(entries) => {
            let value = |tree: &Tree| tree.as_text().unwrap_or_default().to_owned();
            entries.iter().map(|entry| (entry.key.clone(), value(&entry.value))).collect()
        }
        None => texts(Some(tree)).iter().map(pair).collect(),
    }
}

fn port_of(text: &str) -> Option<u16> {
    text.split(['/', '-']).next()?.trim().parse::<u16>().ok().filter(|port| *port > 0)
}

/// A port that a reverse proxy in the compose file would have been told of.
fn told_port(service: &Service<'_>) -> Option<u16> {
    if images::is_backend(service.image) {
        return None;
    }
    let label = pairs(service, "labels").into_iter().find(|(key, _)| key.ends_with(".loadbalancer.server.port"));
    let environment = pairs(service, "environment");
    let variable = environment.iter().find(|(key, _)| key == "VIRTUAL_PORT").cloned();
    // nginx-proxy takes port 80 where it is told a host only.
    let hosted = environment.iter().any(|(name, _)| name == "VIRTUAL_HOST").then_some(80);
    let told = label.or(variable).and_then(|(_, value)| port_of(&value));
    told.or(hosted).filter(|port| images::may_be_http(*port))
}

/// The likeliest port of a service that publishes none.
fn hidden_port(service: &Service<'_>) -> Option<u16> {
    if images::is_backend(service.image) || images::is_fast_cgi(service.image) {
        return None;
    }
    texts(service.tree.get("expose"))
        .iter()
        .find_map(|text| port_of(text))
        .or_else(|| images::default_ports(service.image).first().copied())
        .filter(|port| images::may_be_http(*port) && !images::is_https(*port))
}

/// Names of rules, `^[a-z]([-a-z0-9]{0,14})$`, each once. The first is `main`, unless it was for one machine only. They
/// are Service ports' names, too, which end in a letter or a digit and hold no two hyphens in a row (RFC 6335 section
/// 5.1); a port in a name is never cut.
fn name(rules: &mut [Rule], services: &[Service<'_>]) {
    let mut seen = BTreeSet::new();
    let several: BTreeSet<String> = {
        let mut once = BTreeSet::new();
        rules.iter().filter(|rule| !once.insert(rule.service.clone())).map(|rule| rule.service.clone()).collect()
    };
    for (index, rule) in rules.iter_mut().enumerate() {
        if index == 0 && !rule.local {
            rule.name = "main".to_owned();
            seen.insert(rule.name.clone());
            continue;
        }
        let stem = |most: usize| {
            let letters = rule.service.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
            slug(if letters.is_empty() { "port" } else { letters }, most)
        };
        let port = format!("-{}", rule.port);
        let numbered = format!("{}{port}", stem(RULE_NAME - port.len()));
        let plain = stem(RULE_NAME);
        let other = |name: &String| services.iter().any(|one| one.name == name.as_str() && one.name != rule.service);
        let free = |name: &String| name != "main" && !seen.contains(name);
        let plain = Some(plain).filter(|name| !several.contains(&rule.service) && free(name) && !other(name));
        // Host ports differ, so that this one is free.
        let last = format!("port{port}");
        let name = plain.or_else(|| Some(numbered).filter(free)).unwrap_or(last);
        seen.insert(name.clone());
        rule.name = name;
    }
}
