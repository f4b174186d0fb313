//! The plan for a pull request, for machines, and as a graph.

use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::project::Project;

/// The most that GitHub takes as a comment.
const COMMENT: usize = 65_536;

#[test]
fn markdown_is_one_comment_folded_per_app() {
    let project = Project::example("two-clusters");
    let plan = project.run(&["plan", "--format", "markdown"]).done();
    assert!(plan.stdout.chars().count() < COMMENT);
    assert!(plan.stdout.starts_with("<!-- kompox-plan -->\n## kompox plan\n"), "{}", plan.stdout);
    let folds: Vec<&str> = plan.stdout.lines().filter(|line| line.contains("<summary>")).collect();
    assert_snapshot!(project.redact(&folds.join("\n")), @"
    <details><summary><b><code>app/redmine</code></b>: 21 to create</summary>
    <details><summary><b><code>app/uptime</code></b>: 14 to create</summary>
    <details><summary><b><code>app/wiki</code></b>: 17 to create</summary>
    <details><summary><b><code>cls/internal</code></b>: 16 to create</summary>
    <details><summary><b><code>cls/public</code></b>: 16 to create</summary>
    <details><summary>Not known before the apply</summary>
    <details><summary>Graph (69 objects left out)</summary>
    ");
    assert_eq!(plan.stdout.matches("<details").count(), plan.stdout.matches("</details>").count());
    assert!(plan.stdout.contains("```mermaid"));
}

#[test]
fn markdown_of_a_small_change() {
    let project = Project::gitea_applied();
    project.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7");
    let plan = project.run(&["plan", "--format", "markdown"]).done();
    assert_snapshot!(project.data(&plan), @r#"
    <!-- kompox-plan -->
    ## kompox plan

    **Plan: 0 to create, 1 to update, 0 to delete; 32 unchanged**

    Made with `--sandbox`: it is for the sandbox only.

    **Restarts &#40;one replica each: down until the new one is ready&#41;:**

    - <code>Deployment/app1-app</code> (<code>app1-app</code> in <code>k4x-50vf7y-app1-13o40q</code>): spec.template.spec.containers&#91;gitea&#93;.image changes

    Hosts that stay: <code>app1-13o40q-3000.cluster1.aks1.exp.kompox.dev</code>, <code>gitea.custom.exp.kompox.dev</code>

    <details><summary><b><code>app/app1</code></b>: 1 to update</summary>

    ```diff
    @@ /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1 @@ k4x-50vf7y-app1-13o40q
    ! Deployment/app1-app  spec.template.spec.containers[gitea].image "docker.gitea.com/gitea:1.24.6" → "docker.gitea.com/gitea:1.24.7"  (compose.yml:2)
    !     spec.template.spec.containers[gitea].image:
    -         "docker.gitea.com/gitea:1.24.6"
    +         "docker.gitea.com/gitea:1.24.7"
    ```

    </details>
    <details><summary>Graph</summary>

    ```mermaid
    flowchart LR
      subgraph s0["/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1"]
        n0["update Deployment/app1-app"]
      end
      classDef c0 fill:#fff8c5,stroke:#9a6700,color:#1f2328
      class n0 c0
    ```

    </details>
    "#);
}

#[test]
fn markdown_has_dangers_first() {
    let project = Project::gitea_applied();
    let plan = project.run(&["plan", "--destroy", "--format", "markdown"]).done();
    let text = project.data(&plan);
    let head = &text[..text.find("<details").unwrap()];
    assert_snapshot!(head, @"
    <!-- kompox-plan -->
    ## kompox plan

    **Plan: 31 to delete, 2 to forget; 0 unchanged**

    Made with `--sandbox`: it is for the sandbox only.

    > [!CAUTION]
    > - <code>Namespace/traefik</code>: is deleted with everything in it; what runs there stops
    > - <code>Namespace/app1</code> (<code>k4x-50vf7y-app1-13o40q</code>): is deleted with everything in it; what runs there stops
    > - <code>cluster/cluster1</code> (<code>k4x-50vf7y-cluster1</code> in <code>k4x-50vf7y&#95;cls&#95;cluster1&#95;62mpgv</code>): is deleted with everything that runs in it
    > - <code>resource-group/cluster1</code> (<code>k4x-50vf7y&#95;cls&#95;cluster1&#95;62mpgv</code>): is deleted with everything in it

    **Not deleted, only forgotten:**

    - <code>resource-group/app1</code> (<code>k4x-50vf7y&#95;app&#95;app1&#95;13o40q</code>): it holds what is kept: k4x-50vf7y&#95;disk&#95;default&#95;[ID]&#95;13o40q<br>adopt it again: <code>kompox --sandbox import /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/resource-group/app1 /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y&#95;app&#95;app1&#95;13o40q</code>

    **Data:**

    - <code>disk/default</code> (<code>k4x-50vf7y&#95;disk&#95;default&#95;[ID]&#95;13o40q</code> in <code>k4x-50vf7y&#95;app&#95;app1&#95;13o40q</code>): kept: /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y&#95;app&#95;app1&#95;13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y&#95;disk&#95;default&#95;[ID]&#95;13o40q<br>to adopt it again:<br><code>kompox --sandbox import /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y&#95;app&#95;app1&#95;13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y&#95;disk&#95;default&#95;[ID]&#95;13o40q</code>

    **Hosts that vanish:**

    - <code>Service/traefik</code>: no longer answers: port 443/TCP of traefik &#40;LoadBalancer&#41;, port 80/TCP of traefik &#40;LoadBalancer&#41;
    - <code>Ingress/app1-app-custom</code> (<code>app1-app-custom</code> in <code>k4x-50vf7y-app1-13o40q</code>): no longer answers: gitea.custom.exp.kompox.dev
    - <code>Ingress/app1-app-default</code> (<code>app1-app-default</code> in <code>k4x-50vf7y-app1-13o40q</code>): no longer answers: app1-13o40q-3000.cluster1.aks1.exp.kompox.dev
    ");
    let danger = text.find("Not deleted, only forgotten").or(text.find("forgotten")).unwrap();
    assert!(danger < text.find("<details").unwrap());
}

#[test]
fn json_is_the_whole_plan() {
    let project = Project::gitea();
    let plan = project.run(&["plan", "--json"]).done().json();
    let actions = plan["actions"].as_array().unwrap();
    let mut counts = serde_json::Map::new();
    for action in actions {
        let verb = action["action"].as_str().unwrap();
        let count = counts.get(verb).and_then(Value::as_u64).unwrap_or_default() + 1;
        counts.insert(verb.to_owned(), count.into());
    }
    assert_eq!(plan["counts"], Value::Object(counts), "the counts agree with the actions");
    assert_eq!(actions.len(), 33);
    assert_eq!(plan["empty"], false);
    for action in actions {
        let address = action["address"].as_str().unwrap();
        assert!(address.starts_with("/ws/aks-e2e-gitea-20250925-060355/prv/aks1/"), "{address}");
    }
    let files: Vec<&String> = plan["inputs"].as_object().unwrap().keys().collect();
    assert_eq!(
        files,
        [".kompox/config.yml", "compose-gitea.env", "compose-postgres.env", "compose.yml", "kompoxapp.yml"]
    );
}

#[test]
fn what_has_no_json_form_is_not_printed_as_yaml() {
    let project = Project::gitea();
    for (command, instead) in [("render", "leave --json out"), ("graph", "is in the JSON of plan --json")] {
        let refused = project.run(&[command, "--json"]).exits(1);
        let error: Value = serde_json::from_str(&refused.stdout).unwrap();
        assert_eq!(error["problems"][0]["code"], "usage", "{}", refused.stdout);
        assert!(refused.stdout.contains(instead), "{}", refused.stdout);
    }
}

#[test]
fn graphs() {
    let project = Project::gitea();
    let dot = project.run(&["graph"]).done().stdout;
    assert!(dot.starts_with("digraph"), "{dot}");
    assert!(dot.trim_end().ends_with('}'));
    assert_eq!(dot.lines().filter(|line| line.contains("[label=") && !line.contains("->")).count(), 33, "{dot}");
    let mermaid = project.run(&["graph", "--format", "mermaid"]).done().stdout;
    assert!(mermaid.starts_with("flowchart") || mermaid.starts_with("graph"), "{mermaid}");
    assert!(mermaid.contains("disk/default"), "{mermaid}");

    project.run(&["apply", "--auto-approve"]).done();
    project.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7");
    project.run(&["plan", "--out", "p.kplan"]).done();
    let planned = project.run(&["graph", "--format", "mermaid", "--plan", "p.kplan"]).done();
    assert_snapshot!(project.data(&planned), @r#"
    flowchart LR
      subgraph s0["/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1"]
        n0["update Deployment/app1-app"]
      end
      classDef c0 fill:#fff8c5,stroke:#9a6700,color:#1f2328
      class n0 c0
    "#);
    let planned = project.run(&["plan", "--format", "dot"]).done();
    assert_snapshot!(project.data(&planned), @r##"
    digraph kompox {
      rankdir=LR;
      node [shape=box, style=filled, fillcolor=white];
      subgraph cluster_0 {
        label="/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1";
        n0 [label="~ Deployment/app1-app", fillcolor="#fff8c5", color="#9a6700"];
      }
    }
    "##);
}
