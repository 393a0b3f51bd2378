package streams_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/window"
)

// The join script that Kafka Streams' integration tests share: 23 steps, out of order from step 14 on.
const (
	joinStart   = "l:-@1 r:-@2 l:A@3 r:a@4 l:B@5 r:b@6 l:-@7 r:-@8 l:C@9 r:c@10 r:-@11 l:-@12 r:-@13 "
	joinScript  = joinStart + "r:d@7 l:D@6 l:-@2 r:-@3 r:e@14 l:E@15 l:-@10 r:-@9 l:F@4 r:f@3"
	joinInOrder = joinStart + "r:d@14 l:D@15 l:null=E@16 r:null=e@17"
)

type (
	stringStream = streams.Stream[string, string]
	stringTable  = streams.Table[string, string]
)

func bothThere(l, r string) string          { return joined(l, r) }
func rightMaybe(l string, r *string) string { return joined(l, orNull(r)) }
func eitherMaybe(l, r *string) string       { return joined(orNull(l), orNull(r)) }

func leftAndRight(b *streams.Builder) (l, r stringStream) {
	return b.Stream("left", serde.String, serde.String), b.Stream("right", serde.String, serde.String)
}

func TestGoldenStreamStreamJoin(t *testing.T) {
	w := window.Within(10*time.Second, 24*time.Hour)
	const inner = `4:A-a@4 5:B-a@5 6:A-b@6,B-b@6 9:C-a@9,C-b@9 10:A-c@10,B-c@10,C-c@10 14:A-d@14,B-d@14,C-d@14
		15:D-a@15,D-b@15,D-c@15,D-d@15`
	rekey := func(s stringStream) stringStream { return s.MapKey(func(k string) string { return k }) }
	self := func(b *streams.Builder) {
		s := b.Stream("left", serde.String, serde.String)
		s.JoinStream(s, w, bothThere).To("out")
	}
	const (
		selfIn   = "l:-@1 l:A@2 l:B@3 l:-@4 l:C@5 l:-@6 l:D@7 l:null=E@8"
		selfWant = "2:A-A@2 3:B-A@3,A-B@3,B-B@3 5:C-A@5,C-B@5,A-C@5,B-C@5,C-C@5 7:D-A@7,D-B@7,D-C@7,A-D@7,B-D@7,C-D@7,D-D@7"
	)
	playGolden(t, []golden{
		{law: "inner", in: joinInOrder, want: inner, build: func(b *streams.Builder) {
			l, r := leftAndRight(b)
			l.JoinStream(r, w, bothThere).To("out")
		}},
		{law: "left: a null key joins nothing and is kept", in: joinInOrder, want: inner + " 16:null=E-null@16", build: func(b *streams.Builder) {
			l, r := leftAndRight(b)
			l.LeftJoinStream(r, w, rightMaybe).To("out")
		}},
		{law: "outer: so on both sides", in: joinInOrder, want: inner + " 16:null=E-null@16 17:null=null-e@17", build: func(b *streams.Builder) {
			l, r := leftAndRight(b)
			l.OuterJoinStream(r, w, eitherMaybe).To("out")
		}},
		{law: "inner, both sides re-keyed", in: keyed(joinInOrder), want: inner, build: func(b *streams.Builder) {
			l, r := leftAndRight(b)
			rekey(l).JoinStream(rekey(r), w, bothThere).To("out")
		}},
		{law: "left, both sides re-keyed", in: keyed(joinInOrder), want: inner, build: func(b *streams.Builder) {
			l, r := leftAndRight(b)
			rekey(l).LeftJoinStream(rekey(r), w, rightMaybe).To("out")
		}},
		{law: "outer, both sides re-keyed: null keys pass the topics", in: joinInOrder, want: inner + " 16:null=E-null@16 17:null=null-e@17", build: func(b *streams.Builder) {
			l, r := leftAndRight(b)
			same := func(s stringStream) stringStream {
				return s.TryMap(func(_ context.Context, r streams.Record[string, string]) (streams.Record[string, string], error) {
					return r, nil
				})
			}
			same(l).OuterJoinStream(same(r), w, eitherMaybe).To("out")
		}},
		{law: "self", in: selfIn, want: selfWant, build: self},
		{law: "self with one store", in: selfIn, want: selfWant, build: self, opts: []streams.BuildOption{streams.Optimize(streams.SingleStoreSelfJoin)}},
	})
}

