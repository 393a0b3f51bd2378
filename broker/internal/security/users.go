package security

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// Users holds the credentials. It is safe for concurrent use.
//
// Users of the configuration come from it at every start and are not kept;
// for a user that has both, the kept credentials count, so that a password that
// was changed at run time stays changed.
type Users struct {
	mu         sync.RWMutex
	kept       map[userKey]Credential
	configured map[userKey]Credential
}

type userKey struct {
	name string
	m    Mechanism
}

// NewUsers makes an empty store.
func NewUsers() *Users {
	return &Users{kept: make(map[userKey]Credential), configured: make(map[userKey]Credential)}
}

// Configure adds a user of the configuration, for both mechanisms.
func (u *Users) Configure(name, password string) error {
	for _, m := range []Mechanism{SCRAMSHA256, SCRAMSHA512} {
		c, err := NewCredential(m, password, DefaultIterations)
		if err != nil {
			return err
		}
		u.mu.Lock()
		u.configured[userKey{name, m}] = c
		u.mu.Unlock()
	}
	return nil
}

// Set puts a credential, after the caller has kept it.
func (u *Users) Set(name string, m Mechanism, c Credential) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.kept[userKey{name, m}] = c
}

// Delete removes a credential that was kept.
func (u *Users) Delete(name string, m Mechanism) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.kept, userKey{name, m})
}

// Kept reports whether a credential is one that can be deleted.
func (u *Users) Kept(name string, m Mechanism) bool {
	u.mu.RLock()
	defer u.mu.RUnlock()
	_, ok := u.kept[userKey{name, m}]
	return ok
}

// Lookup finds a credential.
func (u *Users) Lookup(name string, m Mechanism) (Credential, bool) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if c, ok := u.kept[userKey{name, m}]; ok {
		return c, true
	}
	c, ok := u.configured[userKey{name, m}]
	return c, ok
}

// UserInfo is one credential without its secrets.
type UserInfo struct {
	Name       string
	Mechanism  Mechanism
	Iterations int
}

// List is every credential, by name and mechanism.
func (u *Users) List() []UserInfo {
	u.mu.RLock()
	defer u.mu.RUnlock()
	all := maps.Clone(u.configured)
	maps.Copy(all, u.kept)
	out := make([]UserInfo, 0, len(all))
	for k, c := range all {
		out = append(out, UserInfo{k.name, k.m, c.Iterations})
	}
	slices.SortFunc(out, func(a, b UserInfo) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Mechanism, b.Mechanism))
	})
	return out
}
