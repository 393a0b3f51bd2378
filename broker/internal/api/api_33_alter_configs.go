package api

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// alterConfigs replaces all configs of a resource; IncrementalAlterConfigs changes some.
func alterConfigs(n *Node, r *wire.Request, req *kmsg.AlterConfigsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrAlterConfigsResponse()
	seen := map[resource]bool{}
	for _, rr := range req.Resources {
		sr := kmsg.NewAlterConfigsResponseResource()
		sr.ResourceType, sr.ResourceName = rr.ResourceType, rr.ResourceName
		var changes []topics.Change
		for _, c := range rr.Configs {
			if ch := (topics.Change{Name: c.Name, Op: topics.OpDelete}); c.Value == nil {
				changes = append(changes, ch)
			} else {
				changes = append(changes, topics.Change{Name: c.Name, Value: *c.Value})
			}
		}
		var err error
		sr.ErrorCode, err = n.alterResource(r, resource{rr.ResourceType, rr.ResourceName}, seen, changes, true, req.ValidateOnly)
		sr.ErrorMessage = text(err)
		resp.Resources = append(resp.Resources, sr)
	}
	return resp, nil
}

// resource names what has configs.
type resource struct {
	kind kmsg.ConfigResourceType
	name string
}

// alterResource changes configs of a topic, of the broker or of a group. Names in seen are refused: their order would matter.
func (n *Node) alterResource(r *wire.Request, res resource, seen map[resource]bool, changes []topics.Change, replace, dryRun bool) (int16, error) {
	if seen[res] {
		return kerr.InvalidRequest.Code, errors.New("the request names this resource more than once")
	}
	seen[res] = true
	names := map[string]bool{}
	for _, c := range changes {
		if names[c.Name] {
			return kerr.InvalidRequest.Code, fmt.Errorf("the request names configuration %s more than once", c.Name)
		}
		names[c.Name] = true
	}
	switch res.kind {
	case kmsg.ConfigResourceTypeTopic:
		if !n.may(r, kmsg.ACLOperationAlterConfigs, kmsg.ACLResourceTypeTopic, res.name) {
			return kerr.TopicAuthorizationFailed.Code, nil
		}
		if _, err := n.topics.Alter(res.name, changes, replace, dryRun); err != nil {
			return n.topicCode(err), err
		}
	case kmsg.ConfigResourceTypeBroker:
		if !n.may(r, kmsg.ACLOperationAlterConfigs, kmsg.ACLResourceTypeCluster, clusterResource) {
			return kerr.ClusterAuthorizationFailed.Code, nil
		}
		if code, err := checkBrokerName(res.name); code != 0 {
			return code, err
		}
		if err := n.topics.AlterBroker(changes, replace, dryRun); err != nil {
			return n.topicCode(err), err
		}
	case kmsg.ConfigResourceTypeGroupConfig:
		if !n.may(r, kmsg.ACLOperationAlterConfigs, kmsg.ACLResourceTypeGroup, res.name) {
			return kerr.GroupAuthorizationFailed.Code, nil
		}
		if res.name == "" {
			return kerr.InvalidRequest.Code, errNoGroup
		}
		if err := n.groupConfigs.alter(res.name, changes, replace, dryRun); err != nil {
			return n.topicCode(err), err
		}
	default:
		return kerr.InvalidRequest.Code, noConfigs(res.kind)
	}
	if !dryRun {
		n.applySettings()
		n.changed(r, "AlterConfigs", res.kind.String()+":"+res.name, fmt.Sprint(slices.Sorted(maps.Keys(names))))
	}
	return 0, nil
}
