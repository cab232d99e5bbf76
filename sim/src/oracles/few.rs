//! A map of few keys: one for each node, or each of its lives.
//!
//! Names are long and few. To compare them one by one is faster than to search a tree, and oracles
//! look a name up at every message.

/// A map in the order of its keys.
#[derive(Debug)]
pub(super) struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Copy + Ord, V> Few<K, V> {
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.iter_mut().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    pub fn insert(&mut self, key: K, value: V) {
        match self.0.binary_search_by_key(&key, |(known, _)| *known) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (key, value)),
        }
    }

    pub fn remove(&mut self, key: &K) {
        self.0.retain(|(known, _)| known != key);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<K: Copy + Ord, V: Default> Few<K, V> {
    /// The value of `key`, made if there is none.
    pub fn of(&mut self, key: K) -> &mut V {
        let found = self.0.iter().position(|(known, _)| *known == key);
        let at = found.unwrap_or_else(|| {
            let at = self.0.partition_point(|(known, _)| *known < key);
            self.0.insert(at, (key, V::default()));
            at
        });
        &mut self.0[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map_in_the_order_of_its_keys() {
        let mut few = Few::default();
        few.insert(3, "three");
        *few.of(1) = "one";
        few.insert(2, "?");
        few.insert(2, "two");
        assert_eq!(few.iter().collect::<Vec<_>>(), [(&1, &"one"), (&2, &"two"), (&3, &"three")]);
        *few.get_mut(&3).unwrap() = "drei";
        few.remove(&1);
        assert_eq!((few.get(&1), few.get(&3)), (None, Some(&"drei")));
        assert_eq!(*few.of(9), "");
    }
}
