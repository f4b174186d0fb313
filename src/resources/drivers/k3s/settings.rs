//! Settings of the driver `k3s` (`drivers.md`, "Driver `k3s`").

use crate::kom::settings::{Setting, Tables, Takes};

/// All settings.
pub(super) static TABLES: Tables =
    Tables { provider: &[&KUBECONFIG, &CONTEXT], cluster: &[&KUBECONFIG, &CONTEXT], app: &[], disk: &[], files: &[] };

/// The file that leads to the cluster.
pub(super) static KUBECONFIG: Setting = Setting::new(
    "K3S_KUBECONFIG",
    Takes::Text,
    "the kubeconfig, from the folder of this file; else that of KUBECONFIG, ~/.kube/config, /etc/rancher/k3s/k3s.yaml",
)
.credential();
/// The context in it.
pub(super) static CONTEXT: Setting =
    Setting::new("K3S_CONTEXT", Takes::Text, "the context in the kubeconfig; else its current one").credential();
