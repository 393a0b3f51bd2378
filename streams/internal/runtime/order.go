package runtime

// order holds the queues whose head is loaded, lowest head time first. It is a binary heap that sifts as Java's PriorityQueue does: among equal
// times the choice is the one that Kafka Streams makes.
type order []*Queue

func (o *order) offer(q *Queue) {
	h := append(*o, q)
	k := len(h) - 1
	for k > 0 {
		parent := (k - 1) / 2
		if q.headTime >= h[parent].headTime {
			break
		}
		h[k] = h[parent]
		k = parent
	}
	h[k] = q
	*o = h
}

// poll takes the queue with the lowest head time, nil if there is none.
func (o *order) poll() *Queue {
	h := *o
	if len(h) == 0 {
		return nil
	}
	first := h[0]
	n := len(h) - 1
	q := h[n]
	h[n] = nil
	h = h[:n]
	if n > 0 {
		k := 0
		for k < n/2 {
			child := 2*k + 1
			if right := child + 1; right < n && h[child].headTime > h[right].headTime {
				child = right
			}
			if q.headTime <= h[child].headTime {
				break
			}
			h[k] = h[child]
			k = child
		}
		h[k] = q
	}
	*o = h
	return first
}
