package conformance_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/millrace-go/millrace/window"
)

// recordedCase is one line of a conformance file: a program, the steps played on it and what Java Kafka Streams answered.
type recordedCase struct {
	Name     string         `json:"name"`
	About    string         `json:"about"`
	Config   map[string]any `json:"config"`
	Quirk    []string       `json:"quirk"`
	Program  []operation    `json:"program"`
	Steps    []step         `json:"steps"`
	Expected expected       `json:"expected"`
}

// operation is one operator of a program, with the fields of all of them.
type operation struct {
	Op     string   `json:"op"`
	ID     string   `json:"id"`
	From   string   `json:"from"`
	With   string   `json:"with"`
	Name   *string  `json:"name"`
	Fn     string   `json:"fn"`
	Topic  string   `json:"topic"`
	Topics []string `json:"topics"`

	Value        string        `json:"value"`
	Timestamps   string        `json:"timestamps"`
	Materialized *materialized `json:"materialized"`

	Branches   []branch `json:"branches"`
	Default    *branch  `json:"default"`
	Partitions int      `json:"partitions"`
	TopicBy    string   `json:"topicBy"`

	Window *windowShape `json:"window"`
	Emit   string       `json:"emit"`

	Until      *until `json:"until"`
	MaxRecords int    `json:"maxRecords"`
	MaxBytes   int64  `json:"maxBytes"`
	Full       string `json:"full"`
	Logging    *bool  `json:"logging"`

	KeyFn     string  `json:"keyFn"`
	Grace     *int64  `json:"grace"`
	StoreName *string `json:"storeName"`
	Extractor string  `json:"extractor"`

	Processor string   `json:"processor"`
	Stores    []string `json:"stores"`
	Store     string   `json:"store"`
	Kind      string   `json:"kind"`
}

type materialized struct {
	Name             *string `json:"name"`
	Store            string  `json:"store"`
	HistoryRetention int64   `json:"historyRetention"`
	Caching          *bool   `json:"caching"`
	Logging          *bool   `json:"logging"`
	Retention        *int64  `json:"retention"`
	Serdes           *bool   `json:"serdes"`
}

type branch struct {
	Fn   string  `json:"fn"`
	ID   string  `json:"id"`
	Name *string `json:"name"`
}

// windowShape is the window of an aggregate (with a type) or of a stream-stream join (before and after).
type windowShape struct {
	Type    string `json:"type"`
	Size    int64  `json:"size"`
	Advance int64  `json:"advance"`
	Diff    int64  `json:"diff"`
	Gap     int64  `json:"gap"`
	Start   int64  `json:"start"`
	Grace   int64  `json:"grace"` // absent: the constructor without grace
	Before  int64  `json:"before"`
	After   int64  `json:"after"`
}

// until is "windowCloses" or a number of milliseconds.
type until struct {
	windowCloses bool
	wait         int64
}

func (u *until) UnmarshalJSON(b []byte) error {
	if string(b) == `"windowCloses"` {
		u.windowCloses = true
		return nil
	}
	return json.Unmarshal(b, &u.wait)
}

// step pipes a record or moves the wall clock.
type step struct {
	Pipe             string     `json:"pipe"`
	Key              wireInput  `json:"key"`
	Value            wireInput  `json:"value"`
	Time             int64      `json:"ts"`
	Headers          []wirePair `json:"headers"`
	AdvanceWallClock *int64     `json:"advanceWallClock"`
}

// wire is a recorded byte string; nil is null.
type wire []byte

// UnmarshalJSON reads printable text, {"hex": "00ff"} or null.
func (w *wire) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case string(b) == "null":
		*w = nil
		return nil
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*w = append(wire{}, s...)
		return nil
	case b[0] == '{':
		var h struct {
			Hex *string `json:"hex"`
		}
		if err := json.Unmarshal(b, &h); err != nil {
			return err
		}
		if h.Hex == nil {
			return fmt.Errorf("bytes: no hex in %s", b)
		}
		x, err := hex.DecodeString(*h.Hex)
		*w = append(wire{}, x...)
		return err
	}
	return fmt.Errorf("bytes: %s is neither text, hex nor null", b)
}

// wireInput is a key or value of a step: a wire, or a number for a long.
type wireInput []byte

func (w *wireInput) UnmarshalJSON(b []byte) error {
	if n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64); err == nil {
		*w = binary.BigEndian.AppendUint64(nil, uint64(n))
		return nil
	}
	return (*wire)(w).UnmarshalJSON(b)
}

// wirePair is a header, ["name", value].
type wirePair struct {
	key   string
	value wire
}

