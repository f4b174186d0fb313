//! What an interrupted run left is looked into before anything else is done.

use std::sync::Arc;

use kompox_state::{Change, RunResult, Snapshot};

use super::fixed::{Fixed, chosen_by_intents};
use super::session::Session;
use crate::cli::error::CliError;
use crate::engine::event::Sink;
use crate::engine::journal::Journal;
use crate::engine::lease::Lease;
use crate::engine::provider::Providers;
use crate::engine::reconcile::reconcile;
use crate::engine::run::timestamp;

/// Looks into what an interrupted run left, before anything is planned. Gives the names that it had chosen.
pub async fn recover(session: &Session<'_>, before: &Snapshot, lease: &Arc<Lease>) -> Result<Fixed, CliError> {
    if session.is_unsettled(before)? {
        let providers = session.providers(&session.sign_in(before), before)?;
        settle(session, &providers, lease).await?;
    }
    Ok(Fixed { chosen: chosen_by_intents(before), ..Fixed::default() })
}

impl Session<'_> {
    /// Whether an earlier run ended without being able to say so.
    pub fn is_unsettled(&self, snapshot: &Snapshot) -> Result<bool, CliError> {
        Ok(!snapshot.open_intents.is_empty() || self.store.runs(50)?.iter().any(|run| run.finished_at.is_none()))
    }

    /// Looks into what an interrupted run left open, and closes that run's history entry.
    async fn look_into(
        &self,
        journal: &Journal,
        providers: &Providers,
        run_id: &str,
        sink: &dyn Sink,
    ) -> Result<(), CliError> {
        let open = self.store.open_intents()?;
        let digester = self.store.digester();
        let run = self.run(journal, providers, run_id, &digester, sink, true);
        reconcile(&run, &open).await.map_err(|error| {
            CliError::new("unsettled", error.to_string()).help("nothing was changed; run it again once it can be read")
        })?;
        let now = timestamp(self.environment.now());
        let unfinished =
            self.store.runs(50)?.into_iter().filter(|run| run.finished_at.is_none()).map(|run| Change::FinishRun {
                id: run.id,
                finished_at: now.clone(),
                result: RunResult::Interrupted,
                counts: run.counts,
                duration_ms: run.duration_ms.unwrap_or_default(),
            });
        let unfinished: Vec<_> = unfinished.collect();
        if !unfinished.is_empty() {
            journal.commit(unfinished).await?;
        }
        Ok(())
    }
}

pub(super) async fn settle(session: &Session<'_>, providers: &Providers, lease: &Arc<Lease>) -> Result<(), CliError> {
    let sink = session.ui.progress()?;
    let journal = Journal::start(lease.clone());
    session.look_into(&journal, providers, &session.environment.unique_id(), &sink).await?;
    sink.finish()?;
    Ok(())
}
