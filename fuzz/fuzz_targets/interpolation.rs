//! Interpolation: the first line is the value of A, the second that of B, the rest the text.
#![no_main]

use std::collections::BTreeMap;

use kompox::compose::interpolate::interpolate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| {
    let mut parts = data.splitn(3, '\n');
    let mut next = || parts.next().unwrap_or_default();
    let environment = BTreeMap::from([("A".to_owned(), next().to_owned()), ("B".to_owned(), next().to_owned())]);
    let text = next();
    let first = interpolate(text, &environment).map(|outcome| (outcome.text, outcome.missing));
    assert_eq!(first, interpolate(text, &environment).map(|outcome| (outcome.text, outcome.missing)));
    if let Err(error) = first {
        let _ = error.to_string();
    }
    let escaped = interpolate(&text.replace('$', "$$"), &environment).expect("an escaped text has nothing to look up");
    assert_eq!(escaped.text, text);
    assert!(!escaped.substituted && escaped.missing.is_empty());
    // A value is taken as it is, whatever it looks like.
    let value = interpolate("${A:+$A}${B-}", &environment).expect("both are set").text;
    assert_eq!(value, format!("{}{}", environment["A"], environment["B"]));
});
