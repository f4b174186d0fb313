//! Objects and projects as text: multi-document YAML, and the normalised compose file. Byte-stable.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::compose::convert::{Rendered, RenderedObject};
use crate::compose::model::{ComposeProject, FileObject, FileSource, FileUse, MountSource, Port, Service, Text};

/// What stands in place of a sensitive value.
const MASK: &str = "(sensitive)";

/// A text that could not be written; only an input that is no data at all can cause it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object} cannot be written as YAML: {reason}")]
pub struct WriteError {
    /// Which object.
    pub object: String,
    /// The serializer's words.
    pub reason: String,
}

impl RenderedObject {
    /// The object with every sensitive leaf replaced by `(sensitive)`.
    pub fn masked(&self) -> Value {
        let mut body = self.body.clone();
        for leaf in &self.sensitive {
            let found = leaf.iter().try_fold(&mut body, |value, segment| match value {
                Value::Object(map) => map.get_mut(segment),
                Value::Array(items) => segment.parse::<usize>().ok().and_then(|index| items.get_mut(index)),
                _ => None,
            });
            if let Some(value) = found {
                *value = MASK.into();
            }
        }
        body
    }
}

/// All objects as one multi-document YAML text, in the order of creation.
///
/// # Errors
/// When the serializer refuses an object.
pub fn manifest(rendered: &Rendered, show_secrets: bool) -> Result<String, WriteError> {
    let mut out = String::new();
    for object in &rendered.objects {
        let text = if show_secrets {
            serde_saphyr::to_string(&object.body)
        } else {
            serde_saphyr::to_string(&object.masked())
        };
        let text = text.map_err(|error| WriteError {
            object: format!("{} {}", object.address_kind, object.address_name),
            reason: error.to_string(),
        })?;
        out.push_str("---\n");
        out.push_str(&text);
        if !text.ends_with('\n') {
            out.push('\n');
        }
    }
    Ok(out)
}

/// The project as one compose file without short forms, variables or merges. Values that may be secrets are masked
/// unless `show_secrets`.
pub fn normalised(project: &ComposeProject, show_secrets: bool) -> Value {
    let services: Map<String, Value> =
        project.services.iter().map(|one| (one.name.clone(), service(one, show_secrets))).collect();
    let mut root = Map::new();
    if let Some(name) = &project.name {
        root.insert("name".to_owned(), name.clone().into());
    }
    root.insert("services".to_owned(), services.into());
    for (key, objects) in [("configs", &project.configs), ("secrets", &project.secrets)] {
        if !objects.is_empty() {
            let objects: Map<String, Value> =
                objects.iter().map(|(name, object)| (name.clone(), file_object(object, show_secrets))).collect();
            root.insert(key.to_owned(), objects.into());
        }
    }
    Value::Object(root)
}

/// A config or secret by its content; bytes that are no text are shown by their number only.
fn file_object(object: &FileObject, show_secrets: bool) -> Value {
    match &object.source {
        FileSource::External(name) => json!({ "external": true, "name": name }),
        FileSource::Unreadable => json!({}),
        FileSource::Content { bytes, .. } if bytes.sensitive && !show_secrets => json!({ "content": MASK }),
        FileSource::Content { bytes, .. } => match std::str::from_utf8(&bytes.value) {
            Ok(text) => json!({ "content": text }),
            Err(_) => json!({ "content": format!("({} bytes)", bytes.value.len()) }),
        },
    }
}

fn shown(text: &Text, show_secrets: bool) -> Value {
    if text.sensitive && !show_secrets { MASK.into() } else { text.value.clone().into() }
}

fn service(service: &Service, show_secrets: bool) -> Value {
    let words = |words: &Vec<Text>| words.iter().map(|word| shown(word, show_secrets)).collect::<Value>();
    let mut environment: BTreeMap<&str, &Text> =
        service.env_file.iter().flatten().map(|(key, text)| (key.as_str(), text)).collect();
    environment.extend(service.environment.iter().map(|(key, text)| (key.as_str(), text)));

    let mut out = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(key.to_owned(), value);
        }
    };
    let list = |values: Vec<Value>| if values.is_empty() { None } else { Some(Value::Array(values)) };
    put("image", service.image.as_ref().map(|image| image.value.clone().into()));
    put("command", service.command.as_ref().map(words));
    put("entrypoint", service.entrypoint.as_ref().map(words));
    put(
        "environment",
        (!environment.is_empty()).then(|| {
            Value::Object(
                environment.into_iter().map(|(key, text)| (key.to_owned(), shown(text, show_secrets))).collect(),
            )
        }),
    );
    put("ports", list(service.ports.iter().map(port).collect()));
    put("expose", list(service.expose.iter().map(|port| port.target.to_string().into()).collect()));
    put("volumes", list(mounts(service)));
    put("configs", list(service.configs.iter().map(file_use).collect()));
    put("secrets", list(service.secrets.iter().map(file_use).collect()));
    put(
        "healthcheck",
        service.healthcheck.as_ref().map(|check| {
            let test: Vec<Value> = std::iter::once(Value::from("CMD"))
                .chain(check.command.iter().map(|word| shown(word, show_secrets)))
                .collect();
            json!({
                "test": test,
                "interval": format!("{}s", check.interval),
                "timeout": format!("{}s", check.timeout),
                "retries": check.retries,
                "start_period": format!("{}s", check.start_period),
            })
        }),
    );
    put("restart", service.restart.as_ref().map(|restart| restart.value.clone().into()));
    put("working_dir", service.working_dir.clone().map(Value::from));
    put(
        "user",
        service.user.map(|(user, group)| match group {
            Some(group) => format!("{user}:{group}").into(),
            None => user.to_string().into(),
        }),
    );
    Value::Object(out)
}

fn port(port: &Port) -> Value {
    let mut out = json!({ "target": port.target, "protocol": port.protocol.name().to_ascii_lowercase() });
    if let Some(published) = port.published {
        out["published"] = published.to_string().into();
    }
    if let Some(address) = &port.host_ip {
        out["host_ip"] = address.clone().into();
    }
    out
}

fn mounts(service: &Service) -> Vec<Value> {
    let volumes = service.mounts.iter().map(|mount| {
        let (kind, source) = match &mount.source {
            MountSource::First => ("bind", format!("./{}", mount.sub_path)),
            MountSource::Named(name) if mount.sub_path.is_empty() => ("volume", name.clone()),
            MountSource::Named(name) => ("volume", format!("{name}/{}", mount.sub_path)),
        };
        let mut out = json!({ "type": kind, "source": source, "target": mount.target });
        if mount.read_only {
            out["read_only"] = true.into();
        }
        out
    });
    let memory = service.tmpfs.iter().map(|tmpfs| {
        let mut out = json!({ "type": "tmpfs", "target": tmpfs.target });
        if let Some(size) = tmpfs.size {
            out["tmpfs"] = json!({ "size": size.to_string() });
        }
        out
    });
    volumes.chain(memory).collect()
}

fn file_use(file: &FileUse) -> Value {
    let mut out = json!({ "source": file.source, "target": file.target });
    if let Some(mode) = file.mode {
        out["mode"] = format!("{mode:04o}").into();
    }
    out
}
