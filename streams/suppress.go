package streams

import "errors"

// Suppress holds changes back: UntilWindowCloses only on tables of windowed aggregates (Build checks).
func (t Table[K, V]) Suppress(s Suppression, o ...SuppressOption) Table[K, V] {
	return missing[K, V](t.b, errors.New("Suppress is not there yet"))
}
