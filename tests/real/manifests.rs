//! Manifests of many apps in one project of the driver `k3s`.

use crate::harness::project::Project;

/// Writes a Workspace, a Provider, a Cluster with this spec, and an App for each name and spec.
pub fn write(project: &Project, provider: &str, cluster: &str, apps: impl Iterator<Item = (String, String)>) {
    let document = |kind: &str, id: &str, spec: &str| {
        let name = id.rsplit('/').next().unwrap();
        format!(
            "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\n\
             metadata: {{name: {name}, annotations: {{ops.kompox.dev/id: {id}}}}}\nspec:\n{spec}"
        )
    };
    let (workspace, _) = provider.split_once("/prv/").unwrap();
    let mut documents = vec![
        document("Workspace", workspace, "  {}\n"),
        document("Provider", provider, "  driver: k3s\n"),
        document("Cluster", &format!("{provider}/cls/one"), cluster),
    ];
    documents.extend(apps.map(|(name, spec)| document("App", &format!("{provider}/cls/one/app/{name}"), &spec)));
    project.write(".kompox/config.yml", "version: 1\n");
    project.write("kompoxapp.yml", &documents.join("---\n"));
}
