package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

func incrementalAlterConfigs(n *Node, r *wire.Request, req *kmsg.IncrementalAlterConfigsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
	seen := map[resource]bool{}
	for _, rr := range req.Resources {
		sr := kmsg.NewIncrementalAlterConfigsResponseResource()
		sr.ResourceType, sr.ResourceName = rr.ResourceType, rr.ResourceName
		var changes []topics.Change
		for _, c := range rr.Configs {
			ch := topics.Change{Name: c.Name, Op: topics.ChangeOp(c.Op)}
			if c.Value != nil {
				ch.Value = *c.Value
			}
			changes = append(changes, ch)
		}
		var err error
		sr.ErrorCode, err = n.alterResource(r, resource{rr.ResourceType, rr.ResourceName}, seen, changes, false, req.ValidateOnly)
		sr.ErrorMessage = text(err)
		resp.Resources = append(resp.Resources, sr)
	}
	return resp, nil
}