func (p *wirePair) UnmarshalJSON(b []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if len(raw) != 2 {
		return fmt.Errorf("a header is a pair, not %s", b)
	}
	if err := json.Unmarshal(raw[0], &p.key); err != nil {
		return err
	}
	return json.Unmarshal(raw[1], &p.value)
}

type expected struct {
	BuildError     string                       `json:"buildError"`
	BuildMessage   string                       `json:"buildMessage"`
	Describe       *string                      `json:"describe"`
	InternalTopics map[string]map[string]string `json:"internalTopics"`
	Steps          []expectedStep               `json:"steps"`
	Stores         map[string][]expectedRow     `json:"stores"`
	Dropped        *int64                       `json:"dropped"`
}

type expectedStep struct {
	Error    string                      `json:"error"`
	Produced map[string][]expectedRecord `json:"produced"`
}

type expectedRecord struct {
	Key     wire       `json:"k"`
	Value   wire       `json:"v"`
	Time    *int64     `json:"ts"` // nil: the producer's
	Headers []wirePair `json:"h"`
}

// expectedRow is an entry of a store, its fields in canonical text: see canonicalBytes.
type expectedRow struct {
	fields []string
	timed  bool // the second field is a time: a window or session store, whose order is the engine's own

	headers bool // the last field is the entry's headers
}

func (r *expectedRow) UnmarshalJSON(b []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	for i, f := range raw {
		var w wire
		var hs []wirePair
		if n, err := strconv.ParseInt(string(f), 10, 64); err == nil {
			r.fields = append(r.fields, strconv.FormatInt(n, 10))
			r.timed = r.timed || i == 1
		} else if json.Unmarshal(f, &hs) == nil && len(f) > 0 && f[0] == '[' {
			r.fields, r.headers = append(r.fields, canonicalPairs(hs)), true
		} else if err := json.Unmarshal(f, &w); err == nil {
			r.fields = append(r.fields, canonicalBytes(w))
		} else {
			return err
		}
	}
	return nil
}

// canonicalBytes is how bytes are compared and printed: null, quoted printable text, or x and hex digits.
func canonicalBytes(b []byte) string {
	if b == nil {
		return "null"
	}
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return "x" + hex.EncodeToString(b)
		}
	}
	return strconv.Quote(string(b))
}

func canonicalPairs(ps []wirePair) string {
	var s []string
	for _, p := range ps {
		s = append(s, p.key+"="+canonicalBytes(p.value))
	}
	return "{" + strings.Join(s, " ") + "}"
}

// millis is a number of milliseconds as a duration; what time.Duration cannot hold is Kafka's largest.
func millis(n int64) time.Duration {
	if n > math.MaxInt64/int64(time.Millisecond) {
		return window.Forever
	}
	return time.Duration(n) * time.Millisecond
}

// parseCase reads a line strictly: a field that the runner does not know is an error, not silence.
func parseCase(line []byte) (*recordedCase, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	d.UseNumber()
	c := &recordedCase{}
	if err := d.Decode(c); err != nil {
		return nil, err
	}
	return c, nil
}

// short is the program in a form that fits a screen.
func (c *recordedCase) short() string {
	var b strings.Builder
	for _, k := range sortedKeys(c.Config) {
		fmt.Fprintf(&b, "    config %s = %v\n", k, c.Config[k])
	}
	for _, o := range c.Program {
		b.WriteString("    " + o.short() + "\n")
	}
	return b.String()
}

func (o operation) short() string {
	id, op, from, with := o.ID, o.Op, o.From, o.With
	o.ID, o.Op, o.From, o.With = "", "", "", ""
	all, err := json.Marshal(o)
	if err != nil {
		return err.Error()
	}
	var fields map[string]any
	if err := json.Unmarshal(all, &fields); err != nil {
		return err.Error()
	}
	if o.Until != nil {
		fields["until"] = o.Until.wait
		if o.Until.windowCloses {
			fields["until"] = "windowCloses"
		}
	}
	s := op
	if id != "" {
		s = id + " = " + op
	}
	if from != "" {
		s += " " + from
	}
	if with != "" {
		s += " with " + with
	}
	for _, k := range sortedKeys(fields) {
		if f := shortField(fields[k]); f != "" {
			s += " " + k + ":" + f
		}
	}
	return s
}

// shortField prints a decoded JSON value without what is absent.
func shortField(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		if v == 0 {
			return ""
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any:
		var s []string
		for _, k := range sortedKeys(v) {
			if f := shortField(v[k]); f != "" {
				s = append(s, k+":"+f)
			}
		}
		return "{" + strings.Join(s, " ") + "}"
	case []any:
		var s []string
		for _, x := range v {
			s = append(s, shortField(x))
		}
		return "[" + strings.Join(s, " ") + "]"
	}
	return fmt.Sprint(v)
}
