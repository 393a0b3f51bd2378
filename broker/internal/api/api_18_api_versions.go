package api

import (
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// features are the finalised features. group.version 1 is KIP-848, the consumer groups that the broker balances.
// transaction.version 2 is KIP-890: batches register their partitions themselves and every end of a transaction raises
// the epoch.
var features = []struct {
	name string
	max  int16
}{
	{"group.version", 1},
	{"transaction.version", 2},
}

// software is what KIP-511 allows in a client's name and version.
var software = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

func apiVersions(n *Node, r *wire.Request) (kmsg.Response, error) {
	resp := kmsg.NewPtrApiVersionsResponse()
	for _, a := range n.apis {
		resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: a.key.Int16(), MinVersion: a.min, MaxVersion: a.max})
	}
	if r.Body == nil { // a version that is not served: the client learns which are
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp, nil
	}
	req := r.Body.(*kmsg.ApiVersionsRequest)
	if req.Version >= 3 && (!software.MatchString(req.ClientSoftwareName) || !software.MatchString(req.ClientSoftwareVersion)) {
		resp.ErrorCode = kerr.InvalidRequest.Code
		resp.ApiKeys = nil
		return resp, nil
	}
	resp.FinalizedFeaturesEpoch = 1
	for _, f := range features {
		// Java's clients before 3.9, which ask in version 3, end at a feature whose lowest level is 0 (KAFKA-17492).
		if req.Version >= 4 {
			resp.SupportedFeatures = append(resp.SupportedFeatures, kmsg.ApiVersionsResponseSupportedFeature{Name: f.name, MaxVersion: f.max})
		}
		resp.FinalizedFeatures = append(resp.FinalizedFeatures, kmsg.ApiVersionsResponseFinalizedFeature{Name: f.name, MaxVersionLevel: f.max, MinVersionLevel: f.max})
	}
	return resp, nil
}
