package state

// rows is one range of the engine.
type rows struct{}

func (r *rows) get(dst, key []byte) (value []byte, ok bool, err error) { return dst, false, nil }

type rowIterator struct{}

func (r *rows) iterator(span) (*rowIterator, error) { return nil, nil }
func (r *rows) done(*rowIterator) error             { return nil }
func (i *rowIterator) first(reverse bool) bool      { return false }
func (i *rowIterator) step(reverse bool) bool       { return false }
func (i *rowIterator) key() []byte                  { return nil }
func (i *rowIterator) value() []byte                { return nil }
