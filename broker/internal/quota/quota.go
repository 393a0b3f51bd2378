// Package quota holds the quotas of clients (KIP-13, KIP-546) and says how long one that goes beyond its own has to wait.
//
// Rates of bytes are enforced. Kafka's other quotas can be set and are shown, so that programs that manage them work, but
// nothing here acts on them: shares of request time, changes of topics per second, connections per second of an address.
package quota

//lint:file-ignore ST1005 Clients show these texts as they are: they are Kafka's.

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The keys of quotas that are enforced, and the types of what has quotas.
const (
	ProducerBytes = "producer_byte_rate"
	ConsumerBytes = "consumer_byte_rate"

	User     = "user"
	ClientID = "client-id"
	IP       = "ip"
)

// keys are the quotas that there are, and whether they are whole numbers.
var (
	clientKeys  = map[string]bool{ProducerBytes: true, ConsumerBytes: true, "request_percentage": false, "controller_mutation_rate": false}
	addressKeys = map[string]bool{"connection_creation_rate": true}
)

// Default is the name of whatever has no quota of its own. It is no name that a client can have.
const Default = "\x00"

// MaxEntities bounds how many entities can have quotas.
const MaxEntities = 10_000

// Entity is what has quotas: names, or Default, by type; a missing type is empty.
type Entity struct{ User, ClientID, IP string }

// Part returns the name for a type of entity.
func (e Entity) Part(kind string) string {
	switch kind {
	case User:
		return e.User
	case ClientID:
		return e.ClientID
	case IP:
		return e.IP
	}
	return ""
}

// String names the entity as Kafka's tools do, "user=alice,client-id=<default>".
func (e Entity) String() string {
	var parts []string
	for _, kind := range []string{User, ClientID, IP} {
		switch name := e.Part(kind); name {
		case "":
		case Default:
			parts = append(parts, kind+"=<default>")
		default:
			parts = append(parts, kind+"="+name)
		}
	}
	return strings.Join(parts, ",")
}

// NewEntity checks and makes an entity of a pair of type and name; a nil name is the default.
func NewEntity(pairs [][2]*string) (Entity, error) {
	var e Entity
	for _, p := range pairs {
		name := Default
		if p[1] != nil {
			name = *p[1]
		}
		if name == "" || p[1] != nil && name == Default {
			return e, fmt.Errorf("Empty %s not supported", *p[0])
		}
		switch *p[0] {
		case User:
			e.User = name
		case ClientID:
			e.ClientID = name
		case IP:
			if p[1] != nil {
				if _, err := netip.ParseAddr(name); err != nil {
					return e, fmt.Errorf("%s is not a valid IP address", name)
				}
			}
			e.IP = name
		default:
			return e, fmt.Errorf("Unhandled client quota entity type: %s", *p[0])
		}
	}
	switch {
	case e == Entity{}:
		return e, fmt.Errorf("Invalid empty client quota entity")
	case e.IP != "" && (e.User != "" || e.ClientID != ""):
		return e, fmt.Errorf("Invalid quota entity combination, IP entity should not be combined with User or ClientId")
	}
	return e, nil
}

// Values are the quotas of an entity by their keys.
type Values map[string]float64

// Check reports why an entity cannot have this quota.
func Check(e Entity, key string, value float64) error {
	keys := clientKeys
	if e.IP != "" {
		keys = addressKeys
	}
	whole, ok := keys[key]
	switch {
	case !ok:
		return fmt.Errorf("Invalid configuration key %s", key)
	case !(value > 0) || math.IsInf(value, 0):
		return fmt.Errorf("Quota %s must be greater than 0", key)
	case whole && value != math.Trunc(value):
		return fmt.Errorf("%s cannot be a fractional value.", key)
	}
	return nil
}

// Known reports whether there are quotas with this key, for this entity.
func Known(e Entity, key string) bool { return Check(e, key, 1) == nil }

