//! A map with hardly ever more than one entry: the requests and responses that a window holds.
//!
//! A node of `BTreeMap` has room for eleven entries, which for a window of one would be most of the memory of an idle
//! IKE SA. The methods are `BTreeMap`'s and take time in proportion to the number of entries, which the windows of both
//! sides bound.

/// Values by number, in order of their numbers.
#[derive(Clone, Debug)]
pub(crate) struct Few<V>(Vec<(u32, V)>);

impl<V> Few<V> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains_key(&self, number: u32) -> bool {
        self.get(number).is_some()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&V> {
        self.0.iter().find(|(other, _)| *other == number).map(|(_, value)| value)
    }

    /// Puts a value in and returns the one that it replaces.
    pub(crate) fn insert(&mut self, number: u32, value: V) -> Option<V> {
        let place = self.0.partition_point(|(other, _)| *other < number);
        if let Some((other, old)) = self.0.get_mut(place)
            && *other == number
        {
            return Some(std::mem::replace(old, value));
        }
        self.0.reserve_exact(1);
        self.0.insert(place, (number, value));
        None
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<V> {
        let place = self.0.iter().position(|(other, _)| *other == number)?;
        Some(self.0.remove(place).1)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Cuts off the values from `number` on.
    pub(crate) fn split_off(&mut self, number: u32) -> Self {
        let place = self.0.partition_point(|(other, _)| *other < number);
        Self(if place == 0 { std::mem::take(&mut self.0) } else { self.0.split_off(place) })
    }

    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = &u32> {
        self.0.iter().map(|(number, _)| number)
    }

    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&u32, &mut V)> {
        self.0.iter_mut().map(|(number, value)| (&*number, value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What the two maps have in common, told apart by the first number.
    fn apply(few: &mut Few<u8>, model: &mut BTreeMap<u32, u8>, (what, number, value): (u8, u32, u8)) {
        match what {
            0 => assert_eq!(few.insert(number, value), model.insert(number, value)),
            1 => assert_eq!(few.remove(number), model.remove(&number)),
            2 => {
                *few = few.split_off(number);
                *model = model.split_off(&number);
            }
            3 => {
                few.iter_mut().for_each(|(number, value)| *value ^= u8::from(number % 2 == 0));
                for (number, value) in model.iter_mut() {
                    *value ^= u8::from(number % 2 == 0);
                }
            }
            _ => {
                few.clear();
                model.clear();
            }
        }
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_tree_map(script in prop::collection::vec((0..5_u8, 0..6_u32, any::<u8>()), 0..40)) {
            let (mut few, mut model) = (Few::new(), BTreeMap::new());
            for step in script {
                apply(&mut few, &mut model, step);
                prop_assert!(few.keys().eq(model.keys()) && few.values().eq(model.values()));
                prop_assert_eq!((few.len(), few.is_empty()), (model.len(), model.is_empty()));
                prop_assert!((0..6).all(|number| few.get(number) == model.get(&number)));
                prop_assert!((0..6).all(|number| few.contains_key(number) == model.contains_key(&number)));
            }
        }

        #[test]
        fn what_is_cut_off_and_what_is_left_are_the_whole(numbers in prop::collection::btree_set(0..9_u32, 0..6), at in 0..9_u32) {
            let mut few = Few::new();
            for number in &numbers {
                few.insert(*number, ());
            }
            let cut = few.split_off(at);
            prop_assert!(few.keys().all(|number| *number < at) && cut.keys().all(|number| *number >= at));
            prop_assert!(few.keys().chain(cut.keys()).eq(&numbers));
        }
    }
}
