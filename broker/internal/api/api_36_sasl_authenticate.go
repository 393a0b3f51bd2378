package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/security"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// failedAuthDelay is how long the answer to a failed log-in is held back: guessing passwords should take time.
const failedAuthDelay = 100 * time.Millisecond

// saslAuthenticate is one step of a log-in.
func saslAuthenticate(n *Node, r *wire.Request, req *kmsg.SASLAuthenticateRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	id := n.guard.identity(r.Conn)
	e := id.exchange
	if e == nil {
		resp.ErrorCode = kerr.IllegalSaslState.Code
		return resp, wire.ErrCloseAfter
	}
	out, done, err := e.Step(req.SASLAuthBytes)
	if done {
		if user, _ := e.User(); id.mechanism != "" && security.User(user) != id.principal {
			err = &security.Failure{User: user, Reason: fmt.Sprintf("the connection is that of %s", id.principal)}
		}
	}
	if err != nil {
		id.exchange = nil
		n.guard.audit(failedLogIn(r, e, err))
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		resp.ErrorMessage = kmsg.StringPtr(security.FailedText)
		r.Later(func(ctx context.Context) kmsg.Response {
			select {
			case <-time.After(failedAuthDelay):
				return resp
			case <-ctx.Done():
				return nil
			}
		})
		return nil, wire.ErrCloseAfter
	}
	resp.SASLAuthBytes = out
	if done {
		user, _ := e.User()
		id.principal, id.mechanism, id.exchange = security.User(user), e.Mechanism(), nil
		if d := n.cfg.Security.SessionLifetime; d > 0 {
			id.ends = n.cfg.Now().Add(d)
			resp.SessionLifetimeMillis = d.Milliseconds()
		}
		r.Conn.SetAuthenticated()
		n.guard.audit(security.Event{Kind: security.LoggedIn, Principal: id.principal, Host: r.Conn.Host(), Mechanism: e.Mechanism()})
	}
	return resp, nil
}

func failedLogIn(r *wire.Request, e *security.Exchange, err error) security.Event {
	ev := security.Event{Kind: security.LogInFailed, Host: r.Conn.Host(), Mechanism: e.Mechanism(), Reason: err.Error()}
	if f, ok := errors.AsType[*security.Failure](err); ok && f.User != "" {
		ev.Principal, ev.Reason = security.User(f.User), f.Reason
	}
	return ev
}
