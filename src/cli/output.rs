//! Where data goes: stdout for data, stderr for everything else; files appear whole or not at all.

use std::io::Write;
use std::path::Path;

use super::error::CliError;
use crate::text::ci::Harmless;

/// Writes data to stdout through one buffer. Data that is read by programs is written so that nothing of it looks like a
/// command to a CI runner before it comes here; of everything else such lines are changed.
pub fn stdout(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), CliError> {
    let mut out = Harmless::new(std::io::BufWriter::new(std::io::stdout().lock()));
    write(&mut out)?;
    out.flush()?;
    Ok(())
}

/// Writes words to stderr.
pub fn stderr(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) {
    let mut err = Harmless::new(std::io::BufWriter::new(std::io::stderr().lock()));
    // There is nowhere left to say that stderr is gone.
    let _ = write(&mut err).and_then(|()| err.flush());
}

/// Writes text to a file, or to stdout for `-`.
pub fn to_file_or_stdout(path: &Path, text: &str) -> Result<(), CliError> {
    if path == Path::new("-") {
        return stdout(|out| out.write_all(text.as_bytes()));
    }
    let failed = |error| CliError::message(format!("{} cannot be written: {error}", path.display()));
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, path)).map_err(failed)
}
