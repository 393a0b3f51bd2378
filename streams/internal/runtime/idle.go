package runtime

// input is what the decision to wait looks at, of one partition.
type input struct {
	buffered bool
	lag      int64 // of an empty partition: records on the broker; -1: unknown
	deadline Time  // of an empty partition whose lag is 0: when waiting ends; -1: not set
}

// readiness is the answer of ready.
type readiness uint8

const (
	empty    readiness = iota // nothing to process
	waiting                   // for records of an empty partition
	complete                  // every partition has records
	enforced                  // partitions without records were waited for long enough, or are not waited for
)

// ready decides whether a task may process although some of its partitions have no records fetched (KIP-353, KIP-695). With idle < 0 it may.
// Otherwise it waits for records that the broker has, without limit, and for records that may yet come, for idle milliseconds. It returns the
// deadlines to keep in the inputs it was given.
func ready(in []input, idle, now Time) readiness {
	buffered := 0
	for _, i := range in {
		if i.buffered {
			buffered++
		}
	}
	switch {
	case buffered == 0:
		return empty
	case buffered == len(in):
		return complete
	case idle < 0:
		return enforced
	}
	out := enforced
	for i := range in {
		p := &in[i]
		switch {
		case p.buffered:
			p.deadline = -1
		case p.lag != 0:
			out = waiting
		case p.deadline < 0:
			p.deadline = add(now, idle)
			fallthrough
		default:
			if now < p.deadline {
				out = waiting
			}
		}
	}
	return out
}

// add saturates.
func add(a, b Time) Time {
	if s := a + b; s >= a {
		return s
	}
	return 1<<63 - 1
}
