//! What disks, storage accounts and shares of each SKU can be. Pure.

use crate::kom::model::Located;
use crate::text::suggest::closest;

/// SKUs of disks (`resources.md`, row "disk").
pub(super) const DISK_SKUS: [&str; 7] = [
    "Standard_LRS",
    "Premium_LRS",
    "StandardSSD_LRS",
    "UltraSSD_LRS",
    "Premium_ZRS",
    "StandardSSD_ZRS",
    "PremiumV2_LRS",
];

/// SKUs of accounts that hold shares.
pub const ACCOUNT_SKUS: [&str; 8] = [
    "Standard_LRS",
    "Standard_ZRS",
    "Standard_GRS",
    "Standard_GZRS",
    "Standard_RAGRS",
    "Standard_RAGZRS",
    "Premium_LRS",
    "Premium_ZRS",
];

/// What is wrong, and what to do.
pub type Finding = (String, String);

/// The SKU of that name, as Azure spells it.
///
/// # Errors
/// There is none.
pub fn sku(what: &str, known: &[&'static str], written: &str) -> Result<&'static str, Finding> {
    if let Some(sku) = known.iter().find(|sku| sku.eq_ignore_ascii_case(written)) {
        return Ok(sku);
    }
    let all = format!("one of {}", known.join(", "));
    let help = match closest(written, known.iter().copied()) {
        Some(near) => format!("did you mean {near}? It is {all}"),
        None => all,
    };
    Err((format!("\"{written}\" is no SKU of {what}"), help))
}

/// Whether a disk of the SKU is in all zones at once.
pub fn is_zone_redundant(sku: &str) -> bool {
    sku.to_ascii_uppercase().ends_with("_ZRS")
}

/// Whether a disk of the SKU cannot be attached with a host cache, which is the CSI driver's default
/// (`NormalizeCachingMode` of kubernetes-sigs/azuredisk-csi-driver; "Limitations" of both in
/// <https://learn.microsoft.com/azure/virtual-machines/disks-types>).
pub fn is_without_cache(sku: &str) -> bool {
    ["UltraSSD_LRS", "PremiumV2_LRS"].iter().any(|own| own.eq_ignore_ascii_case(sku))
}

/// The kind of a storage account with shares: premium ones have a kind of their own, and nothing but shares
/// (<https://learn.microsoft.com/azure/storage/common/storage-account-overview>).
pub fn account_kind(sku: &str) -> &'static str {
    if is_premium(sku) { "FileStorage" } else { "StorageV2" }
}

fn is_premium(sku: &str) -> bool {
    sku.to_ascii_lowercase().starts_with("premium")
}

/// The quota of a share, in GiB (<https://learn.microsoft.com/azure/storage/files/storage-files-scale-targets>).
///
/// # Errors
/// Shares of the account's SKU are larger, or smaller.
pub fn check_quota(sku: &str, gib: u64) -> Result<(), Finding> {
    let least = if is_premium(sku) { 100 } else { 1 };
    if (least..=102_400).contains(&gib) {
        return Ok(());
    }
    Err((
        format!("the share has {gib} GiB; one in an account of the SKU {sku} has from {least} to 102400"),
        format!("write size: {least}Gi or more, or another sku"),
    ))
}

/// Size and performance of a disk (<https://learn.microsoft.com/azure/virtual-machines/disks-types>).
pub fn check_disk(sku: &str, gib: u64, iops: Option<u64>, mbps: Option<u64>) -> Vec<Finding> {
    let mut found = Vec::new();
    let own = DISK_SKUS.iter().find(|known| known.eq_ignore_ascii_case(sku)).copied().unwrap_or_default();
    let (largest, iops_range, mbps_range) = match own {
        "UltraSSD_LRS" => (65_536, Some((100, gib.saturating_mul(1000).clamp(300, 400_000))), Some((1, 10_000))),
        "PremiumV2_LRS" => (65_536, Some((3000, gib.saturating_mul(500).clamp(3000, 80_000))), Some((125, 1200))),
        _ => (32_767, None, None),
    };
    if gib == 0 || gib > largest {
        found.push((
            format!("the disk has {gib} GiB; one of the SKU {sku} has from 1 to {largest}"),
            "write another size".to_owned(),
        ));
    }
    for (key, value, range) in [("iops", iops, iops_range), ("mbps", mbps, mbps_range)] {
        match (value, range) {
            (Some(_), None) => found.push((
                format!("{key} cannot be chosen for a disk of the SKU {sku}: it follows from the size"),
                format!("take {key} out, or use UltraSSD_LRS or PremiumV2_LRS"),
            )),
            (Some(value), Some((low, high))) if !(low..=high).contains(&value) => found.push((
                format!("{key} is {value}; a disk of the SKU {sku} with {gib} GiB has from {low} to {high}"),
                "write a number in that range, or another size".to_owned(),
            )),
            _ => {}
        }
    }
    found
}

/// Whether a text can name a storage account: 3 to 24 small letters and digits.
///
/// # Errors
/// It cannot.
pub fn check_account_name(name: &Located<String>) -> Result<(), Finding> {
    let fits = (3..=24).contains(&name.value.len())
        && name.value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if fits {
        return Ok(());
    }
    Err((
        format!("\"{}\" cannot name a storage account", name.value),
        "3 to 24 small letters and digits, and no other account in the world may have it".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skus_are_told_with_what_was_meant() {
        assert_eq!(sku("a disk", &DISK_SKUS, "premium_lrs"), Ok("Premium_LRS"));
        let (message, help) = sku("a storage account", &ACCOUNT_SKUS, "Standard_FOO").unwrap_err();
        assert_eq!(message, "\"Standard_FOO\" is no SKU of a storage account");
        assert!(help.starts_with("did you mean Standard_"), "{help}");
        assert!(sku("a storage account", &ACCOUNT_SKUS, "UltraSSD_LRS").is_err());
    }

    #[test]
    fn sizes_and_performance_have_limits() {
        assert_eq!(check_disk("Premium_LRS", 32_767, None, None), []);
        for (sku, gib, iops, mbps, says) in [
            ("Premium_LRS", 32_768, None, None, "from 1 to 32767"),
            ("StandardSSD_ZRS", 10, Some(500), None, "iops cannot be chosen"),
            ("premiumv2_lrs", 10, Some(2999), None, "from 3000 to 5000"),
            ("PremiumV2_LRS", 10, Some(5001), None, "from 3000 to 5000"),
            ("PremiumV2_LRS", 10, None, Some(1201), "from 125 to 1200"),
            ("UltraSSD_LRS", 1000, Some(400_001), None, "from 100 to 400000"),
            ("UltraSSD_LRS", 65_537, None, None, "from 1 to 65536"),
        ] {
            let found = check_disk(sku, gib, iops, mbps);
            assert!(found.len() == 1 && found[0].0.contains(says), "{sku}: {found:?}");
        }
        assert_eq!(check_disk("PremiumV2_LRS", 4, Some(3000), Some(125)), []);
        assert_eq!(check_disk("UltraSSD_LRS", 4, Some(1200), Some(10)), []);
    }

    #[test]
    fn premium_shares_are_large_and_in_an_account_of_their_own_kind() {
        assert_eq!((account_kind("premium_zrs"), account_kind("Standard_GZRS")), ("FileStorage", "StorageV2"));
        assert!(check_quota("Premium_LRS", 99).unwrap_err().0.contains("from 100 to"));
        assert!(check_quota("Premium_LRS", 100).is_ok() && check_quota("Standard_LRS", 1).is_ok());
        assert!(check_quota("Standard_LRS", 102_401).is_err());
    }
}
