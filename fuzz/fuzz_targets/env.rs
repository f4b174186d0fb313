//! Env files: the first byte chooses the format. What was read is read again from a file that says the same.
#![no_main]

use std::collections::BTreeMap;

use kompox::compose::env::{Format, parse};
use libfuzzer_sys::fuzz_target;

/// The values as a `.env` file with quotes.
fn quoted(values: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (key, value) in values {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
        text.push_str(&format!("export {key}=\"{}\" # a comment\n", value.replace('\t', "\\t")));
    }
    text
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let format = match choice % 4 {
        0 => Format::Dotenv,
        1 => Format::Raw,
        2 => Format::Yaml,
        _ => Format::Json,
    };
    match parse(bytes, format) {
        Ok(values) => assert_eq!(parse(quoted(&values).as_bytes(), Format::Dotenv), Ok(values)),
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
});
