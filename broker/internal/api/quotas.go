package api

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace-go/millrace/broker/internal/metadb"
	"github.com/millrace-go/millrace/broker/internal/quota"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// openQuotas reads the quotas that were kept.
func openQuotas(db *metadb.DB) (*quota.Set, error) {
	s := quota.NewSet()
	prefix := metadb.Key(metadb.TableQuota)
	if err := db.Scan(prefix, func(k, v []byte) error { return s.Load(k[len(prefix):], v) }); err != nil {
		return nil, fmt.Errorf("load quotas: %w", err)
	}
	return s, nil
}

// client is whose quota a request counts against.
type client struct{ user, id string }

func (n *Node) client(r *wire.Request) client {
	_, user, _ := strings.Cut(string(n.principal(r)), ":")
	return client{user, r.ClientID}
}

// throttle counts bytes against a quota. It returns what the response says of it, in milliseconds; the connection's next
// request is not read before that time is over (KIP-219).
func (n *Node) throttle(c *wire.Conn, who client, key string, bytes int) int32 {
	wait := n.quotas.Charge(key, who.user, who.id, bytes, n.cfg.Now())
	if wait < time.Millisecond {
		return 0
	}
	c.Mute(wait)
	return int32(wait.Milliseconds())
}