// keyed is a script without its records of null keys.
func keyed(script string) string {
	var s []string
	for _, r := range strings.Fields(script) {
		if !strings.Contains(r, "null=") {
			s = append(s, r)
		}
	}
	return strings.Join(s, " ")
}

func TestGoldenStreamStreamJoinExpiry(t *testing.T) {
	joins := func(w window.Join, left func(l, r stringStream, w window.Join) stringStream) func(*streams.Builder) {
		return func(b *streams.Builder) {
			l, r := leftAndRight(b)
			left(l, r, w).To("out")
		}
	}
	left := func(l, r stringStream, w window.Join) stringStream { return l.LeftJoinStream(r, w, rightMaybe) }
	outer := func(l, r stringStream, w window.Join) stringStream { return l.OuterJoinStream(r, w, eitherMaybe) }
	within := func(d, grace time.Duration) window.Join {
		return window.Within(d*time.Millisecond, grace*time.Millisecond)
	}
	playGolden(t, []golden{
		{law: "left: equal keys at one time are all kept", build: joins(within(100, 10), left),
			in:   "l:0=A0@0 l:0=A0-0@0 r:1=a1@111 l:2=A2@1000 l:2=A2-0@1000 r:2=a2@1001 r:3=a3@315",
			want: "3:0=A0-null@0,0=A0-0-null@0 6:2=A2-a2@1001,2=A2-0-a2@1001"},
		{law: "left, no grace", build: joins(within(100, 0), left),
			in:   "l:0=A0@1 l:1=A1@2 l:0=A0-0@3 r:1=a1@3 l:2=dummy@401 r:2=dummy@401",
			want: "4:1=A1-a1@3 5:0=A0-null@1,0=A0-0-null@3 6:2=dummy-dummy@401"},
		{law: "left: what has expired goes before what joins", build: joins(within(100, 0), left),
			in: "l:0=A0@0 l:1=A1@100 r:1=a1@110", want: "3:0=A0-null@0,1=A1-a1@110"},
		{law: "left with grace: within it nothing is given up", build: joins(within(100, 10), left),
			in:   "l:0=A0@0 l:1=A1@0 r:0=a0@101 r:1=a1@101 r:2=a2@101 r:3=a3@101 r:9=dummy@1201",
			want: "7:0=A0-null@0,1=A1-null@0"},
		{law: "outer: a scan that ends at open entries puts off closed ones of the other side", build: joins(within(10, 5), outer),
			in:   "l:a=L0@0 r:b=R1@1 r:c=R15@15 r:d=R16@16 r:e=R17@17 r:f=R30@30 r:g=R31@31 r:h=R100@100",
			want: "4:a=L0-null@0 7:b=null-R1@1,c=null-R15@15 8:d=null-R16@16,e=null-R17@17,f=null-R30@30,g=null-R31@31"},
		{law: "outer: a late record without match goes at once, grace or not, and so does a null key", build: joins(within(10, 5), outer),
			in:   "l:z=z@17 l:a=L3@3 r:b=R6@6 l:null=N@18 r:null=M@18 l:q=q@60",
			want: "2:a=L3-null@3 3:b=null-R6@6 4:null=N-null@18 5:null=null-M@18 6:z=z-null@17"},
	})
}

