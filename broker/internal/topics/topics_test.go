package topics

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/commitlog"
	"github.com/millrace-go/millrace/broker/internal/metadb"
)

// logs counts the partitions that were made.
type logs struct {
	made int
	fail error
}

func (l *logs) Create(_ [16]byte, ps []int32, _ commitlog.PartitionConfig) error {
	l.made += len(ps)
	return l.fail
}

type fixture struct {
	*Catalog
	t    *testing.T
	db   *metadb.DB
	logs *logs
}

func newFixture(t *testing.T) *fixture {
	db, err := metadb.Open(vfs.NewMem(), "d", metadb.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	f := &fixture{t: t, db: db, logs: &logs{}}
	f.reopen()
	return f
}

func (f *fixture) reopen() {
	c, err := Open(f.db, f.logs, map[string]string{"log.retention.ms": "5"}, Limits{Topics: 3, Partitions: 10, PartitionsPerTopic: 4})
	require.NoError(f.t, err)
	f.Catalog = c
}

func (f *fixture) create(name string, partitions int32) error {
	_, err := f.Create(Spec{Name: name, Partitions: partitions}, false)
	return err
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"a": true, "A.b_c-9": true, strings.Repeat("x", 249): true, "...": true,
		"": false, ".": false, "..": false, strings.Repeat("x", 250): false, "a/b": false, "../../etc": false, "a\x00": false, "é": false, "a b": false,
	} {
		require.Equal(t, ok, CheckName(name) == nil, "%q", name)
	}
}

func TestDefsAreSortedAndTheirDefaultsValid(t *testing.T) {
	t.Parallel()
	require.True(t, slices.IsSortedFunc(Defs(), func(a, b Def) int { return strings.Compare(a.Name, b.Name) }))
	for _, d := range Defs() {
		if d.Default != "" {
			require.NoError(t, d.Validate(d.Default), d.Name)
		}
		require.NotEmpty(t, d.Doc, d.Name)
	}
}

func TestSettingsOfDefaultsAreThoseOfTheLog(t *testing.T) {
	t.Parallel()
	got := settings(func(name string) string {
		d, ok := Lookup(name)
		require.True(t, ok, name)
		return d.Default
	})
	require.Equal(t, commitlog.DefaultPartitionConfig(), got)
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		ok          bool
	}{
		{"cleanup.policy", "compact", true}, {"cleanup.policy", "compact,delete", true}, {"cleanup.policy", "", false}, {"cleanup.policy", "keep", false},
		{"retention.ms", "-1", true}, {"retention.ms", "-2", false}, {"retention.ms", "x", false}, {"retention.ms", "9223372036854775807", true},
		{"segment.bytes", "2147483648", false}, {"min.cleanable.dirty.ratio", "0.3", true}, {"min.cleanable.dirty.ratio", "2", false},
		{"preallocate", "TRUE", true}, {"preallocate", "yes", false}, {"message.timestamp.type", "LogAppendTime", true}, {"message.timestamp.type", "Mine", false},
		{"compression.type", "zstd", true}, {"compression.type", "rar", false}, {"no.such.config", "1", false},
	} {
		require.Equal(t, c.ok, Check(c.name, c.value) == nil, "%s=%s", c.name, c.value)
	}
}

