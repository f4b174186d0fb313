//! Rules for ConfigMaps and Secrets.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::super::store::{map, text};
use super::findings::Findings;
use super::names::is_config_key;

/// The bytes that a ConfigMap or a Secret may have in all.
const LONGEST_DATA: usize = 1 << 20;

/// Data of a ConfigMap or Secret; `encoded` names the fields in Base64.
pub(super) fn config_data(object: &Value, fields: &[&str], encoded: &[&str], out: &mut Findings) {
    let mut size = 0;
    let mut seen = HashSet::new();
    for field in fields {
        for (key, value) in map(object, &format!("/{field}")).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            // What is decoded is counted; four characters carry three bytes.
            let padding = value.bytes().rev().take_while(|byte| *byte == b'=').count();
            size += if encoded.contains(field) { (value.len() / 4 * 3).saturating_sub(padding) } else { value.len() };
            if !is_config_key(key) {
                let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
                out.invalid(format!("{field}[{key}]"), &key.as_str().into(), why);
            } else if !seen.insert(key) {
                out.invalid(format!("data[{key}]"), &key.as_str().into(), "duplicate of key present in binaryData");
            }
        }
    }
    if size > LONGEST_DATA {
        out.too_long(fields.join(","), LONGEST_DATA);
    }
}

/// A Secret.
pub(super) fn secret(object: &Value, out: &mut Findings) {
    config_data(object, &["data"], &["data"], out);
    let needed = match text(object, "/type") {
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"][..],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in needed {
        if object.get("data").and_then(|data| data.get(*key)).is_none() {
            out.required(format!("data[{key}]"), "");
        }
    }
    let has = |key: &str| object.pointer(&format!("/data/{key}")).is_some();
    match text(object, "/type") {
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            out.required("data[username]", "");
            out.required("data[password]", "");
        }
        "kubernetes.io/dockerconfigjson" => {
            let config = BASE64.decode(text(object, "/data/.dockerconfigjson")).unwrap_or_default();
            if has(".dockerconfigjson") && !serde_json::from_slice::<Value>(&config).is_ok_and(|json| json.is_object())
            {
                out.invalid("data[.dockerconfigjson]", &"<secret contents redacted>".into(), "JSON is expected");
            }
        }
        _ => {}
    }
}
