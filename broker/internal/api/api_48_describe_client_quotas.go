package api

//lint:file-ignore ST1005 Clients show these texts as they are: they are Kafka's.

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/quota"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

func describeClientQuotas(n *Node, r *wire.Request, req *kmsg.DescribeClientQuotasRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeClientQuotasResponse()
	if !n.may(r, kmsg.ACLOperationDescribeConfigs, kmsg.ACLResourceTypeCluster, clusterResource) {
		resp.ErrorCode, resp.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, text(kerr.ClusterAuthorizationFailed)
		return resp, nil
	}
	if code, err := checkQuotaFilter(req.Components); err != nil {
		resp.ErrorCode, resp.ErrorMessage = code, text(err)
		return resp, nil
	}
	resp.Entries = []kmsg.DescribeClientQuotasResponseEntry{} // null is an error
	for _, e := range n.quotas.All() {
		if !quotaMatches(e, req.Components, req.Strict) {
			continue
		}
		var se kmsg.DescribeClientQuotasResponseEntry
		for _, kind := range quotaTypes {
			if name := e.Part(kind); name != "" {
				se.Entity = append(se.Entity, kmsg.DescribeClientQuotasResponseEntryEntity{Type: kind, Name: quotaName(name)})
			}
		}
		values := n.quotas.Get(e)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			se.Values = append(se.Values, kmsg.DescribeClientQuotasResponseEntryValue{Key: key, Value: values[key]})
		}
		resp.Entries = append(resp.Entries, se)
	}
	return resp, nil
}

// quotaTypes are the types of what has quotas, in the order in which they are told.
var quotaTypes = []string{quota.ClientID, quota.User, quota.IP}

// quotaName is a name as clients know it: null for the default.
func quotaName(name string) *string {
	if name == quota.Default {
		return nil
	}
	return &name
}

func checkQuotaFilter(components []kmsg.DescribeClientQuotasRequestComponent) (int16, error) {
	seen := map[string]bool{}
	for _, c := range components {
		switch {
		case c.EntityType == "":
			return kerr.InvalidRequest.Code, errors.New("Invalid empty entity type.")
		case !slices.Contains(quotaTypes, c.EntityType):
			return kerr.UnsupportedVersion.Code, fmt.Errorf("Unsupported entity type %s", c.EntityType)
		case seen[c.EntityType]:
			return kerr.InvalidRequest.Code, fmt.Errorf("Entity type %s cannot appear more than once in the filter.", c.EntityType)
		case c.MatchType == kmsg.QuotasMatchTypeExact && c.Match == nil:
			return kerr.InvalidRequest.Code, errors.New("Request specified MATCH_TYPE_EXACT, but set match string to null.")
		case c.MatchType == kmsg.QuotasMatchTypeDefault && c.Match != nil:
			return kerr.InvalidRequest.Code, errors.New("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.")
		case c.MatchType == kmsg.QuotasMatchTypeAny && c.Match != nil:
			return kerr.InvalidRequest.Code, errors.New("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.")
		case c.MatchType < kmsg.QuotasMatchTypeExact || c.MatchType > kmsg.QuotasMatchTypeAny:
			return kerr.InvalidRequest.Code, fmt.Errorf("Unknown match type %d", c.MatchType)
		}
		seen[c.EntityType] = true
	}
	if seen[quota.IP] && len(components) > 1 {
		return kerr.InvalidRequest.Code, errors.New("Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.")
	}
	return 0, nil
}

// quotaMatches reports whether an entity has all that a filter names, and with strict nothing else.
func quotaMatches(e quota.Entity, components []kmsg.DescribeClientQuotasRequestComponent, strict bool) bool {
	for _, c := range components {
		name := e.Part(c.EntityType)
		switch {
		case name == "":
			return false
		case c.MatchType == kmsg.QuotasMatchTypeExact && (name == quota.Default || name != *c.Match):
			return false
		case c.MatchType == kmsg.QuotasMatchTypeDefault && name != quota.Default:
			return false
		}
	}
	if strict {
		for _, kind := range quotaTypes {
			if e.Part(kind) != "" && !slices.ContainsFunc(components, func(c kmsg.DescribeClientQuotasRequestComponent) bool { return c.EntityType == kind }) {
				return false
			}
		}
	}
	return true
}
