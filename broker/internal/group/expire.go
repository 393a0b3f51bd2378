package group

import "time"

// expireOffsets drops offsets that have outlived the retention (KIP-211), then
// groups in which nothing is left.
//
// In a group with members nothing expires but offsets of topics that no
// member reads. Without members the time counts from when the last one left;
// in a group that never had members, from the commit.
func (c *Coordinator) expireOffsets(now time.Time) {
	for _, g := range c.sorted() {
		subscribed := g.subscribed()
		for _, p := range sortedPartitions(g.offsets) {
			if c.expired(g, g.offsets[p], now) && !subscribed(p.topic) && !g.inTransaction(p) {
				c.deleteOffset(g, p)
			}
		}
		if g.empty() && len(g.offsets) == 0 && len(g.staged) == 0 && !g.expected() {
			c.cfg.Log.Info("group without members and offsets removed", "group", g.id)
			c.forget(g)
		}
	}
}

func (c *Coordinator) expired(g *group, o offset, now time.Time) bool {
	if o.expires >= 0 {
		return g.empty() && o.expires <= now.UnixMilli()
	}
	if c.cfg.OffsetRetention < 0 {
		return false
	}
	from := time.UnixMilli(o.committed)
	switch {
	case g.classic == nil: // what a consumer group reads does not expire
	case g.empty():
		if g.classic.since.After(from) {
			from = g.classic.since
		}
	case g.classic.protocolType != consumerProtocol || g.classic.state != stable:
		return false
	}
	return now.Sub(from) >= c.cfg.OffsetRetention
}

// expected reports whether a member has been given an id to join with.
func (g *group) expected() bool { return g.classic != nil && len(g.classic.pending) > 0 }
