package api

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fill gives every field of a request a random value.
func fill(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() && v.Type().Field(i).Name != "UnknownTags" && v.Type().Field(i).Name != "Version" {
				fill(r, f)
			}
		}
	case reflect.Slice:
		n := r.IntN(4)
		if n == 3 && v.Type().Elem().Kind() == reflect.Uint8 {
			n = 200
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(r, v.Index(i))
		}
	case reflect.Pointer:
		if r.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem())
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("%*d", r.IntN(200), 0))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.IntN(200) - 100))
	case reflect.Uint8:
		v.SetUint(uint64(r.IntN(256)))
	case reflect.Float64:
		v.SetFloat(r.Float64())
	}
}

// TestShapesAreThoseOfTheRequests: whatever a client library encodes has the shape of its API, and nothing
// shorter has it.
func TestShapesAreThoseOfTheRequests(t *testing.T) {
	t.Parallel()
	for _, a := range table() {
		for version := a.min; version <= a.max; version++ {
			t.Run(fmt.Sprintf("%s v%d", a.key.Name(), version), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(a.key), uint64(version)))
				for range 10 {
					req := a.key.Request()
					req.SetVersion(version)
					fill(r, reflect.ValueOf(req).Elem())
					body := req.AppendTo(nil)
					require.NoError(t, a.shape.Check(body, version, req.IsFlexible()), "%+v", req)
					for i := 0; i < len(body); i += 1 + len(body)/200 {
						require.Error(t, a.shape.Check(body[:i], version, req.IsFlexible()), "first %d of %d bytes", i, len(body))
					}
				}
			})
		}
	}
}

// TestTableIsSound: every row can be decoded, and each key is there once.
func TestTableIsSound(t *testing.T) {
	t.Parallel()
	seen := map[kmsg.Key]bool{}
	last := kmsg.Key(-1)
	for _, a := range table() {
		require.False(t, seen[a.key], "%s is there twice", a.key.Name())
		seen[a.key] = true
		require.Greater(t, a.key, last, "%s is out of order", a.key.Name())
		last = a.key
		require.NotNil(t, a.key.Request(), "%d", a.key)
		require.LessOrEqual(t, a.min, a.max)
		require.LessOrEqual(t, a.max, a.key.Request().MaxVersion(), a.key.Name())
		require.NotNil(t, a.handle)
	}
}