func TestGoldenStreamTableJoin(t *testing.T) {
	joins := func(left bool, join []streams.JoinOption, table ...streams.TableOption) func(*streams.Builder) {
		return func(b *streams.Builder) {
			l, r := b.Stream("left", serde.String, serde.String), b.Table("right", serde.String, serde.String, table...)
			if left {
				l.LeftJoin(r, rightMaybe, join...).To("out")
			} else {
				l.Join(r, bothThere, join...).To("out")
			}
		}
	}
	versioned := []streams.TableOption{streams.As("versions"), streams.Versioned(5 * time.Minute)}
	grace := []streams.JoinOption{streams.Grace(2 * time.Millisecond)}
	playGolden(t, []golden{
		{law: "inner", in: joinScript, build: joins(false, nil), want: "5:B-a@5 15:D-d@6 19:E-e@15"},
		{law: "left", in: joinScript, build: joins(true, nil), want: "3:A-null@3 5:B-a@5 9:C-null@9 15:D-d@6 19:E-e@15 22:F-null@4"},
		{law: "inner, versioned", in: joinScript, build: joins(false, nil, versioned...), want: "5:B-a@5 15:D-b@6 19:E-e@15 22:F-a@4"},
		{law: "left, versioned", in: joinScript, build: joins(true, nil, versioned...),
			want: "3:A-null@3 5:B-a@5 9:C-null@9 15:D-b@6 19:E-e@15 22:F-a@4"},
		{law: "inner with grace", in: joinScript, build: joins(false, grace, versioned...), want: "9:B-a@5 15:D-b@6 22:F-a@4"},
		{law: "left with grace", in: joinScript, build: joins(true, grace, versioned...),
			want: "5:A-null@3 9:B-a@5 15:D-b@6 19:C-null@9 22:F-a@4"},
		{law: "with grace, what is dropped moves no clock", in: "r:a@0 l:null=N@20 l:-@30 l:A@1 l:B@31", build: joins(false, grace, versioned...), want: "5:A-a@1"},
	})
}

func TestGoldenNullKeysBehindARepartition(t *testing.T) {
	const in = "r:A=x@0 l:null=A@1 l:null=B@2 l:null=-@3"
	key := func(_, v string) string { return v }
	parts := func(b *streams.Builder) (streams.Stream[string, string], streams.GlobalTable[string, string]) {
		return b.Stream("left", serde.String, serde.String).Repartition(streams.Named("parts")), b.GlobalTable("right", serde.String, serde.String)
	}
	playGolden(t, []golden{
		{law: "a left join with a global table wants them", in: in, want: "2:null=A-x@1 3:null=B-null@2", build: func(b *streams.Builder) {
			s, g := parts(b)
			s.LeftJoinGlobal(g, key, rightMaybe).To("out")
		}},
		{law: "they come with and without a value", in: in, want: "2:null=A@1 3:null=B@2 4:null=null@3", build: func(b *streams.Builder) {
			s, g := parts(b)
			s.LeftJoinGlobal(g, key, rightMaybe).To("joined")
			s.To("out")
		}},
		{law: "an inner one does not", in: in, want: "", build: func(b *streams.Builder) {
			s, g := parts(b)
			s.JoinGlobal(g, key, bothThere).To("joined")
			s.To("out")
		}},
	})
}

