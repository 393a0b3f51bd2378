package streams_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
)

// TestForeignKeyJoinOfRowsThatChangeFaster checks rows that change again before the answer to their last change has come.
func TestForeignKeyJoinOfRowsThatChangeFaster(t *testing.T) {
	t.Parallel()
	foreign := func(_, v string) (string, bool) {
		_, fk, ok := strings.Cut(v, "|")
		return fk, ok
	}
	tables := map[string]func(b *streams.Builder) stringTable{
		"two tables": func(b *streams.Builder) stringTable {
			l, r := b.Table("left", serde.String, serde.String), b.Table("right", serde.String, serde.String)
			return l.JoinForeignKey(r, foreign, bothThere)
		},
		"one": func(b *streams.Builder) stringTable {
			t := b.Table("left", serde.String, serde.String)
			return t.JoinForeignKey(t, foreign, bothThere)
		},
	}
	for _, c := range []struct{ changes, want string }{
		{"v", "none"}, {"w u", "none"}, {"w -", "none"}, {"- w", "none"}, {"- w -", "none"}, {"- -", "none"},
		{"v|no", "none"}, {"v|no w|no", "none"}, {"v|no w|no u|no", "none"}, {"w v|no u", "none"},
		{"w v|x", "v|x-X"}, {"- v|x u|x", "u|x-X"}, {"v|no w|x", "w|x-X"}, {"v|no w|no v|x", "v|x-X"}, {"v|x w|no v|x", "v|x-X"},
	} {
		for name, table := range tables {
			t.Run(name+" "+c.changes, func(t *testing.T) {
				t.Parallel()
				b := streams.NewBuilder()
				table(b).ToStream().To("out")
				top, err := b.Build()
				require.NoError(t, err)
				d, err := streamstest.New(top, streams.Config{ApplicationID: "app", CacheBytes: new(int64)}, streamstest.Batches()) // a cache would make one change of several
				require.NoError(t, err)
				defer func() { require.NoError(t, d.Close()) }()
				right := "right"
				if name == "one" {
					right = "left"
				}
				require.NoError(t, d.Input(right, serde.String, serde.String).PipeKeyValue("x", "X"))
				require.NoError(t, d.Input("left", serde.String, serde.String).PipeKeyValue("k", "v|x"))
				_, last := allOf(t, d, "out", serde.String)
				require.Equal(t, "v|x-X", last["k"])

				// A task takes the lowest time first: each change comes before the answer to the one before it.
				var changes []streamstest.Raw
				for v := range strings.FieldsSeq(c.changes) {
					r := streamstest.Raw{Topic: "left", Key: []byte("k"), Value: []byte(v), Time: streams.Time(100 - len(changes))}
					if v == "-" {
						r.Value = nil
					}
					changes = append(changes, r)
				}
				require.NoError(t, d.PipeAll(slices.Values(changes)))
				got := "none"
				all, _ := allOf(t, d, "out", serde.String)
				require.NotEmpty(t, all)
				if r := all[len(all)-1]; !r.Tombstone {
					got = r.Value
				}
				require.Equal(t, c.want, got)
			})
		}
	}
}

// TestForeignKeyJoinKeepsTheResultOfTheLatestVersion: what follows store options without a name is told of older versions of a row, too. They ask, but the answer
// does not concern the result.
func TestForeignKeyJoinKeepsTheResultOfTheLatestVersion(t *testing.T) {
	t.Parallel()
	for _, older := range [][]byte{[]byte("w|no"), nil} { // of another foreign key, a deletion
		b := streams.NewBuilder()
		left := b.Table("left", serde.String, serde.String, streams.As("rows"), streams.Versioned(time.Minute)).
			MapValues(strings.ToUpper, streams.Caching(false))
		right := b.Table("right", serde.String, serde.String)
		left.JoinForeignKey(right, func(_, v string) (string, bool) {
			_, fk, ok := strings.Cut(v, "|")
			return fk, ok
		}, bothThere).ToStream().To("out")
		top, err := b.Build()
		require.NoError(t, err)
		d, err := streamstest.New(top, streams.Config{ApplicationID: "app"})
		require.NoError(t, err)
		require.NoError(t, d.Input("right", serde.String, serde.String).PipeKeyValue("X", "x"))
		require.NoError(t, d.PipeAll(slices.Values([]streamstest.Raw{
			{Topic: "left", Key: []byte("k"), Value: []byte("v|x"), Time: 10},
			{Topic: "left", Key: []byte("k"), Value: older, Time: 5},
		})))
		all, _ := allOf(t, d, "out", serde.String)
		require.Len(t, all, 1)
		require.Equal(t, "V|X-x", all[0].Value)
		require.NoError(t, d.Close())
	}
}
