//! From objects to what is known, and on to what is new.

use super::bucket::Bucket;
use super::log::{self, Entry, Name, Summary};
use crate::error::StateError;

/// How often a log is read again that was summed up while it was read.
const LOOKS: usize = 5;

/// Brings what is known up to date. Gives it back whatever happens, and, if the state turns out to be summed up later than
/// what was known, up to where.
pub(super) async fn catch_up(bucket: Bucket, mut known: Summary) -> (Summary, Option<u64>, Result<(), StateError>) {
    let mut summed = None;
    for look in 1..=LOOKS {
        match step(&bucket, &mut known, &mut summed).await {
            Ok(Step::Done) => return (known, summed, Ok(())),
            Ok(Step::Again(what)) if look == LOOKS => {
                let e = StateError::Corrupt { place: bucket.place(), what };
                return (Summary::default(), summed, Err(e));
            }
            Ok(Step::Again(_)) => {}
            Err(e) => return (Summary::default(), summed, Err(e)),
        }
    }
    (known, summed, Ok(()))
}

enum Step {
    Done,
    /// Something is not there that should be, which whoever sums up explains, or damage.
    Again(String),
}

async fn step(bucket: &Bucket, known: &mut Summary, summed: &mut Option<u64>) -> Result<Step, StateError> {
    let after = (known.number > 0).then(|| Name::Entry(known.number).text());
    let names: Vec<Name> =
        bucket.list("log", after.as_deref()).await?.iter().filter_map(|name| Name::parse(name)).collect();
    let newest = names.iter().filter_map(|name| match name {
        Name::Summary(number) => Some(*number),
        Name::Entry(_) => None,
    });
    if let Some(newest) = newest.max().filter(|newest| *newest > known.number) {
        let name = format!("log/{}", Name::Summary(newest).text());
        let Some(bytes) = bucket.get(&name).await? else {
            return Ok(Step::Again(format!("{} is gone", bucket.name(&name))));
        };
        let (summary, _) = log::read::<Summary>(&bytes).map_err(|what| damaged(bucket, &name, &what))?;
        if summary.number != newest {
            return Err(damaged(bucket, &name, "is the summary of another number"));
        }
        *known = summary;
        *summed = Some(newest);
    }
    // What is below a summary was kept for those who might write it again, or written by one of them.
    let mut numbers: Vec<u64> = names
        .into_iter()
        .filter_map(|name| match name {
            Name::Entry(number) if number > known.number => Some(number),
            _ => None,
        })
        .collect();
    numbers.sort_unstable();
    if let Some((number, _)) = (known.number + 1..).zip(&numbers).find(|(expected, number)| expected != *number) {
        return Ok(Step::Again(format!("log entry {number} is missing, and later ones are there")));
    }
    let texts: Vec<String> = numbers.iter().map(|number| format!("log/{}", Name::Entry(*number).text())).collect();
    for (name, bytes) in texts.iter().zip(bucket.get_all(texts.clone()).await?) {
        let Some(bytes) = bytes else { return Ok(Step::Again(format!("{} is gone", bucket.name(name)))) };
        let (entry, digest) = log::read::<Entry>(&bytes).map_err(|what| damaged(bucket, name, &what))?;
        let fits = known.add(&entry, digest);
        fits.map_err(|e| StateError::Corrupt { place: bucket.place(), what: e.to_string() })?;
    }
    Ok(Step::Done)
}

fn damaged(bucket: &Bucket, name: &str, what: &str) -> StateError {
    StateError::Corrupt { place: bucket.place(), what: format!("{} {what}", bucket.name(name)) }
}
