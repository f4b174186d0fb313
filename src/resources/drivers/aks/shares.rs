//! Shares of an app, in a storage account of its own.

use std::collections::BTreeMap;

use serde_json::json;

use super::settings::{self, PROTOCOL, QUOTA_GIB, SHARE_SKU};
use super::skus::{ACCOUNT_SKUS, account_kind, check_account_name, check_quota, sku};
use super::storage::{GIB, Volumes, last, option};
use super::{kinds, names};
use crate::compose::convert::{Access, VolumeInput, VolumeSource};
use crate::compose::names::sp_hash;
use crate::diag::Diagnostic;
use crate::engine::address::Address;
use crate::engine::value::Value;
use crate::kom::model::{DeclaredDisk, Located, Volume, VolumeType};
use crate::resources::driver::Storage;
use crate::resources::scope::origin_of;

impl Volumes<'_, '_> {
    /// The share of a volume of type `files`, in the app's own storage account.
    pub(super) fn share(&mut self, volume: &Volume, nodes: &mut Storage) {
        let account = Address::new(&self.scope, kinds::STORAGE_ACCOUNT.name, &self.app.meta.name);
        let (account_id, account_name) = self.account(&account);
        let sku_name = self.account_sku();
        if !self.builder.nodes.iter().any(|node| node.address == account) {
            let rest = json!({
                "kind": account_kind(sku_name),
                "sku": {"name": sku_name},
                "properties": {
                    "allowBlobPublicAccess": false,
                    "allowSharedKeyAccess": true,
                    "minimumTlsVersion": "TLS1_2",
                    "supportsHttpsTrafficOnly": true,
                },
            });
            let desired = self.account.arm(self.builder.state, &account_id, &self.tags, rest);
            let node = self.builder.add(
                account.clone(),
                &kinds::STORAGE_ACCOUNT,
                &self.account.key,
                desired,
                &volume.location,
            );
            node.depends_on.push(self.group.clone());
        }
        for disk in &volume.disks {
            let unfit = disk.source.as_ref().map(|source| ("source", &source.location));
            let unfit = unfit.or(disk.import.as_ref().map(|import| ("import", &import.location)));
            if let Some((key, at)) = unfit.or(disk.zone.as_ref().map(|zone| ("zone", &zone.location))) {
                let message = format!("the share {} of the volume {} cannot have a \"{key}\"", disk.name, volume.name);
                self.wrong(at, message, "only disks have one: take it out, or make the volume of type disk");
            }
        }
        let undeclared = Address::new(&self.scope, kinds::SHARE.name, &volume.name);
        if !volume.disks.is_empty() && self.builder.state.known(&undeclared).is_some() {
            let message = format!("the volume {} has a share in use, and a declared one would be empty", volume.name);
            self.wrong(&volume.location, message, "take the disks: of this volume out, or declare another volume");
        }
        let assigned = volume.assigned_disk().map(|disk| disk.name.as_str());
        if volume.disks.is_empty() {
            self.one_share(volume, None, true, (&account, &account_id, &account_name), nodes);
        }
        for disk in &volume.disks {
            let in_use = assigned == Some(disk.name.as_str());
            self.one_share(volume, Some(disk), in_use, (&account, &account_id, &account_name), nodes);
        }
    }

    /// Id and name of the app's storage account: the recorded one, for it cannot be renamed, else the one that the app names,
    /// else the one that follows from its id.
    fn account(&mut self, address: &Address) -> (String, String) {
        let named = settings::storage_account(self.app).cloned();
        if let Some(Err(finding)) = named.as_ref().map(check_account_name) {
            let at = named.as_ref().map_or_else(|| self.app.meta.location.clone(), |named| named.location.clone());
            self.found(&at, finding);
        }
        let own = || {
            names::storage_account(
                &sp_hash(&self.account.place.workspace, &self.account.place.provider),
                &self.id_hash(),
            )
        };
        let name = named.as_ref().map_or_else(own, |named| named.value.clone());
        if let Some(known) = self.builder.state.known(address) {
            let (id, recorded) = (known.physical_id.clone(), last(&known.physical_id).to_owned());
            if let Some(named) = named.filter(|named| !named.value.eq_ignore_ascii_case(&recorded)) {
                let message = format!(
                    "the shares of the app {} stay in the storage account {recorded}, not {}",
                    self.app.meta.name, named.value
                );
                let help = "a storage account cannot be renamed; take AZURE_STORAGE_ACCOUNT_NAME out";
                let warning = Diagnostic::warning("volume", message).at(named.location, None).help(help);
                if !self.builder.diagnostics.iter().any(|said| said.message == warning.message) {
                    self.builder.diagnostics.push(warning);
                }
            }
            return (id, recorded);
        }
        (format!("{}/providers/Microsoft.Storage/storageAccounts/{name}", self.group_id), name)
    }

