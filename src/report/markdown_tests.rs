use super::*;
use crate::engine::address::Address;
use crate::engine::plan::Verb;
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
    > - <b>/ws/ops/prv/aks1/cls/c1/agent-pool/npuser1</b>: its nodes go away, with the Pods on them<br><code>drain it first: kubectl drain -l kompox.dev/node-zone=1</code>

    **Notes:**

    - pool npuser2 uses Spot nodes: apps with data on them are evicted now and then

    **At risk &#40;see the dangers above&#41;:**

    - /ws/ops/prv/aks1/cls/c1/agent-pool/npuser1

    **Restarts &#40;one replica each, down until the new one is ready&#41;:**

    - /ws/ops/prv/aks1/cls/c1/app/gitea/Deployment/gitea-app  its pod template changes

    **Unknown until apply:**

    - properties.principalId of /ws/ops/prv/aks1/cls/c1/identity/ingress  &#40;1 field&#41;

    **Planned without the server&#39;s answer, checked again when it can give one:**

    - 1 object: the cluster does not exist yet

    **Hosts:**

    - gitea.example.com  &#40;/ws/ops/prv/aks1/cls/c1/app/gitea/Ingress/gitea-app&#41;

    <details><summary><b>/ws/ops/prv/aks1/app/gitea</b>: 1 to import, 2 to create</summary>

    ```diff
     <- disk/data  import in kompoxapp.yml
          id /subscriptions/s/resourceGroups/rg/providers/M.C/disks/data
    !     tags.owner: "bob" → "kompox"
    + disk/default  PremiumV2_LRS, 10 GiB, zone 1, japaneast  (kompoxapp.yml:14)
    + role-assignment/cluster  principal (known after apply)
    ```

    </details>
    <details><summary><b>/ws/ops/prv/aks1/app/old</b>: 1 to forget</summary>

    ```diff
     x disk/default  deletionPolicy Orphan
          id /subscriptions/s/resourceGroups/rg/providers/M.C/disks/old
    ```

    </details>
    <details><summary><b>/ws/ops/prv/aks1/cls/c1</b>: 1 to replace, 1 to read</summary>

    ```diff
    -/+ agent-pool/npuser1  zone "1" → "2" forces replacement  Standard_D2lds_v6
    !     properties.availabilityZones: "1" → "2"  forces replacement
     <= identity/ingress  read for its principal
    ```

    </details>
    <details><summary><b>/ws/ops/prv/aks1/cls/c1/app/gitea</b>: 1 to create, 1 to update, 1 to move</summary>

    ```diff
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
    <details><summary><b>/ws/ops/prv/aks1/cls/c1/app/old</b>: 1 to delete</summary>

    ```diff
    - Service/old-app  no manifest asks for it any more
    ```

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
    assert!(comment.contains("<b>/ws/ops/prv/aks1/app/a7</b>: 1 to update</summary>"), "the dangerous one stays whole");
    assert!(comment.contains("(fields left out)"));
    let last = comment.lines().last().unwrap();
    assert!(last.contains("this is left out: the graph, details of"), "{last}");
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
    assert!(comment.contains("> - and ") && comment.contains(" altogether"));
}

#[test]
fn a_value_cannot_leave_its_fence_nor_mention_anybody() {
    let mut shown = big(1, 1);
    shown.actions[0].changes = vec![testing::field("data", "a\nb", "a\n````\n</details> @root")];
    shown.notes[0].text = "@root <img src=x> [link](https://e.x) ![i](x)".into();
    let comment = plain(&shown);
    assert!(comment.contains("`````diff\n"));
    assert!(!comment.contains("<img") && !comment.contains("](") && !comment.contains("- @root"));
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
    }
}

#[test]
fn a_comment_on_a_saved_plan_has_its_digest_and_the_command() {
    let saved = Saved { file: "my plans/p.kplan", digest: "hmac-sha256:12" };
    let about = About { drift: false, saved: Some(saved) };
    let commands = Commands { place: " -C a", cloud: " --sandbox", ..Commands::PLAIN };
    let shown = Plan { rehearsal: true, ..testing::plan() };
    let comment = plan(&shown, &about, &commands);
    let head = &comment[..comment.find("> [!CAUTION]").unwrap()];
    insta::assert_snapshot!(head, @r"
    <!-- kompox-plan -->
    ## kompox plan

    **Plan: 1 to import, 3 to create, 1 to update, 1 to replace, 1 to delete, 1 to move, 1 to forget; 120 unchanged**

    Made with `--sandbox`: it is for the sandbox only.

    Digest: `hmac-sha256:12`. To do exactly this:

    ```console
    kompox -C a --sandbox apply 'my plans/p.kplan' --expect-digest hmac-sha256:12
    ```
    ");
}

#[test]
fn drift_has_a_comment_of_its_own_with_the_ways_out() {
    let about = About { drift: true, saved: None };
    let commands = Commands { cloud: " --sandbox", ..Commands::PLAIN };
    let comment = plan(&testing::drift_plan(), &about, &commands);
    let head = &comment[..comment.find("<details>").unwrap()];
    insta::assert_snapshot!(head, @r"
    <!-- kompox-drift -->
    ## kompox drift

    **Drift: 2 fields of 3 objects.**

    - to put it right: `kompox --sandbox apply`
    - to accept it: `kompox --sandbox apply --refresh-only`
    ");
}
