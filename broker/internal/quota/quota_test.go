package quota

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPrecedence(t *testing.T) {
	t.Parallel()
	order := precedence("u", "c")
	s := NewSet()
	for i, e := range order {
		s.Put(e, Values{ProducerBytes: float64(1000 * (i + 1))})
	}
	now := time.Unix(0, 0)
	// One by one the most exact quota is taken away; the next one decides then.
	for i, e := range order {
		rate := 1000 * (i + 1)
		require.Zero(t, s.Charge(ProducerBytes, "u", "c", rate, now), "%+v: a second's worth is free", e)
		require.Equal(t, time.Second, s.Charge(ProducerBytes, "u", "c", rate, now), "%+v", e)
		s.Put(e, nil)
	}
	require.Zero(t, s.Charge(ProducerBytes, "u", "c", 1<<30, now), "nobody has a quota")
}

func TestWhoSharesAQuota(t *testing.T) {
	t.Parallel()
	s := NewSet()
	s.Put(Entity{User: Default}, Values{ConsumerBytes: 100})
	now := time.Unix(0, 0)
	require.Equal(t, time.Second, s.Charge(ConsumerBytes, "a", "x", 200, now))
	require.Equal(t, 3*time.Second, s.Charge(ConsumerBytes, "a", "y", 200, now), "two clients of one user share")
	require.Equal(t, time.Second, s.Charge(ConsumerBytes, "b", "x", 200, now), "two users do not")
	require.Zero(t, s.Charge(ProducerBytes, "a", "x", 1<<20, now), "reading is not writing")
	require.Equal(t, time.Second, s.Charge(ConsumerBytes, "a", "x", 100, now.Add(3*time.Second)), "time pays back")
	require.Zero(t, s.Charge(ConsumerBytes, "a", "x", 100, now.Add(time.Hour)), "but saves nothing up")
}

func TestRowsAreRead(t *testing.T) {
	t.Parallel()
	s := NewSet()
	order := precedence("u", "c")
	for _, e := range append(order[:], Entity{IP: "10.0.0.1"}) {
		v, err := Value(Values{"k": 1.5})
		require.NoError(t, err)
		require.NoError(t, s.Load(Key(e), v))
		require.Equal(t, Values{"k": 1.5}, s.Get(e))
	}
	require.Len(t, s.All(), 9)
	require.Error(t, s.Load([]byte("{"), []byte("{}")))
	require.Error(t, s.Load([]byte("[]"), []byte("[")))
}
