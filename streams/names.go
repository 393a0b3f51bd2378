package streams

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace-go/millrace/window"
)

// index draws the next number of generated names: one counter for nodes and stores (Kafka Streams' rule).
func (b *Builder) index() int {
	b.made()
	n := b.counter
	b.counter++
	return n
}

// generate draws a number and answers the generated name with the prefix.
func (b *Builder) generate(prefix string) string { return fmt.Sprintf("%s%010d", prefix, b.index()) }

// generateStore is the generated name of a store.
func (b *Builder) generateStore(prefix string) string { return b.generate(prefix + "STATE-STORE-") }

// nodeName is the name that was given, or a generated one; a number is drawn either way, so that naming one node renumbers no other.
func (b *Builder) nodeName(given, prefix string) string {
	g := b.generate(prefix)
	if given != "" {
		return given
	}
	return g
}

// suffixedName is nodeName for one of several nodes of a verb: the name that was given and a suffix.
func (b *Builder) suffixedName(given, suffix, prefix string) string {
	if given != "" {
		given += suffix
	}
	return b.nodeName(given, prefix)
}

// storeName is the name that As gave, or a generated one. Unlike a node's, a given name draws no number.
func (b *Builder) storeName(c *storeConfig, prefix string) string {
	if c.name != "" {
		return c.name
	}
	return b.generateStore(prefix)
}

// generatedName is a store or internal topic whose name was generated.
type generatedName struct {
	what, name string
	option     string // that would name it
}

// nameGenerated notes a generated name for RequireNames.
func (b *Builder) nameGenerated(what, name, option string) {
	b.generated = append(b.generated, generatedName{what, name, option})
}

// checkNames refuses generated names of stores and internal topics if RequireNames asks for it (KIP-1111).
func (b *Builder) checkNames() {
	if !b.config.requireNames {
		return
	}
	for _, g := range b.generated {
		b.fail(fmt.Errorf("the %s %s has a generated name, which changes when a verb is added before it: name it with streams.%s", g.what, g.name, g.option))
	}
}

// check reports what is wrong with the options of a verb.
func (b *Builder) check(node string, c *nodeConfig) {
	if c.store.versioned && c.store.ttl > 0 {
		c.errs = append(c.errs, errors.New("a store is either Versioned, which forgets by itself, or has a TTL: leave one out"))
		c.store.ttl = 0
	}
	for _, err := range c.errs {
		b.fail(fmt.Errorf("node %s: %w", node, err))
	}
}

// millis is d, or 0 if it is negative or has a part of a millisecond, which it reports: times are measured in milliseconds.
func (c *nodeConfig) millis(option string, d time.Duration) time.Duration {
	switch {
	case d < 0:
		c.errs = append(c.errs, fmt.Errorf("%s(%v) is negative: give 0 or more", option, d))
		return 0
	case d%time.Millisecond != 0 && d != window.Forever:
		c.errs = append(c.errs, fmt.Errorf("%s(%v) has a part of a millisecond: round it", option, d))
		return 0
	}
	return d
}
