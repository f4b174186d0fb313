//! What commands do together, each step once: the project and its state are opened ([`session`]), manifests are read
//! ([`manifests`]), or those of an earlier revision ([`revision`]), and expanded, without a network where that is enough
//! ([`offline`]); words of the command line become addresses ([`naming`]); the lock is taken ([`locking`]), what an
//! interrupted run left is looked into ([`settling`]), a plan is made ([`planning`]) and carried out ([`applying`]), or one
//! that was saved ([`saved`]); a state that was lost is made again ([`rebuilding`]).

pub mod applying;
pub mod fixed;
pub mod locking;
pub mod manifests;
pub mod naming;
pub mod offline;
pub mod planning;
pub mod rebuilding;
pub mod revision;
pub mod saved;
pub mod session;
pub mod settling;
