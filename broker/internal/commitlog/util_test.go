package commitlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/broker/internal/commitlog/codec"
	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// tb is what the helpers need of a test: *testing.T, *testing.B and *rapid.T have it.
type tb interface {
	require.TestingT
	Helper()
	Cleanup(func())
}

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.UnixMilli(1_000_000_000_000)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) ms() int64 { return c.now().UnixMilli() }

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// env is a store, its file system and what it takes to open it again.
type env struct {
	t     tb
	fs    vfs.FS // of the log
	dbFS  vfs.FS // of Pebble
	clock *clock
	opts  Options
	cfg   PartitionConfig
	db    *pebble.DB
	store *Store
}

var testTopic = TopicID{1, 2, 3}

func newEnv(t tb, change ...func(*env)) *env {
	mem := vfs.NewMem()
	e := &env{t: t, fs: mem, dbFS: mem, clock: newClock(), cfg: DefaultPartitionConfig()}
	e.opts.RecoveryWorkers = 2
	for _, f := range change {
		f(e)
	}
	e.open()
	require.NoError(t, e.store.Create(testTopic, []int32{0}, e.cfg))
	t.Cleanup(func() { e.close() })
	return e
}

func (e *env) open() {
	e.t.Helper()
	var err error
	e.db, err = pebble.Open("meta", &pebble.Options{
		FS: e.dbFS, Logger: quiet{}, MemTableSize: 256 << 10, CacheSize: 64 << 10,
	})
	require.NoError(e.t, err)
	e.opts.FS, e.opts.Dir, e.opts.DB, e.opts.Now = e.fs, "log", e.db, e.clock.now
	e.store, err = Open(e.opts)
	require.NoError(e.t, err)
	for _, p := range e.store.Partitions() {
		p.SetConfig(e.cfg)
	}
}

// close stops cleanly; it can be repeated.
func (e *env) close() {
	if e.store != nil {
		e.store.Close()
		e.db.Close()
		e.store = nil
	}
}

// reopen stops cleanly and starts.
func (e *env) reopen() {
	e.t.Helper()
	require.NoError(e.t, e.store.Close())
	require.NoError(e.t, e.db.Close())
	e.open()
}

// kill starts without having stopped, as after kill -9: what was written is there, synced or not.
func (e *env) kill() {
	e.t.Helper()
	require.NoError(e.t, e.db.Close()) // nothing of it is unwritten: commits wait
	e.open()
}

func (e *env) part() *Partition {
	p, ok := e.store.Partition(PartitionID{testTopic, 0})
	require.True(e.t, ok)
	return p
}

type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// rec is a record of a test batch.
type rec struct {
	key, value string // "-" is null
	ts         int64  // 0: the batch's
}

// batchSpec describes a client's batch.
type batchSpec struct {
	codec codec.Codec
	pid   int64 // 0: none
	epoch int16
	seq   int32
	txn   bool
	ts    int64 // default 1000
	recs  []rec
	edit  func(*recordbatch.Header)
}

func nullable(s string) []byte {
	if s == "-" {
		return nil
	}
	return []byte(s)
}

func (s batchSpec) build() []byte {
	if s.ts == 0 {
		s.ts = 1000
	}
	h := recordbatch.Header{
		Codec: s.codec, Transactional: s.txn, LastOffsetDelta: int32(len(s.recs)) - 1, BaseTimestamp: s.ts, MaxTimestamp: s.ts,
		ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, RecordCount: int32(len(s.recs)),
	}
	if s.pid > 0 {
		h.ProducerID, h.ProducerEpoch, h.BaseSequence = s.pid, s.epoch, s.seq
	}
	var payload []byte
	for i, r := range s.recs {
		if r.ts == 0 {
			r.ts = s.ts
		}
		h.MaxTimestamp = max(h.MaxTimestamp, r.ts)
		payload = recordbatch.AppendRecord(payload, &recordbatch.Record{Key: nullable(r.key), Value: nullable(r.value)}, r.ts-s.ts, int32(i))
	}
	if s.edit != nil {
		s.edit(&h)
	}
	b, err := recordbatch.Append(nil, h, payload)
	if err != nil {
		panic(err)
	}
	return b
}

