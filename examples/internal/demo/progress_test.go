package demo

import "testing"

func TestTheTextBesideTheBarFits(t *testing.T) {
	for _, c := range []struct {
		columns int
		want    string
	}{{80, "12 records  the 4, größe 3, of 2"}, {32, "12 records  the 4, größe 3, of 2"}, {31, "12 records  the 4, größe 3"}, {20, "12 records  the 4"}, {9, "12 record"}, {-3, ""}} {
		if got := fit("12 records  the 4, größe 3, of 2", c.columns); got != c.want {
			t.Errorf("in %d columns: %q, want %q", c.columns, got, c.want)
		}
	}
}
