package state

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
)

// faultLog collects what OnFault hears.
type faultLog struct {
	mu   sync.Mutex
	errs []error
}

func (f *faultLog) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *faultLog) all() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]error{}, f.errs...)
}

func openDB(t *testing.T, o DBOptions) *DB {
	db, err := OpenDB("stores", o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func openStores(t *testing.T, db *DB, partition int32, defs ...AnyDefinition) *Stores {
	s, err := Open(Env{DB: db, Partition: partition, Record: &RecordContext{}}, defs)
	require.NoError(t, err)
	return s
}

// applyAt commits a position for all stores.
func applyAt(t *testing.T, db *DB, s *Stores, next int64) {
	positions := map[string]Position{}
	for _, name := range s.Names() {
		positions[name] = Position{Next: next, Topic: [16]byte{1}, Applied: 5}
	}
	b := db.NewBatch()
	require.NoError(t, s.Apply(b, positions))
	require.NoError(t, b.Commit())
}

func kvDef(name string) Definition[KeyValueStore[string, string]] {
	return KeyValue(name, serde.String, serde.String)
}

func kvOf(s *Stores, name string) KeyValueStore[string, string] {
	return s.Get(name).(KeyValueStore[string, string])
}

func get(t *testing.T, s *Stores, name, key string) string {
	v, ok, err := kvOf(s, name).Get(key)
	require.NoError(t, err)
	if !ok {
		return "absent"
	}
	return v
}

func TestDBReopened(t *testing.T) {
	fs := vfs.NewMem()
	db := openDB(t, DBOptions{FS: fs})
	s := openStores(t, db, 3, kvDef("a"), kvDef("b"))
	_, ok := s.Position("a")
	require.False(t, ok, "an empty store has no position")
	require.NoError(t, kvOf(s, "a").Put("k", "in a"))
	require.Positive(t, s.Pending())
	applyAt(t, db, s, 7)
	require.Zero(t, s.Pending())
	require.NoError(t, kvOf(s, "a").Put("k", "not applied"))
	bytes, since := db.Unflushed()
	require.Positive(t, bytes)
	require.Equal(t, bytes, db.Stats().UnflushedBytes)
	require.Positive(t, db.Stats().DiskBytes)
	require.False(t, db.Stats().Behind())
	require.False(t, since.IsZero())
	require.NoError(t, s.Close())
	require.NoError(t, db.Flush())
	bytes, since = db.Unflushed()
	require.Zero(t, bytes)
	require.True(t, since.IsZero())
	require.NoError(t, db.Close())
	require.NoError(t, db.Close(), "twice is once")

	db = openDB(t, DBOptions{FS: fs})
	parts, err := db.Partitions()
	require.NoError(t, err)
	require.ElementsMatch(t, []StorePartition{{"a", 3}, {"b", 3}}, parts)
	s = openStores(t, db, 3, kvDef("b"), kvDef("a"))
	require.Equal(t, "in a", get(t, s, "a", "k"))
	require.Equal(t, "absent", get(t, s, "b", "k"))
	p, ok := s.Position("a")
	require.True(t, ok)
	require.Equal(t, Position{Next: 7, Topic: [16]byte{1}, Applied: 5}, p)
	require.NoError(t, s.Reset("a"))
	_, ok = s.Position("a")
	require.False(t, ok)
	require.Equal(t, "absent", get(t, s, "a", "k"))
	require.NoError(t, s.Close())

	require.NoError(t, db.DropPartition("b", 3))
	require.NoError(t, db.DropStore("b"))
	parts, err = db.Partitions()
	require.NoError(t, err)
	require.Empty(t, parts)
}

// A store whose rows are laid out in another way than they were is rebuilt, not read wrong.
func TestDBStoreOfAnotherKind(t *testing.T) {
	db := openDB(t, DBOptions{FS: vfs.NewMem()})
	s := openStores(t, db, 0, kvDef("a"))
	require.NoError(t, kvOf(s, "a").Put("k", "v"))
	applyAt(t, db, s, 1)
	require.NoError(t, s.Close())
	another := openStores(t, db, 0, TimestampedKeyValue("a", serde.String, serde.String)) // rows of another layout are dropped
	_, ok := another.Position("a")
	require.False(t, ok)
	rows, _ := another.Dump("a")
	for row := range rows {
		t.Fatal("found", row)
	}
	applyAt(t, db, another, 1)
	require.NoError(t, another.Close())
	for _, d := range []AnyDefinition{
		Window("a", serde.String, serde.String, time.Second, time.Minute),
		Session("a", serde.String, serde.String, time.Hour),
		Versioned("a", serde.String, serde.String, time.Hour),
	} {
		_, err := Open(Env{DB: db, Record: &RecordContext{}}, []AnyDefinition{d})
		require.ErrorIs(t, err, ErrOtherKind) // its changelog would be read as what it is not
		require.ErrorContains(t, err, "store a: it was another kind of store: give it another name, or reset the application and delete its state directory: a key-value store, not a ")
	}
	again := openStores(t, db, 0, TimestampedKeyValue("a", serde.String, serde.String))
	_, ok = again.Position("a")
	require.True(t, ok)
	require.NoError(t, again.Close())
}

func TestDBOfAnotherFormatIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	db := openDB(t, DBOptions{FS: fs})
	require.NoError(t, db.p.Set(systemKey(systemFormat, ""), []byte{0, 0, 0, 99}, pebble.NoSync))
	require.NoError(t, db.Flush())
	require.NoError(t, db.Close())
	_, err := OpenDB("stores", DBOptions{FS: fs})
	require.ErrorContains(t, err, "format")
}

// A damaged partition is told of, emptied when it is opened again, and nothing else is touched.
func TestDBDamage(t *testing.T) {
	t.Run("met by a read", func(t *testing.T) { testDamage(t, false) })
	t.Run("met by a compaction", func(t *testing.T) { testDamage(t, true) })
}

func testDamage(t *testing.T, compact bool) {
	dir := t.TempDir()
	fill := func(db *DB, partition int32, store, v string) {
		s := openStores(t, db, partition, kvDef(store))
		for i := range 2000 {
			require.NoError(t, kvOf(s, store).Put(fmt.Sprintf("%04d", i), v+strings.Repeat("x", 100)))
		}
		applyAt(t, db, s, 2000)
		require.NoError(t, s.Close())
	}
	db, err := OpenDB(dir, DBOptions{})
	require.NoError(t, err)
	fill(db, 0, "a", "a0")
	fill(db, 1, "a", "a1")
	fill(db, 0, "b", "b0")
	require.NoError(t, db.Flush())
	require.NoError(t, db.p.Compact(t.Context(), storePrefix(0), storePrefix(1<<31), false)) // one file
	require.NoError(t, db.Close())
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	largest := slices.MaxFunc(tables, func(a, b string) int { return cmp.Compare(size(t, a), size(t, b)) })
	flip(t, largest, 0.5) // in the middle: store a, partition 1

	faults := &faultLog{}
	db, err = OpenDB(dir, DBOptions{OnFault: faults.add})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	read := func(partition int32, store string) error {
		s := openStores(t, db, partition, kvDef(store))
		defer func() { require.NoError(t, s.Close()) }()
		for i := range 2000 {
			if _, _, err := kvOf(s, store).Get(fmt.Sprintf("%04d", i)); err != nil {
				return err
			}
		}
		for _, err := range kvOf(s, store).All() {
			if err != nil {
				return err
			}
		}
		return nil
	}
	if !compact {
		require.NoError(t, read(0, "a"))
		require.NoError(t, read(0, "b"))
	}
	var damaged *DamagedError
	if compact { // nobody reads, but a compaction meets the file
		fill(db, 0, "a", "a0") // something to merge
		require.NoError(t, db.Flush())
		s := openStores(t, db, 1, kvDef("a"))
		require.Eventually(t, func() bool { // what is damaged is searched beside the compaction that has met it
			_ = db.p.Compact(t.Context(), storePrefix(0), storePrefix(1<<31), false)
			return len(faults.all()) > 0
		}, time.Minute, 10*time.Millisecond, "no compaction has met the damage")
		db.searching.Lock() // once the search is done
		defer db.searching.Unlock()
		err := s.Apply(db.NewBatch(), nil)
		require.ErrorAs(t, err, &damaged)
		require.NoError(t, s.Close())
	} else {
		require.ErrorAs(t, read(1, "a"), &damaged)
	}
	require.Equal(t, "a", damaged.Store)
	require.EqualValues(t, 1, damaged.Partition)
	require.NotEmpty(t, faults.all())

	s := openStores(t, db, 1, kvDef("a"))
	_, ok := s.Position("a")
	require.False(t, ok, "it has to be restored from the beginning")
	require.NoError(t, s.Close())
	fill(db, 1, "a", "new")
	require.NoError(t, db.Flush())
	known := len(faults.all())
	require.NoError(t, db.p.Compact(t.Context(), storePrefix(0), storePrefix(1<<31), false), "the damaged file is gone")
	require.NoError(t, read(1, "a"))
	require.NoError(t, read(0, "a"))
	require.NoError(t, read(0, "b"))
	require.Len(t, faults.all(), known)
}

func size(t *testing.T, name string) int64 {
	i, err := os.Stat(name)
	require.NoError(t, err)
	return i.Size()
}

// flip changes a byte of a file.
func flip(t *testing.T, name string, at float64) {
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	b[int(float64(len(b))*at)] ^= 0xff
	require.NoError(t, os.WriteFile(name, b, 0o600))
}

// smallDisk says that little room is left.
type smallDisk struct {
	vfs.FS
	left *atomic.Uint64
}

func (d smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.left.Load()}, nil
}

