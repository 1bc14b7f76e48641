//! Hash maps and sets with a fixed seed. Never iterate one to decide what is written.

/// A hash map with a fixed seed.
pub type FixedMap<K, V> = hashbrown::HashMap<K, V, foldhash::fast::FixedState>;
/// A hash set with a fixed seed.
pub type FixedSet<K> = hashbrown::HashSet<K, foldhash::fast::FixedState>;
