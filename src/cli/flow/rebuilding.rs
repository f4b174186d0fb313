//! A lost state from what exists: manifests are expanded and looked for until nothing changes any more.

use std::collections::BTreeMap;

use kompox_state::Snapshot;

use super::fixed::Fixed;
use super::planning::Ask;
use super::session::{Session, VERSION};
use crate::cli::error::CliError;
use crate::engine::plan::Mode;
use crate::engine::planner::{self, Inputs, Options, PlanError, Rebuilt};
use crate::resources::drivers;

/// How often manifests are expanded at most: names and places that a state fixes come from records, and their records from
/// them.
const MOST_PASSES: usize = 5;

impl Session<'_> {
    /// The lineages that what the manifests name carries, and how many objects each.
    ///
    /// # Errors
    /// The manifests cannot be expanded, or something cannot be read.
    pub async fn lineages(&self) -> Result<BTreeMap<String, usize>, CliError> {
        self.looked(&nothing(), async |inputs| planner::lineages(inputs).await).await
    }

    /// Records of what exists and carries the lineage of this session's state. Nothing is written.
    ///
    /// # Errors
    /// As [`Session::lineages`].
    pub async fn rebuild(&self) -> Result<Rebuilt, CliError> {
        let mut snapshot = nothing();
        for _ in 0..MOST_PASSES {
            let rebuilt = self.looked(&snapshot, async |inputs| planner::rebuild(inputs).await).await?;
            if rebuilt.records == snapshot.records {
                return Ok(rebuilt);
            }
            snapshot.records = rebuilt.records;
        }
        let message = "what exists did not stay the same while it was looked at";
        Err(CliError::new("rebuild", message).help("run it again once nothing changes any more"))
    }

    async fn looked<T>(
        &self,
        snapshot: &Snapshot,
        work: impl AsyncFnOnce(Inputs<'_>) -> Result<T, PlanError>,
    ) -> Result<T, CliError> {
        let ask = |_: &_| Ok(Ask { optional: true, needed: true });
        let expanded = self.expand_looking(snapshot, Fixed::default(), ask).await?;
        let providers = self.providers(&expanded.connections, snapshot)?;
        let (digester, options) = (self.store.digester(), Options::default());
        let inputs = Inputs {
            graph: &expanded.graph,
            snapshot,
            lineage: self.store.lineage(),
            digester: &digester,
            providers: &providers,
            kinds: drivers::kind,
            mode: Mode::Apply,
            options: &options,
            inputs: expanded.inputs,
            chosen: expanded.chosen,
            hosts: Vec::new(),
            imports: Vec::new(),
            lacks_apps: false,
            dangers: Vec::new(),
            notes: Vec::new(),
            engine_version: VERSION,
        };
        let sources = self.loaded.as_ref().map(|loaded| loaded.sources.as_slice()).unwrap_or_default();
        work(inputs).await.map_err(|error| CliError::problems(error.problems, sources))
    }
}

fn nothing() -> Snapshot {
    Snapshot { serial: 0, records: Vec::new(), open_intents: Vec::new(), moved_to: None }
}