func TestDBFullDisk(t *testing.T) {
	var left atomic.Uint64
	left.Store(1 << 40)
	faults := &faultLog{}
	db := openDB(t, DBOptions{FS: smallDisk{vfs.NewMem(), &left}, OnFault: faults.add})
	s := openStores(t, db, 0, kvDef("a"))
	write := func() error {
		require.NoError(t, kvOf(s, "a").Put("k", strings.Repeat("x", lookEvery)))
		b := db.NewBatch()
		require.NoError(t, s.Apply(b, nil))
		return b.Commit()
	}
	require.NoError(t, write())
	left.Store(1 << 20)
	require.ErrorIs(t, write(), ErrNoSpace)
	require.ErrorIs(t, faults.all()[0], ErrNoSpace)
	require.NoError(t, s.Close()) // as after any failed commit
	_, err := OpenDB("other", DBOptions{FS: smallDisk{vfs.NewMem(), &left}})
	require.ErrorIs(t, err, ErrNoSpace)
	left.Store(1 << 40)
	s = openStores(t, db, 0, kvDef("a"))
	require.NoError(t, write(), "there is room again")
	require.NoError(t, s.Close())
}

// What Pebble cannot recover from neither ends the process nor hangs it.
func TestDBFatalError(t *testing.T) {
	toggle := errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.Contains(op.Path, "MANIFEST") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return io.ErrShortWrite
		}
		return nil
	})}
	faults := &faultLog{}
	db := openDB(t, DBOptions{FS: errorfs.Wrap(vfs.NewMem(), &toggle), OnFault: faults.add})
	s := openStores(t, db, 0, kvDef("a"))
	require.NoError(t, kvOf(s, "a").Put("k", "v"))
	applyAt(t, db, s, 1)
	toggle.On()
	require.ErrorIs(t, db.Flush(), ErrDBFailed)
	require.True(t, errors.Is(faults.all()[0], ErrDBFailed))
	require.NoError(t, kvOf(s, "a").Put("k", "w"))
	b := db.NewBatch()
	require.NoError(t, s.Apply(b, nil))
	require.ErrorIs(t, b.Commit(), ErrDBFailed)
	require.NoError(t, s.Close())
	_, err := Open(Env{DB: db, Record: &RecordContext{}}, []AnyDefinition{kvDef("a")})
	require.ErrorIs(t, err, ErrDBFailed)
}

