//! From the calls of a [`Store`](crate::Store), which block, to servers that are asked asynchronously.

use std::future::Future;
use std::io;
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};

/// A runtime of one thread, of which the caller may be in another one.
pub(crate) struct Bridge(Option<Runtime>);

impl Bridge {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system gives no thread or no way to wait for sockets.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("state").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Waits for what `work` gives; `None` when it ended without giving anything, which only a fault of the program does.
    pub(crate) fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.0.as_ref()?.spawn(async move {
            // Whoever asked is waiting below.
            let _ = sender.send(work.await);
        });
        receiver.recv().ok()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // Waiting for its end is not possible in a thread of another runtime; whatever was asked for has been answered.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
