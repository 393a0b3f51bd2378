package streams

import "github.com/millrace-go/millrace/streams/internal/runtime"

// Driver is the part of the configuration that the test driver of package streamstest uses, checked as New checks it.
func (c Config) Driver() (*runtime.Config, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	r := c.runtime()
	r.PendingBytes = 0 // nothing is applied to a database
	return r, nil
}
