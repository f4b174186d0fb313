//! The single file of old, `kompoxops.yml`: one each of workspace, provider, cluster and app (`manifests.md`, "Legacy
//! single file").
//!
//! It is turned into the KOM documents that it stands for, every value at the place where it was written, and these go
//! through the same readers as all KOM. So IDs, names and hashes are those of the KOM that [`rewrite`] writes.

use super::keys::{API_VERSION, ID_ANNOTATION};
use super::layout::LEGACY_FILE_NAME;
use super::model::Located;
use super::reader::{Fields, Reader, Sources, parse};
use super::write;
use crate::advice::{Advice, Command, Name};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::text::dns::{LABEL_MAX, is_label};
use crate::text::secret::is_sensitive_key;
use crate::yaml::{self, Content, Entry, Node, Scalar, Source};

/// Settings that the first draft wrote at the cluster and that belong to the provider.
const PROVIDER_SETTINGS: [&str; 8] = [
    "AZURE_AUTH_METHOD",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_LOCATION",
    "AZURE_RESOURCE_PREFIX",
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_TENANT_ID",
];
/// The first draft's way to say how to sign in.
const TOKEN_CREDENTIALS: &str = "AZURE_TOKEN_CREDENTIALS";
/// The first draft's size and type of the only disk.
const DISK_SETTINGS: [&str; 2] = ["AZURE_DISK_SIZE", "AZURE_DISK_TYPE"];
const PARTS: [&str; 5] = ["workspace", "service", "provider", "cluster", "app"];

fn to_rewrite() -> Advice {
    Advice::run("write it as KOM, with the same names", Command::new(Name::Init).word("--from").word(LEGACY_FILE_NAME))
}

/// Whether a document has the shape of the single file of old.
pub(super) fn is_legacy(document: &Node) -> bool {
    let entries = document.as_mapping().unwrap_or_default();
    let has = |key: &str| entries.iter().any(|entry| entry.key == key);
    has("version") && !has("apiVersion") && PARTS.iter().any(|part| has(part))
}

/// The error for such a document among others.
pub(super) fn not_alone() -> Diagnostic {
    let message = "this is the legacy single-file format, which is read only where it is the only input";
    Diagnostic::error("legacy-file", message)
        .help(to_rewrite())
        .help("or move it away, if the KOM beside it replaces it")
}

/// The warning for the legacy file in a project of KOM.
pub(super) fn not_read() -> Diagnostic {
    let message = format!("{LEGACY_FILE_NAME} is not read: the project has KOM");
    Diagnostic::warning("legacy-file", message).help("delete it, or take the KOM away to use it")
}

/// What the single file of old becomes.
#[derive(Debug)]
pub struct Rewritten {
    /// The KOM, one document per object.
    pub text: String,
    /// Credentials among the settings that it does not repeat, by name; environment variables of these names take
    /// their place.
    pub left_out: Vec<String>,
}

/// Rewrites the single file of old as KOM. A credential in it is not written a second time.
///
/// # Errors
/// Everything that keeps it from being loaded as far as one file can tell, located.
pub fn rewrite(source: &Source) -> Result<Rewritten, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let mut documents = parse(source, yaml::Limits::default()).map_err(|error| {
        let mut all = Diagnostics::default();
        all.push(error);
        all
    })?;
    documents.retain(|document| !document.is_null());
    let mut sources = Sources::default();
    sources.add(source.clone(), &documents);
    let mut reader = Reader::new(&sources, &mut diagnostics);
    let mut converted = match documents.as_slice() {
        [document] if is_legacy(document) => self::documents(&mut reader, document),
        _ => {
            let at = Location::new(source.file.clone(), 1, 1);
            let message = format!("{} is not in the legacy single-file format", source.file);
            reader.error("legacy-file", message, &at, "it has version, workspace, provider, cluster and app");
            Vec::new()
        }
    };
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let left_out = converted.iter_mut().flat_map(leave_out_credentials).collect();
    Ok(Rewritten { text: write::documents(&converted), left_out })
}

/// Takes the credentials out of the settings of a document and gives their names.
fn leave_out_credentials(document: &mut Node) -> Vec<String> {
    let settings = inner(document, "spec").and_then(|spec| inner(spec, "settings"));
    let Some(Content::Mapping(entries)) = settings.map(|settings| &mut settings.content) else { return Vec::new() };
    let is_credential = |entry: &Entry| {
        is_sensitive_key(&entry.key) && entry.value.as_scalar().is_some_and(|scalar| !scalar.text.is_empty())
    };
    let (credentials, rest) = std::mem::take(entries).into_iter().partition(is_credential);
    *entries = rest;
    credentials.into_iter().map(|entry: Entry| entry.key).collect()
}

