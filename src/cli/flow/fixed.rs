//! What the state fixes before manifests are expanded: what exists keeps its name and its place.

use std::collections::BTreeMap;

use kompox_state::{Digester, Snapshot, Stored};

use crate::engine::address::Address;
use crate::engine::plan::Verb;
use crate::resources::scope::{Known, StateView};

/// What is fixed before an expansion: names of a saved plan, and objects to be imported.
#[derive(Debug, Clone, Default)]
pub struct Fixed {
    /// Names that nobody chose.
    pub chosen: BTreeMap<Address, String>,
    /// Objects to adopt, by address.
    pub imports: BTreeMap<Address, String>,
    /// What was looked for in the cloud, by the address that stands for it.
    pub found: BTreeMap<Address, Option<String>>,
}

/// What an expansion takes from the state.
pub fn state_view(lineage: &str, digester: &Digester, snapshot: &Snapshot, fixed: Fixed) -> StateView {
    let known = snapshot.records.iter().filter(|record| !record.progress.lost).map(|record| {
        let known = Known {
            provider: record.provider.clone(),
            physical_id: record.physical_id.clone(),
            adopted: record.protection.adopted,
            outputs: record.outputs.clone(),
            applied: record.applied.clone(),
        };
        (record.address.clone(), known)
    });
    let mut known: BTreeMap<Address, Known> = known.collect();
    for (address, id) in &fixed.imports {
        let nothing = Stored::from(serde_json::json!({}));
        let (outputs, applied) = (nothing.clone(), nothing);
        // Where it is, its wish says.
        let import = Known { provider: "import".into(), physical_id: id.clone(), adopted: true, outputs, applied };
        known.insert(address.clone(), import);
    }
    let mut chosen = chosen_by_intents(snapshot);
    chosen.extend(fixed.chosen);
    StateView {
        lineage: lineage.to_owned(),
        digester: digester.clone(),
        known,
        chosen,
        imports: fixed.imports,
        found: fixed.found,
    }
}

/// Names that interrupted creations have fixed. They stay fixed when nothing of the object is found: its request may
/// still be on its way, and must not meet a second object under another name.
pub fn chosen_by_intents(snapshot: &Snapshot) -> BTreeMap<Address, String> {
    let creations = snapshot.open_intents.iter().filter(|intent| intent.action == Verb::Create);
    let named = creations.filter_map(|intent| {
        let name = intent.physical_id.as_deref()?.rsplit('/').next()?;
        Some((intent.address.clone(), name.to_owned()))
    });
    named.collect()
}
