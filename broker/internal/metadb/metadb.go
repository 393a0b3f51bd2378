package metadb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"
)

// FormatVersion is the version of the tables' layout, written when the directory is created. A directory with a higher
// version is refused.
const FormatVersion = 1

// pebbleFormat is Pebble's on-disk format, a number rather than pebble.FormatNewest so that an update of Pebble does
// not silently turn the directory into one that an older binary cannot open. Versions below this one cut a damaged
// tail of the write-ahead log without a word.
const pebbleFormat = pebble.FormatMajorVersion(24)

// Table is the first byte of a key.
type Table byte

// The tables. A byte is never given a second meaning.
const (
	TableFormat     Table = 0x01 // the format version and the cluster id
	TableTopic      Table = 't'  // topic id -> topic
	TableDeleted    Table = 'd'  // topic id -> a deletion whose directories are not yet gone
	TableManifest   Table = 'm'  // partition -> its live segments, log start offset and recovery point
	TableBrokerConf Table = 'b'  // config name -> value set at run time
	TableProducerID Table = 'p'  // the next block of producer ids
	TableTxn        Table = 'x'  // transactional id -> state
	TableGroup      Table = 'g'  // the group coordinator's records, offsets included
	TableGroupConf  Table = 'c'  // group -> its configs
	TableSecurity   Table = 's'  // SCRAM credentials and ACLs
	TableQuota      Table = 'q'  // what has quotas -> its quotas
)

// ErrFailed is returned by Commit after the database met an error that it cannot recover from.
var ErrFailed = errors.New("metadata database failed")

// Options say how to open a DB.
type Options struct {
	// Sync asks for power-loss safety: a commit returns after its fsync.
	Sync bool
	// Logger receives Pebble's errors. Nil discards them.
	Logger *slog.Logger
	// OnFail is called once, from any goroutine, when the database has failed for good.
	OnFail func(error)
}

// DB is an open metadata database. Its methods may be called from any goroutine.
type DB struct {
	p *pebble.DB
	l *logger
}

// Open opens or creates the database in dir.
func Open(fs vfs.FS, dir string, o Options) (*DB, error) {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if !o.Sync {
		fs = noWALSync{fs}
	}
	l := &logger{log: log, onFail: o.OnFail, gone: make(chan struct{})}
	cache := pebble.NewCache(4 << 20)
	defer cache.Unref()
	events := pebble.EventListener{
		BackgroundError: l.background,
		FlushEnd: func(i pebble.FlushInfo) {
			if i.Err == nil {
				l.failures.Store(0)
			}
		},
		// The default listener ends the process on corruption. Reads return the error all the same.
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			log.Error("metadata database: corruption", "path", i.Path, "err", i.Details)
		},
	}
	if err := markFormat(fs, dir); err != nil {
		return nil, fmt.Errorf("create metadata database in %s: %w", dir, err)
	}
	compactions := newScheduler()
	options := &pebble.Options{
		FS:                          fs,
		FormatMajorVersion:          pebbleFormat,
		Cache:                       cache,
		MemTableSize:                4 << 20,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                64,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 1 },
		Logger:                      l,
		EventListener:               &events,
	}
	options.Experimental.CompactionScheduler = compactions
	p, err := l.open(dir, options)
	if err != nil {
		return nil, fmt.Errorf("open metadata database in %s: %w", dir, err)
	}
	compactions.opened()
	d := &DB{p: p, l: l}
	if err := d.checkFormat(dir); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return d, nil
}

// markFormat makes a directory that holds nothing one of our format. Pebble would create the database in its oldest format
// and raise it step by step, with a sync of the directory for each; and a directory in which it was interrupted before the
// first step it would refuse to open.
func markFormat(fs vfs.FS, dir string) error {
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if names, err := fs.List(dir); err != nil || len(names) > 0 {
		return err
	}
	m, _, err := atomicfs.LocateMarker(fs, dir, "format-version")
	if err != nil {
		return err
	}
	return errors.Join(m.Move(pebbleFormat.String()), m.Close())
}

func (d *DB) checkFormat(dir string) error {
	key := Key(TableFormat)
	v, ok, err := d.Get(key)
	if err != nil {
		return err
	}
	if !ok {
		var b Batch
		b.Set(key, binary.BigEndian.AppendUint32(nil, FormatVersion))
		return d.Commit(&b)
	}
	if len(v) != 4 {
		return fmt.Errorf("%s: format row has %d bytes, want 4", dir, len(v))
	}
	if n := binary.BigEndian.Uint32(v); n != FormatVersion {
		return fmt.Errorf("%s was written with format %d, this program reads format %d", dir, n, FormatVersion)
	}
	return nil
}

