//! The `spec` of Workspaces, Providers, Clusters, Boxes and Defaults.

use super::model::{
    Certificate, Cluster, ClusterIngress, KomBox, Lifecycle, Located, Meta, Protection, Provider, Workspace,
};
use super::reader::{Fields, Reader};
use super::{keys, network};
use crate::diag::Diagnostic;
use crate::text::dns::{LABEL_MAX, is_label, is_subdomain};
use crate::text::suggest::closest;

pub(super) fn workspace(reader: &mut Reader<'_>, meta: Meta, spec: Fields<'_>) -> Workspace {
    Workspace { meta, settings: reader.settings(spec) }
}

pub(super) fn provider(reader: &mut Reader<'_>, meta: Meta, spec: Fields<'_>) -> Option<Provider> {
    let settings = reader.settings(spec);
    let names = keys::DRIVERS.map(|(name, _)| name).join(", ");
    let driver_location = reader.required_text(spec, "driver", &format!("it is one of {names}"))?.location;
    let driver = reader.choice(spec, "driver", &keys::DRIVERS)?;
    Some(Provider { meta, driver, driver_location, settings })
}

pub(super) fn cluster(reader: &mut Reader<'_>, meta: Meta, spec: Fields<'_>) -> Cluster {
    Cluster {
        meta,
        existing: reader.boolean(spec, "existing"),
        existing_location: spec.key_location("existing").cloned(),
        protection: protection(reader, spec),
        ingress: cluster_ingress(reader, spec),
        settings: reader.settings(spec),
        lifecycle: lifecycle(reader, spec),
    }
}

/// `spec.lifecycle` of whatever has one.
pub(super) fn lifecycle(reader: &mut Reader<'_>, spec: Fields<'_>) -> Lifecycle {
    let Some(node) = spec.get("lifecycle") else { return Lifecycle::default() };
    let Some(fields) = reader.object(node, "\"lifecycle\"", &keys::LIFECYCLE) else { return Lifecycle::default() };
    let prevent_destroy = reader.boolean(fields, "preventDestroy");
    let mut ignore_changes = Vec::new();
    for pointer in reader.texts(fields, "ignoreChanges") {
        if is_json_pointer(&pointer.value) {
            ignore_changes.push(pointer.value);
        } else {
            let message = format!("\"{}\" is no JSON pointer", pointer.value);
            let help = "write the path to the field with slashes, such as /spec/replicas";
            reader.error("kom-value", message, &pointer.location, help);
        }
    }
    Lifecycle { prevent_destroy, ignore_changes }
}

/// RFC 6901, but for the empty pointer, which would ignore the whole object.
fn is_json_pointer(text: &str) -> bool {
    text.len() > 1 && text.starts_with('/') && text.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}

fn protection(reader: &mut Reader<'_>, spec: Fields<'_>) -> Protection {
    let Some(node) = spec.get("protection") else { return Protection::default() };
    let Some(fields) = reader.object(node, "\"protection\"", &keys::PROTECTION) else { return Protection::default() };
    Protection {
        provisioning: reader.choice(fields, "provisioning", &keys::GUARDS),
        installation: reader.choice(fields, "installation", &keys::GUARDS),
        lock: reader.boolean(fields, "lock"),
        location: Some(node.location.clone()),
    }
}

fn cluster_ingress(reader: &mut Reader<'_>, spec: Fields<'_>) -> ClusterIngress {
    let mut ingress = ClusterIngress::default();
    let Some(node) = spec.get("ingress") else { return ingress };
    let Some(fields) = reader.object(node, "the ingress of a Cluster", &keys::CLUSTER_INGRESS) else { return ingress };
    ingress.controller = reader.choice(fields, "controller", &keys::CONTROLLERS);
    ingress.controller_location = fields.key_location("controller").cloned();
    ingress.class_name = reader.optional_text(fields, "className").filter(|class| {
        let valid = is_subdomain(&class.value);
        if !valid {
            let message = format!("\"className\" cannot be \"{}\"", class.value);
            reader.error("kom-value", message, &class.location, "the name of an IngressClass of the cluster");
        }
        valid
    });
    let name_help = "1 to 63 of a-z, 0-9 and \"-\", beginning and ending with a letter or digit";
    if let Some(namespace) = checked(reader, fields, "namespace", is_label, name_help) {
        ingress.namespace = namespace;
    }
    if let Some(account) = checked(reader, fields, "serviceAccount", is_subdomain, name_help) {
        ingress.service_account = account;
    }
    let domain_help = "a DNS name in lower case without \"*.\" and trailing dot, such as apps.example.com";
    ingress.domain = checked(reader, fields, "domain", is_subdomain, domain_help);
    let email = |text: &str| text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
    ingress.cert_email = checked(reader, fields, "certEmail", email, "an address such as ops@example.com");
    ingress.cert_resolver = cert_resolver(reader, fields);
    ingress.certificates = certificates(reader, fields);
    ingress
}

