package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace-go/millrace/broker"
)

// Everybody logs in, and may do what an access control list says; root may do everything.
func ExampleSecurity() {
	b, err := broker.Start(broker.Config{
		Listen: "127.0.0.1:0",
		Security: broker.Security{
			Mechanisms: []string{"SCRAM-SHA-512"},
			Users:      map[string]broker.Secret{"root": "s3cret", "guest": "guest"},
			SuperUsers: []string{"root"},
		},
		AutoCreateTopics: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			log.Print(err)
		}
	}()
	produce := func(user, password string) error {
		client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.AllowAutoTopicCreation(),
			kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()))
		if err != nil {
			return err
		}
		defer client.Close()
		return client.ProduceSync(context.Background(), &kgo.Record{Topic: "greetings", Value: []byte("hello")}).FirstErr()
	}
	fmt.Println(produce("root", "s3cret"))
	fmt.Println(errors.Is(produce("guest", "guest"), kerr.TopicAuthorizationFailed))
	// Output:
	// <nil>
	// true
}
