package serde

// Header is one header of a record. A nil Value is Kafka's null, which is not an empty value.
type Header struct {
	Key   string
	Value []byte
}

// Headers are the headers of a record, in order. A key may occur more than once. A record's headers are shared by all records made
// from it: add with [Headers.With], never by writing to an element.
type Headers []Header

// Last returns the value of the last header of that key, and whether there is one: later headers take precedence.
func (h Headers) Last(key string) (value []byte, ok bool) {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Key == key {
			return h[i].Value, true
		}
	}
	return nil, false
}

// With returns h with a header added at the end. h itself, and what shares its memory, stays as it was.
func (h Headers) With(key string, value []byte) Headers {
	return append(h[:len(h):len(h)], Header{key, value})
}
