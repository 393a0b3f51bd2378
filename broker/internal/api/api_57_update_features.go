package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// updateFeatures accepts the levels that the features have: each has one, with which the broker was built (KIP-584).
// Updates are all made or none is.
func updateFeatures(n *Node, r *wire.Request, req *kmsg.UpdateFeaturesRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrUpdateFeaturesResponse()
	if !n.may(r, kmsg.ACLOperationAlter, kmsg.ACLResourceTypeCluster, clusterResource) {
		resp.ErrorCode, resp.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, text(kerr.ClusterAuthorizationFailed)
		return resp, nil
	}
	seen := map[string]bool{}
	for _, u := range req.FeatureUpdates {
		code, err := checkFeature(u)
		if seen[u.Feature] {
			code, err = kerr.InvalidRequest.Code, fmt.Errorf("the request names feature %s more than once", u.Feature)
		}
		seen[u.Feature] = true
		if req.Version < 2 {
			resp.Results = append(resp.Results, kmsg.UpdateFeaturesResponseResult{Feature: u.Feature, ErrorCode: code, ErrorMessage: text(err)})
		} else if code != 0 && resp.ErrorCode == 0 {
			resp.ErrorCode = code
			resp.ErrorMessage = kmsg.StringPtr(fmt.Sprintf("The update failed for all features since the following feature had an error: %s", err))
		}
	}
	return resp, nil
}

func checkFeature(u kmsg.UpdateFeaturesRequestFeatureUpdate) (int16, error) {
	for _, f := range features {
		switch {
		case f.name != u.Feature:
		case u.MaxVersionLevel == f.max:
			return 0, nil
		case u.MaxVersionLevel > f.max:
			return kerr.InvalidUpdateVersion.Code, fmt.Errorf("invalid update version %d for feature %s: broker %d only supports versions 0-%d", u.MaxVersionLevel, f.name, NodeID, f.max)
		default:
			return kerr.InvalidUpdateVersion.Code, fmt.Errorf("invalid update version %d for feature %s: this broker keeps it at %d", u.MaxVersionLevel, f.name, f.max)
		}
	}
	return kerr.InvalidUpdateVersion.Code, fmt.Errorf("invalid update version %d for feature %s: broker %d does not support this feature", u.MaxVersionLevel, u.Feature, NodeID)
}
