//! Kubernetes versions of clusters and pools, as AKS takes them: `1.33` names a line and means its newest release, a later
//! write of the same line changes nothing, nothing goes back, a control plane goes one minor version at a time, and a pool
//! is never ahead of it nor more than three minor versions behind (OpenAPI of `kubernetesVersion` and
//! `orchestratorVersion`; AKS docs, "NodePoolMcVersionIncompatible").

use super::answer::Failure;

/// Minor versions that a pool may be behind.
const SKEW: u32 = 3;

/// Major, minor and, if named, patch.
type Version = (u32, u32, Option<u32>);

/// Reads a version.
///
/// # Errors
/// `InvalidParameter`.
fn parse(text: &str) -> Result<Version, Failure> {
    let number = |part: &str| -> Option<u32> {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    let parts: Option<Vec<u32>> = text.split('.').map(number).collect();
    match parts.as_deref() {
        Some([major, minor]) => Ok((*major, *minor, None)),
        Some([major, minor, patch]) => Ok((*major, *minor, Some(*patch))),
        _ => Err(Failure::invalid(format!(
            "The value of parameter orchestratorProfile.OrchestratorVersion is invalid: '{text}' is no Kubernetes version."
        ))),
    }
}

/// The release that runs once `wanted` was written, where `running` ran before.
///
/// # Errors
/// `InvalidParameter`.
pub(super) fn release(wanted: &str, running: Option<&str>) -> Result<String, Failure> {
    let (major, minor, patch) = parse(wanted)?;
    if let Some(patch) = patch {
        return Ok(format!("{major}.{minor}.{patch}"));
    }
    match running {
        Some(running) if parse(running).is_ok_and(|(m, n, _)| (m, n) == (major, minor)) => Ok(running.to_owned()),
        _ => Ok(format!("{major}.{minor}.0")),
    }
}

/// Whether `next` is before `running`, which names all parts.
fn goes_back(running: Version, next: Version) -> bool {
    (next.0, next.1) < (running.0, running.1)
        || ((next.0, next.1) == (running.0, running.1) && next.2.is_some_and(|patch| Some(patch) < running.2))
}

/// Whether a control plane may go from one release to another version.
///
/// # Errors
/// `InvalidParameter`, `OperationNotAllowed`.
pub(super) fn upgrade(running: &str, wanted: &str) -> Result<(), Failure> {
    let (from, to) = (parse(running)?, parse(wanted)?);
    let verb = match (goes_back(from, to), to.0 != from.0 || to.1 > from.1 + 1) {
        (false, false) => return Ok(()),
        (true, _) => "Downgrading",
        (false, true) => "Upgrading",
    };
    Err(Failure::new(
        400,
        "OperationNotAllowed",
        format!(
            "{verb} Kubernetes version {running} to {wanted} is not allowed. Available upgrades: [{}.{}.0]. Please see https://aka.ms/aks-supported-k8s-ver for version details.",
            from.0,
            from.1 + 1
        ),
    ))
}

/// Whether a pool may go from one release to another version.
///
/// # Errors
/// `InvalidParameter`, `AgentPoolUpgradeVersionNotAllowed`.
pub(super) fn upgrade_pool(running: &str, wanted: &str) -> Result<(), Failure> {
    if goes_back(parse(running)?, parse(wanted)?) {
        return Err(Failure::new(
            400,
            "AgentPoolUpgradeVersionNotAllowed",
            format!(
                "Upgrade agent pool version from {running} to {wanted} is not allowed. For more information, please check https://aka.ms/version-skew-policy"
            ),
        ));
    }
    Ok(())
}

/// Whether a pool fits to its control plane.
///
/// # Errors
/// `NodePoolMcVersionIncompatible`.
pub(super) fn compatible(pool: &str, control_plane: &str) -> Result<(), Failure> {
    let (low, high) = (parse(pool)?, parse(control_plane)?);
    let why = if (low.0, low.1) > (high.0, high.1) || ((low.0, low.1) == (high.0, high.1) && low.2 > high.2) {
        "Node pool version is bigger than control plane version".to_owned()
    } else if low.0 != high.0 || low.1 + SKEW < high.1 {
        format!("Minor version of node pool cannot be more than {SKEW} versions less than control plane's version")
    } else {
        return Ok(());
    };
    Err(Failure::new(
        400,
        "NodePoolMcVersionIncompatible",
        format!("Node pool version {pool} and control plane version {control_plane} are incompatible. {why}."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_go_as_aks_lets_them() {
        assert!(
            upgrade("1.33.4", "1.33").is_ok()
                && upgrade("1.33.4", "1.34").is_ok()
                && upgrade("1.33.4", "1.33.5").is_ok()
        );
        assert!(upgrade("1.33.4", "1.33.3").is_err() && upgrade("1.33.4", "1.32").is_err());
        assert!(upgrade("1.33.4", "1.35").is_err() && upgrade("1.33.4", "banana").is_err());
        assert_eq!(release("1.33", Some("1.33.4")).unwrap(), "1.33.4");
        assert_eq!(release("1.34", Some("1.33.4")).unwrap(), "1.34.0");
        assert!(upgrade_pool("1.33.4", "1.33.3").is_err() && upgrade_pool("1.31.0", "1.33").is_ok());
        assert!(compatible("1.33.0", "1.33.4").is_ok() && compatible("1.33.5", "1.33.4").is_err());
        assert!(compatible("1.30.0", "1.33.4").is_ok() && compatible("1.29.9", "1.33.4").is_err());
        assert!(compatible("1.34.0", "1.33.4").is_err());
    }
}
