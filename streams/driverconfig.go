package streams

import (
	"time"

	"github.com/millrace-go/millrace/streams/internal/runtime"
)

// Driver is the part of the configuration that the test driver of package streamstest uses, checked as New checks it.
func (c Config) Driver() (*runtime.Config, error) {
	if c.EmitInterval == 0 {
		c.EmitInterval = -1 * time.Millisecond // a test sees results at once
	}
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	r := c.runtime()
	r.PendingBytes = 0 // nothing is applied to a database
	return r, nil
}
