package kafka

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A broker that is away costs a line each ten seconds, whatever the number of clients that try; each broker has its own.
func TestClientsDoNotRepeatThemselves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c := &Config{Logger: slog.New(slog.NewTextHandler(&out, nil))}
		said := func(f func()) string {
			out.Reset()
			f()
			return out.String()
		}
		clients := []kgo.Logger{c.clientLog(), c.clientLog()}
		away := func(addr string) func() {
			return func() {
				for i, l := range clients {
					l.Log(kgo.LogLevelWarn, "unable to open connection to broker", "addr", addr, "err", "refused", "backoff", i)
				}
			}
		}
		first := said(away("a:1"))
		require.Equal(t, 1, strings.Count(first, "\n"))
		require.Contains(t, first, `level=WARN msg="unable to open connection to broker" component=kafka-client addr=a:1 err=refused backoff=0`)
		require.Contains(t, said(away("b:1")), "addr=b:1", "another broker")
		time.Sleep(tellAgain - time.Millisecond)
		require.Empty(t, said(away("a:1")))
		time.Sleep(time.Millisecond)
		again := said(away("a:1"))
		require.Equal(t, 1, strings.Count(again, "\n"))
		require.Contains(t, again, "repeated=3")
		require.Empty(t, said(func() { clients[0].Log(kgo.LogLevelInfo, "metadata update triggered") }))
	})
}

func TestWhatWasToldIsForgotten(t *testing.T) {
	t.Parallel()
	var told told
	for i := range 10 * maxSubjects {
		_, ok := told.now(strconv.Itoa(i), time.Time{})
		require.True(t, ok)
		require.LessOrEqual(t, len(told.last), maxSubjects)
	}
}
