//! A saved plan that somebody wrote: read, refused by its digest, and shown without harm.
#![no_main]

use kompox::engine::planfile;
use kompox::report::About;
use kompox::report::typed::Commands;
use kompox_state::Digester;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static FILE: tempfile::NamedTempFile = tempfile::NamedTempFile::new().expect("a file");
}

fuzz_target!(|data: &[u8]| {
    FILE.with(|file| {
        std::fs::write(file.path(), data).expect("a file");
        let Ok(saved) = planfile::read(file.path()) else { return };
        let digester = Digester::new(&[7; 32]);
        assert!(saved.verify(&digester).is_err(), "nobody knows the key");
        let about = About::default();
        let _ = kompox::report::json::plan(&saved.plan, &about, &Commands::PLAIN);
        let text = kompox::report::markdown::plan(&saved.plan, &about, &Commands::PLAIN);
        assert!(!text.contains(|c| c != '\n' && kompox::report::escape::is_unsafe(c)), "{text:?}");
        // What is saved again reads the same.
        let digest = planfile::save(&saved.plan, file.path(), &digester).expect("a file");
        let again = planfile::read(file.path()).expect("a plan");
        again.verify(&digester).expect("as it was saved");
        assert_eq!(planfile::digest(&again.plan, &digester), digest);
    });
});