// Pebble returns the database itself, for the commit log, which keeps its manifests under [TableManifest].
func (d *DB) Pebble() *pebble.DB { return d.p }

// Failed returns the error that the database has failed with for good, nil if it works.
func (d *DB) Failed() error { return d.l.failed() }

// Close flushes and closes the database.
func (d *DB) Close() (err error) {
	defer Recover(&err)
	if d.l.failed() != nil {
		// A failed Pebble may wait for a flush that never ends; the write-ahead log has all that was acknowledged.
		return nil
	}
	return d.p.Close()
}

// Commit applies a batch atomically and durably. An empty batch is free.
func (d *DB) Commit(b *Batch) error {
	if len(b.ops) == 0 {
		return nil
	}
	pb := d.p.NewBatch()
	for _, op := range b.ops {
		var err error
		switch {
		case op.end != nil:
			err = pb.DeleteRange(op.key, op.end, nil)
		case op.del:
			err = pb.Delete(op.key, nil)
		default:
			err = pb.Set(op.key, op.value, nil)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("metadata batch: %w", err), pb.Close())
		}
	}
	return errors.Join(d.CommitBatch(pb), pb.Close())
}

// CommitBatch commits a batch of Pebble's own, for the commit log. The caller closes it.
func (d *DB) CommitBatch(b *pebble.Batch) error {
	if err := d.l.failed(); err != nil {
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	if d.l.failures.Load() == 0 {
		return commit(b)
	}
	// Pebble cannot flush and may stop writes until it can: this commit must not wait for that. What may still be under
	// way when it returns is a copy, as the caller goes on with its batch.
	own := d.p.NewBatch()
	if err := own.Apply(b, nil); err != nil {
		return errors.Join(fmt.Errorf("metadata batch: %w", err), own.Close())
	}
	done := make(chan error, 1)
	go func() { done <- errors.Join(commit(own), own.Close()) }()
	select {
	case err := <-done:
		return err
	case <-d.l.gone:
		return fmt.Errorf("%w: %w", ErrFailed, d.l.failed())
	}
}

func commit(b *pebble.Batch) (err error) {
	defer Recover(&err)
	if err := b.Commit(pebble.Sync); err != nil {
		return fmt.Errorf("commit metadata: %w", err)
	}
	return nil
}

// Get returns a copy of the value of key, and whether there is one.
func (d *DB) Get(key []byte) ([]byte, bool, error) {
	v, closer, err := d.p.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read metadata: %w", err)
	}
	v = append([]byte{}, v...)
	return v, true, closer.Close()
}

// Scan calls f with every key that starts with prefix, in order. Key and value are valid during the call.
func (d *DB) Scan(prefix []byte, f func(key, value []byte) error) error {
	it, err := d.p.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: PrefixEnd(prefix)})
	if err != nil {
		return fmt.Errorf("scan metadata: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		if err := f(it.Key(), it.Value()); err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return it.Close()
}

// Key returns the key made of a table byte and the given parts, one after the other.
func Key(t Table, parts ...[]byte) []byte {
	k := []byte{byte(t)}
	for _, p := range parts {
		k = append(k, p...)
	}
	return k
}

// PrefixEnd returns the smallest key above every key that starts with prefix, nil if there is none.
func PrefixEnd(prefix []byte) []byte {
	end := append([]byte{}, prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		end[i]++
		if end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// Batch collects writes. The zero value is empty and ready. It keeps the slices it is given until Commit.
type Batch struct{ ops []op }

type op struct {
	key, value, end []byte
	del             bool
}

// Set writes a value.
func (b *Batch) Set(key, value []byte) { b.ops = append(b.ops, op{key: key, value: value}) }

// Delete removes a key; an absent key is no error.
func (b *Batch) Delete(key []byte) { b.ops = append(b.ops, op{key: key, del: true}) }

// DeletePrefix removes every key that starts with prefix.
func (b *Batch) DeletePrefix(prefix []byte) {
	b.ops = append(b.ops, op{key: prefix, end: PrefixEnd(prefix)})
}

// Len returns the number of writes.
func (b *Batch) Len() int { return len(b.ops) }