    /// The SKU of the app's storage account: all of its shares are in that one.
    fn account_sku(&mut self) -> &'static str {
        let files = self.app.volumes.iter().filter(|volume| volume.kind == VolumeType::Files);
        let written: Vec<&Located<String>> =
            files.clone().filter_map(|volume| volume.options.get(SHARE_SKU.key)).collect();
        let Some(first) = written.first() else { return SHARE_SKU.default.unwrap_or_default() };
        let other = written.iter().find(|sku| !sku.value.eq_ignore_ascii_case(&first.value));
        if let Some(other) = other.filter(|_| !self.said_of_account) {
            let message =
                format!("the shares of an app are in one storage account, which is {} or {}", first.value, other.value);
            self.wrong(&other.location.clone(), message, "write the same sku for all volumes of type files");
        }
        let found = sku("a storage account", &ACCOUNT_SKUS, &first.value);
        match found {
            Ok(found) => {
                self.said_of_account = true;
                found
            }
            Err(finding) => {
                if !std::mem::replace(&mut self.said_of_account, true) {
                    self.found(&first.location.clone(), finding);
                }
                SHARE_SKU.default.unwrap_or_default()
            }
        }
    }

    /// A quota in GiB as it is written.
    fn quota(&mut self, quota: &Located<String>) -> u64 {
        quota.value.parse().unwrap_or_else(|_| {
            let message = format!("quotaGiB is \"{}\"; it must be a whole number", quota.value);
            self.builder.diagnostics.push(Diagnostic::error("volume", message).at(quota.location.clone(), None));
            0
        })
    }

    /// One share; the assigned one is what pods mount. `account` is the storage account's address, id and name.
    fn one_share(
        &mut self,
        volume: &Volume,
        declared: Option<&DeclaredDisk>,
        assigned: bool,
        account: (&Address, &str, &str),
        nodes: &mut Storage,
    ) {
        let (account, account_id, account_name) = account;
        let disk = declared.map(|disk| disk.name.clone());
        let location = declared.map_or(&volume.location, |disk| &disk.location);
        let share = format!("{}-{}", volume.name, disk.as_deref().unwrap_or("default"));
        let name_part = disk.as_ref().map_or_else(|| volume.name.clone(), |disk| format!("{}.{disk}", volume.name));
        let address = Address::new(&self.scope, kinds::SHARE.name, &name_part);
        let size = declared.and_then(|disk| disk.size_bytes).or(volume.size_bytes).unwrap_or(GIB);
        let option = |setting| option(volume, declared, setting);
        let own_size = declared.and_then(|disk| disk.size_location.as_ref());
        let size_location = own_size.or(volume.size_location.as_ref()).cloned();
        let quota_location = option(&QUOTA_GIB).map(|quota| quota.location.clone()).or(size_location);
        let quota = option(&QUOTA_GIB).map_or(size.div_ceil(GIB), |quota| self.quota(quota));
        if let Some(protocol) = option(&PROTOCOL).filter(|protocol| !protocol.value.eq_ignore_ascii_case("smb")) {
            let message = format!("shares are mounted by smb, and not by \"{}\"", protocol.value);
            let finding = Diagnostic::warning("volume", message).at(protocol.location.clone(), None);
            self.builder.diagnostics.push(finding.help("take protocol out"));
        }
        let sku_name = self.account_sku();
        if let Err(finding) = check_quota(sku_name, quota) {
            let at = option(&QUOTA_GIB).map_or(location, |quota| &quota.location).clone();
            self.found(&at, finding);
        }
        // A share cannot be renamed, and what holds data stays where it is: under another address it is the recorded one.
        let named = format!("{account_id}/fileServices/default/shares/{share}");
        let recorded = self.builder.state.known(&address).map(|known| known.physical_id.clone());
        let id = recorded.unwrap_or(named);
        let (account_name, share) = account_and_share(&id).unwrap_or((account_name, &share));
        let desired = Value::from(json!({
            "id": id,
            "properties": {"shareQuota": quota, "enabledProtocols": "SMB", "metadata": {
                "kompox_volume_name": volume.name,
                "kompox_files_share_name": disk.as_deref().unwrap_or("default"),
                "kompox_files_share_assigned": assigned.to_string(),
            }},
        }));
        let guard = self.guard(volume);
        let node = self.builder.add(address.clone(), &kinds::SHARE, &self.account.key, desired, location);
        node.field_origins = quota_location.iter().map(|at| ("properties.shareQuota", origin_of(at))).collect();
        node.depends_on.push(account.clone());
        node.protection = guard;
        node.ignore_changes.clone_from(&volume.lifecycle.ignore_changes);
        if !assigned {
            return;
        }
        let group = last(&self.group_id);
        let handle = format!("{group}#{account_name}#{share}####{}", last(&self.account.id));
        nodes.needs.push(address.clone());
        nodes.behind.insert(name_part, address);
        nodes.volumes.push(VolumeInput {
            name: volume.name.clone(),
            disk,
            access: Access::ReadWriteMany,
            size_bytes: size,
            source: VolumeSource::Csi {
                driver: "file.csi.azure.com".into(),
                handle,
                attributes: BTreeMap::from([("protocol".to_owned(), "smb".to_owned())]),
            },
            storage_class: "azurefile-csi".into(),
            previous_handle: None,
            origin: Some(volume.location.clone()),
        });
    }
}

/// The names of the storage account and the share in a share's id.
fn account_and_share(id: &str) -> Option<(&str, &str)> {
    let steps: Vec<&str> = id.split('/').collect();
    let after = |name: &str| {
        let at = steps.iter().position(|step| step.eq_ignore_ascii_case(name))?;
        steps.get(at + 1).copied()
    };
    Some((after("storageAccounts")?, after("shares")?))
}