// Somebody who pulls from an iteration and never ends it does not take the process down.
func TestDBClosedUnderAnIteration(t *testing.T) {
	db, err := OpenDB("stores", DBOptions{FS: vfs.NewMem(), Memory: 1})
	require.NoError(t, err)
	s := openStores(t, db, 0, kvDef("a"))
	require.NoError(t, kvOf(s, "a").Put("k", "v"))
	applyAt(t, db, s, 1)
	require.NoError(t, s.Close())
	s = openStores(t, db, 0, kvDef("a")) // now its rows are in the database only
	next, stop := iter.Pull2(kvOf(s, "a").All())
	e, err, ok := next()
	require.True(t, ok)
	require.NoError(t, err)
	require.Equal(t, "v", e.Value)
	require.NoError(t, s.Close())
	require.Error(t, db.Close())
	stop()
}

// What stores remember only to save reads stays within the budget of the database, however many stores there are.
func TestReadCacheIsBounded(t *testing.T) {
	const memory = 1 << 20
	db := openDB(t, DBOptions{FS: vfs.NewMem(), Memory: memory})
	var all []*Stores
	for p := range int32(4) {
		s := openStores(t, db, p, kvDef("a"))
		all = append(all, s)
		for i := range 5000 {
			require.NoError(t, kvOf(s, "a").Put(fmt.Sprint(i), strings.Repeat("v", 100)))
			if i%500 == 499 {
				for _, o := range all { // a thread commits all its tasks
					applyAt(t, db, o, int64(i))
				}
				require.LessOrEqual(t, db.clean.Load(), int64(memory/2))
			}
		}
	}
	for _, s := range all {
		for i := range 5000 {
			require.Equal(t, strings.Repeat("v", 100), get(t, s, "a", fmt.Sprint(i)))
			require.NoError(t, s.EvictCaches())
		}
	}
	require.LessOrEqual(t, db.clean.Load(), int64(memory/2+1024*300)) // looked at every 1024 calls
	for _, s := range all {
		require.NoError(t, s.Close())
	}
	require.Zero(t, db.clean.Load())
}