func TestGoldenTableTableJoin(t *testing.T) {
	inner := func(l, r stringTable) stringTable { return l.Join(r, bothThere) }
	left := func(l, r stringTable) stringTable { return l.LeftJoin(r, rightMaybe) }
	outer := func(l, r stringTable) stringTable { return l.OuterJoin(r, eitherMaybe) }
	joins := func(f func(l, r stringTable) stringTable, versionedLeft, versionedRight bool) func(*streams.Builder) {
		table := func(b *streams.Builder, topic string, versioned bool) stringTable {
			if versioned {
				return b.Table(topic, serde.String, serde.String, streams.As(topic), streams.Versioned(5*time.Minute))
			}
			return b.Table(topic, serde.String, serde.String)
		}
		return func(b *streams.Builder) {
			f(table(b, "left", versionedLeft), table(b, "right", versionedRight)).ToStream().To("out")
		}
	}
	const (
		innerStart = "4:A-a@4 5:B-a@5 6:B-b@6 7:null@7 10:C-c@10 11:null@11 "
		leftStart  = "3:A-null@3 4:A-a@4 5:B-a@5 6:B-b@6 7:null@7 9:C-null@9 10:C-c@10 11:C-null@11 12:null@12 "
		outerStart = "3:A-null@3 4:A-a@4 5:B-a@5 6:B-b@6 7:null-b@7 8:null@8 9:C-null@9 10:C-c@10 11:C-null@11 12:null@12 "
	)
	playGolden(t, []golden{
		{law: "inner", in: joinScript, build: joins(inner, false, false),
			want: innerStart + "15:D-d@7 16:null@7 19:E-e@15 20:null@14 23:F-f@4"},
		{law: "left", in: joinScript, build: joins(left, false, false),
			want: leftStart + "15:D-d@7 16:null@7 19:E-e@15 20:null@14 22:F-null@4 23:F-f@4"},
		{law: "outer", in: joinScript, build: joins(outer, false, false),
			want: outerStart + "14:null-d@7 15:D-d@7 16:null-d@7 17:null@3 18:null-e@14 19:E-e@15 20:null-e@14 21:null@9 22:F-null@4 23:F-f@4"},
		{law: "inner, versioned", in: joinScript, build: joins(inner, true, true), want: innerStart + "19:E-e@15"},
		{law: "left, versioned", in: joinScript, build: joins(left, true, true), want: leftStart + "19:E-e@15"},
		{law: "outer, versioned", in: joinScript, build: joins(outer, true, true), want: outerStart + "18:null-e@14 19:E-e@15"},
		{law: "inner, left versioned", in: joinScript, build: joins(inner, true, false), want: innerStart + "19:E-e@15 21:null@15 23:E-f@15"},
		{law: "inner, right versioned", in: joinScript, build: joins(inner, false, true), want: innerStart + "19:E-e@15 20:null@14 22:F-e@14"},
		{law: "left, left versioned", in: joinScript, build: joins(left, true, false), want: leftStart + "19:E-e@15 21:E-null@15 23:E-f@15"},
		{law: "left, right versioned", in: joinScript, build: joins(left, false, true),
			want: leftStart + "15:D-null@6 16:null@2 19:E-e@15 20:null@14 22:F-e@14"},
		{law: "outer, left versioned", in: joinScript, build: joins(outer, true, false),
			want: outerStart + "14:null-d@7 17:null@3 18:null-e@14 19:E-e@15 21:E-null@15 23:E-f@15"},
		{law: "outer, right versioned", in: joinScript, build: joins(outer, false, true),
			want: outerStart + "15:D-null@6 16:null@2 18:null-e@14 19:E-e@15 20:null-e@14 22:F-e@14"},
	})
}

// TestGoldenTableTableJoinWithACache: what comes before the last result depends on when caches flush, the last result does not.
func TestGoldenTableTableJoinWithACache(t *testing.T) {
	for law, join := range map[string]func(l, r stringTable) stringTable{
		"inner": func(l, r stringTable) stringTable { return l.Join(r, bothThere) },
		"left":  func(l, r stringTable) stringTable { return l.LeftJoin(r, rightMaybe) },
		"outer": func(l, r stringTable) stringTable { return l.OuterJoin(r, eitherMaybe) },
	} {
		t.Run(law, func(t *testing.T) {
			b := streams.NewBuilder()
			table := func(topic string) stringTable { return b.Table(topic, serde.String, serde.String, streams.As(topic)) }
			join(table("left"), table("right")).ToStream().To("out")
			top, err := b.Build()
			require.NoError(t, err)
			size := int64(1 << 20)
			d, err := streamstest.New(top, streams.Config{ApplicationID: "golden", CacheBytes: &size}, streamstest.ManualCommit())
			require.NoError(t, err)
			for record := range strings.FieldsSeq(joinScript) {
				topic, r := parseRecord(t, record)
				require.NoError(t, d.Input(topic, serde.String, serde.String).Pipe(r))
			}
			out := d.Output("out", serde.String, serde.String)
			require.True(t, out.Empty(), "the caches hold everything back")
			require.NoError(t, d.Commit())
			rs, err := out.ReadAll()
			require.NoError(t, err)
			require.NotEmpty(t, rs)
			require.Equal(t, "F-f@4", formatRecord(rs[len(rs)-1]))
			require.NoError(t, d.Close())
		})
	}
}