// Set is all the quotas. Its methods may be called from any goroutine.
type Set struct {
	mu  sync.Mutex
	all map[Entity]Values // values are replaced, never changed

	bytes   atomic.Bool // somebody's rate of bytes is limited
	buckets map[bucketKey]*bucket
}

// NewSet returns an empty set.
func NewSet() *Set { return &Set{all: map[Entity]Values{}, buckets: map[bucketKey]*bucket{}} }

// Get returns the quotas of an entity. They must not be changed.
func (s *Set) Get(e Entity) Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[e]
}

// Put replaces the quotas of an entity. The caller has kept them.
func (s *Set) Put(e Entity, v Values) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(v) == 0 {
		delete(s.all, e)
	} else {
		s.all[e] = v
	}
	limited := false
	for _, v := range s.all {
		limited = limited || v[ProducerBytes] > 0 || v[ConsumerBytes] > 0
	}
	s.bytes.Store(limited)
	clear(s.buckets) // they may belong to other quotas now
}

// Len is how many entities have quotas.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// All returns the entities in a fixed order.
func (s *Set) All() []Entity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.all), func(a, b Entity) int {
		return strings.Compare(string(Key(a)), string(Key(b)))
	})
}

// Key is the entity as the key of a row, Value the quotas as its value.
func Key(e Entity) []byte {
	k, _ := json.Marshal([]string{e.User, e.ClientID, e.IP}) // strings can always be encoded
	return k
}

// Value encodes quotas.
func Value(v Values) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode quotas: %w", err)
	}
	return b, nil
}

// Load takes in a row that was kept.
func (s *Set) Load(key, value []byte) error {
	var parts [3]string
	var v Values
	if err := json.Unmarshal(key, &parts); err != nil {
		return fmt.Errorf("quota entity: %w", err)
	}
	if err := json.Unmarshal(value, &v); err != nil {
		return fmt.Errorf("quotas of an entity: %w", err)
	}
	s.Put(Entity{parts[0], parts[1], parts[2]}, v)
	return nil
}

// precedence lists what can be an entity of a client, the most exact first (KIP-55).
func precedence(user, client string) [8]Entity {
	return [8]Entity{
		{User: user, ClientID: client}, {User: user, ClientID: Default}, {User: user},
		{User: Default, ClientID: client}, {User: Default, ClientID: Default}, {User: Default},
		{ClientID: client}, {ClientID: Default},
	}
}

// bucketKey is who shares a quota: one user, one client or one client of one user.
type bucketKey struct{ key, user, client string }

// bucket counts what a client is ahead of its rate.
type bucket struct {
	ahead float64 // bytes
	at    time.Time
}

// burst is how much a client may be ahead of its rate before it waits.
const burst = time.Second

// maxBuckets bounds the clients that are counted; beyond it all start anew.
const maxBuckets = 10_000

// Limited reports whether anybody's rate of bytes is limited.
func (s *Set) Limited() bool { return s.bytes.Load() }

// Charge counts bytes of a client and returns how long it has to wait before it sends the next request. key is
// ProducerBytes or ConsumerBytes.
func (s *Set) Charge(key, user, client string, bytes int, now time.Time) time.Duration {
	if bytes == 0 || !s.bytes.Load() {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range precedence(user, client) {
		rate := s.all[e][key]
		if rate == 0 {
			continue
		}
		k := bucketKey{key: key}
		if e.User != "" {
			k.user = user
		}
		if e.ClientID != "" {
			k.client = client
		}
		b := s.buckets[k]
		if b == nil {
			if len(s.buckets) >= maxBuckets {
				clear(s.buckets)
			}
			b = &bucket{at: now}
			s.buckets[k] = b
		}
		b.ahead = max(0, b.ahead-rate*now.Sub(b.at).Seconds()) + float64(bytes)
		b.at = now
		return max(0, time.Duration(b.ahead/rate*float64(time.Second))-burst)
	}
	return 0
}
