//! What a record says about the making of its object, besides its fields.

use kompox_state::{Record, Stored};
use serde::{Deserialize, Serialize};

/// What the engine keeps in [`Record::baseline`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Baseline {
    /// The run that last wrote the object, so that a resumed plan knows what is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The run that adopted the object but has not changed it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importing: Option<String>,
    /// What changes when the object is deleted and made anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The run that began to change the object and has not seen the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changing: Option<String>,
    /// Nobody saw it become ready: the next plan waits for it again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unready: bool,
}

impl Baseline {
    /// The one of a record. What cannot be read as one (another version wrote it) says nothing.
    pub fn of(record: &Record) -> Self {
        serde_json::from_str(record.baseline.text()).unwrap_or_default()
    }

    /// As a record keeps it.
    pub fn stored(&self) -> Stored {
        // A struct of texts and booleans always serialises.
        serde_json::to_value(self).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_and_what_is_strange_says_nothing() {
        let full = Baseline {
            run: Some("r".into()),
            importing: Some("i".into()),
            uid: Some("u".into()),
            changing: Some("c".into()),
            unready: true,
        };
        for baseline in [full, Baseline::default()] {
            let read: Baseline = serde_json::from_str(baseline.stored().text()).unwrap();
            assert_eq!(read, baseline);
        }
        assert_eq!(Baseline::default().stored().text(), "{}");
        assert_eq!(serde_json::from_str::<Baseline>(r#"{"run": null, "later": 1}"#).unwrap(), Baseline::default());
    }
}
