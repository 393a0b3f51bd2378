package api

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// listConfigResources names what can have configs (KIP-1142): topics, this broker, and groups, of which those
// are named that have configs of their own. There are no subscriptions to clients' metrics, which is all that version 0 asks for.
func listConfigResources(n *Node, r *wire.Request, req *kmsg.ListConfigResourcesRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrListConfigResourcesResponse()
	if !n.may(r, kmsg.ACLOperationDescribeConfigs, kmsg.ACLResourceTypeCluster, clusterResource) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return resp, nil
	}
	if req.Version == 0 {
		return resp, nil
	}
	asked := func(t kmsg.ConfigResourceType) bool {
		return len(req.ResourceTypes) == 0 || slices.Contains(req.ResourceTypes, int8(t))
	}
	add := func(t kmsg.ConfigResourceType, name string) {
		resp.ConfigResources = append(resp.ConfigResources, kmsg.ListConfigResourcesResponseConfigResource{Type: int8(t), Name: name})
	}
	if asked(kmsg.ConfigResourceTypeTopic) {
		for _, t := range n.topics.Snapshot().All() {
			add(kmsg.ConfigResourceTypeTopic, t.Name)
		}
	}
	if asked(kmsg.ConfigResourceTypeBroker) {
		add(kmsg.ConfigResourceTypeBroker, fmt.Sprint(NodeID))
	}
	if asked(kmsg.ConfigResourceTypeGroupConfig) {
		for _, name := range n.groupConfigs.names() {
			add(kmsg.ConfigResourceTypeGroupConfig, name)
		}
	}
	for _, t := range req.ResourceTypes {
		if !knownConfigResource(kmsg.ConfigResourceType(t)) {
			resp.ErrorCode, resp.ConfigResources = kerr.UnsupportedVersion.Code, nil
		}
	}
	return resp, nil
}

// knownConfigResource reports whether Kafka has such resources, whether there are any here or not.
func knownConfigResource(t kmsg.ConfigResourceType) bool {
	return slices.Contains([]kmsg.ConfigResourceType{
		kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger,
		kmsg.ConfigResourceTypeClientMetrics, kmsg.ConfigResourceTypeGroupConfig,
	}, t)
}
