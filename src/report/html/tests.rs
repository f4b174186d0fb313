use super::*;
use crate::engine::address::Address;
use crate::report::text::tests::hostile_plan;
use crate::report::{Saved, testing};
use proptest::prelude::*;

fn page_of(shown: &Plan) -> String {
    let about = About { saved: Some(Saved { file: "p.kplan", digest: "sha256:abc" }), ..About::default() };
    plan(shown, &about, &Commands::PLAIN)
}

/// The page without its style and script.
fn body(page: &str) -> &str {
    let start = page.find("<body>").unwrap();
    &page[start..page.find("<script>").unwrap()]
}

#[test]
fn everything_a_reviewer_needs_is_on_the_page() {
    let page = page_of(&testing::plan());
    for said in [
        "<h1>kompox plan</h1>",
        "Digest: <code>sha256:abc</code>",
        "kompox apply p.kplan --expect-digest sha256:abc",
        "<span class=\"code\">pool-deleted</span>",
        "drain it first: kubectl drain",
        "gitea.example.com",
        "Restarts &#40;one replica each",
        "id=\"change-4\" data-verb=\"update\"",
        "href=\"#change-4\"",
    ] {
        assert!(page.contains(said), "{said} is not in\n{}", body(&page));
    }
}

#[test]
fn nothing_is_fetched_and_only_what_is_built_in_may_run() {
    let page = page_of(&testing::plan());
    assert!(page.contains("default-src 'none'; style-src 'sha256-"), "{page}");
    for fetching in [" src=", "@import", "url(", "<link", "<iframe", "style=\""] {
        assert!(!page.contains(fetching), "{fetching}");
    }
    // The only addresses are the name of SVG and places on the page itself.
    assert_eq!(page.matches("://").count(), page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
}

#[test]
fn no_secret_is_on_the_page() {
    let page = page_of(&testing::plan());
    assert!(!page.contains(testing::DIGEST) && !page.contains(testing::SECRET));
    assert!(page.contains("&#40;sensitive&#41; changed"));
}

#[test]
fn a_drift_report_says_so() {
    let page = plan(&testing::drift_plan(), &About { drift: true, ..About::default() }, &Commands::PLAIN);
    assert!(page.contains("<h1>kompox drift</h1>") && page.contains("kompox apply --refresh-only"), "{page}");
}

#[test]
fn a_graph_too_big_to_move_is_cut_and_says_so() {
    let nodes = (0..MOST_NODES + 5).map(|number| crate::report::graph::Node {
        address: Address::new("/ws/o", "k", &number.to_string()),
        label: format!("k/{number}"),
        action: None,
    });
    let page = graph(&GraphView { nodes: nodes.collect(), edges: vec![(0, 1)] });
    assert!(page.contains("5 objects left out"));
    assert_eq!(page.matches("<g class=\"node ").count(), MOST_NODES);
}

#[test]
fn a_picture_brings_its_colours() {
    let picture = svg(&GraphView::of_plan(&testing::plan()));
    assert!(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 "), "{picture}");
    assert!(picture.contains("</svg>") && picture.contains("#dafbe1") && !picture.contains("<a "), "{picture}");
}

proptest! {
    /// No text of a manifest opens an element, leaves an attribute or ends a fold.
    #[test]
    fn hostile_texts_stay_texts(text in "[<>\"'&/=a-z:\u{202e}\u{1b}\n-]{1,40}") {
        let plain = page_of(&testing::plan());
        let mut hostile = testing::plan();
        hostile.dangers[0].text.clone_from(&text);
        hostile.notes[0].text.clone_from(&text);
        hostile.actions[1].reason.clone_from(&text);
        hostile.actions[7].physical_id = Some(text.clone());
        hostile.hosts[0].1 = text.clone();
        let page = page_of(&hostile);
        for structure in ["<", ">", "\""] {
            prop_assert_eq!(body(&page).matches(structure).count(), body(&plain).matches(structure).count());
        }
        prop_assert!(!page.contains(|c| c != '\n' && super::super::escape::is_unsafe(c)));
    }

    /// Whatever is hostile, a page has no other elements and attributes than one that is not.
    #[test]
    fn a_hostile_plan_has_no_elements_of_its_own(hostile in hostile_plan()) {
        let tag = regex::Regex::new(r#"<(/?[a-zA-Z][a-zA-Z0-9]*)((?:\s+[a-zA-Z-]+(?:="[^"]*")?)*)\s*/?>"#).unwrap();
        let name = regex::Regex::new(r#"([a-zA-Z-]+)(?:="[^"]*")?"#).unwrap();
        let parts = |page: &str| -> std::collections::BTreeSet<String> {
            let of = |tag: regex::Captures<'_>| {
                let names = name.captures_iter(&tag[2]).map(|name| format!("{} {}", &tag[1], &name[1])).collect::<Vec<_>>();
                names.into_iter().chain([tag[1].to_owned()]).collect::<Vec<_>>()
            };
            tag.captures_iter(page).flat_map(of).collect()
        };
        let page = page_of(&hostile);
        let known = parts(body(&page_of(&testing::plan())));
        let new: Vec<String> = parts(body(&page)).difference(&known).cloned().collect();
        prop_assert_eq!(new, Vec::<String>::new(), "{}", page);
        prop_assert_eq!(tag.find_iter(body(&page)).count(), body(&page).matches('<').count());
        prop_assert!(!page.contains(|c| c != '\n' && super::super::escape::is_unsafe(c)));
    }
}
