package api

import (
	"fmt"
	"maps"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/metadb"
	"github.com/millrace-go/millrace/broker/internal/quota"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

func alterClientQuotas(n *Node, r *wire.Request, req *kmsg.AlterClientQuotasRequest) (kmsg.Response, error) {
	n.guard.mu.Lock() // one change of quotas, users or rules at a time
	defer n.guard.mu.Unlock()
	resp := kmsg.NewPtrAlterClientQuotasResponse()
	allowed := n.may(r, kmsg.ACLOperationAlterConfigs, kmsg.ACLResourceTypeCluster, clusterResource)
	for _, re := range req.Entries {
		se := kmsg.NewAlterClientQuotasResponseEntry()
		for _, c := range re.Entity {
			se.Entity = append(se.Entity, kmsg.AlterClientQuotasResponseEntryEntity{Type: c.Type, Name: c.Name})
		}
		code, err := kerr.ClusterAuthorizationFailed.Code, error(kerr.ClusterAuthorizationFailed)
		if allowed {
			code, err = n.alterQuota(r, re, req.ValidateOnly)
		}
		se.ErrorCode, se.ErrorMessage = code, text(err)
		resp.Entries = append(resp.Entries, se)
	}
	return resp, nil
}

// alterQuota changes the quotas of one entity: all that are asked for or none.
func (n *Node) alterQuota(r *wire.Request, re kmsg.AlterClientQuotasRequestEntry, dryRun bool) (int16, error) {
	pairs := make([][2]*string, len(re.Entity))
	for i := range re.Entity {
		pairs[i] = [2]*string{&re.Entity[i].Type, re.Entity[i].Name}
	}
	e, err := quota.NewEntity(pairs)
	if err != nil {
		return kerr.InvalidRequest.Code, err
	}
	values := maps.Clone(n.quotas.Get(e))
	if values == nil {
		values = quota.Values{}
	}
	seen := map[string]bool{}
	for _, op := range re.Ops {
		switch {
		case seen[op.Key]:
			return kerr.InvalidRequest.Code, fmt.Errorf("the request names quota %s more than once", op.Key)
		case op.Remove && quota.Known(e, op.Key):
			delete(values, op.Key)
		default:
			if err := quota.Check(e, op.Key, op.Value); err != nil {
				return kerr.InvalidRequest.Code, err
			}
			values[op.Key] = op.Value
		}
		seen[op.Key] = true
	}
	if dryRun {
		return 0, nil
	}
	if len(values) > 0 && n.quotas.Get(e) == nil && n.quotas.Len() >= quota.MaxEntities {
		return kerr.PolicyViolation.Code, fmt.Errorf("%d entities have quotas already", n.quotas.Len())
	}
	var b metadb.Batch
	key := metadb.Key(metadb.TableQuota, quota.Key(e))
	if len(values) == 0 {
		b.Delete(key)
	} else {
		v, err := quota.Value(values)
		if err != nil {
			return kerr.UnknownServerError.Code, err
		}
		b.Set(key, v)
	}
	if err := n.db.Commit(&b); err != nil {
		n.log.Error("quotas", "err", err)
		return kerr.KafkaStorageError.Code, err
	}
	n.quotas.Put(e, values)
	n.changed(r, "AlterClientQuotas", "ClientQuota:"+e.String(), fmt.Sprint(values))
	return 0, nil
}
