//! What is read of many targets: the cluster itself, its data, and objects that have a path.

use super::cluster::is_cluster;
use super::disks::is_data;
use super::provider::KubernetesProvider;
use super::read::unread;
use super::table::Location;
use crate::engine::provider::{ErrorClass, Observation, ProviderError, Target};

impl KubernetesProvider {
    /// Reads many objects: see [`crate::engine::provider::Provider::read`].
    pub(super) async fn read_all(&self, targets: &[Target]) -> Vec<Observation> {
        if let Err(error) = self.api.connect().await {
            return vec![unread(error); targets.len()];
        }
        let mut found: Vec<Option<Observation>> = vec![None; targets.len()];
        let mut located: Vec<(usize, Location)> = Vec::with_capacity(targets.len());
        let mut data: Vec<usize> = Vec::new();
        for (index, target) in targets.iter().enumerate() {
            if is_cluster(target) {
                found[index] = Some(self.api.read_cluster().await);
                continue;
            }
            if is_data(target.kind) {
                data.push(index);
                continue;
            }
            match &target.physical_id {
                None => found[index] = Some(Observation::NotYet("its name is not known yet".to_owned())),
                Some(id) => match Location::parse(id) {
                    Ok(location) => located.push((index, location)),
                    Err(error) => {
                        let error = ProviderError::new(ErrorClass::Rejected, error.to_string());
                        found[index] = Some(Observation::failed(error));
                    }
                },
            }
        }
        if !data.is_empty() {
            let wanted: Vec<&Target> = data.iter().map(|index| &targets[*index]).collect();
            let answers = self.api.read_data(&wanted).await;
            data.into_iter().zip(answers).for_each(|(index, answer)| found[index] = Some(answer));
        }
        for (index, answer) in self.api.read_located(targets, located).await {
            found[index] = Some(answer);
        }
        let unanswered = || Observation::failed(ProviderError::new(ErrorClass::Rejected, "it was not read"));
        found.into_iter().map(|answer| answer.unwrap_or_else(unanswered)).collect()
    }
}
