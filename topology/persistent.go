package topology

import (
	"slices"

	"github.com/millrace-go/millrace/state"
)

// Persistent says that a store of a task lives in the application's database.
func (t *Topology) Persistent() bool {
	return slices.ContainsFunc(t.stores, func(s *store) bool { return !s.global && s.def.Persistent() })
}

// StoreDefinition is the definition of the store of that name, and whether it is a global one; false if there is none.
func (t *Topology) StoreDefinition(name string) (d state.AnyDefinition, global, ok bool) {
	if s := t.store(name); s != nil {
		return s.def, s.global, true
	}
	return nil, false, false
}

// HasGlobalStores says that the topology has global stores.
func (t *Topology) HasGlobalStores() bool {
	return slices.ContainsFunc(t.stores, func(s *store) bool { return s.global })
}
