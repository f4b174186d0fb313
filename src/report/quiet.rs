//! A terminal that writes nothing of its own while a live display moves on it.
//!
//! A terminal answers Ctrl-C in two ways that no display can know of: it writes `^C`, which after a full row goes to a row
//! of its own, and it throws away what it has not shown yet (`ECHOCTL` and `NOFLSH` of termios(3)). After either, rows of the
//! display stay behind.

#[cfg(unix)]
mod modes {
    use rustix::process::getpgrp;
    use rustix::stdio::stderr;
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcgetpgrp, tcsetattr};

    /// Both ways.
    const OURS: LocalModes = LocalModes::ECHOCTL.union(LocalModes::NOFLSH);

    /// Sets both as given; what they were, unless nothing was changed. Only for the terminal's foreground: others are stopped
    /// for trying.
    pub fn set(wanted: LocalModes) -> Option<LocalModes> {
        if tcgetpgrp(stderr()).ok()? != getpgrp() {
            return None;
        }
        let mut modes = tcgetattr(stderr()).ok()?;
        let before = modes.local_modes.intersection(OURS);
        modes.local_modes.remove(OURS);
        modes.local_modes.insert(wanted.intersection(OURS));
        tcsetattr(stderr(), OptionalActions::Now, &modes).ok()?;
        Some(before)
    }

    /// No answer of the terminal.
    pub const QUIET: LocalModes = LocalModes::NOFLSH;
}

/// While it lives, the terminal behind stderr does not answer Ctrl-C by itself. Where that cannot be had, nothing is changed.
#[derive(Default)]
pub struct Quiet {
    #[cfg(unix)]
    before: Option<rustix::termios::LocalModes>,
}

impl Quiet {
    /// From now on.
    pub fn new() -> Self {
        Self {
            #[cfg(unix)]
            before: modes::set(modes::QUIET),
        }
    }
}

#[cfg(unix)]
impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            modes::set(before);
        }
    }
}
