package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func describeUserSCRAMCredentials(n *Node, r *wire.Request, req *kmsg.DescribeUserSCRAMCredentialsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeUserSCRAMCredentialsResponse()
	if !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeCluster, clusterResource) {
		resp.ErrorCode, resp.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, text(kerr.ClusterAuthorizationFailed)
		return resp, nil
	}
	known := map[string][]kmsg.DescribeUserSCRAMCredentialsResponseResultCredentialInfo{}
	var names []string
	for _, u := range n.guard.users.List() {
		if known[u.Name] == nil {
			names = append(names, u.Name)
		}
		ci := kmsg.NewDescribeUserSCRAMCredentialsResponseResultCredentialInfo()
		ci.Mechanism, ci.Iterations = int8(u.Mechanism), int32(u.Iterations)
		known[u.Name] = append(known[u.Name], ci)
	}
	asked := map[string]int{}
	if len(req.Users) > 0 {
		names = nil
		for _, u := range req.Users {
			if asked[u.Name]++; asked[u.Name] == 1 {
				names = append(names, u.Name)
			}
		}
	}
	for _, name := range names {
		sr := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
		sr.User, sr.CredentialInfos = name, known[name]
		switch {
		case asked[name] > 1:
			sr.CredentialInfos = nil
			sr.ErrorCode, sr.ErrorMessage = kerr.DuplicateResource.Code, kmsg.StringPtr("Cannot describe SCRAM credentials for the same user twice in a single request: "+name)
		case known[name] == nil:
			sr.ErrorCode, sr.ErrorMessage = kerr.ResourceNotFound.Code, kmsg.StringPtr("Attempt to describe a user credential that does not exist: "+name)
		}
		resp.Results = append(resp.Results, sr)
	}
	return resp, nil
}
