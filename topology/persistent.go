package topology

import "slices"

// Persistent says that a store of a task lives in the application's database.
func (t *Topology) Persistent() bool {
	return slices.ContainsFunc(t.stores, func(s *store) bool { return !s.global && s.def.Persistent() })
}

// HasGlobalStores says that the topology has global stores.
func (t *Topology) HasGlobalStores() bool {
	return slices.ContainsFunc(t.stores, func(s *store) bool { return s.global })
}
