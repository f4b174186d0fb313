//! Signals: the first ends gracefully, the second at once.

use crate::engine::cancel::{Cancel, channel};

/// A cancellation that SIGINT and SIGTERM raise.
pub fn on_interrupt() -> Cancel {
    let (canceller, cancel) = channel();
    tokio::spawn(async move {
        #[cfg(unix)]
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
        loop {
            #[cfg(unix)]
            let terminated = async {
                match &mut terminate {
                    Some(terminate) => drop(terminate.recv().await),
                    None => std::future::pending().await,
                }
            };
            #[cfg(not(unix))]
            let terminated = std::future::pending::<()>();
            tokio::select! {
                result = tokio::signal::ctrl_c() => if result.is_err() { return },
                () = terminated => {}
            }
            canceller.raise();
        }
    });
    cancel
}
