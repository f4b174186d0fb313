//! The small languages in values: commands, ports, sizes, durations, quantities, mounts.
#![no_main]

use kompox::compose::syntax;
use kompox_rules::quantity::{canonical, parse_milli, parse_units};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(words) = syntax::words(text) {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
        assert_eq!(syntax::words(&quoted.join(" ")), Some(words));
    }
    if let Ok((first, last)) = syntax::port_range(text) {
        assert!(first <= last);
    }
    if let Some(bytes) = syntax::bytes(text).and_then(|bytes| u64::try_from(bytes).ok()) {
        assert_eq!(parse_units(&syntax::quantity_of_bytes(bytes)), Ok(bytes));
    }
    if let Some(cpus) = syntax::quantity_of_cpus(text) {
        assert!(parse_milli(&cpus).is_ok());
    }
    // What the API server writes can be read.
    if let Some(written) = canonical(text) {
        assert!(canonical(&written).is_some());
    }
    if let Ok(units) = parse_units(text) {
        assert_eq!(parse_units(&units.to_string()), Ok(units));
    }
    if let Ok(milli) = parse_milli(text)
        && let Ok(milli) = u64::try_from(milli)
    {
        assert_eq!(parse_milli(&format!("{milli}m")), Ok(milli.into()));
    }
    if let Some(nanos) = syntax::duration(text) {
        assert!(syntax::duration(&syntax::print_duration(nanos)).is_some());
        let seconds = syntax::whole_seconds(nanos);
        assert!(i128::from(seconds) * 1_000_000_000 >= i128::from(nanos));
    }
    if let Ok(syntax::SourceSyntax::Relative(path) | syntax::SourceSyntax::Named(_, path)) = syntax::mount_source(text)
    {
        assert!(!path.split('/').any(|part| part == "..") && !path.starts_with('/'));
        assert_eq!(syntax::sub_path(&path), Ok(path));
    }
});
