package api

import (
	"regexp"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/txn"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

func listTransactions(n *Node, r *wire.Request, req *kmsg.ListTransactionsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrListTransactionsResponse()
	known := []string{}
	for s := txn.Empty; s <= txn.CompleteAbort; s++ {
		known = append(known, s.String())
	}
	for _, s := range req.StateFilters {
		if !slices.Contains(known, s) {
			resp.UnknownStateFilters = append(resp.UnknownStateFilters, s)
		}
	}
	var pattern *regexp.Regexp
	if req.TransactionalIDPattern != nil && *req.TransactionalIDPattern != "" {
		var err error
		if pattern, err = regexp.Compile("^(?:" + *req.TransactionalIDPattern + ")$"); err != nil {
			resp.ErrorCode = kerr.InvalidRegularExpression.Code
			return resp, nil
		}
	}
	now := n.cfg.Now()
	for _, e := range n.txns.all() {
		e.mu.Lock()
		t := e.t
		s := kmsg.ListTransactionsResponseTransactionState{TransactionalID: t.ID, ProducerID: t.ProducerID, TransactionState: t.State.String()}
		open := t.State == txn.Ongoing || t.State == txn.PrepareCommit || t.State == txn.PrepareAbort
		age := now.Sub(t.Started).Milliseconds()
		gone := e.gone || t.Epoch < 0
		e.mu.Unlock()
		switch {
		case gone:
		case len(req.StateFilters) > 0 && !slices.Contains(req.StateFilters, s.TransactionState):
		case len(req.ProducerIDFilters) > 0 && !slices.Contains(req.ProducerIDFilters, s.ProducerID):
		case req.Version >= 1 && req.DurationFilterMillis >= 0 && (!open || age <= req.DurationFilterMillis):
		case pattern != nil && !pattern.MatchString(s.TransactionalID):
		case !n.can(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTransactionalId, s.TransactionalID):
		default:
			resp.TransactionStates = append(resp.TransactionStates, s)
		}
	}
	slices.SortFunc(resp.TransactionStates, func(a, b kmsg.ListTransactionsResponseTransactionState) int {
		return strings.Compare(a.TransactionalID, b.TransactionalID)
	})
	return resp, nil
}
