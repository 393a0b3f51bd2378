// Package streams is the DSL and the application: a fluent, typed way to say what is computed from topics, and what runs it.
//
//	b := streams.NewBuilder()
//	b.Stream("lines", serde.String, serde.String).
//	    FlatMapValues(strings.Fields).
//	    GroupBy(func(_, word string) string { return word }).
//	    Count(streams.As("word-counts")).
//	    ToStream().
//	    To("counts")
//	top, err := b.Build()
//	app, err := streams.New(top, streams.Config{ApplicationID: "wordcount", BootstrapServers: servers})
//	err = app.Run(ctx) // blocks; cancelling ctx commits and stops
//
// The verbs, what they do and what their nodes are called are Kafka Streams', without the K: a Java application's topics and state fit one with
// the same topology here. Package streamstest runs a topology without a broker.
//
// # Nouns
//
// A [Stream] is records one after the other. A [Table] is the latest record of each key: its changes travel as records too, and it can be looked
// into. A [GlobalTable] is a table that every instance holds completely. A [GroupedStream] becomes a table by an aggregate: [GroupedStream.Count],
// [GroupedStream.Reduce], [GroupedStream.Aggregate], of all time, of windows ([WindowedStream]) or of sessions ([SessionWindowedStream]);
// a [CogroupedStream] is several grouped streams with one aggregate, a [GroupedTable] takes out what it had put in when a row changes. All of
// them are handles of a [Builder]: values, to be used by one goroutine. [Builder.Build] makes a topology of what was said, and is where every mistake
// is reported, all at once.
//
// # Two forms of each verb
//
// The plain form takes a plain function, which is called where there is a value; a missing key reads as the zero K. The Try form takes a function that
// gets the whole record (key, headers, time, and whether key and value are there) and a context, is called for every record, as in Kafka Streams,
// and may fail. In place of an error it may return [Null], for a null key, a tombstone or a deleted row, or [Skip], which drops the record and counts it.
// Any other error goes to the processing handler. What the plain forms do with a tombstone:
//
//	passed on             Filter, FilterNot, MapValues, MapValuesWithKey, MapKey, Peek, Merge, To, and ToTable as a delete
//	dropped and counted   Map, FlatMap, FlatMapValues, SelectKey, GroupBy, Count, Reduce, Aggregate
//	to the default        Split
//	not seen, uncounted   ForEach
//	counted in            a Count of windows or sessions
//
// A null key is dropped and counted by tables and aggregates, lost uncounted in front of an internal topic, and passes everything else. Tables hold
// rows that are there: their functions are never called for a delete, TransformValues aside.
//
// # Serdes
//
// A serde is needed only where a type meets bytes: at a source, an internal topic, a store, a sink. It is the one that was set nearest
// (WithKeySerde, WithValueSerde, the arguments of the sources), carried on by verbs that do not make a new key or value; else the one that
// [Builder.Register] has for the type; else that of a built-in scalar. If there is none, Build says where.
//
// # Names
//
// Nodes, stores and internal topics have generated names with numbers, by which a running application finds its state again: a verb added in front
// renumbers what is behind. Name what lives on the broker before the first deployment: stores with [As], groupings, repartitions and joins with
// [Named]. [RequireNames] makes Build insist.
//
// # Time
//
// All times are of the records, in milliseconds. A result has the time of the latest record that went into it. Windows close by stream time,
// which only moves when records come; there is no grace unless it is given.
package streams
