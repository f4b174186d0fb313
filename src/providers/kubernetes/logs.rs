//! What containers that fail said last, for the message of a failed rollout and nothing else.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::api::{Api, Call, Reply, TEXT};
use super::ready;
use super::table::Location;

/// How many lines of each container are shown.
const LINES: usize = 8;

/// How many containers are shown.
const CONTAINERS: usize = 3;

/// The longest line that is shown whole, in characters.
const LONGEST: usize = 300;

/// The shortest value of a Secret that is hidden: shorter ones (`1`, `on`) are in every other word.
const SHORTEST: usize = 3;

/// What a kubelet answers as if it were the log, where a container that ended was just removed or one that began has no file
/// yet (`GetContainerLogs` in pkg/kubelet/kuberuntime/kuberuntime_container.go, `ReadLogs` in k8s.io/cri-client/pkg/logs).
const NO_LOG: [&str; 3] =
    ["unable to retrieve container logs for ", "failed to try resolving symlinks in path ", "failed to open log file "];

/// How many times a kubelet is asked that answers so: it notices what happened to its containers about once a second.
const ATTEMPTS: u32 = 4;

/// What a kubelet said of a container's log.
enum Words {
    /// It, which may be empty.
    Said(String),
    /// That it is not there at this moment.
    NotNow,
    /// Nothing, or that there is no such container.
    Nothing,
}

impl Api {
    /// Adds the last lines of the logs of containers that fail. Values of every Secret that their Pods use are hidden in
    /// them; where one of these Secrets cannot be read, no line is given. Between two tries it pauses so long.
    pub async fn last_words(&self, location: &Location, pods: &[Value], pause: Duration, lines: &mut Vec<String>) {
        let Some(namespace) = location.namespace.as_deref() else { return };
        for (pod, container, before) in ready::failing(pods).into_iter().take(CONTAINERS) {
            let secrets = pods.iter().filter(|one| one["metadata"]["name"] == pod).flat_map(ready::secrets_of);
            let Some(hidden) = self.values(namespace, secrets.collect()).await else { continue };
            for attempt in 1..=ATTEMPTS {
                let (log, not_now) = self.words_of(namespace, pod, container, before).await;
                if let Some(log) = log {
                    lines.extend(shown(&log, &hidden).map(|line| format!("{container} said: {line}")));
                }
                if !not_now || attempt == ATTEMPTS {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// What a container said last, in the run before this one or in this one; and whether it is worth while to ask again.
    /// One that began again meanwhile has said nothing yet: then what it said is that of the one before.
    async fn words_of(&self, namespace: &str, pod: &str, container: &str, before: bool) -> (Option<String>, bool) {
        let mut not_now = false;
        for previous in [before, !before] {
            match self.log(namespace, pod, container, previous).await {
                Words::Said(log) if !log.is_empty() => return (Some(log), false),
                Words::NotNow => not_now = true,
                Words::Said(_) | Words::Nothing => {}
            }
        }
        (None, not_now)
    }

    async fn log(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Words {
        let url = format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&tailLines={LINES}&previous={previous}"
        );
        let reply = self.call(Call::get(url).accept(TEXT)).await.ok().filter(Reply::is_success);
        match reply.map(|reply| words(&reply.body)) {
            Some(log) if NO_LOG.iter().any(|error| log.starts_with(error)) => Words::NotNow,
            Some(log) => Words::Said(log),
            None => Words::Nothing,
        }
    }

    /// All values in these Secrets; none where one of them cannot be read. One that does not exist has none.
    async fn values(&self, namespace: &str, names: Vec<&str>) -> Option<Vec<String>> {
        let mut values = Vec::new();
        for name in names {
            let reply = self.call(Call::get(format!("/api/v1/namespaces/{namespace}/secrets/{name}"))).await.ok()?;
            match reply.status {
                404 => continue,
                200 => {}
                _ => return None,
            }
            let data = reply.body["data"].as_object().into_iter().flatten();
            for (_, value) in data {
                let bytes = STANDARD.decode(value.as_str()?).ok()?;
                // A file may hold many; each line of it is one.
                values.extend(String::from_utf8_lossy(&bytes).lines().map(|line| line.trim().to_owned()));
            }
        }
        values.retain(|value| value.chars().count() >= SHORTEST);
        // The longest first: one may be a part of another.
        values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
        Some(values)
    }
}

/// A log as it came; one that happens to be JSON was read as that.
fn words(body: &Value) -> String {
    body.as_str().map_or_else(|| body.to_string(), str::to_owned)
}

/// Lines as they may be shown: no secret, no control characters, not without end.
fn shown<'l>(log: &'l str, hidden: &'l [String]) -> impl Iterator<Item = String> + 'l {
    log.lines().map(|line| {
        let line = hidden.iter().fold(line.to_owned(), |line, value| line.replace(value.as_str(), "(sensitive)"));
        line.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn lines_show_no_secret_and_steer_no_terminal() {
        let hidden = ["hunter2-long".to_owned(), "hunter2".to_owned()];
        let lines: Vec<String> = shown("a \u{1b}[31mred\nuse hunter2-long or hunter2", &hidden).collect();
        assert_eq!(lines, ["a [31mred", "use (sensitive) or (sensitive)"]);
        assert_eq!(shown(&"x".repeat(1000), &hidden).next().unwrap().len(), 300);
    }
}
