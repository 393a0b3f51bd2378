import java.time.Duration;
import java.util.*;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Pattern;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.state.*;

/**
 * The word count of examples/wordcount in Java Kafka Streams, with the same names: it goes on from the topics that the other has left. Prints how many records
 * it has restored to standard error and, once it has no lag for a while, its table to standard output.
 * Arguments: bootstrap servers, state directory, and how many words the table must sum up to in the end.
 */
public class WordCount {
  public static void main(String[] args) throws Exception {
    Pattern separators = Pattern.compile("[^\\p{L}\\p{Nd}]+");
    StreamsBuilder b = new StreamsBuilder();
    b.stream("lines", Consumed.with(Serdes.String(), Serdes.String()))
        .flatMapValues(line -> { List<String> ws = new ArrayList<>(); for (String w : separators.split(line.toLowerCase(Locale.ROOT))) if (!w.isEmpty()) ws.add(w); return ws; })
        .groupBy((k, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
        .count(Materialized.<String, Long, KeyValueStore<org.apache.kafka.common.utils.Bytes, byte[]>>as("word-counts").withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
        .toStream().to("counts", Produced.with(Serdes.String(), Serdes.Long()));
    Properties p = new Properties();
    p.put("application.id", "wordcount");
    p.put("bootstrap.servers", args[0]);
    p.put("state.dir", args[1]);
    p.put("processing.guarantee", args.length > 3 ? args[3] : "exactly_once_v2");
    p.put("replication.factor", "1");
    p.put("commit.interval.ms", "100");
    p.put("consumer.auto.offset.reset", "earliest");
    long want = Long.parseLong(args[2]);
    KafkaStreams ks = new KafkaStreams(b.build(), p);
    long[] restored = {0};
    CountDownLatch running = new CountDownLatch(1);
    ks.setStateListener((now, old) -> {
      if (now == KafkaStreams.State.RUNNING) running.countDown();
      if (now == KafkaStreams.State.ERROR) { System.err.println("stream error"); Runtime.getRuntime().halt(3); }
    });
    ks.setGlobalStateRestoreListener(new StateRestoreListener() {
      public void onRestoreStart(TopicPartition tp, String s, long from, long to) {}
      public void onBatchRestored(TopicPartition tp, String s, long end, long n) { synchronized (restored) { restored[0] += n; } }
      public void onRestoreEnd(TopicPartition tp, String s, long total) {}
    });
    ks.start();
    running.await();
    System.err.println("restored " + restored[0]);
    ReadOnlyKeyValueStore<String, Long> store = ks.store(StoreQueryParameters.fromNameAndType("word-counts", QueryableStoreTypes.<String, Long>keyValueStore()));
    // A busy machine may take its time, so what ends the wait is a minute without progress.
    for (long sum = -1, last = -1, since = System.nanoTime(); sum != want; Thread.sleep(100)) {
      sum = 0;
      try (KeyValueIterator<String, Long> i = store.all()) { while (i.hasNext()) sum += i.next().value; } catch (InvalidStateStoreException e) { sum = last; } // it rebalances
      if (sum != last) { last = sum; since = System.nanoTime(); }
      if (System.nanoTime() - since > 60_000_000_000L) { System.err.println("the table sums up to " + sum + ", not to " + want + ", and has not changed for a minute"); Runtime.getRuntime().halt(4); }
    }
    try (KeyValueIterator<String, Long> i = store.all()) { while (i.hasNext()) { var e = i.next(); System.out.println(e.value + "\t" + e.key); } }
    // Without leaving it stays in the group until its session has timed out, and Millrace does not join a group of Java members.
    ks.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP).withTimeout(Duration.ofSeconds(20)));
  }
}