// values returns a spec with one record for each value.
func values(vs ...string) batchSpec {
	var s batchSpec
	for _, v := range vs {
		s.recs = append(s.recs, rec{key: "k", value: v})
	}
	return s
}

func (s batchSpec) from(pid int64, epoch int16, seq int32) batchSpec {
	s.pid, s.epoch, s.seq = pid, epoch, seq
	return s
}

func (s batchSpec) inTxn() batchSpec {
	s.txn = true
	return s
}

func mustAppend(t tb, p *Partition, s batchSpec) AppendResult {
	t.Helper()
	r, err := p.Append(s.build(), AppendOptions{})
	require.NoError(t, err)
	return r
}

func requireKind(t tb, want Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, KindOf(err), "%v", err)
}

// row is a record as a reader sees it.
type row struct {
	offset     int64
	key, value string
	ts         int64
}

// readAll reads from an offset to the end with reads of maxBytes, checking what every reader relies on.
func readAll(t tb, p *Partition, offset int64, iso Isolation, maxBytes int) []row {
	t.Helper()
	var rows []row
	next := offset
	for {
		r, err := p.Read(ReadRequest{Offset: next, MaxBytes: maxBytes, MinOneBatch: true, Isolation: iso})
		require.NoError(t, err)
		if len(r.Records) == 0 {
			limit := r.HighWatermark
			if iso == ReadCommitted {
				limit = r.LastStableOffset
			}
			require.GreaterOrEqual(t, next, limit, "nothing follows that would take a reader to the end")
			return rows
		}
		before := next
		rows, next = decodeRows(t, rows, r, offset, iso)
		require.Greater(t, next, before)
	}
}

// decodeRows appends the records of a read that a client would hand out and returns the next offset.
func decodeRows(t tb, rows []row, r ReadResult, from int64, iso Isolation) ([]row, int64) {
	t.Helper()
	next := int64(-1)
	rest := r.Records
	for len(rest) > 0 {
		b, tail, err := recordbatch.Next(rest)
		require.NoError(t, err)
		rest = tail
		require.True(t, b.CRCValid(), "%s", b)
		require.GreaterOrEqual(t, b.BaseOffset(), next)
		next = b.LastOffset() + 1
		limit := r.HighWatermark
		if iso == ReadCommitted {
			limit = r.LastStableOffset
		}
		require.LessOrEqual(t, next, max(limit, next-int64(b.LastOffsetDelta()))) // begins below the limit
		if b.Control() || iso == ReadCommitted && isAborted(r.Aborted, b) {
			continue
		}
		payload, err := b.Payload(nil)
		require.NoError(t, err)
		d := recordbatch.NewReader(payload, b.RecordCount())
		var rr recordbatch.Record
		for {
			ok, err := d.Next(&rr)
			require.NoError(t, err)
			if !ok {
				break
			}
			o := row{offset: b.BaseOffset() + int64(rr.OffsetDelta), key: "-", value: "-", ts: b.BaseTimestamp() + rr.TimestampDelta}
			if b.LogAppendTime() {
				o.ts = b.MaxTimestamp()
			}
			if rr.Key != nil {
				o.key = string(rr.Key)
			}
			if rr.Value != nil {
				o.value = string(rr.Value)
			}
			if o.offset >= from {
				rows = append(rows, o)
			}
		}
	}
	return rows, next
}

func isAborted(aborted []AbortedTxn, b recordbatch.Batch) bool {
	for _, a := range aborted {
		if b.Transactional() && a.ProducerID == b.ProducerID() && a.FirstOffset <= b.BaseOffset() && b.BaseOffset() <= a.LastOffset {
			return true
		}
	}
	return false
}

// valuesOf returns the values of rows.
func valuesOf(rows []row) []string {
	vs := []string{}
	for _, r := range rows {
		vs = append(vs, r.value)
	}
	return vs
}

// putChecksum computes a batch's checksum without the code under test.
func putChecksum(b []byte) {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
}
