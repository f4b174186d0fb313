//! The texts of the files that `init --from compose.yml` writes.

use std::fmt::Write;
use std::path::Path;

use super::draft::{Draft, PLACEHOLDER};
use super::found::{Change, FileUse, Survey};
use super::identity::Place;
use super::yaml::quoted;
use crate::cli::error::CliError;

/// The first line of a file with KOM: editors that speak YAML check and complete by it.
pub const EDITOR_LINE: &str = "# yaml-language-server: $schema=.kompox/schema.json\n";
/// The file that is merged over the user's compose files.
pub const OVERRIDE: &str = "compose.kompox.yml";

/// A size of virtual machines.
pub struct Size {
    /// Its name.
    pub name: &'static str,
    /// What it has, for a comment.
    pub about: &'static str,
    /// Data disks that it can hold.
    pub disks: usize,
}

/// Data disks that a size which is set here can hold, else as few as the smallest.
pub fn disks_of(name: &str) -> usize {
    [0, 4, 9].map(size).into_iter().find(|size| size.name == name).map_or(size(0).disks, |size| size.disks)
}

/// A size for so many services in one Pod.
pub fn size(services: usize) -> Size {
    match services {
        0..=3 => Size { name: "Standard_D2ds_v6", about: "2 processors, 8 GiB", disks: 4 },
        4..=8 => Size { name: "Standard_D4ds_v6", about: "4 processors, 16 GiB", disks: 8 },
        _ => Size { name: "Standard_D8ds_v6", about: "8 processors, 32 GiB", disks: 16 },
    }
}

/// Whether a file is to be merged over the user's.
pub fn needs_override(survey: &Survey) -> bool {
    !survey.changes.is_empty()
}

/// The documents of the App and its surroundings.
pub fn app_file(frame: &str, place: &Place, app: &str, draft: &Draft, survey: &Survey) -> String {
    let mut files = draft.files.clone();
    if needs_override(survey) {
        files.push(OVERRIDE.to_owned());
    }
    format!("{EDITOR_LINE}{frame}---\n{}", app_documents(place, app, &files, draft, survey))
}

/// The documents of the App alone, which is merged of these files.
pub fn app_documents(place: &Place, app: &str, files: &[String], draft: &Draft, survey: &Survey) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(
        out,
        "apiVersion: ops.kompox.dev/v1alpha1\nkind: App\nmetadata:\n  name: {}\n  annotations:\n    \
         ops.kompox.dev/id: {}/app/{app}\nspec:",
        quoted(app),
        place.cluster
    );
    if let [file] = files {
        let _ = writeln!(out, "  compose: {}", plain(&format!("file:{file}")));
    } else {
        out.push_str("  compose: # merged in this order\n");
        for file in files {
            let _ = writeln!(out, "    - {}", plain(&format!("file:{file}")));
        }
    }
    let names = |profiles: &[String]| profiles.iter().map(|profile| plain(profile)).collect::<Vec<_>>().join(", ");
    let off: Vec<String> = survey.profiles.iter().filter(|profile| !profile.is_empty()).cloned().collect();
    if !survey.active.is_empty() {
        let why = if draft.profiles.is_empty() { "take out what is not to run" } else { "as COMPOSE_PROFILES says" };
        let _ = writeln!(out, "  profiles: [{}] # {why}", names(&survey.active));
    }
    if !off.is_empty() {
        // Whoever names some does not have what counts where none is named.
        let mut all = survey.active.clone();
        all.extend(survey.unnamed.then(String::new).filter(|name| !all.contains(name)));
        all.extend(off);
        let _ = writeln!(out, "  # profiles: [{}] # turns on the services behind them", names(&all));
    }
    ingress(&mut out, app, survey);
    if let Some(zone) = &place.zone {
        let _ = writeln!(out, "  deployment:\n    zone: \"{zone}\" # pod and disks must be in one zone");
    }
    volumes(&mut out, place, survey);
    for service in &survey.boxes {
        let _ = writeln!(
            out,
            "---\n# A Pod of its own for {service}, which needs a port that another service has.\n\
             apiVersion: ops.kompox.dev/v1alpha1\nkind: Box\nmetadata:\n  name: {}\n  annotations:\n    \
             ops.kompox.dev/id: {}/app/{app}/box/{service}\nspec: {{}}",
            quoted(service),
            place.cluster
        );
    }
    out
}

fn ingress(out: &mut String, app: &str, survey: &Survey) {
    if survey.rules.is_empty() {
        out.push_str("  # ingress: # a host for a port that the compose file publishes, with a certificate\n");
        let _ = writeln!(out, "  #   rules:\n  #     - {{name: main, port: 8080, hosts: [{app}.example.com]}}");
        return;
    }
    out.push_str("  ingress:\n    rules: # host ports of the compose file that speak HTTP\n");
    for (index, rule) in survey.rules.iter().enumerate() {
        let main = index == 0 && !rule.local;
        let host = if main { format!("{app}.example.com") } else { format!("{}.{app}.example.com", rule.name) };
        let _ = writeln!(out, "      - name: {}", quoted(&rule.name));
        let _ = writeln!(out, "        port: {} # of {}", rule.port, comment(&rule.service));
        let _ = writeln!(out, "        hosts: [{host}] # yours, with a DNS record to the cluster's ingress");
    }
}