func TestGoldenTableJoinedTwice(t *testing.T) {
	const in = joinStart + "r:d@14 l:D@15"
	twice := func(second func(l, r stringTable) stringTable) func(*streams.Builder) {
		return func(b *streams.Builder) {
			r, l := b.Table("right", serde.String, serde.String), b.Table("left", serde.String, serde.String)
			second(l.Join(r, bothThere), r).ToStream().To("out")
		}
	}
	playGolden(t, []golden{
		{law: "inner, inner", in: in, build: twice(func(l, r stringTable) stringTable { return l.Join(r, bothThere) }),
			want: "4:A-a-a@4,A-a-a@4 5:B-a-a@5 6:B-b-b@6,B-b-b@6 7:null@7 10:C-c-c@10,C-c-c@10 15:D-d-d@15"},
		{law: "inner, outer", in: in, build: twice(func(l, r stringTable) stringTable { return l.OuterJoin(r, eitherMaybe) }),
			want: `4:A-a-a@4,A-a-a@4 5:B-a-a@5 6:B-b-b@6,B-b-b@6 7:null-b@7 8:null@8 10:C-c-c@10,C-c-c@10 11:null@11,null@11
				14:null-d@14 15:D-d-d@15`},
	})
}

func TestGoldenForeignKeyJoin(t *testing.T) {
	foreign := func(_, v string) (string, bool) {
		_, fk, ok := strings.Cut(v, "|")
		return fk, ok
	}
	inner := func(b *streams.Builder) {
		l, r := b.Table("left", serde.String, serde.String), b.Table("right", serde.String, serde.String)
		l.JoinForeignKey(r, foreign, bothThere).ToStream().To("out")
	}
	left := func(b *streams.Builder) {
		l, r := b.Table("left", serde.String, serde.String), b.Table("right", serde.String, serde.String)
		l.LeftJoinForeignKey(r, foreign, rightMaybe).ToStream().To("out")
	}
	const (
		change    = "r:rhs1=R1@1 r:rhs2=R2@2 l:v|rhs1@3 l:v|rhs2@4 r:rhs1=R1b@5 r:rhs2=R2b@6"
		noRight   = "l:v|rhs1@1 l:v|rhs2@2 r:rhs1=R1@3 l:v|rhs1@4 l:v|rhs2@5"
		delete    = "l:v|rhs1@1 l:-@2 l:-@3 l:other=-@4 r:rhs1=R1@5 l:v|rhs1@6 l:-@7 l:-@8"
		unchanged = "r:rhs1=R1@1 l:v|rhs1@2 l:v|rhs1@3 l:w|rhs1@4 r:rhs1=R1@5 r:rhs1=-@6"
	)
	playGolden(t, []golden{
		{law: "another foreign key unsubscribes from the old one", in: change, build: inner, want: "3:v|rhs1-R1@3 4:v|rhs2-R2@4 6:v|rhs2-R2b@6"},
		{law: "inner, no right row: a changed foreign key deletes", in: noRight, build: inner, want: "2:null@2 4:v|rhs1-R1@4 5:null@5"},
		{law: "left, no right row", in: noRight, build: left, want: "1:v|rhs1-null@1 2:v|rhs2-null@2 4:v|rhs1-R1@4 5:v|rhs2-null@5"},
		{law: "inner: a row that never had a result is deleted once, a row that is not there never", in: delete, build: inner,
			want: "2:null@2 6:v|rhs1-R1@6 7:null@7"},
		{law: "left: a row is deleted once, a row that is not there never", in: delete, build: left,
			want: "1:v|rhs1-null@1 2:null@2 6:v|rhs1-R1@6 7:null@7"},
		{law: "inner: equal rows are answered again", in: unchanged, build: inner,
			want: "2:v|rhs1-R1@2 3:v|rhs1-R1@3 4:w|rhs1-R1@4 5:w|rhs1-R1@5 6:null@6"},
		{law: "left: equal rows are answered again", in: unchanged, build: left,
			want: "2:v|rhs1-R1@2 3:v|rhs1-R1@3 4:w|rhs1-R1@4 5:w|rhs1-R1@5 6:w|rhs1-null@6"},
	})
}

// joined is a joiner of texts.
func joined(left, right string) string { return left + "-" + right }
