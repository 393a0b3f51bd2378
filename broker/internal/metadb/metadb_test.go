package metadb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

func open(t *testing.T, fs vfs.FS, o Options) *DB {
	t.Helper()
	d, err := Open(fs, "d", o)
	require.NoError(t, err)
	return d
}

func TestCommitGetScan(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	d := open(t, fs, Options{})
	var b Batch
	for i := range byte(5) {
		b.Set(Key(TableTxn, []byte{i}), []byte{i})
	}
	b.Set(Key(TableTopic, []byte("t")), nil)
	require.NoError(t, d.Commit(&b))
	require.NoError(t, d.Commit(&Batch{}))
	b = Batch{}
	b.Delete(Key(TableTxn, []byte{3}))
	b.DeletePrefix(Key(TableTopic))
	require.NoError(t, d.Commit(&b))
	require.NoError(t, d.Close())

	d = open(t, fs, Options{})
	defer func() { require.NoError(t, d.Close()) }()
	var got []byte
	require.NoError(t, d.Scan(Key(TableTxn), func(_, v []byte) error {
		got = append(got, v...)
		return nil
	}))
	require.Equal(t, []byte{0, 1, 2, 4}, got)
	_, ok, err := d.Get(Key(TableTopic, []byte("t")))
	require.NoError(t, err)
	require.False(t, ok)
	stop := errors.New("stop")
	require.ErrorIs(t, d.Scan(Key(TableTxn), func(_, _ []byte) error { return stop }), stop)
}

// TestInterruptedCreation: wherever the creation of a database ends, by a kill or by a loss of power, the next Open goes on
// from there; and it never goes through Pebble's older formats.
func TestInterruptedCreation(t *testing.T) {
	t.Parallel()
	var states []*vfs.MemFS
	mem := vfs.NewCrashableMem()
	var mu sync.Mutex
	watched := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			mu.Lock()
			defer mu.Unlock()
			for _, percent := range []int{0, 100} { // of what is not synced
				states = append(states, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(1, 2))}))
			}
		}
		return nil
	}))
	d := open(t, watched, Options{Sync: true})
	require.Equal(t, pebbleFormat, d.Pebble().FormatMajorVersion())
	require.NoError(t, d.Close())
	names, err := mem.List("d")
	require.NoError(t, err)
	require.Contains(t, names, "marker.format-version.000001."+pebbleFormat.String(), "it was raised step by step")
	for _, fs := range states {
		d := open(t, fs, Options{})
		require.Equal(t, pebbleFormat, d.Pebble().FormatMajorVersion())
		require.NoError(t, d.Close())
	}
	require.Greater(t, len(states), 20)
}

func TestPrefixEnd(t *testing.T) {
	t.Parallel()
	require.Equal(t, []byte{2}, PrefixEnd([]byte{1, 0xff}))
	require.Equal(t, []byte{1, 3}, PrefixEnd([]byte{1, 2}))
	require.Nil(t, PrefixEnd([]byte{0xff, 0xff}))
}

func TestDirectoryOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	d := open(t, fs, Options{})
	var b Batch
	b.Set(Key(TableFormat), binary.BigEndian.AppendUint32(nil, FormatVersion+1))
	require.NoError(t, d.Commit(&b))
	require.NoError(t, d.Close())
	_, err := Open(fs, "d", Options{})
	require.ErrorContains(t, err, "format 2")
}

// TestFailingDiskIsAnError: whatever fails on the disk, a commit returns, the process lives, and after a failure of the
// log nothing is acknowledged any more.
func TestFailingDiskIsAnError(t *testing.T) {
	t.Parallel()
	for _, sync := range []bool{false, true} {
		t.Run(fmt.Sprintf("sync %t", sync), func(t *testing.T) {
			t.Parallel()
			failing := errorfs.Toggle{Injector: errorfs.ErrInjected.If(errorfs.Writes)}
			disk := vfs.NewCrashableMem()
			failed := make(chan error, 1)
			d := open(t, errorfs.Wrap(disk, &failing), Options{Sync: sync, OnFail: func(err error) { failed <- err }})
			acked := uint32(0)
			commit := func() error {
				var b Batch
				b.Set(Key(TableTxn, binary.BigEndian.AppendUint32(nil, acked)), nil)
				return d.Commit(&b)
			}
			for ; acked < 100; acked++ {
				require.NoError(t, commit())
			}
			failing.On()
			require.ErrorIs(t, commit(), ErrFailed)
			failing.Off()
			require.ErrorIs(t, commit(), ErrFailed, "a database that failed stays so")
			select {
			case err := <-failed:
				require.ErrorContains(t, err, "injected")
			case <-time.After(time.Minute):
				t.Fatal("nobody was told")
			}
			require.Error(t, d.Failed())
			require.NoError(t, d.Close())

			d = open(t, disk.CrashClone(vfs.CrashCloneCfg{}), Options{})
			defer func() { require.NoError(t, d.Close()) }()
			n := uint32(0)
			require.NoError(t, d.Scan(Key(TableTxn), func(_, _ []byte) error { n++; return nil }))
			if sync {
				require.Equal(t, acked, n, "what was synced survives the loss of everything else")
			}
		})
	}
}

// TestCompactionsRun: the database compacts in the background once it is open, so that its tables do not pile up.
func TestCompactionsRun(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	for round := range 3 { // the first flushes, the next ones find tables when they open
		d, err := Open(fs, "db", Options{})
		require.NoError(t, err)
		for i := range 20 {
			var b Batch
			for k := range 20 {
				b.Set(Key(TableTxn, fmt.Append(nil, k)), fmt.Append(nil, round, i))
			}
			require.NoError(t, d.Commit(&b))
			require.NoError(t, d.p.Flush())
		}
		require.Eventually(t, func() bool {
			m := d.p.Metrics()
			return m.Compact.Count > 0 && m.Levels[0].TablesCount < 10 && m.Compact.NumInProgress == 0
		}, time.Minute, time.Millisecond)
		require.NoError(t, d.Close())
	}
}