/// `certResolver`: any resolver's name, as the annotation of an Ingress takes it.
pub(super) fn cert_resolver(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<String> {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@'));
    let resolver = checked(
        reader,
        fields,
        "certResolver",
        plain,
        "the name of a resolver: staging, production, or one of your own",
    )?;
    if let Some(node) = fields.get("certResolver").filter(|_| !RESOLVERS.contains(&resolver.as_str())) {
        let message =
            format!("no resolver that kompox installs is called \"{resolver}\": there is staging and production");
        let help = match meant(&resolver) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "without a resolver of that name in Traefik there is no certificate".to_owned(),
        };
        reader.report(Diagnostic::warning("cert-resolver", message).help(help), &node.location);
    }
    Some(resolver)
}

/// The certificate resolvers of the Traefik that kompox installs.
const RESOLVERS: [&str; 2] = ["staging", "production"];

fn meant(resolver: &str) -> Option<&'static str> {
    let short = resolver.to_ascii_lowercase();
    let begins = RESOLVERS.into_iter().find(|known| short.len() > 2 && known.starts_with(&short));
    begins.or_else(|| closest(resolver, RESOLVERS)).or(match short.as_str() {
        "stage" | "stg" | "test" => Some("staging"),
        "prd" | "live" => Some("production"),
        _ => None,
    })
}

fn checked(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    key: &str,
    valid: impl Fn(&str) -> bool,
    help: &str,
) -> Option<String> {
    let text = reader.optional_text(fields, key)?;
    if valid(&text.value) {
        return Some(text.value);
    }
    reader.error("kom-value", format!("\"{key}\" cannot be \"{}\"", text.value), &text.location, help);
    None
}

fn certificates(reader: &mut Reader<'_>, fields: Fields<'_>) -> Vec<Certificate> {
    let mut certificates: Vec<Certificate> = Vec::new();
    let mut seen = std::collections::HashMap::new();
    for node in reader.list(fields, "certificates") {
        let Some(fields) = reader.object(node, "a certificate", &keys::CERTIFICATE) else { continue };
        let name = reader.name(fields, LABEL_MAX);
        let help = "where the certificate is, such as https://<vault>.vault.azure.net/secrets/<name>";
        let source = reader.required_text(fields, "source", help);
        let (Some(name), Some(source)) = (name, source) else { continue };
        if let Some(first) = seen.get(&name.value) {
            reader.duplicate(&format!("the certificate \"{}\"", name.value), &name.location, first);
            continue;
        }
        seen.insert(name.value.clone(), name.location);
        certificates.push(Certificate { name: name.value, source: source.value, location: node.location.clone() });
    }
    certificates
}

pub(super) fn boxed(reader: &mut Reader<'_>, meta: Meta, spec: Fields<'_>) -> Option<KomBox> {
    let mut valid = true;
    if meta.name == "app" {
        let message = "a Box cannot be named \"app\", which is the App's own component";
        reader.error("kom-box-name", message, &meta.id_location, "choose another name");
        valid = false;
    }
    if let Some(component) = reader.optional_text(spec, "component")
        && !meta.name.is_empty()
        && component.value != meta.name
    {
        let message = format!("the component \"{}\" is not the Box's name \"{}\"", component.value, meta.name);
        reader.error("kom-box-component", message, &component.location, "make them equal, or leave component out");
        valid = false;
    }
    if let Some(at) = spec.key_location("ingress") {
        reader.error("kom-reserved", "\"ingress\" of a Box is reserved", at, "take it out");
        valid = false;
    }
    let image = reader.optional_text(spec, "image");
    let texts = |texts: Vec<Located<String>>| texts.into_iter().map(|text| text.value).collect();
    let command: Vec<String> = texts(reader.texts(spec, "command"));
    let args: Vec<String> = texts(reader.texts(spec, "args"));
    if image.is_none() {
        for key in ["command", "args"] {
            if let Some(at) = spec.key_location(key) {
                let message = format!("a compose Box (one without an image) takes no \"{key}\"");
                reader.error("kom-box-compose", message, at, "give it an image, or take it out");
                valid = false;
            }
        }
    }
    let network_policy = network::read(reader, spec);
    let component = meta.name.clone();
    valid.then_some(KomBox { meta, component, image, command, args, network_policy })
}
