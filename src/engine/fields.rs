//! The fields of an object: a sorted slice with the manners of a map. Most objects have a handful of fields, and a plan
//! holds many thousand objects: a tree per object would cost several times the memory of its content.

/// Fields by name, in the order of their names.
#[derive(Debug, Clone, PartialEq)]
pub struct Fields<V>(Box<[(Box<str>, V)]>);

impl<V> Default for Fields<V> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<V> Fields<V> {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| name.as_ref().cmp(key))
    }

    /// The value of a field.
    pub fn get(&self, key: &str) -> Option<&V> {
        self.find(key).ok().map(|position| &self.0[position].1)
    }

    /// The value of a field, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.find(key).ok().map(|position| &mut self.0[position].1)
    }

    /// The value of a field, made as the default is (null) if it is not there.
    pub fn entry(&mut self, key: &str) -> &mut V
    where
        V: Default,
    {
        let position = self.find(key).unwrap_or_else(|position| {
            let mut fields = std::mem::take(&mut self.0).into_vec();
            fields.insert(position, (key.into(), V::default()));
            self.0 = fields.into_boxed_slice();
            position
        });
        &mut self.0[position].1
    }

    /// Whether there is a field of this name.
    pub fn contains_key(&self, key: &str) -> bool {
        self.find(key).is_ok()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &V)> {
        self.into_iter()
    }

    /// Their names.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_ref())
    }

    /// Their values.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }
}

impl<K: Into<Box<str>>, V> FromIterator<(K, V)> for Fields<V> {
    /// Of two fields of one name the later wins.
    fn from_iter<T: IntoIterator<Item = (K, V)>>(fields: T) -> Self {
        let mut fields: Vec<(Box<str>, V)> = fields.into_iter().map(|(key, value)| (key.into(), value)).collect();
        if !fields.is_sorted_by(|a, b| a.0 < b.0) {
            // A stable sort keeps the order of equals; reversed, the last one comes first and stays.
            fields.reverse();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            fields.dedup_by(|later, first| later.0 == first.0);
        }
        Self(fields.into_boxed_slice())
    }
}

impl<'a, V> IntoIterator for &'a Fields<V> {
    type Item = (&'a str, &'a V);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (Box<str>, V)>, fn(&'a (Box<str>, V)) -> (&'a str, &'a V)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, value)| (key.as_ref(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::value::Value;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn behaves_as_a_map(pairs in prop::collection::vec(("[a-d]{1,2}", any::<i64>()), 0..20), key in "[a-d]{1,2}") {
            let fields: Fields<Value> = pairs.iter().map(|(key, value)| (key.clone(), Value::from(*value))).collect();
            let map: BTreeMap<String, Value> = pairs.into_iter().map(|(key, value)| (key, Value::from(value))).collect();
            prop_assert!(fields.iter().eq(map.iter().map(|(key, value)| (key.as_str(), value))));
            prop_assert_eq!(fields.get(&key), map.get(&key));
            let mut more = fields.clone();
            *more.entry(&key) = Value::Bool(true);
            prop_assert_eq!(more.get(&key), Some(&Value::Bool(true)));
            prop_assert!(more.keys().is_sorted());
        }
    }
}
