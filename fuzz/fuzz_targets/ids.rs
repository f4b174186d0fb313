//! Resource IDs and addresses.
#![no_main]

use kompox::engine::address::{Address, resolve};
use kompox::kom::id::ResourceId;
use kompox::text::suggest::closest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match ResourceId::parse(text) {
        Ok(id) => {
            assert_eq!(id.as_str(), text);
            assert!(text.ends_with(id.name()));
            let mut above = Some(id);
            while let Some(id) = above {
                assert_eq!(ResourceId::parse(id.as_str()), Ok(id.clone()));
                assert_eq!(id.ancestor(id.kind()).as_ref(), Some(&id));
                above = id.parent();
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match Address::parse(text) {
        Ok(address) => {
            assert_eq!(address.as_str(), text);
            assert_eq!(Address::new(address.scope(), address.kind(), address.name()), address);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let (scope, name) = text.split_once('\n').unwrap_or(("/ws/w", text));
    let address = Address::new(scope, "disk", name);
    let _ = (address.scope(), address.kind(), address.name(), address.short());
    let among = [address.clone(), Address::new("/ws/w/prv/p/app/a", "disk", "default")];
    if let Ok(found) = resolve(address.as_str(), &among) {
        assert_eq!(found, address);
    }
    let _ = resolve(text, &among).map_err(|error| error.to_string());
    let _ = closest(text, ["compose", "volumes", "ingress"]);
});
