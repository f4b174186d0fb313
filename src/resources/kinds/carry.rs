//! The lines by which the services of an app go on with data that is not where they would look for it: of a compose file
//! that the App names beside its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::advice::Advice;
use crate::engine::kind::{Carry, Moved, Shelf};
use crate::text::scalar;

/// The image of the container that carries data over, as of the one that makes folders (`compose.md`, "Object rules").
const IMAGE: &str = "busybox:1.36";

/// The lines: first those that mount the data where it is, then, where there is a way, those that take it along.
pub(super) fn carry_over(moves: &[Moved], carry: Carry) -> Vec<Advice> {
    // A Box that stands for itself has no compose file.
    if moves.iter().any(|one| one.part == "box") {
        let back = |one: &Moved| format!("mount {} at {} again", described(&one.from), one.path);
        return moves.iter().map(back).collect::<BTreeSet<_>>().into_iter().map(Advice::from).collect();
    }
    let mut lines = vec![
        "where it is: these lines in the compose file, or in one more that the App names behind it (docs/plan.md):"
            .into(),
        Advice::write(back(moves)),
    ];
    let script = match carry {
        Carry::Back => return lines,
        Carry::Rename => script(moves, renames),
        Carry::Copy => script(moves, copies),
    };
    lines.extend([
        "or where the app will look: these lines for this one apply, without them from the next on:".into(),
        Advice::write(service(moves, &script, carry)),
    ]);
    lines
}

fn described(shelf: &Shelf) -> String {
    let folder =
        if shelf.folder.is_empty() { "the top folder".to_owned() } else { format!("the folder {}", shelf.folder) };
    format!("{folder} of the volume {}", shelf.volume)
}

/// The mounts that find the data again.
fn back(moves: &[Moved]) -> String {
    let mut services: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for one in moves {
        let slash = if one.from.folder.is_empty() { "" } else { "/" };
        let source = format!("{}{slash}{}:{}", one.from.volume, one.from.folder, one.path);
        services.entry(&one.part).or_default().insert(text(&source));
    }
    let services = services.into_iter().map(|(name, mounts)| {
        let mounts = mounts.into_iter().collect::<Vec<_>>().join(", ");
        format!("  {}:\n    volumes: [{mounts}]\n", scalar::quoted_unless_plain(name))
    });
    format!("services:\n{}", services.collect::<String>())
}

/// A service that runs before those that need the data, and that they wait for.
fn service(moves: &[Moved], script: &str, carry: Carry) -> String {
    let to = moves.iter().filter_map(|one| one.to.as_ref());
    let volumes: BTreeSet<String> = match carry {
        Carry::Copy => {
            let from = moves.iter().map(|one| format!("{}:/from/{}:ro", one.from.volume, one.from.volume));
            from.chain(to.map(|shelf| format!("{}:/to/{}", shelf.volume, shelf.volume))).collect()
        }
        _ => to.map(|shelf| format!("{}:/to/{}", shelf.volume, shelf.volume)).collect(),
    };
    let volumes = volumes.iter().map(|volume| text(volume)).collect::<Vec<_>>().join(", ");
    let waiting: BTreeSet<&str> = moves.iter().map(|one| one.part.as_str()).collect();
    let waiting = waiting.into_iter().map(|name| {
        let name = scalar::quoted_unless_plain(name);
        format!("  {name}:\n    depends_on: {{carry-over: {{condition: service_completed_successfully}}}}\n")
    });
    format!(
        "services:\n  carry-over:\n    image: {IMAGE}\n    command: [sh, -ec, {}]\n    volumes: [{volumes}]\n{}",
        text(script),
        waiting.collect::<String>()
    )
}

fn script(moves: &[Moved], step: fn(&Shelf, &Shelf) -> String) -> String {
    let steps: BTreeSet<String> = moves.iter().filter_map(|one| Some(step(&one.from, one.to.as_ref()?))).collect();
    steps.into_iter().collect::<Vec<_>>().join("; ")
}

/// One folder takes the other's place, which is empty, at once; again it changes nothing. What is not empty stays, and
/// the app waits.
fn renames(from: &Shelf, to: &Shelf) -> String {
    let (from, to) = (word(&format!("/to/{}/{}", from.volume, from.folder)), word(&path("to", to)));
    format!("if [ -e {from} ]; then rmdir {to}; mv {from} {to}; fi")
}

/// A copy into a new volume. It begins anew until it was whole, and nothing is written there before.
fn copies(from: &Shelf, to: &Shelf) -> String {
    let folder = from.folder.replace('%', "%25").replace('/', "%2F");
    let done = word(&format!("/to/{}/.carried-over-{}-{folder}", to.volume, from.volume));
    let (from, to) = (word(&path("from", from)), word(&path("to", to)));
    format!("if [ ! -e {done} ]; then cp -a {from}/. {to}/; touch {done}; fi")
}

fn path(root: &str, shelf: &Shelf) -> String {
    format!("/{root}/{}/{}", shelf.volume, shelf.folder).trim_end_matches('/').to_owned()
}

/// A word for a shell.
fn word(text: &str) -> String {
    crate::advice::quoted(text).into_owned()
}

/// A text in a compose file, in which `$` would begin a variable.
fn text(value: &str) -> String {
    scalar::quoted(&value.replace('$', "$$"))
}
