//! Regions of Azure, with the places they are at (Azure docs, "List of Azure regions").

use crate::text::suggest::closest;

/// Names and places of the regions of the public, Chinese and US government clouds.
const REGIONS: &[(&str, &str)] = &[
    ("australiacentral", "canberra"),
    ("australiacentral2", "canberra"),
    ("australiaeast", "sydney newsouthwales"),
    ("australiasoutheast", "melbourne victoria"),
    ("austriaeast", "vienna"),
    ("belgiumcentral", "brussels"),
    ("brazilsouth", "saopaulo"),
    ("brazilsoutheast", "rio riodejaneiro"),
    ("canadacentral", "toronto"),
    ("canadaeast", "quebec quebeccity"),
    ("centralindia", "pune"),
    ("centralus", "iowa"),
    ("chilecentral", "santiago"),
    ("chinaeast", "shanghai"),
    ("chinaeast2", "shanghai"),
    ("chinaeast3", "shanghai"),
    ("chinanorth", "beijing"),
    ("chinanorth2", "beijing"),
    ("chinanorth3", "hebei"),
    ("denmarkeast", "copenhagen"),
    ("eastasia", "hongkong"),
    ("eastus", "virginia"),
    ("eastus2", "virginia"),
    ("eastus3", "atlanta georgia"),
    ("francecentral", "paris"),
    ("francesouth", "marseille"),
    ("germanynorth", "berlin"),
    ("germanywestcentral", "frankfurt"),
    ("indonesiacentral", "jakarta"),
    ("israelcentral", "israel telaviv"),
    ("italynorth", "milan"),
    ("japaneast", "tokyo saitama"),
    ("japanwest", "osaka"),
    ("jioindiacentral", "nagpur"),
    ("jioindiawest", "jamnagar"),
    ("koreacentral", "seoul"),
    ("koreasouth", "busan"),
    ("malaysiawest", "kualalumpur"),
    ("mexicocentral", "queretaro"),
    ("newzealandnorth", "auckland"),
    ("northcentralus", "illinois chicago"),
    ("northeurope", "ireland dublin"),
    ("norwayeast", "oslo"),
    ("norwaywest", "stavanger"),
    ("polandcentral", "warsaw"),
    ("qatarcentral", "doha"),
    ("southafricanorth", "johannesburg"),
    ("southafricawest", "capetown"),
    ("southcentralus", "texas"),
    ("southeastasia", "singapore"),
    ("southindia", "chennai"),
    ("spaincentral", "madrid"),
    ("swedencentral", "gavle stockholm"),
    ("swedensouth", "malmo"),
    ("switzerlandnorth", "zurich"),
    ("switzerlandwest", "geneva"),
    ("uaecentral", "abudhabi"),
    ("uaenorth", "dubai"),
    ("uksouth", "london"),
    ("ukwest", "cardiff"),
    ("usdodcentral", "iowa"),
    ("usdodeast", "virginia"),
    ("usgovarizona", "arizona phoenix"),
    ("usgovtexas", "texas"),
    ("usgovvirginia", "virginia"),
    ("westcentralus", "wyoming"),
    ("westeurope", "netherlands amsterdam"),
    ("westindia", "mumbai"),
    ("westus", "california sanfrancisco"),
    ("westus2", "washington seattle"),
    ("westus3", "phoenix"),
];

/// What a text is, taken as a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Region {
    /// One of the known ones, in any spelling (`East US`).
    Known,
    /// None that is known, with what may be meant. New regions come, so it may be right.
    Unknown(String),
    /// No region can be called so, with what may be meant.
    Malformed(String),
}

/// Judges the name of a region.
pub fn judge(text: &str) -> Region {
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    if REGIONS.iter().any(|(name, _)| *name == plain) {
        return Region::Known;
    }
    let letters: String = plain.chars().filter(char::is_ascii_alphanumeric).collect();
    let swapped = swap(&letters);
    let meant = REGIONS
        .iter()
        .find(|(name, places)| {
            *name == letters || places.split(' ').any(|place| place == letters) || Some(*name) == swapped.as_deref()
        })
        .map(|(name, _)| *name)
        .or_else(|| closest(&letters, REGIONS.iter().map(|(name, _)| *name)));
    let help = match meant {
        Some(name) => format!("did you mean {name}?"),
        None => "`az account list-locations --query \"[].name\" --output tsv` lists the regions".to_owned(),
    };
    let fits = plain.starts_with(|c: char| c.is_ascii_alphabetic()) && plain.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits { Region::Unknown(help) } else { Region::Malformed(help) }
}

/// `useast2` for `eastus2`: other clouds put the continent first.
fn swap(letters: &str) -> Option<String> {
    let digits = letters.len() - letters.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (name, number) = letters.split_at(letters.len() - digits);
    let rest = name.strip_prefix("us").filter(|rest| !rest.is_empty())?;
    let number = if number == "1" { "" } else { number };
    Some(format!("{rest}us{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_with_what_was_meant() {
        for known in ["japaneast", "East US", "eastus2", "UK South"] {
            assert_eq!(judge(known), Region::Known, "{known}");
        }
        let meant = |text: &str| match judge(text) {
            Region::Unknown(help) => format!("unknown, {help}"),
            Region::Malformed(help) => format!("malformed, {help}"),
            Region::Known => "known".to_owned(),
        };
        assert_eq!(meant("tokyo"), "unknown, did you mean japaneast?");
        assert_eq!(meant("japan-east"), "malformed, did you mean japaneast?");
        assert_eq!(meant("us-east-2"), "malformed, did you mean eastus2?");
        assert_eq!(meant("westeurop"), "unknown, did you mean westeurope?");
        assert!(meant("atlantis").starts_with("unknown, `az account list-locations"));
        assert!(meant("é").starts_with("malformed, `az account"));
    }

    #[test]
    fn every_region_is_written_as_azure_writes_it() {
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        assert!(REGIONS.iter().all(|(name, places)| plain(name) && places.split(' ').all(plain)));
        assert!(REGIONS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
