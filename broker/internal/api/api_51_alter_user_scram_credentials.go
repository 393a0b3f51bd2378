package api

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/metadb"
	"github.com/millrace-go/millrace/broker/internal/security"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// maxUsers bounds the credentials of a broker.
const maxUsers = 10_000

// scramChange is what a request does to one credential.
type scramChange struct {
	user string
	m    security.Mechanism
	set  *security.Credential // nil deletes
	code *kerr.Error
	err  error
}

func alterUserSCRAMCredentials(n *Node, r *wire.Request, req *kmsg.AlterUserSCRAMCredentialsRequest) (kmsg.Response, error) {
	n.guard.mu.Lock()
	defer n.guard.mu.Unlock()
	allowed := n.may(r, kmsg.ACLOperationAlter, kmsg.ACLResourceTypeCluster, clusterResource)
	resp := kmsg.NewPtrAlterUserSCRAMCredentialsResponse()
	// Changes of one user are made together or not at all.
	byUser := map[string][]scramChange{}
	var order []string
	for _, c := range n.scramChanges(req) {
		if byUser[c.user] == nil {
			order = append(order, c.user)
		}
		byUser[c.user] = append(byUser[c.user], c)
	}
	for _, user := range order {
		sr := kmsg.NewAlterUserSCRAMCredentialsResponseResult()
		sr.User = user
		if !allowed {
			sr.ErrorCode, sr.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, text(kerr.ClusterAuthorizationFailed)
		} else if code, err := n.alterUser(r, byUser[user]); err != nil {
			sr.ErrorCode, sr.ErrorMessage = code, text(err)
		}
		resp.Results = append(resp.Results, sr)
	}
	return resp, nil
}

// scramChanges checks what a request asks for.
func (n *Node) scramChanges(req *kmsg.AlterUserSCRAMCredentialsRequest) []scramChange {
	var out []scramChange
	count := len(n.guard.users.List())
	for _, d := range req.Deletions {
		c := scramChange{user: d.Name, m: security.Mechanism(d.Mechanism)}
		if !n.guard.users.Kept(c.user, c.m) {
			c.code, c.err = kerr.ResourceNotFound, errors.New("attempt to delete a user credential that does not exist")
		}
		out = append(out, c)
	}
	for _, u := range req.Upsertions {
		c := scramChange{user: u.Name, m: security.Mechanism(u.Mechanism)}
		cred, err := security.FromSaltedPassword(c.m, u.SaltedPassword, bytes.Clone(u.Salt), int(u.Iterations))
		switch {
		case u.Name == "":
			c.code, c.err = kerr.UnacceptableCredential, errors.New("the user's name is empty")
		case err != nil:
			c.code, c.err = kerr.UnacceptableCredential, err
		case count >= maxUsers && !n.guard.users.Kept(c.user, c.m):
			c.code, c.err = kerr.PolicyViolation, fmt.Errorf("there are %d credentials already", count)
		default:
			count++
			c.set = &cred
		}
		out = append(out, c)
	}
	return out
}

func (n *Node) alterUser(r *wire.Request, changes []scramChange) (int16, error) {
	seen := map[security.Mechanism]bool{}
	for _, c := range changes {
		if seen[c.m] {
			return kerr.DuplicateResource.Code, errors.New("a user credential cannot be altered twice in the same request")
		}
		seen[c.m] = true
		if c.err != nil {
			return c.code.Code, c.err
		}
	}
	err := n.guard.store(func(b *metadb.Batch) error {
		for _, c := range changes {
			key := metadb.Key(metadb.TableSecurity, security.CredentialKey(c.user, c.m))
			if c.set == nil {
				b.Delete(key)
				continue
			}
			v, err := security.EncodeCredential(*c.set)
			if err != nil {
				return err
			}
			b.Set(key, v)
		}
		return nil
	})
	if err != nil {
		return n.securityCode(err), err
	}
	for _, c := range changes {
		what := "set " + c.m.String()
		if c.set == nil {
			what = "delete " + c.m.String()
			n.guard.users.Delete(c.user, c.m)
		} else {
			n.guard.users.Set(c.user, c.m, *c.set)
		}
		n.changed(r, "AlterUserScramCredentials", "User:"+c.user, what)
	}
	return 0, nil
}
