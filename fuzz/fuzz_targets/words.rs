//! The small languages in values: commands, ports, sizes, durations, quantities, mounts.
#![no_main]

use kompox::compose::syntax;
use kompox::kom::quantity::{QuantityError, parse_milli, parse_units};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(words) = syntax::words(text) {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
        assert_eq!(syntax::words(&quoted.join(" ")), Some(words));
    }
    if let Ok(ports) = syntax::ports(text) {
        assert!(!ports.is_empty() && ports.len() <= 1000 && ports.iter().all(|port| port.target > 0));
    }
    if let Some(bytes) = syntax::size_bytes(text) {
        assert_eq!(parse_units(&syntax::quantity_of_bytes(bytes)), Ok(bytes));
    }
    if let Some(cpus) = syntax::quantity_of_cpus(text) {
        assert!(parse_milli(&cpus).is_ok() && syntax::is_quantity(&cpus));
    }
    if syntax::is_quantity(text) {
        assert_ne!(parse_milli(text), Err(QuantityError::Syntax));
    }
    if let Ok(units) = parse_units(text) {
        assert_eq!(parse_units(&units.to_string()), Ok(units));
    }
    if let Ok(milli) = parse_milli(text)
        && let Ok(milli) = u64::try_from(milli)
    {
        assert_eq!(parse_milli(&format!("{milli}m")), Ok(milli.into()));
    }
    if let Some(seconds) = syntax::duration_seconds(text) {
        assert!(seconds >= 0);
    }
    if let Ok(syntax::SourceSyntax::Relative(path) | syntax::SourceSyntax::Named(_, path)) = syntax::mount_source(text)
    {
        assert!(!path.split('/').any(|part| part == "..") && !path.starts_with('/'));
        assert_eq!(syntax::sub_path(&path), Ok(path));
    }
});
