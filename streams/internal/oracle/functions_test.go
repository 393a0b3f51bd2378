package oracle

import "fmt"

// The functions of a program's operators, used by the DSL and by the loops.

const (
	small = 997    // values after a map or join
	large = 100003 // sums of streams
)

func (n *node) wants(v int64) bool   { return v%n.n == n.m }
func (n *node) mapped(v int64) int64 { return (v*n.n + n.m) % small }
func (n *node) keyOf(v int64) string { return fmt.Sprintf("s%d", v%n.n) }

// several answers 0 to 3 values.
func (n *node) several(v int64) (vs []int64) {
	for i := range v % n.n {
		vs = append(vs, (v+i)%small)
	}
	return vs
}

func pair(l, r int64) int64 { return (l*31 + r) % small }

// half joins a value with one that may not be there.
func half(l int64, r *int64) int64 {
	if r == nil {
		return (l*7 + 5) % small
	}
	return pair(l, *r)
}

func either(l, r *int64) int64 {
	if l == nil {
		return (*r*3 + 1) % small
	}
	return half(*l, r)
}

// row is the group and value of a table's row. Values are positive, so that the sum of no rows, which stays in the table as 0, is told from others.
func (n *node) row(v int64) (string, int64) { return fmt.Sprintf("g%d", v%n.n), v%7 + 1 }

// points says where a row of a foreign-key join points.
func (n *node) points(v int64) (string, bool) {
	return []string{"a", "b", "g0", "g1", "s1", "nowhere"}[v%n.n], v%5 != 4
}

// globalKey says which row of a global table a record meets.
func (n *node) globalKey(k string, v int64) string {
	if n.wants(v) {
		return "a"
	}
	return k
}

func sum(a, v int64) int64 { return (a + v) % large }

// fold adds a value to an aggregate, hash with respect to the order.
func fold(how string, a, v int64) int64 {
	switch how {
	case "count":
		return a + 1
	case "sum":
		return sum(a, v)
	case "add":
		return (a + v*v) % large
	case "max":
		return max(a, v)
	case "hash":
		return (a*31 + v) % large
	case "last":
		return v
	}
	panic(how)
}

// left and right add to the aggregate of a cogroup.
func left(a, v int64) int64  { return (a + 3*v) % large }
func right(a, v int64) int64 { return (a + 5*v + 1) % large }

func nothing() int64 { return 0 }

func notZero(_ string, v int64) bool { return v != 0 }

func windowText(key string, start, end int64) string { return fmt.Sprintf("%s@%d-%d", key, start, end) }
