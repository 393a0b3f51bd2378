package statetest

import (
	"math/rand/v2"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
)

// T is what a test of testing or of rapid offers.
type T interface {
	require.TestingT
	Helper()
}

// Setup says what stores stand on.
type Setup struct {
	Name   string
	DB     bool  // on a database, on a file system in memory
	Memory int64 // its budget
	Cache  int64 // bytes of the record cache
}

// Setups are the ones that every store is tested on.
func Setups() []Setup {
	return []Setup{
		{Name: "memory"},
		{Name: "memory, cached", Cache: 1 << 20},
		{Name: "memory, tiny cache", Cache: 300},
		{Name: "database", DB: true},
		{Name: "database, cached", DB: true, Cache: 1 << 20},
		{Name: "database, tiny memory and cache", DB: true, Memory: 1 << 10, Cache: 300},
	}
}

// Rig runs the stores of one task as a runtime would: it keeps their changelogs, commits, crashes and restores.
type Rig struct {
	T      T
	Setup  Setup
	Record *state.RecordContext
	Stores *state.Stores
	DB     *state.DB
	Logs   map[string]*Log
	Drops  int

	defs []state.AnyDefinition
	fs   *vfs.MemFS
	rng  *rand.Rand
}

// Log is a changelog.
type Log struct{ Records []state.Restored }

// Log implements state.Changelog.
func (l *Log) Log(r state.LogRecord) error {
	rec := state.Restored{Key: append([]byte{}, r.Key...), Offset: int64(len(l.Records)), Time: r.Time, Headers: r.Headers}
	if !r.Tombstone {
		rec.Value = append([]byte{}, r.Value...)
	}
	l.Records = append(l.Records, rec)
	return nil
}

// NewRig opens stores.
func NewRig(t T, s Setup, seed uint64, defs ...state.AnyDefinition) *Rig {
	r := &Rig{T: t, Setup: s, Record: &state.RecordContext{Topic: "in"}, Logs: map[string]*Log{}, defs: defs, fs: vfs.NewCrashableMem(),
		rng: rand.New(rand.NewPCG(seed, 0))}
	for _, d := range defs {
		r.Logs[d.Name()] = &Log{}
	}
	r.openDB()
	r.Open()
	return r
}

func (r *Rig) openDB() {
	if !r.Setup.DB {
		return
	}
	var err error
	r.DB, err = state.OpenDB("stores", state.DBOptions{FS: r.fs, Memory: max(r.Setup.Memory, 1<<20)})
	require.NoError(r.T, err)
}

// Open opens the stores and restores what is missing.
func (r *Rig) Open() {
	r.T.Helper()
	env := state.Env{DB: r.DB, Record: r.Record, Dropped: func(string, string) { r.Drops++ }}
	env.Changelog = func(store string) state.Changelog { return r.Logs[store] }
	if r.Setup.Cache > 0 {
		env.Cache = state.NewCache(r.Setup.Cache)
	}
	var err error
	r.Stores, err = state.Open(env, r.defs)
	require.NoError(r.T, err)
	for _, d := range r.defs {
		r.restore(d.Name())
	}
}

// restore brings a store to the end of its changelog, in batches of random size.
func (r *Rig) restore(store string) {
	log := r.Logs[store].Records
	at := int64(0)
	if p, ok := r.Stores.Position(store); ok {
		at = p.Next
	}
	require.LessOrEqual(r.T, at, int64(len(log)), "a store is ahead of its changelog")
	for at < int64(len(log)) {
		n := min(at+1+r.rng.Int64N(40), int64(len(log)))
		require.NoError(r.T, r.Stores.Restore(store, log[at:n], state.Position{Next: n}))
		at = n
	}
}

// Flush is the first step of a commit.
func (r *Rig) Flush() { require.NoError(r.T, r.Stores.Flush()) }

// Commit flushes and applies.
func (r *Rig) Commit() {
	r.T.Helper()
	r.Flush()
	positions := map[string]state.Position{}
	for name, log := range r.Logs {
		positions[name] = state.Position{Next: int64(len(log.Records))}
	}
	b := r.DB.NewBatch()
	require.NoError(r.T, r.Stores.Apply(b, positions))
	require.NoError(r.T, b.Commit())
	require.Zero(r.T, r.Stores.Pending())
}

// Evict is what happens between records.
func (r *Rig) Evict() { require.NoError(r.T, r.Stores.EvictCaches()) }

// Reopen closes the stores and opens them again. What was not flushed from a cache is lost.
func (r *Rig) Reopen() {
	require.NoError(r.T, r.Stores.Close())
	r.Open()
}

// Reset rebuilds the stores from the beginning of their changelogs, under the feet of those who hold them.
func (r *Rig) Reset() {
	for _, d := range r.defs {
		require.NoError(r.T, r.Stores.Reset(d.Name()))
		_, ok := r.Stores.Position(d.Name())
		require.False(r.T, ok)
		require.Empty(r.T, r.Dump(d.Name()))
		r.restore(d.Name())
	}
}

// Crash ends the process: what the file system had not synced is lost or not, as it comes.
func (r *Rig) Crash() {
	r.T.Helper()
	if r.DB == nil {
		r.Reopen()
		return
	}
	crashed := r.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.rng.IntN(101), RNG: rand.New(rand.NewPCG(r.rng.Uint64(), 0))})
	require.NoError(r.T, r.Stores.Close())
	require.NoError(r.T, r.DB.Close())
	r.fs = crashed
	r.openDB()
	r.Open()
}

// FlushDB makes what is applied survive a crash.
func (r *Rig) FlushDB() {
	if r.DB != nil {
		require.NoError(r.T, r.DB.Flush())
	}
}

// Close ends the test.
func (r *Rig) Close() {
	require.NoError(r.T, r.Stores.Close())
	if r.DB != nil {
		require.NoError(r.T, r.DB.Close())
	}
}

// Dump is a store's listing as comparable rows.
func (r *Rig) Dump(store string) (out [][]any) {
	rows, ok := r.Stores.Dump(store)
	require.True(r.T, ok)
	for row := range rows {
		for i, v := range row {
			if b, ok := v.([]byte); ok {
				row[i] = string(b)
			}
		}
		out = append(out, slices.Clone(row))
	}
	return out
}

// Text is the serde of the suite's stores.
var Text serde.Serde[string] = serde.String
