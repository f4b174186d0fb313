//! Any text as YAML: within the limits, with every place inside the text, and the same each time.
#![no_main]

use kompox::yaml::{Content, Limits, Node, Source, parse};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { bytes: 1 << 16, nodes: 20_000, depth: 60 };

fn count(node: &Node, lines: u32, depth: usize) -> usize {
    assert!(depth <= LIMITS.depth * 2 && (1..=lines).contains(&node.location.line));
    match &node.content {
        Content::Scalar(_) => 1,
        Content::Sequence(items) => 1 + items.iter().map(|item| count(item, lines, depth + 1)).sum::<usize>(),
        Content::Mapping(entries) => {
            let mut keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
            keys.sort_unstable();
            assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "a key twice");
            1 + entries.iter().map(|entry| count(&entry.value, lines, depth + 1)).sum::<usize>()
        }
    }
}

fuzz_target!(|text: &str| {
    let source = Source::new("fuzz.yml", text);
    let first = parse(&source, LIMITS);
    match (&first, parse(&source, LIMITS)) {
        (Ok(first), Ok(second)) => {
            assert_eq!(first, &second);
            // The parser ends lines at a carriage return as well.
            let lines = text.bytes().filter(|b| matches!(b, b'\n' | b'\r')).count() + 2;
            let lines = u32::try_from(lines).unwrap_or(u32::MAX);
            assert!(first.iter().map(|node| count(node, lines, 0)).sum::<usize>() <= LIMITS.nodes * 2);
            for node in first {
                let _ = (node.to_json(), node.describe());
            }
        }
        (Err(first), Err(second)) => assert_eq!(first, &second),
        (first, second) => panic!("{first:?} and then {second:?}"),
    }
});
