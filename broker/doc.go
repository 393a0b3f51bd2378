// Package broker is a Kafka broker in one process and one directory: it speaks the Kafka protocol to any client, keeps
// what it has acknowledged, and needs nothing but Go.
//
//	b, err := broker.Start(broker.Config{Dir: "data", Listen: "127.0.0.1:9092"})
//	if err != nil {
//		return err
//	}
//	defer b.Close()
//
// # Guarantees
//
//   - What was acknowledged survives a kill -9 of the process at any point: records, offsets, groups, transactions. A
//     transaction is seen whole or not at all, and its offsets move with it.
//   - With [SyncAlways], it survives a power loss too, and nobody reads what a power loss could take back.
//   - One directory belongs to one broker: a second one that opens it gets an error.
//   - What a client sends, however wrong, ends at most its own connection.
//
// # What it is not
//
// A broker for more than one node: there is one replica of everything. Single by design, it listens on the loopback
// address unless told otherwise. Applications that outgrow it go to a Kafka cluster unchanged.
//
// # In process
//
// A broker and its clients in the same process need no socket: with an empty Listen there is none, and [Broker.Dialer]
// connects a client directly.
//
//	client, err := kgo.NewClient(kgo.SeedBrokers(b.Seeds()...), kgo.Dialer(b.Dialer()))
package broker
