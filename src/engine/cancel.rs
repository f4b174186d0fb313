//! Cancellation is data: a level that only rises.

use tokio::sync::watch;

/// How far a run is to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not at all.
    Running,
    /// Start nothing new; running calls end.
    Graceful,
    /// Do not wait for running calls; their intents stay open.
    Now,
}

/// Raises the level.
#[derive(Debug, Clone)]
pub struct Canceller(watch::Sender<Level>);

/// Reads the level.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Receiver<Level>);

/// A level that nobody raises.
pub fn never() -> Cancel {
    channel().1
}

/// A pair that belongs together.
pub fn channel() -> (Canceller, Cancel) {
    let (sender, receiver) = watch::channel(Level::Running);
    (Canceller(sender), Cancel(receiver))
}

impl Canceller {
    /// One step further: the first call is graceful, the second is now.
    pub fn raise(&self) {
        self.0.send_modify(|level| {
            *level = match level {
                Level::Running => Level::Graceful,
                Level::Graceful | Level::Now => Level::Now,
            }
        });
    }

    /// At least graceful.
    pub fn stop(&self) {
        self.0.send_modify(|level| *level = (*level).max(Level::Graceful));
    }
}

impl Cancel {
    /// The level now.
    pub fn level(&self) -> Level {
        *self.0.borrow()
    }

    /// Returns as soon as the level is above [`Level::Running`]. Never if nobody can raise it any more.
    pub async fn stopped(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|level| *level > Level::Running).await.is_err() {
            futures::future::pending::<()>().await;
        }
    }

    /// Waits for the level to rise. Never returns if nobody can raise it any more.
    pub async fn raised(&mut self) -> Level {
        if self.0.changed().await.is_err() {
            futures::future::pending::<()>().await;
        }
        self.level()
    }
}