// Expired segments leave the disk.
func TestExpiredSegmentsAreRemoved(t *testing.T) {
	db := openDB(t, DBOptions{FS: vfs.NewMem()})
	def := Window("w", serde.String, serde.String, time.Second, time.Minute, TimeFirst())
	s := openStores(t, db, 0, def)
	w := s.Get("w").(WindowStore[string, string])
	for i := range Time(20) {
		require.NoError(t, w.Put("k", i*60_000, "v"))
		applyAt(t, db, s, int64(i))
	}
	db.sweeper.mu.Lock()
	due := db.sweeper.timer.Stop()
	db.sweeper.mu.Unlock()
	require.True(t, due)
	db.sweeper.run()
	n := 0
	it, err := db.p.NewIter(&pebble.IterOptions{LowerBound: storePrefix(1)})
	require.NoError(t, err)
	for it.First(); it.Valid(); it.Next() {
		n++
	}
	require.NoError(t, it.Close())
	require.LessOrEqual(t, n, 1+3*2, "the meta row, and the rows of the live segments in both orders")
	require.NoError(t, s.Close())
	s = openStores(t, db, 0, def)
	got := 0
	for _, err := range s.Get("w").(WindowStore[string, string]).All() {
		require.NoError(t, err)
		got++
	}
	require.Equal(t, 2, got) // at 18 and 19 minutes
	require.NoError(t, s.Close())
}