func TestCatalogSurvivesReopening(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(t, f.create("a", 2))
	require.NoError(t, f.create("b", 1))
	_, err := f.Grow("a", 3, false)
	require.NoError(t, err)
	require.Equal(t, 4, f.logs.made)
	_, err = f.Alter("b", []Change{{Name: "cleanup.policy", Value: "compact"}}, false, false)
	require.NoError(t, err)
	require.NoError(t, f.AlterBroker([]Change{{Name: "log.segment.bytes", Value: "100"}}, false, false))
	a, b := f.Snapshot().ByName("a"), f.Snapshot().ByName("b")
	f.reopen()
	require.Equal(t, a, f.Snapshot().ByName("a"))
	require.Equal(t, b, f.Snapshot().ByID(b.ID))
	require.True(t, b.Settings.CleanupCompact)
	require.EqualValues(t, 100, f.Snapshot().ByName("a").Settings.SegmentBytes)
	require.Equal(t, 4, f.Snapshot().Partitions())

	_, err = f.Delete(a.ID)
	require.NoError(t, err)
	f.reopen()
	require.Nil(t, f.Snapshot().ByName("a"))
	deleted, err := f.Deleted()
	require.NoError(t, err)
	require.Len(t, deleted, 1)
	require.NoError(t, f.Forget(deleted[0].ID))
	deleted, err = f.Deleted()
	require.NoError(t, err)
	require.Empty(t, deleted)
	require.NoError(t, f.create("a", 1))
	require.NotEqual(t, a.ID, f.Snapshot().ByName("a").ID)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(t, f.create("a.b", 4))
	require.ErrorIs(t, f.create("a.b", 1), ErrExists)
	require.ErrorIs(t, f.create("a_b", 1), ErrCollides)
	require.ErrorIs(t, f.create("a/b", 1), ErrName)
	require.ErrorIs(t, f.create("c", 0), ErrPartitions)
	require.ErrorIs(t, f.create("c", 5), ErrPartitions)
	_, err := f.Grow("a.b", 4, false)
	require.ErrorIs(t, err, ErrPartitions)
	_, err = f.Grow("nope", 4, false)
	require.ErrorIs(t, err, ErrUnknown)
	require.NoError(t, f.create("c", 4))
	require.ErrorIs(t, f.create("d", 3), ErrTooMany, "10 partitions are the limit")
	require.NoError(t, f.create("d", 2))
	require.ErrorIs(t, f.create("e", 1), ErrTooMany, "3 topics are the limit")
	_, err = f.Delete(ID{1})
	require.ErrorIs(t, err, ErrUnknown)
	require.ErrorIs(t, f.AlterBroker([]Change{{Name: "node.id", Value: "2"}}, false, false), ErrConfig)

	made := f.logs.made
	g := newFixture(t)
	_, err = g.Create(Spec{Name: "dry", Partitions: 2}, true)
	require.NoError(t, err)
	require.Nil(t, g.Snapshot().ByName("dry"))
	require.Zero(t, g.logs.made)
	f.logs.fail = errors.New("disk")
	_, err = f.Grow("d", 3, false)
	require.ErrorIs(t, err, ErrTooMany)
	require.Equal(t, made, f.logs.made)
	g.logs.fail = errors.New("disk")
	require.ErrorIs(t, g.create("x", 1), ErrPersistence)
	require.Nil(t, g.Snapshot().ByName("x"))
}

func TestIncrementalChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(t, f.create("a", 1))
	alter := func(ch Change, replace bool) string {
		topic, err := f.Alter("a", []Change{ch}, replace, false)
		require.NoError(t, err)
		return topic.Configs[ch.Name]
	}
	require.Equal(t, "delete,compact", alter(Change{"cleanup.policy", OpAppend, "compact"}, false))
	require.Equal(t, "delete,compact", alter(Change{"cleanup.policy", OpAppend, "compact"}, false))
	require.Equal(t, "compact", alter(Change{"cleanup.policy", OpSubtract, "delete"}, false))
	require.Equal(t, "7", alter(Change{"retention.ms", OpSet, "7"}, false))
	require.Empty(t, alter(Change{"cleanup.policy", OpDelete, ""}, false))
	require.Empty(t, alter(Change{"nope", OpDelete, ""}, false), "what is not there is deleted already")
	require.Equal(t, map[string]string{"retention.ms": "7"}, f.Snapshot().ByName("a").Configs)
	require.Equal(t, "9", alter(Change{"segment.ms", OpSet, "9"}, true))
	require.Equal(t, map[string]string{"segment.ms": "9"}, f.Snapshot().ByName("a").Configs)
	for _, ch := range []Change{{"retention.ms", OpAppend, "1"}, {"nope", OpSet, "1"}, {"segment.ms", OpSet, "0"}, {"segment.ms", 9, "1"}} {
		_, err := f.Alter("a", []Change{ch}, false, false)
		require.ErrorIs(t, err, ErrConfig, "%+v", ch)
	}
}

func TestSourcesOfAValue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(t, f.create("a", 1))
	find := func() Value {
		for _, v := range f.Describe(f.Snapshot().ByName("a")) {
			if v.Name == "retention.ms" {
				return v
			}
		}
		panic("no retention.ms")
	}
	v := find()
	require.Equal(t, "5", v.Value)
	require.Equal(t, kmsg.ConfigSourceStaticBrokerConfig, v.Source)
	require.NoError(t, f.AlterBroker([]Change{{Name: "log.retention.ms", Value: "6"}}, false, false))
	v = find()
	require.Equal(t, "6", v.Value)
	require.Equal(t, kmsg.ConfigSourceDynamicBrokerConfig, v.Source)
	require.EqualValues(t, 6, f.Snapshot().ByName("a").Settings.RetentionMs)
	_, err := f.Alter("a", []Change{{Name: "retention.ms", Value: "7"}}, false, false)
	require.NoError(t, err)
	v = find()
	require.Equal(t, []Synonym{
		{"retention.ms", "7", kmsg.ConfigSourceDynamicTopicConfig},
		{"log.retention.ms", "6", kmsg.ConfigSourceDynamicBrokerConfig},
		{"log.retention.ms", "5", kmsg.ConfigSourceStaticBrokerConfig},
		{"log.retention.ms", "604800000", kmsg.ConfigSourceDefaultConfig},
	}, v.Synonyms)
	require.Equal(t, "6", f.Default("retention.ms"))
}