fn inner<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    let Content::Mapping(entries) = &mut node.content else { return None };
    entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
}

/// The KOM documents that the file stands for, with a warning that the format is old. What is missing or wrong in the
/// frame is reported; the rest is checked where all KOM is.
pub(super) fn documents(reader: &mut Reader<'_>, document: &Node) -> Vec<Node> {
    let message = format!("the single file {LEGACY_FILE_NAME} is the older format; it still loads");
    reader.report(Diagnostic::warning("legacy-file", message).help(to_rewrite()), &document.location);
    let known = ["version", "workspace", "service", "provider", "cluster", "app"];
    let Some(fields) = reader.fields(document, "the legacy file", &known) else { return Vec::new() };
    if let Some(version) = fields.get("version").and_then(|node| reader.text(node, "\"version\""))
        && !["v1", "1"].contains(&version.value.as_str())
    {
        let message = format!("\"version\" cannot be \"{}\"", version.value);
        reader.error("kom-value", message, &version.location, "it is v1");
    }
    if let (Some(_), Some(at)) = (fields.get("workspace"), fields.key_location("service")) {
        let message = "\"workspace\" and \"service\" are the same thing";
        reader.error("kom-exclusive", message, at, "keep workspace; service is its older name");
    }
    let workspace = Part::read(reader, fields, if fields.get("workspace").is_some() { "workspace" } else { "service" });
    let provider = match fields.get("provider") {
        Some(_) => Part::read(reader, fields, "provider"),
        None => None,
    };
    let cluster = Part::read(reader, fields, "cluster");
    let app = Part::read(reader, fields, "app");
    let (Some(mut workspace), Some(mut cluster), Some(mut app)) = (workspace, cluster, app) else { return Vec::new() };
    let provider = match provider {
        Some(provider) => Some(provider),
        None => drafted_provider(reader, &mut cluster, fields),
    };
    let Some(provider) = provider else { return Vec::new() };
    service_domain(reader, &mut workspace, &mut cluster);
    connection(reader, &mut cluster);
    app_ingress(reader, &mut app);
    compose_path(&mut app);
    disk_settings(reader, &mut app);

    let ids = [("ws", &workspace), ("prv", &provider), ("cls", &cluster), ("app", &app)].iter().fold(
        Vec::new(),
        |mut ids: Vec<String>, (short, part)| {
            let parent = ids.last().cloned().unwrap_or_default();
            ids.push(format!("{parent}/{short}/{}", part.name.value));
            ids
        },
    );
    let kinds = ["Workspace", "Provider", "Cluster", "App"];
    [workspace, provider, cluster, app]
        .into_iter()
        .zip(ids)
        .zip(kinds)
        .map(|((part, id), kind)| part.document(kind, &id))
        .collect()
}

/// One part of the file: its name, and the rest, which becomes `spec`.
struct Part {
    name: Located<String>,
    location: Location,
    entries: Vec<Entry>,
}

impl Part {
    fn read(reader: &mut Reader<'_>, file: Fields<'_>, key: &'static str) -> Option<Self> {
        let Some(node) = file.get(key) else {
            let key = if key == "service" { "workspace" } else { key };
            reader.missing(file, key, format!("write it: {key}: {{name: …}}"));
            return None;
        };
        let what = format!("the {key}");
        let fields = reader.any_fields(node, &what)?;
        // With a stand-in the rest is checked all the same; nothing loads after an error.
        let name = reader.name(fields, LABEL_MAX);
        let name = name.unwrap_or_else(|| Located::new("unknown".to_owned(), node.location.clone()));
        let location = file.key_location(key).unwrap_or(&node.location).clone();
        let entries = node.as_mapping().unwrap_or_default().iter().filter(|entry| entry.key != "name").cloned();
        Some(Self { name, location, entries: entries.collect() })
    }

    fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value).filter(|node| !node.is_null())
    }

    fn take(&mut self, key: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(at))
    }

    /// Takes a setting out.
    fn take_setting(&mut self, key: &str) -> Option<Entry> {
        let settings = self.entries.iter_mut().find(|entry| entry.key == "settings")?;
        let Content::Mapping(entries) = &mut settings.value.content else { return None };
        let at = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(at))
    }

    fn document(self, kind: &str, id: &str) -> Node {
        let Self { name, location, entries } = self;
        let text = |text: &str, at: &Location| scalar(text, at);
        let annotation = mapping(&name.location, vec![entry(ID_ANNOTATION, text(id, &name.location))]);
        let metadata = vec![entry("name", text(&name.value, &name.location)), entry("annotations", annotation)];
        mapping(
            &location,
            vec![
                entry("apiVersion", text(API_VERSION, &location)),
                entry("kind", text(kind, &location)),
                entry("metadata", mapping(&name.location, metadata)),
                entry("spec", mapping(&location, entries)),
            ],
        )
    }
}

fn entry(key: &str, value: Node) -> Entry {
    Entry { key: key.to_owned(), key_location: value.location.clone(), value, merged: false, key_plain: true }
}

fn mapping(at: &Location, entries: Vec<Entry>) -> Node {
    Node { location: at.clone(), tag: None, content: Content::Mapping(entries) }
}

fn scalar(text: &str, at: &Location) -> Node {
    let content = Content::Scalar(Scalar { text: text.to_owned(), plain: false });
    Node { location: at.clone(), tag: None, content }
}

fn number(number: u16, at: &Location) -> Node {
    let content = Content::Scalar(Scalar { text: number.to_string(), plain: true });
    Node { location: at.clone(), tag: None, content }
}

fn sequence(at: &Location, items: Vec<Node>) -> Node {
    Node { location: at.clone(), tag: None, content: Content::Sequence(items) }
}

/// The first draft had no provider: the cluster named the driver and held its settings.
fn drafted_provider(reader: &mut Reader<'_>, cluster: &mut Part, file: Fields<'_>) -> Option<Part> {
    let Some(driver) = cluster.take("provider") else {
        reader.missing(file, "provider", "write it: provider: {name: …, driver: aks, settings: {…}}");
        return None;
    };
    let text = reader.text(&driver.value, "\"provider\" of the cluster")?;
    let name = if is_label(&text.value) { text.value.clone() } else { "unknown".to_owned() };
    let message = format!("the cluster names its driver \"{}\"; it becomes a provider of that name", text.value);
    reader.report(Diagnostic::note("legacy-provider", message), &driver.key_location);
    let mut settings: Vec<Entry> =
        PROVIDER_SETTINGS.iter().filter_map(|setting| cluster.take_setting(setting)).collect();
    if let Some(credentials) = cluster.take_setting(TOKEN_CREDENTIALS) {
        match credentials.value.as_text() {
            Some("dev") => settings.push(entry("AZURE_AUTH_METHOD", scalar("azure_cli", &credentials.value.location))),
            _ => {
                let message = format!("{TOKEN_CREDENTIALS} can only be \"dev\", which becomes azure_cli");
                let help = "write a provider with AZURE_AUTH_METHOD: managed_identity or another method instead";
                reader.error("kom-value", message, &credentials.value.location, help);
            }
        }
    }
    let at = driver.key_location.clone();
    let entries = vec![
        Entry { key: "driver".to_owned(), ..driver },
        Entry {
            key: "settings".to_owned(),
            key_location: at.clone(),
            value: mapping(&at, settings),
            merged: false,
            key_plain: true,
        },
    ];
    Some(Part { name: Located::new(name, text.location), location: at, entries })
}

/// The first draft's clusters had hosts below the domain of the service.
fn service_domain(reader: &mut Reader<'_>, workspace: &mut Part, cluster: &mut Part) {
    let Some(domain) = workspace.take("domain") else { return };
    let Some(text) = reader.text(&domain.value, "\"domain\"").filter(|text| !text.value.is_empty()) else { return };
    let value = scalar(&format!("{}.{}", cluster.name.value, text.value), &text.location);
    let setting = Entry {
        key: "domain".to_owned(),
        key_location: domain.key_location.clone(),
        value,
        merged: false,
        key_plain: true,
    };
    match cluster.entries.iter_mut().find(|entry| entry.key == "ingress") {
        Some(ingress) => {
            if let Content::Mapping(entries) = &mut ingress.value.content
                && !entries.iter().any(|entry| entry.key == "domain")
            {
                entries.push(setting);
            }
        }
        None => cluster.entries.push(entry("ingress", mapping(&domain.key_location, vec![setting]))),
    }
    let message = "the service's \"domain\" becomes the cluster's `ingress.domain`, below which hosts have a hash";
    let help = "default hosts are <app>-<hash>-<port>.<cluster>.<domain>; name other hosts in the app's rules";
    reader.report(Diagnostic::warning("legacy-domain", message).help(help), &domain.key_location);
}

