use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

proptest! {
    #[test]
    fn it_is_a_map(steps in prop::collection::vec((0_u8..4, 0_u8..20, 0_u32..100), 0..200)) {
        let (mut flat, mut tree) = (FlatMap::default(), BTreeMap::new());
        for (step, key, value) in steps {
            match step {
                0 | 1 => prop_assert_eq!(flat.insert(key, value), tree.insert(key, value)),
                2 => prop_assert_eq!(flat.remove(&key), tree.remove(&key)),
                _ => {
                    flat.retain(|_, kept| *kept != value);
                    tree.retain(|_, kept| *kept != value);
                }
            }
            prop_assert_eq!(flat.get(&key), tree.get(&key));
            prop_assert_eq!(flat.get_mut(&key), tree.get_mut(&key));
            prop_assert_eq!(flat.contains_key(&key), tree.contains_key(&key));
            prop_assert_eq!(flat.first(), tree.first_key_value());
            prop_assert!(flat.iter().eq(&tree));
            prop_assert!(flat.values().eq(tree.values()));
            prop_assert_eq!((flat.len(), flat.is_empty()), (tree.len(), tree.is_empty()));
        }
    }
}
