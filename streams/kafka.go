package streams

import "github.com/twmb/franz-go/pkg/kgo"

// KafkaConfig is for what the application's Kafka clients need beyond its own configuration: TLS, SASL, the dialer of an embedded broker.
type KafkaConfig struct {
	// Options are given to every client, last. An option that breaks a guarantee (offsets, isolation, balancers, transactional ids) breaks it.
	Options []kgo.Opt
}
