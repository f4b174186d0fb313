//! What a subscription uses of what it may have in a region (`Usage_List` of Microsoft.Compute, ComputeRP 2024-07-01).

use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::call::Call;
use super::kinds::{CLUSTER_TYPE, POOL_TYPE};
use super::locations::LOCATIONS;
use super::{body, store};

/// The versions of the API that are served.
pub(super) const VERSIONS: &[&str] = &["2024-03-01", "2024-07-01"];

/// What a new subscription gets (Azure docs, "Azure subscription and service limits").
const CORES: u64 = 20;
const MACHINES: u64 = 25_000;

/// `GET /subscriptions/{id}/providers/Microsoft.Compute/locations/{location}/usages`.
pub(super) fn list(call: &Call<'_>, location: &str) -> Result<Answer, Failure> {
    if call.method != http::Method::GET {
        return Err(Failure::method());
    }
    if !LOCATIONS.iter().any(|(name, _)| *name == location) {
        let message =
            format!("No registered resource provider found for location '{location}' and type 'locations/usages'.");
        return Err(Failure::new(400, "NoRegisteredProviderFound", message));
    }
    let (mut cores, mut machines) = (0, 0);
    let here = store::of_type(call.tx, &call.route.subscription, CLUSTER_TYPE)?;
    for (key, _) in here.iter().filter(|(_, cluster)| body::text(cluster, "location") == Some(location)) {
        for (_, pool) in store::children(call.tx, key, POOL_TYPE)? {
            let count = pool.pointer("/properties/count").and_then(Value::as_u64).unwrap_or_default();
            machines += count;
            cores += count * processors(body::text(&pool, "properties.vmSize").unwrap_or_default());
        }
    }
    let usage = |value: &str, words: &str, used: u64, limit: u64| json!({"unit": "Count", "currentValue": used, "limit": limit, "name": {"value": value, "localizedValue": words}});
    Ok(Answer::found(json!({"value": [
        usage("cores", "Total Regional vCPUs", cores, CORES),
        usage("virtualMachines", "Virtual Machines", machines, MACHINES),
    ]})))
}

/// The processors of a size: the number behind its family, `Standard_D2lds_v6` has 2 (Azure docs, "VM naming conventions").
fn processors(size: &str) -> u64 {
    let rest = size.split('_').nth(1).unwrap_or_default().trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}
