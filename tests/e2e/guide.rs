//! The pages of `docs/guide/`: each is typed as it stands, in a folder of its own. And what packages are made of.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::skip;

/// Everything that a page tells to type.
fn session(page: &Path) -> String {
    let text = std::fs::read_to_string(page).unwrap();
    let blocks = text.split("```console\n").skip(1);
    let commands: Vec<&str> = blocks.map(|block| block.split_once("```").unwrap().0).collect();
    assert!(!commands.is_empty(), "{} tells nothing to type", page.display());
    commands.concat()
}

/// Runs a script in an empty folder, with kompox on the PATH.
#[track_caller]
fn typed(script: &str, what: &str) {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kompox"), bin.join("kompox")).unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", script]).current_dir(&work).env_clear();
    shell.env("PATH", path).env("HOME", folder.path()).env("USER", "tester").env("LANG", "C.UTF-8");
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what}: {}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn every_page_can_be_typed_as_it_stands() {
    if ["git", "jq", "curl"].iter().any(|tool| Command::new(tool).arg("--version").output().is_err()) {
        skip("the pages of docs/guide are not typed: git, jq or curl cannot be started");
        return;
    }
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide");
    let mut pages: Vec<_> = std::fs::read_dir(guide).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| page.file_name().is_some_and(|name| name != "README.md"));
    assert!(pages.len() > 12);
    std::thread::scope(|scope| {
        for page in &pages {
            scope.spawn(move || typed(&session(page), &page.display().to_string()));
        }
    });
}

#[test]
fn the_japanese_page_tells_the_same() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide");
    assert_eq!(session(&guide.join("first-app.ja.md")), session(&guide.join("first-app.md")));
}

#[test]
fn a_debian_package_has_program_pages_and_completions() {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        skip("no Debian package is made: dpkg-deb cannot be started");
        return;
    }
    let script = format!(
        "export DPKG_DEB_COMPRESSOR_TYPE=none\n{}/packaging/deb {} kompox.deb\n\
         dpkg-deb -c kompox.deb > list\n\
         for file in /usr/bin/kompox man1/kompox-plan.1.gz completions/kompox vendor-completions/_kompox doc/kompox/copyright\n\
         do grep -q \"$file\" list; done\n\
         dpkg-deb -x kompox.deb there\n\
         test \"$(there/usr/bin/kompox version)\" = \"kompox $(dpkg-deb -f kompox.deb Version)\"\n",
        env!("CARGO_MANIFEST_DIR"),
        env!("CARGO_BIN_EXE_kompox"),
    );
    typed(&script, "packaging/deb");
}

/// A stand-in for a program, so that nobody packs a hundred megabytes: it does what the real one does.
const STAND_IN: &str = "printf '#!/bin/sh\\nexec kompox \"$@\"\\n' > program\nchmod +x program\n";

#[test]
fn a_release_is_an_archive_with_its_checksum_and_a_formula() {
    if ["tar", "zip", "unzip", "sha256sum"].iter().any(|tool| Command::new(tool).arg("--help").output().is_err()) {
        skip("no archives are made: tar, zip, unzip or sha256sum cannot be started");
        return;
    }
    let packaging = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging");
    let script = format!(
        "{STAND_IN}\
         for target in x86_64-unknown-linux-gnu aarch64-apple-darwin x86_64-pc-windows-msvc; do\n\
         {packaging}/archive program $target out kompox > made\n{packaging}/archive program $target again kompox\ndone\n\
         diff -r out again\n\
         (cd out && sha256sum --quiet -c *.sha256)\n\
         version=$(kompox version | cut -d' ' -f2)\n\
         tar -xzf out/kompox-$version-x86_64-unknown-linux-gnu.tar.gz\n\
         test \"$(kompox-$version-x86_64-unknown-linux-gnu/kompox version)\" = \"kompox $version\"\n\
         for file in LICENSE README.md man/kompox-plan.1 completions/_kompox completions/kompox.fish\n\
         do test -s kompox-$version-x86_64-unknown-linux-gnu/$file; done\n\
         unzip -l out/kompox-$version-x86_64-pc-windows-msvc.zip > listing\n\
         grep -q /kompox.exe listing\n\
         {packaging}/homebrew https://example.com/releases/ out > kompox.rb\n\
         grep -qx \"  version \\\"$version\\\"\" kompox.rb\n\
         grep -qx \"      url \\\"https://example.com/releases/kompox-$version-aarch64-apple-darwin.tar.gz\\\"\" kompox.rb\n\
         test $(grep -c on_arm kompox.rb) = 1\ntest $(grep -c on_intel kompox.rb) = 1\n\
         for sum in out/*.tar.gz.sha256; do grep -q $(cut -d' ' -f1 $sum) kompox.rb; done\n\
         ! command -v ruby > /dev/null || ruby -c kompox.rb\n"
    );
    typed(&script, "packaging/archive and packaging/homebrew");
}
