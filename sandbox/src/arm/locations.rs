//! The regions of the cloud.

use serde_json::Value;

use super::answer::Failure;
use super::body;

/// The regions that `locations` lists and writes accept.
pub(super) const LOCATIONS: &[(&str, &str)] = &[
    ("australiaeast", "Australia East"),
    ("brazilsouth", "Brazil South"),
    ("canadacentral", "Canada Central"),
    ("centralus", "Central US"),
    ("eastus", "East US"),
    ("eastus2", "East US 2"),
    ("francecentral", "France Central"),
    ("germanywestcentral", "Germany West Central"),
    ("japaneast", "Japan East"),
    ("japanwest", "Japan West"),
    ("koreacentral", "Korea Central"),
    ("northeurope", "North Europe"),
    ("southcentralus", "South Central US"),
    ("southeastasia", "Southeast Asia"),
    ("swedencentral", "Sweden Central"),
    ("switzerlandnorth", "Switzerland North"),
    ("uksouth", "UK South"),
    ("westeurope", "West Europe"),
    ("westus", "West US"),
    ("westus2", "West US 2"),
    ("westus3", "West US 3"),
];

/// Refuses regions that do not exist, so that a misspelt one shows before the real cloud sees it.
///
/// # Errors
/// `LocationNotAvailableForResourceType`.
pub(super) fn check_location(new: &Value) -> Result<(), Failure> {
    let location = body::text(new, "location").unwrap_or_default();
    let normal = body::normal_location(location);
    if normal == "global" || LOCATIONS.iter().any(|(name, _)| *name == normal) {
        return Ok(());
    }
    let known: Vec<&str> = LOCATIONS.iter().map(|(name, _)| *name).collect();
    Err(Failure::new(
        400,
        "LocationNotAvailableForResourceType",
        format!(
            "The provided location '{location}' is not available. List of available regions is '{}'.",
            known.join(",")
        ),
    ))
}

/// A location that is the same as before, or absent as before.
///
/// # Errors
/// `InvalidResourceLocation`.
pub(super) fn keep_location(old: Option<&Value>, new: &Value) -> Result<(), Failure> {
    let Some(old) = old else { return Ok(()) };
    let (before, after) = (body::text(old, "location"), body::text(new, "location"));
    if let (Some(before), Some(after)) = (before, after)
        && body::normal_location(before) != body::normal_location(after)
    {
        let name = body::text(old, "name").unwrap_or_default();
        return Err(Failure::new(
            409,
            "InvalidResourceLocation",
            format!(
                "The resource '{name}' already exists in location '{before}'. A resource with the same name cannot be created in location '{after}'. Please select a new resource name."
            ),
        ));
    }
    Ok(())
}
