//! `.env` as `docker compose` reads it: the first byte chooses between that and the format `raw`. What was read is read
//! again from a file that says the same.
#![no_main]

use std::collections::BTreeMap;

use kompox::compose::load::dotenv::{complete, raw};
use libfuzzer_sys::fuzz_target;

/// The values in quotes.
fn quoted(values: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (key, value) in values {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
        text.push_str(&format!("export {key}=\"{value}\"\n"));
    }
    text
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let process = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "$A".to_owned())]);
    let mut values = BTreeMap::new();
    let outcome = if choice % 4 == 0 {
        raw(bytes, &mut values, &|name| process.get(name).map(String::as_str))
    } else {
        complete(&process, &mut values, bytes)
    };
    match outcome {
        Ok(()) if choice % 4 != 0 => {
            let mut again = BTreeMap::new();
            assert_eq!(complete(&process, &mut again, quoted(&values).as_bytes()), Ok(()), "{values:?}");
            assert_eq!(again, values);
        }
        Ok(()) => assert!(values.keys().all(|key| !key.is_empty() && !key.contains([' ', '\t', '='])), "{values:?}"),
        // The file's own message for a required variable may hold anything; reports escape it.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
