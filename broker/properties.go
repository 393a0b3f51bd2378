package broker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace-go/millrace/broker/internal/topics"
)

// ParseProperties reads the text of a Java properties file, such as Kafka's server.properties.
func ParseProperties(r io.Reader) (map[string]string, error) {
	props := make(map[string]string)
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimLeft(s.Text(), " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continues(line) && s.Scan() {
			n++
			line = line[:len(line)-1] + strings.TrimLeft(s.Text(), " \t\f")
		}
		key, value, err := property(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		props[key] = value
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("read properties: %w", err)
	}
	return props, nil
}

// continues reports whether a line ends with a backslash that no other one escapes.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// property cuts a line at the first separator: an equals sign, a colon or space.
func property(line string) (key, value string, err error) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
		} else if strings.IndexByte("=: \t\f", line[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(line[end:], " \t\f")
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], " \t\f")
	}
	if key, err = unescape(line[:end]); err != nil {
		return "", "", err
	}
	value, err = unescape(rest)
	return key, strings.TrimRight(value, " \t\r"), err
}

func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			break
		}
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if len(s) < i+5 {
				return "", fmt.Errorf("%q ends within a \\u escape", s)
			}
			n, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", fmt.Errorf("\\u%s is no character", s[i+1:i+5])
			}
			b.WriteRune(rune(n))
			i += 4
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}

// ConfigFromProperties makes a configuration of Kafka's broker properties, as server.properties has them. Notes say in
// words which of them have no meaning for a broker that is alone. A name that Kafka does not have is an error that names
// the nearest one.
func ConfigFromProperties(props map[string]string) (cfg Config, notes []string, err error) {
	r := propertyReader{props: maps.Clone(props), owned: make(map[string]string), cfg: Config{AutoCreateTopics: true, Configs: make(map[string]string)}}
	if r.props == nil {
		r.props = make(map[string]string)
	}
	r.listeners()
	r.tls()
	r.retention()
	for _, name := range slices.Sorted(maps.Keys(r.props)) {
		value := r.props[name]
		if set, ok := properties[name]; ok {
			r.fail(name, set(&r.cfg, value))
		} else if ok, err := topics.CheckBroker(name, value); ok {
			r.cfg.Configs[name] = value
			r.fail(name, err)
		} else if why := meaningless(name); why != "" {
			r.notes = append(r.notes, fmt.Sprintf("%s has no meaning here: %s", name, why))
		} else {
			r.errs = append(r.errs, unknownProperty(name))
		}
	}
	if err := errors.Join(r.errs...); err != nil {
		return Config{}, nil, err
	}
	return r.cfg, r.notes, nil
}

// propertyReader takes from props what it has understood.
type propertyReader struct {
	props map[string]string
	owned map[string]string // settings of single listeners, and whose they were
	cfg   Config
	notes []string
	errs  []error
}

func (r *propertyReader) fail(name string, err error) {
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %w", name, err))
	}
}

// take removes a property and returns it.
func (r *propertyReader) take(name string) (string, bool) {
	v, ok := r.props[name]
	delete(r.props, name)
	return v, ok
}

// retention brings hours and minutes to milliseconds, of which the finest counts.
func (r *propertyReader) retention() {
	for _, p := range []struct {
		name  string
		units []string
		ms    []int64
	}{
		{"log.retention.ms", []string{"log.retention.minutes", "log.retention.hours"}, []int64{60_000, 3_600_000}},
		{"log.roll.ms", []string{"log.roll.hours"}, []int64{3_600_000}},
		{"log.roll.jitter.ms", []string{"log.roll.jitter.hours"}, []int64{3_600_000}},
	} {
		for i, unit := range p.units {
			v, ok := r.take(unit)
			if !ok {
				continue
			}
			n, err := strconv.ParseInt(v, 10, 32)
			if err != nil {
				r.fail(unit, fmt.Errorf("%q is not a whole number", v))
			} else if _, finer := r.props[p.name]; !finer {
				r.props[p.name] = strconv.FormatInt(max(n*p.ms[i], -1), 10)
			}
		}
	}
}

// unknownProperty says what the name may have been meant to be.
func unknownProperty(name string) error {
	best, distance := "", len(name)/3+2
	for _, known := range append(PropertyNames(), slices.Sorted(maps.Keys(meaninglessNames))...) {
		if d := editDistance(name, known); d < distance {
			best, distance = known, d
		}
	}
	if best == "" {
		return fmt.Errorf("%s is not a broker configuration", name)
	}
	return fmt.Errorf("%s is not a broker configuration: did you mean %s?", name, best)
}

// PropertyNames are the names that ConfigFromProperties gives a meaning to, sorted.
func PropertyNames() []string {
	names := slices.Collect(maps.Keys(properties))
	names = append(names, listenerProperties...)
	names = append(names, tlsProperties...)
	names = append(names, "log.retention.minutes", "log.retention.hours", "log.roll.hours", "log.roll.jitter.hours")
	for _, d := range topics.Defs() {
		if d.Broker != "" {
			names = append(names, d.Broker)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// editDistance is how many letters have to be put in, taken out or changed to make a into b.
func editDistance(a, b string) int {
	row := make([]int, utf8.RuneCountInString(b)+1)
	for j := range row {
		row[j] = j
	}
	i := 0
	for _, ca := range a {
		diagonal := row[0]
		i++
		row[0] = i
		j := 0
		for _, cb := range b {
			change := diagonal
			if ca != cb {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
			j++
		}
	}
	return row[len(row)-1]
}
