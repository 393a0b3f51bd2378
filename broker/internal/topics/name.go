package topics

import (
	"errors"
	"fmt"
	"strings"
)

// CheckName reports why name cannot be the name of a topic.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("a topic name must not be empty")
	case name == "." || name == "..":
		return errors.New(`a topic name must not be "." or ".."`)
	case len(name) > 249:
		return fmt.Errorf("a topic name has at most 249 characters, this one has %d", len(name))
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return fmt.Errorf("topic name %q has characters other than letters, digits, '.', '_' and '-'", name)
		}
	}
	return nil
}

// metricName is a topic's name in Kafka's metrics, where a dot reads as an underscore. Two topics that differ in
// nothing else cannot both exist.
func metricName(name string) string { return strings.ReplaceAll(name, ".", "_") }
