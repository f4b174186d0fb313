-- A state as kompox wrote it before addresses, verbs and results had types of their own, cut down to a few rows.
PRAGMA application_id = 1802464624;
CREATE TABLE dependencies (
    record INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (record, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE durations (
    kind TEXT NOT NULL,
    action TEXT NOT NULL,
    samples INTEGER NOT NULL,
    mean_millis REAL NOT NULL,
    PRIMARY KEY (kind, action)
) STRICT, WITHOUT ROWID;
INSERT INTO "durations" VALUES('Deployment','create',2,82.0);
INSERT INTO "durations" VALUES('disk','create',1,66.0);
CREATE TABLE intents (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    run TEXT NOT NULL,
    address TEXT NOT NULL,
    kind TEXT NOT NULL,
    provider TEXT NOT NULL,
    action TEXT NOT NULL,
    physical_id TEXT,
    request_digest TEXT NOT NULL,
    desired TEXT NOT NULL,
    record TEXT,
    operation_url TEXT,
    opened_at TEXT NOT NULL
) STRICT;
INSERT INTO "intents" VALUES(1,'8068eaaa-a088-4207-90ea-c8b8723af0a2','ec7aa65a-9f25-4662-a19a-2ec9f272b2bc','/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app','Deployment','kubernetes+azure://9473abf6-f25e-420e-b3f2-128c1c7b46f2?auth=azure_cli#/subscriptions/9473abf6-f25e-420e-b3f2-128c1c7b46f2/resourceGroups/k4x-50vf7y_cls_cluster1_62mpgv/providers/Microsoft.ContainerService/managedClusters/k4x-50vf7y-cluster1','update','/apis/apps/v1/namespaces/k4x-50vf7y-app1-13o40q/deployments/app1-app','sha256:64f91421c7b47c7e8009bf666e18e615b9dbfa9b102954de49f67a267b0fbb70','{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"kompox.dev/lineage":"3044b5f3-33f6-4e2e-87b9-9ac7d1c1f6b7"},"labels":{"app":"app1-app","app.kubernetes.io/component":"app","app.kubernetes.io/instance":"app1-2aopo7","app.kubernetes.io/managed-by":"kompox","app.kubernetes.io/name":"app1","kompox.dev/app-id-hash":"13o40q","kompox.dev/app-instance-hash":"2aopo7"},"name":"app1-app","namespace":"k4x-50vf7y-app1-13o40q"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"app1-app"}},"strategy":{"type":"Recreate"},"template":{"metadata":{"annotations":{"kompox.dev/compose-content-hash":{"$sensitive":"hmac-sha256:019edf644ccf6da93b7d44c756325dd2c9da9592c3eca9d029a5ffcadbb9092d"}},"labels":{"app":"app1-app","app.kubernetes.io/component":"app","app.kubernetes.io/instance":"app1-2aopo7","app.kubernetes.io/managed-by":"kompox","app.kubernetes.io/name":"app1","kompox.dev/app-id-hash":"13o40q","kompox.dev/app-instance-hash":"2aopo7"}},"spec":{"automountServiceAccountToken":false,"containers":[{"env":[{"name":"USER_GID","value":"1000"},{"name":"USER_UID","value":"1001"}],"envFrom":[{"secretRef":{"name":"app1-app-gitea-base","optional":true}},{"secretRef":{"name":"app1-app-gitea-override","optional":true}}],"image":"docker.gitea.com/gitea:1.24.6","name":"gitea","ports":[{"containerPort":3000}],"volumeMounts":[{"mountPath":"/data","name":"default","subPath":"data/gitea"}]},{"envFrom":[{"secretRef":{"name":"app1-app-postgres-base","optional":true}},{"secretRef":{"name":"app1-app-postgres-override","optional":true}}],"image":"postgres:18","name":"postgres","volumeMounts":[{"mountPath":"/var/lib/postgresql/data","name":"default","subPath":"data/postgres"}]}],"initContainers":[{"command":["sh","-c","mkdir -m 1777 -p /work/default/data/gitea\nmkdir -m 1777 -p /work/default/data/postgres"],"image":"busybox:1.36","name":"init-volume-subpaths","volumeMounts":[{"mountPath":"/work/default","name":"default"}]}],"nodeSelector":{"kompox.dev/node-pool":"user","kompox.dev/node-zone":"1"},"volumes":[{"name":"default","persistentVolumeClaim":{"claimName":"k4x-50vf7y-default-13o40q-21wali"}}]}}}}','{"address":"/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app","kind":"Deployment","provider":"kubernetes+azure://9473abf6-f25e-420e-b3f2-128c1c7b46f2?auth=azure_cli#/subscriptions/9473abf6-f25e-420e-b3f2-128c1c7b46f2/resourceGroups/k4x-50vf7y_cls_cluster1_62mpgv/providers/Microsoft.ContainerService/managedClusters/k4x-50vf7y-cluster1","physical_id":"/apis/apps/v1/namespaces/k4x-50vf7y-app1-13o40q/deployments/app1-app","applied":{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"kompox.dev/lineage":"3044b5f3-33f6-4e2e-87b9-9ac7d1c1f6b7"},"labels":{"app":"app1-app","app.kubernetes.io/component":"app","app.kubernetes.io/instance":"app1-2aopo7","app.kubernetes.io/managed-by":"kompox","app.kubernetes.io/name":"app1","kompox.dev/app-id-hash":"13o40q","kompox.dev/app-instance-hash":"2aopo7"},"name":"app1-app","namespace":"k4x-50vf7y-app1-13o40q"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"app1-app"}},"strategy":{"type":"Recreate"},"template":{"metadata":{"annotations":{"kompox.dev/compose-content-hash":{"$sensitive":"hmac-sha256:019edf644ccf6da93b7d44c756325dd2c9da9592c3eca9d029a5ffcadbb9092d"}},"labels":{"app":"app1-app","app.kubernetes.io/component":"app","app.kubernetes.io/instance":"app1-2aopo7","app.kubernetes.io/managed-by":"kompox","app.kubernetes.io/name":"app1","kompox.dev/app-id-hash":"13o40q","kompox.dev/app-instance-hash":"2aopo7"}},"spec":{"automountServiceAccountToken":false,"containers":[{"env":[{"name":"USER_GID","value":"1000"},{"name":"USER_UID","value":"1001"}],"envFrom":[{"secretRef":{"name":"app1-app-gitea-base","optional":true}},{"secretRef":{"name":"app1-app-gitea-override","optional":true}}],"image":"docker.gitea.com/gitea:1.24.6","name":"gitea","ports":[{"containerPort":3000}],"volumeMounts":[{"mountPath":"/data","name":"default","subPath":"data/gitea"}]},{"envFrom":[{"secretRef":{"name":"app1-app-postgres-base","optional":true}},{"secretRef":{"name":"app1-app-postgres-override","optional":true}}],"image":"postgres:18","name":"postgres","volumeMounts":[{"mountPath":"/var/lib/postgresql/data","name":"default","subPath":"data/postgres"}]}],"initContainers":[{"command":["sh","-c","mkdir -m 1777 -p /work/default/data/gitea\nmkdir -m 1777 -p /work/default/data/postgres"],"image":"busybox:1.36","name":"init-volume-subpaths","volumeMounts":[{"mountPath":"/work/default","name":"default"}]}],"nodeSelector":{"kompox.dev/node-pool":"user","kompox.dev/node-zone":"1"},"volumes":[{"name":"default","persistentVolumeClaim":{"claimName":"k4x-50vf7y-default-13o40q-21wali"}}]}}}},"outputs":{},"dependencies":["/ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default","/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Namespace/app1","/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/NetworkPolicy/app1","/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/PersistentVolumeClaim/default","/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Secret/app1-app-gitea-base","/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Secret/app1-app-postgres-base","/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/cluster/cluster1","/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/node-pool/npuser1","/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/role-assignment/disks-app1"],"protection":{"orphan":false,"prevent_destroy":false,"read_only":false,"adopted":false},"desired_digest":"sha256:64f91421c7b47c7e8009bf666e18e615b9dbfa9b102954de49f67a267b0fbb70","baseline":{"run":"ec7aa65a-9f25-4662-a19a-2ec9f272b2bc"},"source":"compose.yml:2:3","created_serial":0,"updated_serial":0}',NULL,'2026-11-27T08:18:39Z');
CREATE TABLE lock (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
    who TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    command TEXT NOT NULL,
    since TEXT NOT NULL,
    plan_digest TEXT,
    epoch INTEGER NOT NULL,
    renewed_at REAL NOT NULL
) STRICT;
CREATE TABLE meta (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    schema_version INTEGER NOT NULL,
    lineage TEXT NOT NULL,
    digest_key BLOB NOT NULL CHECK (length(digest_key) = 32),
    serial INTEGER NOT NULL,
    epoch INTEGER NOT NULL
) STRICT;
INSERT INTO "meta" VALUES(1,2,'3044b5f3-33f6-4e2e-87b9-9ac7d1c1f6b7',X'D2FF7631EF42596FD4C0C5F79F47F7D7F2BEF29F97DC613723A47263E3ACD437',36,3);
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    provider TEXT NOT NULL,
    physical_id TEXT NOT NULL,
    applied TEXT NOT NULL,
    outputs TEXT NOT NULL,
    protection TEXT NOT NULL,
    desired_digest TEXT NOT NULL,
    baseline TEXT NOT NULL,
    source TEXT,
    created_serial INTEGER NOT NULL,
    updated_serial INTEGER NOT NULL
) STRICT;
INSERT INTO "records" VALUES(4,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default','disk','azure://9473abf6-f25e-420e-b3f2-128c1c7b46f2?auth=azure_cli','/subscriptions/9473abf6-f25e-420e-b3f2-128c1c7b46f2/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_0tp5j32u10yc_13o40q','{"id":"/subscriptions/9473abf6-f25e-420e-b3f2-128c1c7b46f2/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_0tp5j32u10yc_13o40q","location":"eastus","properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":10},"sku":{"name":"PremiumV2_LRS"},"tags":{"kompox-app-id-hash":"13o40q","kompox-app-name":"app1","kompox-disk-assigned":"true","kompox-disk-name":"k4x-50vf7y_disk_default_0tp5j32u10yc_13o40q","kompox-lineage":"3044b5f3-33f6-4e2e-87b9-9ac7d1c1f6b7","kompox-provider-name":"aks1","kompox-volume":"default","kompox-workspace-name":"aks-e2e-gitea-20250925-060355","managed-by":"kompox"},"zones":["1"]}','{"properties":{"diskSizeGB":10}}','{"orphan":true,"prevent_destroy":false,"read_only":false,"adopted":false}','sha256:5c64d9fa2b718f919cadeb1b26703009f9d8e718b63b3707588e2e372481a741','{"run":"e1ebd299-0cb9-4d7a-b2e3-7af6b3b0d478","uid":"99c05189-2f31-5655-b009-71b69c052931"}','kompoxapp.yml:82:7',8,8);
INSERT INTO "records" VALUES(5,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/cluster/cluster1','cluster','azure://9473abf6-f25e-420e-b3f2-128c1c7b46f2?auth=azure_cli','/subscriptions/9473abf6-f25e-420e-b3f2-128c1c7b46f2/resourceGroups/k4x-50vf7y_cls_cluster1_62mpgv/providers/Microsoft.ContainerService/managedClusters/k4x-50vf7y-cluster1','{"id":"/subscriptions/9473abf6-f25e-420e-b3f2-128c1c7b46f2/resourceGroups/k4x-50vf7y_cls_cluster1_62mpgv/providers/Microsoft.ContainerService/managedClusters/k4x-50vf7y-cluster1","identity":{"type":"SystemAssigned"},"location":"eastus","properties":{"aadProfile":{"enableAzureRBAC":true,"managed":true},"addonProfiles":{"azureKeyvaultSecretsProvider":{"config":{"enableSecretRotation":"true"},"enabled":true},"azurepolicy":{"enabled":true}},"agentPoolProfiles":[{"count":1,"enableAutoScaling":true,"maxCount":3,"maxPods":250,"minCount":1,"mode":"System","name":"npsystem","nodeLabels":{"kompox.dev/node-pool":"system"},"osDiskSizeGB":64,"osDiskType":"Ephemeral","osType":"Linux","type":"VirtualMachineScaleSets","vmSize":"Standard_D2ds_v4"}],"dnsPrefix":"k4x-50vf7y-cluster1-dns","enableRBAC":true,"kubernetesVersion":"1.33","networkProfile":{"networkPlugin":"azure","networkPluginMode":"overlay","networkPolicy":"azure"},"nodeResourceGroup":"k4x-50vf7y_cls_cluster1_62mpgv_mc","oidcIssuerProfile":{"enabled":true},"securityProfile":{"workloadIdentity":{"enabled":true}}},"sku":{"name":"Base","tier":"Free"},"tags":{"kompox-cluster-hash":"62mpgv","kompox-cluster-name":"cluster1","kompox-lineage":"3044b5f3-33f6-4e2e-87b9-9ac7d1c1f6b7","kompox-provider-name":"aks1","kompox-workspace-name":"aks-e2e-gitea-20250925-060355","managed-by":"kompox"}}','{"identity":{"principalId":"ae24bf07-9211-58be-98aa-83382bab22d1","tenantId":"0a0b0c0d-1111-4222-8333-444455556666"},"properties":{"fqdn":"k4x-50vf7y-cluster1-dns-55f76e82.hcp.eastus.azmk8s.io","identityProfile":{"kubeletidentity":{"objectId":"49896666-fe15-5863-9fdf-4cf68c8b5cb2"}},"oidcIssuerProfile":{"issuerURL":"https://eastus.oic.prod-aks.azure.com/0a0b0c0d-1111-4222-8333-444455556666/24649401-a8f7-59ef-97b4-ff32f6976deb/"}}}','{"orphan":false,"prevent_destroy":false,"read_only":false,"adopted":false}','sha256:a1bccc64a655c1e3db321770445b999ae072dd5ec20108a6a665fa7e55d5f3e4','{"run":"e1ebd299-0cb9-4d7a-b2e3-7af6b3b0d478","uid":"55f76e824f3a56c39f903bceeecc1090"}','kompoxapp.yml:32:1',9,9);
INSERT INTO "records" VALUES(33,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app','Deployment','kubernetes+azure://9473abf6-f25e-420e-b3f2-128c1c7b46f2?auth=azure_cli#/subscriptions/9473abf6-f25e-420e-b3f2-128c1c7b46f2/resourceGroups/k4x-50vf7y_cls_cluster1_62mpgv/providers/Microsoft.ContainerService/managedClusters/k4x-50vf7y-cluster1','/apis/apps/v1/namespaces/k4x-50vf7y-app1-13o40q/deployments/app1-app','{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"kompox.dev/lineage":"3044b5f3-33f6-4e2e-87b9-9ac7d1c1f6b7"},"labels":{"app":"app1-app","app.kubernetes.io/component":"app","app.kubernetes.io/instance":"app1-2aopo7","app.kubernetes.io/managed-by":"kompox","app.kubernetes.io/name":"app1","kompox.dev/app-id-hash":"13o40q","kompox.dev/app-instance-hash":"2aopo7"},"name":"app1-app","namespace":"k4x-50vf7y-app1-13o40q"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"app1-app"}},"strategy":{"type":"Recreate"},"template":{"metadata":{"annotations":{"kompox.dev/compose-content-hash":{"$sensitive":"hmac-sha256:019edf644ccf6da93b7d44c756325dd2c9da9592c3eca9d029a5ffcadbb9092d"}},"labels":{"app":"app1-app","app.kubernetes.io/component":"app","app.kubernetes.io/instance":"app1-2aopo7","app.kubernetes.io/managed-by":"kompox","app.kubernetes.io/name":"app1","kompox.dev/app-id-hash":"13o40q","kompox.dev/app-instance-hash":"2aopo7"}},"spec":{"automountServiceAccountToken":false,"containers":[{"env":[{"name":"USER_GID","value":"1000"},{"name":"USER_UID","value":"1000"}],"envFrom":[{"secretRef":{"name":"app1-app-gitea-base","optional":true}},{"secretRef":{"name":"app1-app-gitea-override","optional":true}}],"image":"docker.gitea.com/gitea:1.24.6","name":"gitea","ports":[{"containerPort":3000}],"volumeMounts":[{"mountPath":"/data","name":"default","subPath":"data/gitea"}]},{"envFrom":[{"secretRef":{"name":"app1-app-postgres-base","optional":true}},{"secretRef":{"name":"app1-app-postgres-override","optional":true}}],"image":"postgres:17","name":"postgres","volumeMounts":[{"mountPath":"/var/lib/postgresql/data","name":"default","subPath":"data/postgres"}]}],"initContainers":[{"command":["sh","-c","mkdir -m 1777 -p /work/default/data/gitea\nmkdir -m 1777 -p /work/default/data/postgres"],"image":"busybox:1.36","name":"init-volume-subpaths","volumeMounts":[{"mountPath":"/work/default","name":"default"}]}],"nodeSelector":{"kompox.dev/node-pool":"user","kompox.dev/node-zone":"1"},"volumes":[{"name":"default","persistentVolumeClaim":{"claimName":"k4x-50vf7y-default-13o40q-21wali"}}]}}}}','{}','{"orphan":false,"prevent_destroy":false,"read_only":false,"adopted":false}','sha256:f2f6b7fd6e7cc92a360b7e8c96a25c17f38d60723ace397e4e79b86daeaf6904','{"run":"e1ebd299-0cb9-4d7a-b2e3-7af6b3b0d478","uid":"631a0b6e-8d11-5bc6-953e-7eac35e15860","changing":"ec7aa65a-9f25-4662-a19a-2ec9f272b2bc","unready":true,"holds":[{"part":"gitea","volume":"k4x-50vf7y-app1-13o40q/k4x-50vf7y-default-13o40q-21wali","folder":"data/gitea"},{"part":"postgres","volume":"k4x-50vf7y-app1-13o40q/k4x-50vf7y-default-13o40q-21wali","folder":"data/postgres"}]}','compose.yml:2:3',31,36);
CREATE TABLE removed (
    address TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO "removed" VALUES('/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Secret/app1-app-gitea-base');
CREATE TABLE runs (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    actor TEXT NOT NULL,
    host TEXT NOT NULL,
    command TEXT NOT NULL,
    plan_digest TEXT,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    result TEXT,
    counts TEXT NOT NULL,
    duration_ms INTEGER
, planned TEXT NOT NULL DEFAULT 'null') STRICT;
INSERT INTO "runs" VALUES(1,'e1ebd299-0cb9-4d7a-b2e3-7af6b3b0d478','unknown','vm','kompox --sandbox apply','hmac-sha256:3a77d9962ae00fa95e804e626ffb2ed5fc7c59d395de641e6faba8d6300a4f4a','2026-11-27T08:18:38Z','2026-11-27T08:18:39Z','ok','{"create":33}',560,'{"create":33}');
INSERT INTO "runs" VALUES(2,'ec7aa65a-9f25-4662-a19a-2ec9f272b2bc','unknown','vm','kompox --sandbox apply','hmac-sha256:145b802b63342e34a41cb973b9c48213363e2895e7546d6f8694e8e02545544d','2026-11-27T08:18:39Z',NULL,NULL,'{"import":1}',1,'{"import":1,"update":1}');
INSERT INTO "runs" VALUES(3,'f37deb0f-04c5-4432-8630-d41f27eefced','unknown','vm','kompox --sandbox destroy',NULL,'2026-11-27T08:10:20Z','2026-11-27T08:10:21Z','interrupted','{"delete":29,"forget":2}',211,'{"delete":31,"forget":2}');
CREATE INDEX dependencies_by_address ON dependencies (address);
INSERT INTO "dependencies" VALUES(33,0,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default');
INSERT INTO "dependencies" VALUES(4,0,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/resource-group/app1');
INSERT INTO "dependencies" VALUES(33,1,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Namespace/app1');
INSERT INTO "dependencies" VALUES(33,2,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/NetworkPolicy/app1');
INSERT INTO "dependencies" VALUES(33,3,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/PersistentVolumeClaim/default');
INSERT INTO "dependencies" VALUES(33,4,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Secret/app1-app-gitea-base');
INSERT INTO "dependencies" VALUES(33,5,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Secret/app1-app-postgres-base');
INSERT INTO "dependencies" VALUES(33,6,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/cluster/cluster1');
INSERT INTO "dependencies" VALUES(33,7,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/node-pool/npuser1');
INSERT INTO "dependencies" VALUES(5,0,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/resource-group/cluster1');
INSERT INTO "dependencies" VALUES(33,8,'/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/role-assignment/disks-app1');
