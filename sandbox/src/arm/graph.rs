//! Azure Resource Graph: `Resources` with a query of the form that the engine sends. Every other query is refused rather
//! than answered wrongly.

use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::call::Call;
use super::{body, store};

/// Versions of the published interface.
pub(super) const VERSIONS: &[&str] = &["2021-03-01", "2022-10-01"];

/// Rows of one answer.
const MOST: usize = 1000;

/// A condition on a row.
enum Condition {
    Type(String),
    Name(Vec<String>),
}

/// `POST /providers/Microsoft.ResourceGraph/resources`.
pub(super) fn query(call: &Call<'_>) -> Result<Answer, Failure> {
    let request: Value = serde_json::from_slice(&call.body)?;
    let text = request.get("query").and_then(Value::as_str).unwrap_or_default();
    let conditions = conditions(text).ok_or_else(|| {
        Failure::new(400, "BadRequest", format!("InvalidQuery: the sandbox does not understand the query '{text}'."))
    })?;
    let fits = |kind: &str, name: &str| {
        conditions.iter().all(|condition| match condition {
            Condition::Type(wanted) => kind.eq_ignore_ascii_case(wanted),
            Condition::Name(names) => names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)),
        })
    };
    let rows: Vec<Value> = store::everything(call.tx)?
        .into_iter()
        .filter_map(|(_, kind, object)| {
            let name = body::text(&object, "name")?.to_owned();
            fits(&kind, &name).then(|| json!({"id": object["id"], "name": name}))
        })
        .take(MOST)
        .collect();
    Ok(Answer::found(json!({
        "totalRecords": rows.len(),
        "count": rows.len(),
        "resultTruncated": "false",
        "data": rows,
    })))
}

/// The conditions of `resources | where type =~ '…' | where name in~ ('…', …) | project id, name`.
fn conditions(query: &str) -> Option<Vec<Condition>> {
    let mut steps = query.split('|').map(str::trim);
    steps.next().filter(|table| table.eq_ignore_ascii_case("resources"))?;
    let quoted = |text: &str| -> Option<String> {
        let inner = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        (!inner.contains('\'')).then(|| inner.to_owned())
    };
    let mut found = Vec::new();
    for step in steps {
        if step == "project id, name" {
            continue;
        }
        let condition = step.strip_prefix("where ")?.trim();
        found.push(if let Some(kind) = condition.strip_prefix("type =~ ") {
            Condition::Type(quoted(kind)?)
        } else if let Some(name) = condition.strip_prefix("name =~ ") {
            Condition::Name(vec![quoted(name)?])
        } else {
            let names = condition.strip_prefix("name in~ ")?.trim().strip_prefix('(')?.strip_suffix(')')?;
            Condition::Name(names.split(',').map(quoted).collect::<Option<_>>()?)
        });
    }
    Some(found)
}
