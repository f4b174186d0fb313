//! Pages of `--format html` in a real browser: Chromium without a window, driven as a person would drive it. Skipped, and
//! said so, where there is no Chromium; `.ci/run` installs it. `KOMPOX_SCREENSHOTS` names a folder to keep pictures in.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

#[path = "../harness/mod.rs"]
mod harness;

mod driver;

use std::path::PathBuf;

use driver::Browser;
use harness::project::Project;
use serde_json::{Value, json};

const ESCAPE: &str = "\u{e00c}";
const LEFT: &str = "\u{e012}";

/// A browser, or the line that says why the test is skipped.
fn browser(width: u32, height: u32) -> Option<Browser> {
    match Browser::start(width, height) {
        Ok(browser) => Some(browser),
        Err(why) => {
            harness::skip(&format!("pages are not looked at in a browser: {why}"));
            None
        }
    }
}

/// What a command prints, in a file.
fn page(project: &Project, arguments: &[&str]) -> PathBuf {
    let file = project.root().join("page.html");
    std::fs::write(&file, project.run(arguments).done().stdout).unwrap();
    file
}

/// A plan that has something of most verbs: an app that was applied, then changed.
fn changed() -> Project {
    let project = Project::gitea_applied();
    project.edit("compose.yml", "gitea:1.24.6", "gitea:1.25.0");
    project
}

fn shown(browser: &Browser) -> String {
    browser.run("return document.getElementById('count').textContent").as_str().unwrap().to_owned()
}

#[test]
fn a_plan_is_searched_filtered_and_followed_by_keyboard_and_mouse() {
    let Some(browser) = browser(1280, 1600) else { return };
    let project = Project::gitea();
    browser.open(&page(&project, &["plan", "--format", "html"]));
    let all = browser.run("return document.querySelectorAll('.change').length").as_u64().unwrap();
    assert!(all > 20, "{all}");
    assert_eq!(shown(&browser), format!("{all} of {all} shown"));
    browser.picture("plan");

    browser.keys("/");
    browser.keys("disk/");
    assert_eq!(browser.run("return document.activeElement.value"), "disk/");
    let found = browser.run(
        "return [...document.querySelectorAll('.change')].filter((c) => c.checkVisibility()).map((c) => c.dataset.text)",
    );
    let found = found.as_array().unwrap();
    assert!(!found.is_empty() && found.iter().all(|text| text.as_str().unwrap().contains("disk/")), "{found:?}");
    assert_eq!(shown(&browser), format!("{} of {all} shown", found.len()));
    let bright = browser.run("return document.querySelectorAll('svg .node:not(.faint)').length");
    assert_eq!(bright, found.len());
    browser.picture("plan-search");
    browser.keys(ESCAPE);
    assert_eq!(shown(&browser), format!("{all} of {all} shown"));

    browser.click("input[name=verb][value=create]");
    assert_eq!(shown(&browser), format!("0 of {all} shown"));
    browser.click("input[name=verb][value=create]");

    browser.keys("o");
    assert_eq!(browser.run("return document.querySelectorAll('.change:not([open])').length"), 0);
    browser.keys("c");
    assert_eq!(browser.run("return document.querySelectorAll('[open]').length"), 0);
    browser.click("svg a[href$='-3'] text");
    assert_eq!(browser.run("return document.activeElement.parentElement.id"), "change-3");
    assert_eq!(browser.run("return document.activeElement.checkVisibility()"), true);
    assert_eq!(browser.run("return document.getElementById('change-3').open"), true);
    assert_eq!(browser.complaints(), json!([]));
}

#[test]
fn the_graph_is_moved_and_comes_back() {
    let Some(browser) = browser(1280, 900) else { return };
    let project = Project::example("two-clusters");
    browser.open(&page(&project, &["graph", "--format", "html"]));
    let view = || browser.run("return document.querySelector('.canvas svg').getAttribute('viewBox')");
    let width = |view: &Value| view.as_str().unwrap().split(' ').nth(2).unwrap().parse::<f64>().unwrap();
    let home = view();
    browser.picture("graph");
    browser.click("#nearer");
    assert!(width(&view()) < width(&home));
    browser.run("document.querySelector('.canvas svg').focus()");
    let before = view();
    browser.keys(LEFT);
    assert_ne!(view(), before);
    browser.keys("0");
    assert_eq!(view(), home);
    browser.keys("/");
    browser.keys("wiki disk");
    let bright =
        browser.run("return [...document.querySelectorAll('svg .node:not(.faint)')].map((n) => n.dataset.text)");
    let bright = bright.as_array().unwrap();
    assert!(!bright.is_empty() && bright.iter().all(|text| text.as_str().unwrap().contains("wiki")), "{bright:?}");
    assert_eq!(browser.complaints(), json!([]));
}

#[test]
fn everything_can_be_read_in_daylight_at_night_and_aloud() {
    let Some(browser) = browser(1280, 1600) else { return };
    let project = changed();
    project.edit("compose.yml", "    image: postgres:17", "    image: postgres:17\n    privileged: true");
    browser.open(&page(&project, &["plan", "--format", "html"]));
    browser.keys("o");
    let faint = include_str!("contrast.js");
    let back = || browser.run("return getComputedStyle(document.body).backgroundColor");
    let first = back();
    assert_eq!(browser.run(faint), json!([]), "by day");
    browser.picture("changes-by-day");
    browser.click("#theme");
    assert_ne!(back(), first);
    assert_eq!(browser.run(faint), json!([]), "at night");
    browser.picture("changes-at-night");

    assert_eq!(browser.spoken("#search"), ("searchbox".to_owned(), "Search".to_owned()));
    assert_eq!(browser.spoken("#nearer"), ("button".to_owned(), "Zoom in".to_owned()));
    assert_eq!(browser.spoken("section.dangers"), ("region".to_owned(), "Dangers".to_owned()));
    let (_, name) = browser.spoken(".change.update summary");
    assert!(name.starts_with("update ") && !name.contains('~'), "the verb is said in words: {name}");
    let unnamed = browser.run(
        "return [...document.querySelectorAll('button, a, summary, input')].filter((e) => \
         !(e.textContent.trim() || e.ariaLabel || (e.labels && e.labels.length))).map((e) => e.outerHTML)",
    );
    assert_eq!(unnamed, json!([]));
    let ids = browser.run(
        "const ids = [...document.querySelectorAll('[id]')].map((e) => e.id); return ids.length - new Set(ids).size",
    );
    assert_eq!(ids, 0, "an id stands for one thing");
    let levels = browser.run("return [...document.querySelectorAll('h1, h2, h3')].map((h) => h.tagName)");
    assert_eq!(levels.as_array().unwrap().iter().filter(|level| *level == "H1").count(), 1);
    assert_eq!(browser.run("return performance.getEntriesByType('resource').length"), 0, "nothing is fetched");
    assert_eq!(browser.complaints(), json!([]));
}

#[test]
fn texts_of_manifests_are_texts() {
    let Some(browser) = browser(1280, 900) else { return };
    let project = Project::gitea();
    let hostile = "</pre></script><img src=x onerror=document.title=1><script>document.title=2</script>";
    project.edit("compose.yml", "      - USER_UID=1000", &format!("      - USER_UID=1000\n      - GREETING={hostile}"));
    browser.open(&page(&project, &["plan", "--format", "html"]));
    assert_eq!(browser.run("return document.body.textContent.includes('<img src=x')"), true);
    assert_eq!(browser.run("return document.title"), "kompox plan");
    assert_eq!(browser.run("return document.querySelectorAll('img').length"), 0);
    assert_eq!(browser.complaints(), json!([]));
}
