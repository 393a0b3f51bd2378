import java.time.Duration;
import java.util.*;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.state.*;

/**
 * The application of streams/interchange in Java Kafka Streams, with the same names. Prints its description, then "running" and what it has restored of each store, one line
 * each; it runs until its standard input ends. Arguments: bootstrap servers, state directory.
 */
public class Interchange {
  static final Serde<String> S = Serdes.String();

  static Topology topology() {
    StreamsBuilder b = new StreamsBuilder();
    Consumed<String, String> in = Consumed.with(S, S);
    Produced<String, String> out = Produced.with(S, S);
    b.stream("clicks", in).groupByKey(Grouped.with(S, S))
        .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(60), Duration.ofSeconds(30)))
        .count(Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("per-minute").withKeySerde(S).withValueSerde(Serdes.Long()))
        .toStream().map((k, n) -> KeyValue.pair(k.key(), k.window().start() % 3_600_000 + "=" + n)).to("clicks-out", out);
    b.stream("visits", in).groupByKey(Grouped.with(S, S))
        .windowedBy(SessionWindows.ofInactivityGapAndGrace(Duration.ofSeconds(20), Duration.ofSeconds(60)))
        .count(Materialized.<String, Long, SessionStore<Bytes, byte[]>>as("sessions").withKeySerde(S).withValueSerde(Serdes.Long()))
        .toStream().map((k, n) -> KeyValue.pair(k.key(), k.window().start() % 3_600_000 + "-" + k.window().end() % 3_600_000 + "=" + n)).to("visits-out", out);
    b.stream("left", in).outerJoin(b.stream("right", in), (l, r) -> l + "+" + r,
        JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(10), Duration.ofSeconds(5)),
        StreamJoined.with(S, S, S).withStoreName("pairs")).to("pairs-out", out);
    KTable<String, String> customers = b.table("customers", in, Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as("customers").withKeySerde(S).withValueSerde(S));
    KTable<String, String> orders = b.table("orders", in, Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as("orders").withKeySerde(S).withValueSerde(S));
    orders.leftJoin(customers, v -> v.substring(0, v.indexOf(':')), (o, c) -> o + "/" + c, TableJoined.as("of-customer"),
        Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as("orders-of-customers").withKeySerde(S).withValueSerde(S)).toStream().to("orders-out", out);
    b.stream("events", in).groupBy((k, v) -> v, Grouped.with("by-value", S, S))
        .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(60), Duration.ofSeconds(10)))
        .count(Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("event-counts").withKeySerde(S).withValueSerde(Serdes.Long()))
        .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()).withName("final"))
        .toStream().map((k, n) -> KeyValue.pair(k.key(), k.window().start() % 3_600_000 + "=" + n)).to("events-out", out);
    return b.build();
  }

  public static void main(String[] args) throws Exception {
    Topology t = topology();
    System.out.print(t.describe());
    Properties p = new Properties();
    p.put("application.id", "interchange");
    p.put("bootstrap.servers", args[0]);
    p.put("state.dir", args[1]);
    p.put("processing.guarantee", "exactly_once_v2");
    p.put("replication.factor", "1");
    p.put("commit.interval.ms", "100");
    p.put("statestore.cache.max.bytes", "0");
    p.put("consumer.auto.offset.reset", "earliest");
    p.put("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", 0L); // unmatched records are looked for at each record
    KafkaStreams ks = new KafkaStreams(t, p);
    Map<String, Long> restored = Collections.synchronizedMap(new TreeMap<>());
    CountDownLatch running = new CountDownLatch(1);
    ks.setStateListener((now, old) -> {
      if (now == KafkaStreams.State.RUNNING) running.countDown();
      if (now == KafkaStreams.State.ERROR) { System.err.println("stream error"); Runtime.getRuntime().halt(3); }
    });
    ks.setGlobalStateRestoreListener(new StateRestoreListener() {
      public void onRestoreStart(TopicPartition tp, String s, long from, long to) {}
      public void onBatchRestored(TopicPartition tp, String s, long end, long n) { restored.merge(s, n, Long::sum); }
      public void onRestoreEnd(TopicPartition tp, String s, long total) {}
    });
    ks.start();
    running.await();
    System.out.println("running");
    restored.forEach((s, n) -> System.out.println(s + " " + n));
    System.out.println("end");
    while (System.in.read() >= 0) { }
    ks.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP).withTimeout(Duration.ofSeconds(20)));
  }
}