/// The first draft used clusters that were there, by a kubeconfig.
fn connection(reader: &mut Reader<'_>, cluster: &mut Part) {
    let Some(auth) = cluster.take("auth") else { return };
    if cluster.get("existing").is_none() {
        let content = Content::Scalar(Scalar { text: "true".to_owned(), plain: true });
        let value = Node { location: auth.key_location.clone(), tag: None, content };
        cluster.entries.push(entry("existing", value));
    }
    let message = "the cluster's \"auth\" is not read: the cluster counts as existing and is found by its name";
    let help = "it is looked up by the provider and AZURE_RESOURCE_GROUP_NAME; nothing of it is created or deleted";
    reader.report(Diagnostic::warning("legacy-auth", message).help(help), &auth.key_location);
}

/// `ingress` as a bare list of rules, or as `http_80: host` pairs.
fn app_ingress(reader: &mut Reader<'_>, app: &mut Part) {
    let Some(ingress) = app.entries.iter_mut().find(|entry| entry.key == "ingress") else { return };
    let at = ingress.value.location.clone();
    let wrap = |rules: Node| mapping(&at, vec![entry("rules", rules)]);
    match &ingress.value.content {
        Content::Sequence(_) => ingress.value = wrap(ingress.value.clone()),
        Content::Mapping(entries) if entries.iter().any(|entry| entry.key.starts_with("http_")) => {
            let rules: Vec<Node> = entries.iter().filter_map(|pair| pair_rule(reader, pair)).collect();
            ingress.value = wrap(sequence(&at, rules));
        }
        _ => {}
    }
}

fn pair_rule(reader: &mut Reader<'_>, pair: &Entry) -> Option<Node> {
    let at = &pair.key_location;
    let port = pair.key.strip_prefix("http_").and_then(|port| port.parse::<u16>().ok()).filter(|port| *port > 0);
    let Some(port) = port else {
        let message = format!("\"{}\" names no port", pair.key);
        reader.error("kom-unknown-key", message, at, "write http_<port>: <host>, such as http_8080: www.example.com");
        return None;
    };
    let hosts = match &pair.value.content {
        Content::Sequence(_) => pair.value.clone(),
        _ if pair.value.is_null() => sequence(at, Vec::new()),
        _ => sequence(&pair.value.location, vec![pair.value.clone()]),
    };
    let name = scalar(&format!("http-{port}"), at);
    Some(mapping(at, vec![entry("name", name), entry("port", number(port, at)), entry("hosts", hosts)]))
}

/// `compose: compose.yml`, without `file:`.
fn compose_path(app: &mut Part) {
    let Some(compose) = app.entries.iter_mut().find(|entry| entry.key == "compose") else { return };
    if let Content::Scalar(scalar) = &mut compose.value.content
        && !scalar.is_null()
        && !scalar.text.contains([':', '\n'])
    {
        scalar.text = format!("file:{}", scalar.text);
        scalar.plain = false;
    }
}

/// `AZURE_DISK_SIZE` (GiB) and `AZURE_DISK_TYPE` in place of `volumes`.
fn disk_settings(reader: &mut Reader<'_>, app: &mut Part) {
    let [size, sku] = DISK_SETTINGS.map(|setting| app.take_setting(setting));
    let Some(first) = size.as_ref().or(sku.as_ref()) else { return };
    let at = first.key_location.clone();
    if app.get("volumes").is_some() {
        let message = format!("\"{}\" and \"volumes\" exclude each other", first.key);
        reader.error("kom-exclusive", message, &at, "keep volumes; the setting is its older form");
        return;
    }
    let mut volume = vec![entry("name", scalar("default", &at))];
    if let Some(size) = size {
        let text = size.value.as_text().unwrap_or_default();
        // A number alone counted gibibytes.
        let text = if text.bytes().all(|b| b.is_ascii_digit()) { format!("{text}Gi") } else { text.to_owned() };
        volume.push(entry("size", scalar(&text, &size.value.location)));
    }
    if let Some(sku) = sku {
        let options = mapping(&sku.key_location, vec![entry("sku", sku.value)]);
        volume.push(entry("options", options));
    }
    let volumes = sequence(&at, vec![mapping(&at, volume)]);
    app.entries.retain(|entry| entry.key != "volumes");
    app.entries.push(entry("volumes", volumes));
}
