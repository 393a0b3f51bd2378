package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// saslHandshake starts a log-in. It is the first request but for ApiVersions, on listeners that ask for one, and none
// elsewhere. Where log-ins end, a client that has logged in does it again, the same way (KIP-368).
func saslHandshake(n *Node, r *wire.Request, req *kmsg.SASLHandshakeRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrSASLHandshakeResponse()
	id := n.guard.identity(r.Conn)
	again := id.mechanism != "" && n.cfg.Security.SessionLifetime > 0
	if r.Conn.Authenticated() && !again || again && req.Mechanism != id.mechanism {
		resp.ErrorCode = kerr.IllegalSaslState.Code
		return resp, wire.ErrCloseAfter
	}
	resp.SupportedMechanisms = n.guard.mechanisms(r.Conn)
	if !slices.Contains(resp.SupportedMechanisms, req.Mechanism) {
		resp.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		return resp, wire.ErrCloseAfter
	}
	exchange, err := n.guard.auth.Begin(req.Mechanism)
	if err != nil {
		return nil, err
	}
	id.exchange = exchange
	return resp, nil
}
