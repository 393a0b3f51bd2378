package broker

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// Secret is a text that is never shown: printed, logged or encoded it is three stars.
type Secret string

const hidden = "***"

// String hides the secret.
func (Secret) String() string { return hidden }

// GoString hides it from %#v.
func (Secret) GoString() string { return hidden }

// Format hides it from every other verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) } // there is nobody to tell of an error

// LogValue hides it from log/slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON hides it from encoding/json.
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(hidden) }
