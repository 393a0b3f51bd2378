package window

import (
	"errors"
	"fmt"
	"time"
)

// checker collects the mistakes of a definition.
type checker struct {
	kind string
	errs []error
}

func (c *checker) fail(field string, d time.Duration, fix string) {
	c.errs = append(c.errs, fmt.Errorf("window: %s.%s is %v; %s", c.kind, field, d, fix))
}

// whole says whether d is in whole milliseconds, the unit of all timestamps, and reports it if not.
func (c *checker) whole(field string, d time.Duration) bool {
	if rest := d % time.Millisecond; rest != 0 && d != Forever && d != -Forever {
		up := d - rest
		if d > 0 {
			up += time.Millisecond
		}
		c.fail(field, d, fmt.Sprintf("windows are measured in whole milliseconds: use %v", up))
		return false
	}
	return true
}

func (c *checker) positive(field string, d time.Duration) {
	if d <= 0 {
		c.fail(field, d, "it must be positive: set it, to time.Minute say")
		return
	}
	c.whole(field, d)
}

func (c *checker) notNegative(field string, d time.Duration) {
	if d < 0 {
		c.fail(field, d, "it must not be negative: leave it out for none")
		return
	}
	c.whole(field, d)
}

func (c *checker) err() error { return errors.Join(c.errs...) }
