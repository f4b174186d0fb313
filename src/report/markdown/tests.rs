use super::*;
use crate::engine::address::Address;
use crate::engine::plan::{Danger, PlannedAction, Verb};
use crate::engine::value::Value;
use crate::report::Saved;
use crate::report::escape::is_unsafe;
use crate::report::testing;
use crate::report::text::tests::hostile_plan;
use proptest::prelude::*;

fn plain(shown: &Plan) -> String {
    plan(shown, &About::default(), &Commands::PLAIN)
}

#[test]
fn a_comment_begins_with_counts_and_dangers() {
    insta::assert_snapshot!(plain(&testing::plan()), @r#"
    <!-- kompox-plan -->
    ## kompox plan

    **Plan: 1 to import, 3 to create, 1 to update, 1 to replace, 1 to delete, 1 to move, 1 to forget; 120 unchanged**

    > [!CAUTION]
    > - <code>agent-pool/npuser1</code>: its nodes go away, with the Pods on them<br><code>drain it first: kubectl drain -l kompox.dev/node-zone=1</code>

    **Restarts &#40;one replica each: down until the new one is ready&#41;:**

    - <code>Deployment/gitea-app</code>: its pod template changes

    Hosts that stay: <code>gitea.example.com</code>

    **Notes:**

    - pool npuser2 uses Spot nodes: apps with data on them are evicted now and then

    <details><summary><b><code>app/old</code></b>: 1 to forget, 1 to delete</summary>

    ```diff
    @@ /ws/ops/prv/aks1/app/old @@ rg
     x disk/default  deletionPolicy Orphan
          id /subscriptions/s/resourceGroups/rg/providers/M.C/disks/old
    @@ /ws/ops/prv/aks1/cls/c1/app/old @@
    - Service/old-app  no manifest asks for it any more
    ```

    </details>
    <details><summary><b><code>cls/c1</code></b>: 1 to replace, 1 to read</summary>

    ```diff
    @@ /ws/ops/prv/aks1/cls/c1 @@
    -/+ agent-pool/npuser1  zone "1" → "2" forces replacement  Standard_D2lds_v6
    !     properties.availabilityZones: "1" → "2"  forces replacement
     <= identity/ingress  read for its principal
    ```

    </details>
    <details><summary><b><code>app/gitea</code></b>: 1 to import, 3 to create, 1 to update, 1 to move</summary>

    ```diff
    @@ /ws/ops/prv/aks1/app/gitea @@ rg
     <- disk/data  import in kompoxapp.yml
          id /subscriptions/s/resourceGroups/rg/providers/M.C/disks/data
    !     tags.owner: "bob" → "kompox"
    + disk/default  PremiumV2_LRS, 10 GiB, zone 1, japaneast  (kompoxapp.yml:14)
    + role-assignment/cluster  principal (known after apply)
    @@ /ws/ops/prv/aks1/cls/c1/app/gitea @@
    + PersistentVolumeClaim/default  deleted by somebody since the last apply  10Gi, ReadWriteOnce
    ! Deployment/gitea-app  image changed; another writer changed replicas  (compose.yml:12)
    !     spec.containers[gitea].image: "gitea/gitea:1.23" → "gitea/gitea:1.24"
    !     spec.env.DB_PASSWORD: (sensitive) changed
    !     data.app.ini:
              [server]
              PORT = 3000
    -         HOST = a
    +         HOST = b
    !     spec.replicas: 3 → 1  (drift: changed by kubectl-edit at 2026-05-01T10:00:00Z)
    +     spec.paused: false  (the server decides it)
     -> Service/gitea-app  the app moved
          moved from /ws/ops/prv/aks1/cls/c0/app/gitea/Service/gitea-app
    ```

    </details>
    <details><summary>Not known before the apply</summary>

    - unknown until apply: properties.principalId of /ws/ops/prv/aks1/cls/c1/identity/ingress  &#40;1 field&#41;
    - planned without the server&#39;s answer, checked again when it can give one: 1 object: the cluster does not exist yet

    </details>
    <details><summary>Graph</summary>

    ```mermaid
    flowchart LR
      subgraph s0["/ws/ops/prv/aks1/app/gitea"]
        n0["import disk/data"]
        n1["create disk/default"]
        n2["create role-assignment/cluster"]
      end
      subgraph s1["/ws/ops/prv/aks1/app/old"]
        n7["forget disk/default"]
      end
      subgraph s2["/ws/ops/prv/aks1/cls/c1"]
        n5["replace agent-pool/npuser1"]
        n9["read identity/ingress"]
      end
      subgraph s3["/ws/ops/prv/aks1/cls/c1/app/gitea"]
        n3["create PersistentVolumeClaim/default"]
        n4["update Deployment/gitea-app"]
        n8["move Service/gitea-app"]
      end
      subgraph s4["/ws/ops/prv/aks1/cls/c1/app/old"]
        n6["delete Service/old-app"]
      end
      n1 --> n2
      n1 --> n3
      n3 --> n4
      classDef c0 fill:#dafbe1,stroke:#1a7f37,color:#1f2328
      class n1,n2,n3 c0
      classDef c1 fill:#ddf4ff,stroke:#0969da,color:#1f2328
      class n0,n7,n8 c1
      classDef c2 fill:#f6f8fa,stroke:#59636e,color:#1f2328
      class n9 c2
      classDef c3 fill:#ffebe9,stroke:#cf222e,color:#1f2328
      class n5,n6 c3
      classDef c4 fill:#fff8c5,stroke:#9a6700,color:#1f2328
      class n4 c4
    ```

    </details>
    "#);
}

/// A plan of `apps` apps with one big update each.
fn big(apps: usize, lines: usize) -> Plan {
    let text: String = (0..lines).map(|n| format!("a line of some length, number {n}\n")).collect();
    let update = |app: usize| {
        let mut planned =
            testing::action(testing::address(&format!("app/a{app}"), "ConfigMap", "c"), Verb::Update, "changed");
        planned.changes = vec![testing::field("data", text.as_str(), text.to_uppercase())];
        planned
    };
    Plan { actions: (0..apps).map(update).collect(), ..testing::plan() }
}

#[test]
fn what_is_too_long_is_cut_from_the_least_important_end_and_says_so() {
    let mut shown = big(60, 15);
    shown.dangers[0].address = Some(Address::new("/ws/ops/prv/aks1/app/a7", "ConfigMap", "c"));
    let comment = plain(&shown);
    assert!(comment.len() <= LIMIT);
    assert!(!comment.contains("```mermaid"));
    let folds: Vec<&str> = comment.split("<details>").skip(1).collect();
    assert_eq!(folds.len(), 60, "every app has its fold");
    assert!(folds[0].starts_with("<summary><b><code>app/a7</code></b>: 1 to update</summary>"), "danger comes first");
    let is_whole = |fold: &&str| fold.contains("A LINE OF SOME LENGTH, NUMBER 14") && !fold.contains("left out\n");
    let whole = folds.iter().take_while(|fold| is_whole(fold)).count();
    assert!(whole > 30, "{whole}");
    assert!(folds[whole..].iter().all(|fold| fold.contains("! ConfigMap/c") && fold.contains("  1 field left out\n")));
    let last = comment.lines().last().unwrap();
    assert!(last.contains(&format!("this is left out: the graph, {} fields.", 60 - whole)), "{last}");
}

#[test]
fn thousands_of_groups_and_dangers_fit_too() {
    let mut shown = big(3_000, 1);
    shown.dangers = (0..3_000)
        .map(|n| Danger {
            code: "x".into(),
            address: Some(testing::address("app/a", "disk", &format!("d{n}"))),
            text: "x".repeat(900),
            help: vec!["y".repeat(900).into()],
        })
        .collect();
    let comment = plain(&shown);
    assert!(comment.len() <= LIMIT);
    assert!(comment.contains("> - and ") && comment.contains(" objects, "));
    assert!(comment.lines().last().unwrap().contains(" groups. "));
}

#[test]
fn addresses_are_as_short_as_tells_them_apart() {
    let mut shown = big(2, 1);
    let kept = |app: &str| Danger::about("kept", &testing::address(app, "disk", "default"), "kept");
    shown.notes = vec![kept("app/a0"), kept("app/a1"), kept("cls/c1")];
    shown.actions.push(PlannedAction {
        physical_id: Some("/subscriptions/s/resourceGroups/rg-1/providers/M.C/disks/k4x_disk".into()),
        ..testing::action(testing::address("app/a1", "disk", "default"), Verb::Create, "new")
    });
    let comment = plain(&shown);
    for line in [
        "- <code>app/a0/disk/default</code>: kept",
        "- <code>app/a1/disk/default</code> (<code>k4x&#95;disk</code> in <code>rg-1</code>): kept",
        "- <code>cls/c1/disk/default</code>: kept",
        "@@ /ws/ops/prv/aks1/app/a1 @@ rg-1",
        "+ disk/default  named k4x_disk",
    ] {
        assert!(comment.lines().any(|one| one == line), "{line} in {comment}");
    }
}

#[test]
fn hosts_that_appear_vanish_and_stay_are_told_apart() {
    let mut shown = big(1, 1);
    let ingress = testing::address("app/a0", "Ingress", "a0");
    let mut hosts = testing::field("spec.rules", "", "");
    hosts.before = Some(Value::from(serde_json::json!([{"host": "old.example.com"}])));
    hosts.after = Some(Value::from(serde_json::json!([{"host": "old.example.com"}, {"host": "new.example.com"}])));
    shown.actions[0].changes = vec![hosts];
    shown.hosts = ["old.example.com", "new.example.com"].map(|host| (ingress.clone(), host.to_owned())).into();
    shown.notes = vec![Danger::about("host-removed", &ingress, "no longer answers: gone.example.com")];
    let comment = plain(&shown);
    let (_, from) = comment.split_once("**Hosts that appear:**").unwrap();
    insta::assert_snapshot!(from[..from.find("<details>").unwrap()].trim(), @"
    - <code>new.example.com</code> of <code>Ingress/a0</code>

    **Hosts that vanish:**

    - <code>Ingress/a0</code>: no longer answers: gone.example.com

    Hosts that stay: <code>old.example.com</code>
    ");
}

#[test]
fn a_value_cannot_leave_its_fence_nor_mention_anybody() {
    let mut shown = big(1, 1);
    shown.actions[0].changes = vec![testing::field("data", "a\nb", "a\n````\n</details> @root")];
    shown.notes[0].text = "@root <img src=x> [link](https://e.x) ![i](x)".into();
    let comment = plain(&shown);
    assert!(comment.contains("`````diff\n"));
    assert!(!comment.contains("<img") && !comment.contains("]("));
    assert!(comment.contains("- &#64;&#8203;root"), "an entity alone would still mention: {comment}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_comment_is_short_enough_and_safe(hostile in hostile_plan(), apps in 0usize..80, lines in 0usize..40) {
        let mut shown = hostile;
        shown.actions.extend(big(apps, lines).actions);
        let comment = plain(&shown);
        prop_assert!(comment.len() <= LIMIT);
        prop_assert!(!comment.chars().any(|c| c != '\n' && is_unsafe(c)));
        prop_assert!(!comment.contains(testing::DIGEST) && !comment.contains(testing::SECRET));
        prop_assert_eq!(harm(&comment), Vec::<String>::new(), "{}", comment);
    }
}

/// What a reader would see of a comment that the program does not write itself: read as GitHub reads it.
fn harm(comment: &str) -> Vec<String> {
    const ELEMENTS: [&str; 14] =
        ["p", "h2", "ul", "li", "strong", "em", "b", "code", "br", "pre", "details", "summary", "blockquote", "div"];
    let mut options = comrak::Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.alerts = true;
    options.render.r#unsafe = true;
    let page = comrak::markdown_to_html(comment, &options);
    let regex = |pattern: &str| regex::Regex::new(pattern).unwrap();
    let mut harm: Vec<String> = Vec::new();
    for tag in regex(r"(?s)<(/?)([a-zA-Z][a-zA-Z0-9]*)([^>]*)>").captures_iter(&page) {
        // The classes are the renderer's: of a fence's language, and of the one box that warns.
        let attributes = [r#" class="language-diff""#, r#" class="language-mermaid""#, r#" class="language-console""#];
        let boxes = [r#" class="markdown-alert markdown-alert-caution""#, r#" class="markdown-alert-title""#];
        let known = ["", " /"].iter().chain(&attributes).chain(&boxes).any(|known| *known == &tag[3]);
        if !ELEMENTS.contains(&&tag[2]) || !known {
            harm.push(tag[0].to_owned());
        }
    }
    for fold in ["details", "summary", "blockquote"] {
        if page.matches(&format!("<{fold}>")).count() != page.matches(&format!("</{fold}>")).count() {
            harm.push(format!("an open {fold}"));
        }
    }
    if page.matches("<h2>").count() != 1 || page.replace("<!-- -->", "").matches("<!--").count() != 1 {
        harm.push("a heading or comment".to_owned());
    }
    // Code hosts look for people, issues and pictures in what is no code, after entities became characters.
    let prose = regex(r"(?s)<pre>.*?</pre>|<code>.*?</code>|<code .*?</code>|<!--.*?-->|<[^>]*>");
    let prose = prose.replace_all(&page, " ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let calls = regex(r"@[A-Za-z0-9]|(?i)gh-[0-9]|#[0-9]|:[a-z0-9_+-]+:");
    harm.extend(calls.find_iter(&prose).map(|found| found.as_str().to_owned()));
    harm
}

#[test]
fn harm_is_seen() {
    let head = "<!-- kompox-plan -->\n## kompox plan\n\n";
    for (text, seen) in [
        ("plain `code` <code>&#64;root</code>", &[][..]),
        ("ask @root", &["@r"]),
        ("ask &#64;root", &["@r"]),
        ("see https://e.example", &["<a href=\"https://e.example\">", "</a>"]),
        ("<img src=x>", &["<img src=x>"]),
        ("</details>", &["an open details"]),
    ] {
        assert_eq!(harm(&format!("{head}{text}\n")), seen, "{text}");
    }
}

#[test]
fn a_comment_on_a_saved_plan_has_its_digest_and_the_command() {
    let saved = Saved { file: "my plans/p.kplan", digest: "hmac-sha256:12" };
    let about = About { saved: Some(saved), ..About::default() };
    let commands = Commands { place: " -C a", cloud: " --sandbox", ..Commands::PLAIN };
    let shown = Plan { rehearsal: true, ..testing::plan() };
    let comment = plan(&shown, &about, &commands);
    assert!(comment.contains("**\n\nMade with `--sandbox`: it is for the sandbox only.\n\n> [!CAUTION]"));
    let digest = &comment[comment.find("Digest").unwrap()..comment.find("<details>").unwrap()];
    insta::assert_snapshot!(digest, @"
    Digest: <code>hmac-sha256:12</code>. To do exactly this:

    ```console
    kompox -C a --sandbox apply 'my plans/p.kplan' --expect-digest hmac-sha256:12
    ```
    ");
}

#[test]
fn drift_has_a_comment_of_its_own_with_the_ways_out() {
    let about = About { drift: true, ..About::default() };
    let commands = Commands { cloud: " --sandbox", ..Commands::PLAIN };
    let comment = plan(&testing::drift_plan(), &about, &commands);
    let head = &comment[..comment.find("<details>").unwrap()];
    insta::assert_snapshot!(head, @"
    <!-- kompox-drift -->
    ## kompox drift

    **Drift: 2 fields of 3 objects.**

    - to put it right: <code>kompox --sandbox apply</code>
    - to accept it: <code>kompox --sandbox apply --refresh-only</code>
    ");
    // What is done about it reaches no further than the report.
    let targets = ["Deployment/web".to_owned(), "disk/default".to_owned()];
    let narrowed = plan(&testing::drift_plan(), &About { targets: &targets, ..about }, &commands);
    let way = "- to accept it: <code>kompox --sandbox apply --refresh-only --target Deployment/web --target disk/default</code>";
    assert!(narrowed.contains(way), "{narrowed}");
}