fn volumes(out: &mut String, place: &Place, survey: &Survey) {
    if survey.volumes.is_empty() {
        out.push_str("  # volumes: # nothing in the compose file keeps data\n");
        return;
    }
    out.push_str("  volumes: # disks; they outlive app and cluster\n");
    let hint = match place.zone {
        Some(_) => " # enough? it can grow at any time, and never shrink",
        None => " # nothing enforces it: a folder has what its node has free",
    };
    for (index, (name, what)) in survey.volumes.iter().enumerate() {
        let _ = writeln!(out, "    - name: {} # {}", quoted(name), comment(what));
        let hint = if index == 0 { hint } else { "" };
        let _ = writeln!(out, "      size: 10Gi{hint}");
    }
}

/// What changes about the services, to be merged over the user's files.
pub fn override_file(draft: &Draft, survey: &Survey) -> String {
    let mut out = format!(
        "# Merged over {} for the cluster; `docker compose` does not read it.\nservices:\n",
        comment(&draft.files.join(", "))
    );
    for (service, change) in &survey.changes {
        for why in &change.why {
            let _ = writeln!(out, "  # {}: {}", comment(service), comment(why));
        }
        let _ = writeln!(out, "  {}:", quoted(service));
        write_change(&mut out, change);
    }
    for (key, files) in [("configs", &survey.configs), ("secrets", &survey.secrets)] {
        if files.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{key}:");
        for (name, file) in files {
            let _ = writeln!(out, "  {}:\n    file: {}", quoted(name), quoted(&format!("./{file}")));
        }
    }
    out
}

fn write_change(out: &mut String, change: &Change) {
    if change.off {
        out.push_str("    profiles: !override [not-in-a-cluster]\n");
        return;
    }
    if let Some(image) = &change.image {
        let _ = writeln!(out, "    image: {}", quoted(image));
    }
    list(out, "ports", "", &change.ports.iter().map(|port| format!("\"{port}\"")).collect::<Vec<_>>());
    if let Some(volumes) = &change.volumes {
        list(out, "volumes", " !override", volumes);
    }
    if let Some(env_files) = &change.env_files {
        let items: Vec<String> = env_files
            .iter()
            .map(|(path, required)| {
                let path = quoted(path);
                if *required { path } else { format!("{{path: {path}, required: false}}") }
            })
            .collect();
        list(out, "env_file", " !override", &items);
    }
    let uses = |uses: &[FileUse]| -> Vec<String> {
        let item = |one: &FileUse| {
            let mode = if one.executable { ", mode: \"0755\"" } else { "" };
            format!("{{source: {}, target: {}{mode}}}", quoted(&one.source), quoted(&one.target))
        };
        uses.iter().map(item).collect()
    };
    list(out, "configs", "", &uses(&change.configs));
    list(out, "secrets", "", &uses(&change.secrets));
    if !change.left_out.is_empty() {
        let paths: Vec<String> = change.left_out.iter().map(|path| quoted(path)).collect();
        let _ = writeln!(out, "    x-kompox: {{leaveOut: [{}]}}", paths.join(", "));
    }
}

/// A list; one that replaces another is written even where it is empty.
fn list(out: &mut String, key: &str, tag: &str, items: &[String]) {
    if items.is_empty() {
        if !tag.is_empty() {
            let _ = writeln!(out, "    {key}:{tag} []");
        }
        return;
    }
    let _ = writeln!(out, "    {key}:{tag}");
    for item in items {
        let _ = writeln!(out, "      - {item}");
    }
}

/// The text of `.env`, where there is none and one is needed.
pub fn env_file(draft: &Draft, survey: &Survey) -> Option<String> {
    let env = &draft.env;
    if env.exists {
        return None;
    }
    let placed: Vec<_> = env.unset.iter().filter(|unset| unset.placeholder.is_some()).collect();
    if let Some((name, text)) = &env.template {
        let mut out = format!("# From {name}: values for a first try. Set your own before you apply for real.\n");
        out.push_str(text.trim_end());
        out.push('\n');
        for unset in placed {
            let _ = writeln!(out, "{}={}", unset.name, unset.placeholder.as_deref().unwrap_or(PLACEHOLDER));
        }
        return Some(out);
    }
    if placed.is_empty() && !survey.wants_env_file {
        return None;
    }
    let mut out = "# Values of the compose file's variables. Set your own before you apply for real, and keep this file out of git.\n".to_owned();
    for unset in &env.unset {
        match &unset.placeholder {
            Some(placeholder) => {
                let _ = writeln!(out, "{}={placeholder}", unset.name);
            }
            None => {
                let _ = writeln!(out, "# {}=", unset.name);
            }
        }
    }
    Some(out)
}

/// One line of a comment.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A text of KOM, which does not interpolate.
fn plain(text: &str) -> String {
    quoted(text).replace("$$", "$")
}

/// Makes a file. It is created only if it is still absent: nothing of the user's is ever overwritten.
pub(super) fn create(file: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let failed = |error: std::io::Error| {
        CliError::new("file-unwritable", format!("{} cannot be written: {error}", file.display()))
    };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if file.file_name().is_some_and(|name| name == ".env") {
        // It is where secrets go.
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut created = options.open(file).map_err(failed)?;
    std::io::Write::write_all(&mut created, bytes).map_err(failed)
}
