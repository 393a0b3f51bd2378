package window_test

import (
	"fmt"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

func show(ws []window.Window) {
	for _, w := range ws {
		fmt.Println(w)
	}
}

func ExampleTumbling() {
	w := window.Tumbling[string]{Size: time.Minute, Grace: 10 * time.Second}
	show(w.Assign(nil, window.At(time.Date(2026, 5, 1, 12, 0, 59, 0, time.UTC))))
	// Output:
	// 2026-05-01T12:00:00Z/2026-05-01T12:01:00Z
}

func ExampleHopping() {
	w := window.Hopping[string]{Size: 5 * time.Minute, Advance: 2 * time.Minute}
	show(w.Assign(nil, window.At(time.Date(2026, 5, 1, 12, 5, 0, 0, time.UTC))))
	// Output:
	// 2026-05-01T12:02:00Z/2026-05-01T12:07:00Z
	// 2026-05-01T12:04:00Z/2026-05-01T12:09:00Z
}

func ExampleUnlimited() {
	w := window.Unlimited[string]{Start: window.At(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}
	fmt.Println(len(w.Assign(nil, w.Start-1)), len(w.Assign(nil, w.Start)))
	// Output:
	// 0 1
}

func ExampleSliding() {
	w := window.Sliding[string]{Difference: 10 * time.Minute}
	fmt.Println(w.Check(), w.Span())

	w.Difference = -time.Second
	fmt.Println(w.Check())
	// Output:
	// <nil> 10m0s
	// window: Sliding.Difference is -1s; it must be positive: set it, to time.Minute say
}

func ExampleSession() {
	w := window.Session[string]{Gap: 30 * time.Minute, Grace: time.Minute}
	fmt.Println(w.Check(), w.Inactivity(), w.Lateness())

	w.Gap = 1500 * time.Microsecond
	fmt.Println(w.Check())
	// Output:
	// <nil> 30m0s 1m0s
	// window: Session.Gap is 1.5ms; windows are measured in whole milliseconds: use 2ms
}

func ExampleJoin() {
	// A payment may come up to an hour after its order, and never before it.
	w := window.Join{After: time.Hour, Grace: 10 * time.Minute}
	order := window.At(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	fmt.Println("payments:", w.ForLeft(order))
	fmt.Println("orders:  ", w.ForRight(order))
	// Output:
	// payments: 2026-05-01T12:00:00Z/2026-05-01T13:00:00Z
	// orders:   2026-05-01T11:00:00Z/2026-05-01T12:00:00Z
}

func ExampleWithin() {
	fmt.Println(window.Within(time.Minute, 0) == window.Join{Before: time.Minute, After: time.Minute})
	// Output: true
}

func ExampleTime() {
	t := window.At(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	fmt.Println(t, t.Add(90*time.Second), t.Add(90*time.Second).Sub(t))
	fmt.Println(t.Add(window.Forever) == window.MaxTime)
	// Output:
	// 2026-05-01T12:00:00Z 2026-05-01T12:01:30Z 1m30s
	// true
}

// A table of counts per minute was written to a topic. Its keys are read with the size of its windows, which is not in them.
func ExampleTimeSerde() {
	s := window.TimeSerde(serde.String, time.Minute)
	b, _ := s.Append(nil, window.Windowed[string]{Key: "page", Window: window.Window{Start: 60_000, End: 120_000}})
	fmt.Printf("%q\n", b)

	k, err := s.Decode(b)
	fmt.Println(k, err)

	_, err = s.Decode(b[:5])
	fmt.Println(err)
	// Output:
	// "page\x00\x00\x00\x00\x00\x00\xea`"
	// page@1970-01-01T00:01:00Z/1970-01-01T00:02:00Z <nil>
	// window: key in a window needs at least 8 bytes, got 5
}

func ExampleSessionSerde() {
	s := window.SessionSerde(serde.String)
	b, _ := s.Append(nil, window.Windowed[string]{Key: "u1", Window: window.Window{Start: 1, End: 2}})
	fmt.Printf("%x\n", b)
	// Output: 753100000000000000020000000000000001
}

// days is a calendar window: the days of a time zone. A day has 23 to 25 hours, so Size, the longest of them, is 25 hours.
type days struct {
	window.Tumbling[string]
	zone *time.Location
}

func (d days) Assign(dst []window.Window, at window.Time) []window.Window {
	t := at.Time().In(d.zone)
	start := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, d.zone)
	return append(dst, window.Window{Start: window.At(start), End: window.At(start.AddDate(0, 0, 1))})
}

// Days of a time zone: embed Tumbling and write Assign. KeySerde reads the end of a day back through it.
func ExampleAssigner() {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	d := days{window.Tumbling[string]{Size: 25 * time.Hour}, berlin}

	noon := window.At(time.Date(2026, 10, 25, 12, 0, 0, 0, berlin)) // the day on which clocks go back
	w := d.Assign(nil, noon)[0]
	fmt.Println(w, w.End.Sub(w.Start))

	s := window.KeySerde(d, serde.String)
	b, _ := s.Append(nil, d.Key("page", w))
	k, err := s.Decode(b)
	fmt.Println(k, err)
	// Output:
	// 2026-10-24T22:00:00Z/2026-10-25T23:00:00Z 25h0m0s
	// page@2026-10-24T22:00:00Z/2026-10-25T23:00:00Z <nil>
}

func ExampleWindowed() {
	k := window.Windowed[string]{Key: "page", Window: window.Window{Start: 0, End: 60_000}}
	fmt.Println(k)
	fmt.Println(k.Key, k.Start.Millis(), k.End.Sub(k.Start))
	// Output:
	// page@1970-01-01T00:00:00Z/1970-01-01T00:01:00Z
	// page 0 1m0s
}

func ExampleWindow() {
	fmt.Println(window.Window{Start: 0, End: 60_000})
	fmt.Println(window.CheckAssigned(window.Window{Start: 5, End: 5}))
	// Output:
	// 1970-01-01T00:00:00Z/1970-01-01T00:01:00Z
	// window: the window that starts at 1970-01-01T00:00:00.005Z (5 ms) ends at 5 ms: not after its start, or beyond the end of time
}

func ExampleAppendStoreKey() {
	b := window.AppendStoreKey(nil, []byte("page"), 60_000, 0)
	fmt.Printf("%q\n", b)
	key, start, seq, err := window.ParseStoreKey(b)
	fmt.Println(string(key), start, seq, err)
	// Output:
	// "page\x00\x00\x00\x00\x00\x00\xea`\x00\x00\x00\x00"
	// page 1970-01-01T00:01:00Z 0 <nil>
}
