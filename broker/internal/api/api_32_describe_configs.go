package api

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

func describeConfigs(n *Node, r *wire.Request, req *kmsg.DescribeConfigsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeConfigsResponse()
	for _, rr := range req.Resources {
		sr := kmsg.NewDescribeConfigsResponseResource()
		sr.ResourceType, sr.ResourceName = rr.ResourceType, rr.ResourceName
		values, readOnly, code, err := n.describeResource(r, rr)
		sr.ErrorCode, sr.ErrorMessage = code, text(err)
		for _, v := range values {
			if rr.ConfigNames == nil || slices.Contains(rr.ConfigNames, v.Name) {
				sr.Configs = append(sr.Configs, describeConfig(req, v, readOnly))
			}
		}
		resp.Resources = append(resp.Resources, sr)
	}
	return resp, nil
}

// describeResource returns the configs of a resource. readOnly tells the ones that cannot be changed.
func (n *Node) describeResource(r *wire.Request, rr kmsg.DescribeConfigsRequestResource) (values []topics.Value, readOnly func(string) bool, code int16, err error) {
	switch rr.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		if !n.may(r, kmsg.ACLOperationDescribeConfigs, kmsg.ACLResourceTypeTopic, rr.ResourceName) {
			return nil, nil, kerr.TopicAuthorizationFailed.Code, nil
		}
		t, code := n.topic(rr.ResourceName, noID)
		if code != 0 {
			return nil, nil, code, nil
		}
		return n.topics.Describe(t), func(string) bool { return false }, 0, nil
	case kmsg.ConfigResourceTypeBroker:
		if !n.may(r, kmsg.ACLOperationDescribeConfigs, kmsg.ACLResourceTypeCluster, clusterResource) {
			return nil, nil, kerr.ClusterAuthorizationFailed.Code, nil
		}
		if code, err := checkBrokerName(rr.ResourceName); code != 0 {
			return nil, nil, code, err
		}
		if rr.ResourceName == "" {
			return n.topics.DescribeBrokerDefaults(), func(string) bool { return false }, 0, nil
		}
		extra := n.brokerConfigs(r.Conn.Listener)
		return n.topics.DescribeBroker(extra), func(name string) bool { _, ok := extra[name]; return ok }, 0, nil
	case kmsg.ConfigResourceTypeGroupConfig:
		if !n.may(r, kmsg.ACLOperationDescribeConfigs, kmsg.ACLResourceTypeGroup, rr.ResourceName) {
			return nil, nil, kerr.GroupAuthorizationFailed.Code, nil
		}
		if rr.ResourceName == "" {
			return nil, nil, kerr.InvalidRequest.Code, errNoGroup
		}
		return n.groupConfigs.describe(rr.ResourceName), func(string) bool { return false }, 0, nil
	}
	return nil, nil, kerr.InvalidRequest.Code, noConfigs(rr.ResourceType)
}

// errNoGroup: groups have no cluster-wide defaults but the broker's configs.
var errNoGroup = errors.New("the name of a group is missing")

// noConfigs says why a resource can neither be described nor altered.
func noConfigs(kind kmsg.ConfigResourceType) error {
	if kind == kmsg.ConfigResourceTypeBrokerLogger {
		return errors.New("the log level is set where the broker is started, not here: --log-level, or the Logger of the program that it is part of")
	}
	return fmt.Errorf("resources of type %s have no configs here", kind)
}

// checkBrokerName accepts this broker's id, what older versions of this program call broker 0, and the empty name of the
// cluster-wide default.
func checkBrokerName(name string) (int16, error) {
	if id, err := strconv.Atoi(name); name != "" && (err != nil || id != NodeID && id != 0) {
		return kerr.InvalidRequest.Code, fmt.Errorf("the only broker has id %d, not %q", NodeID, name)
	}
	return 0, nil
}

func describeConfig(req *kmsg.DescribeConfigsRequest, v topics.Value, readOnly func(string) bool) kmsg.DescribeConfigsResponseResourceConfig {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Value, c.Source, c.ConfigType = v.Name, &v.Value, v.Source, v.Type
	c.IsDefault = v.Source == kmsg.ConfigSourceDefaultConfig
	c.ReadOnly = readOnly(v.Name)
	if req.IncludeSynonyms {
		for _, s := range v.Synonyms {
			c.ConfigSynonyms = append(c.ConfigSynonyms, kmsg.DescribeConfigsResponseResourceConfigConfigSynonym{Name: s.Name, Value: &s.Value, Source: s.Source})
		}
	}
	if req.IncludeDocumentation && v.Doc != "" {
		c.Documentation = &v.Doc
	}
	return c
}
