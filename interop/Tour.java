import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.*;

/**
 * The second tour of Java's clients, after Clients.java: what a record carries, positions, all kinds of membership, transactions seen from outside, and the
 * errors that Kafka has for them. Arguments: bootstrap servers; with a second one, what the embedded broker does not have is not asked for, so that the rest
 * can be run on Apache Kafka, too.
 */
@SuppressWarnings("removal")
public class Tour {
  static String servers;
  /** The time of the records: recent, or retention would take them. */
  static final long T = System.currentTimeMillis() - 3_600_000;

  static Properties with(Object... settings) {
    Properties p = new Properties();
    p.put("bootstrap.servers", servers);
    for (int i = 0; i < settings.length; i += 2) p.put(settings[i], settings[i + 1]);
    return p;
  }

  static void want(Object want, Object got, String what) {
    if (!Objects.equals(want, got)) throw new AssertionError(what + ": " + got + ", want " + want);
    System.out.println("ok " + what);
  }

  interface Action { void run() throws Exception; }

  /** The action fails with this error, if need be as the cause of an ExecutionException. */
  static void wantError(Class<? extends Throwable> want, Action action, String what) throws Exception {
    try {
      action.run();
    } catch (Exception e) {
      want(want, (e instanceof ExecutionException ? e.getCause() : e).getClass(), what);
      return;
    }
    throw new AssertionError(what + ": no error, want " + want.getSimpleName());
  }

  /** Runs step until done holds, for a minute at most. */
  static void until(BooleanSupplier done, Runnable step, String what) {
    for (long end = System.currentTimeMillis() + 60_000; !done.getAsBoolean(); step.run()) if (System.currentTimeMillis() > end) throw new AssertionError(what + ": not within a minute");
  }

  static KafkaProducer<String, String> producer(Object... settings) {
    return new KafkaProducer<>(with(settings), new StringSerializer(), new StringSerializer());
  }

  static KafkaConsumer<String, String> consumer(Object... settings) {
    Properties p = with("auto.offset.reset", "earliest", "enable.auto.commit", "false");
    p.putAll(with(settings));
    if (!"consumer".equals(p.get("group.protocol"))) p.put("heartbeat.interval.ms", "300"); // members hear of a rebalance sooner; in the other protocol the broker sets it
    return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
  }

  static List<ConsumerRecord<String, String>> read(Consumer<String, String> c, int n) {
    List<ConsumerRecord<String, String>> got = new ArrayList<>();
    until(() -> got.size() >= n, () -> c.poll(Duration.ofMillis(100)).forEach(got::add), n + " records");
    return got;
  }

  public static void main(String[] args) throws Exception {
    servers = args[0];
    try (Admin admin = Admin.create(with("default.api.timeout.ms", "30000"))) {
      records(admin);
      positions(admin);
      for (String kind : List.of("RangeAssignor", "RoundRobinAssignor", "StickyAssignor", "CooperativeStickyAssignor"))
        membership(admin, kind, "partition.assignment.strategy", "org.apache.kafka.clients.consumer." + kind);
      for (String assignor : List.of("uniform", "range")) membership(admin, "consumer-" + assignor, "group.protocol", "consumer", "group.remote.assignor", assignor);
      staticMembers(admin, "classic");
      staticMembers(admin, "consumer");
      patterns();
      offsets(admin);
      transactions(admin);
      fencing(admin);
      topics(admin);
      oneBroker(admin);
      if (args.length < 2) absent(admin);
    }
  }

  /** What is written is what is read, for each codec. */
  static void records(Admin admin) throws Exception {
    admin.createTopics(List.of(new NewTopic("records", 1, (short) 1), new NewTopic("stamped", 1, (short) 1).configs(Map.of("message.timestamp.type", "LogAppendTime", "max.message.bytes", "2000")),
        new NewTopic("keyed", 1, (short) 1).configs(Map.of("cleanup.policy", "compact")))).all().get();
    TopicPartition records = new TopicPartition("records", 0);
    String big = "x".repeat(20_000);
    List<String> codecs = List.of("none", "gzip", "snappy", "lz4", "zstd");
    for (String codec : codecs) {
      try (KafkaProducer<String, String> p = producer("compression.type", codec, "linger.ms", "50", "enable.idempotence", "true")) {
        List<org.apache.kafka.common.header.Header> headers = List.of(new RecordHeader("codec", codec.getBytes(StandardCharsets.UTF_8)), new RecordHeader("twice", new byte[] {0, -1}), new RecordHeader("twice", null));
        var first = p.send(new ProducerRecord<>("records", 0, T + 1_000, "key", big, headers));
        var second = p.send(new ProducerRecord<>("records", 0, T + 2_000, null, ""));
        var third = p.send(new ProducerRecord<String, String>("records", 0, T + 3_000, "", null));
        want(first.get().offset() + 2, third.get().offset(), codec + ": offsets go up by one");
        want(T + 2_000, second.get().timestamp(), codec + ": the producer's timestamp");
      }
    }
    for (String check : List.of("true", "false")) {
      try (KafkaConsumer<String, String> c = consumer("check.crcs", check)) {
        c.assign(List.of(records));
        List<ConsumerRecord<String, String>> got = read(c, 15);
        for (int i = 0; i < codecs.size(); i++) {
          ConsumerRecord<String, String> a = got.get(3 * i), b = got.get(3 * i + 1), d = got.get(3 * i + 2);
          List<String> headers = new ArrayList<>();
          a.headers().forEach(h -> headers.add(h.key() + "=" + (h.value() == null ? "null" : new String(h.value(), StandardCharsets.ISO_8859_1))));
          want(List.of("codec=" + codecs.get(i), "twice=\0\u00ff", "twice=null"), headers, codecs.get(i) + ": headers with order, doubles and null");
          want(Arrays.asList("key", big, null, "", "", null), Arrays.asList(a.key(), a.value(), b.key(), b.value(), d.key(), d.value()), codecs.get(i) + ": null and empty keys and values differ");
          want(List.of(T + 1_000, T + 2_000, T + 3_000), List.of(a.timestamp(), b.timestamp(), d.timestamp()), codecs.get(i) + ": timestamps");
          want(TimestampType.CREATE_TIME, a.timestampType(), codecs.get(i) + ": of the producer");
        }
      }
    }
    try (KafkaProducer<String, String> p = producer()) {
      long before = System.currentTimeMillis();
      RecordMetadata m = p.send(new ProducerRecord<>("stamped", 0, 1L, "k", "v")).get();
      want(true, m.timestamp() >= before - 1_000, "the broker's clock stamps a record where the topic says so");
      wantError(RecordTooLargeException.class, () -> p.send(new ProducerRecord<>("stamped", "k", big)).get(), "a record over max.message.bytes is refused");
      wantError(RecordTooLargeException.class, () -> p.send(new ProducerRecord<>("records", "k", "x".repeat(1 << 20))).get(), "one over the producer's own limit too");
      want(m.offset() + 1, p.send(new ProducerRecord<>("stamped", "k", "v")).get().offset(), "the next record is taken, at the next offset");
      wantError(InvalidRecordException.class, () -> p.send(new ProducerRecord<>("keyed", null, "v")).get(), "a compacted topic wants keys");
      want(1, p.partitionsFor("keyed").size(), "partitions of a topic");
    }
    try (KafkaProducer<String, String> p = producer("acks", "0", "enable.idempotence", "false")) {
      want(-1L, p.send(new ProducerRecord<>("stamped", "k", "unacknowledged")).get().offset(), "no offset without an acknowledgement");
    }
    try (KafkaConsumer<String, String> c = consumer()) {
      c.assign(List.of(new TopicPartition("stamped", 0)));
      List<ConsumerRecord<String, String>> got = read(c, 3);
      want(TimestampType.LOG_APPEND_TIME, got.get(0).timestampType(), "the consumer sees whose time it is");
      want("unacknowledged", got.get(2).value(), "what needs no acknowledgement arrives");
    }
  }

  /** Seeking, times, pausing, small fetches, retention from outside. */
  static void positions(Admin admin) throws Exception {
    admin.createTopics(List.of(new NewTopic("positions", 2, (short) 1))).all().get();
    TopicPartition p0 = new TopicPartition("positions", 0), p1 = new TopicPartition("positions", 1);
    try (KafkaProducer<String, String> p = producer("linger.ms", "20")) {
      for (int i = 0; i < 1_000; i++) for (int part = 0; part < 2; part++) p.send(new ProducerRecord<>("positions", part, T + i / 10 * 10, "k" + i, "v" + i));
    }
    try (KafkaConsumer<String, String> c = consumer("max.partition.fetch.bytes", "500", "max.poll.records", "7", "auto.offset.reset", "none")) {
      c.assign(List.of(p0, p1));
      want(Map.of(p0, 0L, p1, 0L), c.beginningOffsets(List.of(p0, p1)), "the beginning");
      want(Map.of(p0, 1_000L, p1, 1_000L), c.endOffsets(List.of(p0, p1)), "the end");
      wantError(NoOffsetForPartitionException.class, () -> c.poll(Duration.ofSeconds(10)), "no position without a policy");
      OffsetAndTimestamp middle = c.offsetsForTimes(Map.of(p0, T + 495)).get(p0);
      want(List.of(500L, T + 500), List.of(middle.offset(), middle.timestamp()), "the first record from a time on");
      want(null, c.offsetsForTimes(Map.of(p0, T + 5_000)).get(p0), "no record from a time on");
      c.seek(p0, 123);
      c.seekToEnd(List.of(p1));
      want("v123", read(c, 1).get(0).value(), "a seek into a batch");
      want(1_000L, c.position(p1), "a seek to the end");
      c.seek(p1, 10);
      c.pause(List.of(p0));
      c.seek(p0, 200);
      want(Set.of(1), read(c, 50).stream().map(ConsumerRecord::partition).collect(Collectors.toSet()), "a paused partition is silent");
      c.resume(List.of(p0));
      c.pause(List.of(p1));
      List<ConsumerRecord<String, String>> got = read(c, 800);
      want(LongStream.range(200, 1_000).boxed().toList(), got.stream().map(ConsumerRecord::offset).toList(), "a resumed one goes on, each record once, in small fetches");
      want(0L, c.currentLag(p0).orElse(-1), "no lag at the end");
      admin.deleteRecords(Map.of(p0, RecordsToDelete.beforeOffset(600))).all().get();
      c.seek(p0, 599);
      wantError(org.apache.kafka.clients.consumer.OffsetOutOfRangeException.class, () -> until(() -> false, () -> c.poll(Duration.ofMillis(100)), "out of range"), "what is deleted is out of range");
      c.seek(p0, 600);
      want("v600", read(c, 1).get(0).value(), "what is not, is there");
      want(600L, c.offsetsForTimes(Map.of(p0, 1L)).get(p0).offset(), "times begin where the log does");
    }
    Map<TopicPartition, ListOffsetsResult.ListOffsetsResultInfo> latest = admin.listOffsets(Map.of(p0, OffsetSpec.maxTimestamp(), p1, OffsetSpec.forTimestamp(T + 990))).all().get();
    want(List.of(990L, T + 990), List.of(latest.get(p0).offset(), latest.get(p0).timestamp()), "the first record with the latest timestamp");
    want(990L, latest.get(p1).offset(), "an offset by time");
    want(1_000L, admin.listOffsets(Map.of(p0, OffsetSpec.latest())).all().get().get(p0).offset(), "the latest offset");
  }

  /** Two members, one leaves, one comes: all partitions stay owned and the offsets hold. */
  static void membership(Admin admin, String kind, Object... settings) throws Exception {
    String topic = "members-" + kind, group = "group-" + kind;
    admin.createTopics(List.of(new NewTopic(topic, 6, (short) 1))).all().get();
    try (KafkaProducer<String, String> p = producer()) {
      for (int i = 0; i < 600; i++) p.send(new ProducerRecord<>(topic, i % 6, "k", "v" + i));
    }
    List<Object> all = new ArrayList<>(List.of(settings));
    all.addAll(List.of("group.id", group, "client.id", "a"));
    Set<String> seen = new HashSet<>();
    KafkaConsumer<String, String> a = consumer(all.toArray());
    try (a) {
      a.subscribe(List.of(topic));
      until(() -> seen.size() == 600, () -> a.poll(Duration.ofMillis(50)).forEach(r -> seen.add(r.partition() + "/" + r.offset())), kind + " reads everything");
      a.commitSync();
      all.set(all.size() - 1, "b");
      try (KafkaConsumer<String, String> b = consumer(all.toArray())) {
        b.subscribe(List.of(topic));
        until(() -> a.assignment().size() == 3 && b.assignment().size() == 3, () -> {
          want(0, b.poll(Duration.ofMillis(50)).count(), kind + ": nothing is read twice");
          want(0, a.poll(Duration.ofMillis(50)).count(), kind + ": nothing is read again");
        }, kind + ": both have three partitions");
        want(6, Stream.concat(a.assignment().stream(), b.assignment().stream()).collect(Collectors.toSet()).size(), kind + ": not the same ones");
        ConsumerGroupDescription d = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        want(Set.of("a", "b"), d.members().stream().map(MemberDescription::clientId).collect(Collectors.toSet()), kind + ": the members are described");
        want(6L, d.members().stream().flatMap(m -> m.assignment().topicPartitions().stream()).distinct().count(), kind + ": and what they own");
        want(GroupState.STABLE, d.groupState(), kind + ": the group is stable");
        wantError(GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(List.of(group)).all().get(), kind + ": a group with members is not deleted");
      }
      until(() -> a.assignment().size() == 6, () -> a.poll(Duration.ofMillis(50)), kind + ": the one that stays has all");
    }
    want(600L, admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values().stream().mapToLong(OffsetAndMetadata::offset).sum(), kind + ": the offsets hold");
  }

  /** A static member that comes back has its partitions without a rebalance; its double is refused. */
  static void staticMembers(Admin admin, String protocol) throws Exception {
    String topic = "static-" + protocol, group = "group-static-" + protocol;
    admin.createTopics(List.of(new NewTopic(topic, 4, (short) 1))).all().get();
    Object[] one = {"group.id", group, "group.protocol", protocol, "group.instance.id", "one"}, two = {"group.id", group, "group.protocol", protocol, "group.instance.id", "two"};
    try (KafkaConsumer<String, String> b = consumer(two)) {
      b.subscribe(List.of(topic));
      KafkaConsumer<String, String> first = consumer(one);
      Set<TopicPartition> had;
      try (first) {
        first.subscribe(List.of(topic));
        until(() -> first.assignment().size() == 2 && b.assignment().size() == 2, () -> { first.poll(Duration.ofMillis(50)); b.poll(Duration.ofMillis(50)); }, protocol + ": static members share");
        had = Set.copyOf(first.assignment());
      }
      int[] revoked = {0};
      try (KafkaConsumer<String, String> again = consumer(one)) {
        again.subscribe(List.of(topic));
        until(() -> again.assignment().size() == 2, () -> { again.poll(Duration.ofMillis(50)); b.poll(Duration.ofMillis(50)); if (b.assignment().size() != 2) revoked[0]++; }, protocol + ": a static member is back");
        want(had, again.assignment(), protocol + ": a static member that comes back has its partitions");
        want(0, revoked[0], protocol + ": the other one noticed nothing");
        want(Set.of("one", "two"), admin.describeConsumerGroups(List.of(group)).all().get().get(group).members().stream().map(m -> m.groupInstanceId().get()).collect(Collectors.toSet()), protocol + ": instance ids are described");
        boolean fenced = false;
        try (KafkaConsumer<String, String> twin = consumer(one)) { // classic: the later one wins; consumer: the earlier one stays
          twin.subscribe(List.of(topic));
          for (long end = System.currentTimeMillis() + 30_000; !fenced && System.currentTimeMillis() < end; ) {
            try {
              twin.poll(Duration.ofMillis(50));
              again.poll(Duration.ofMillis(50));
            } catch (FencedInstanceIdException | UnreleasedInstanceIdException e) {
              fenced = true;
            }
          }
        }
        want(true, fenced, protocol + ": there is no second member with the same instance id");
      }
      admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("one")))).all().get();
      until(() -> b.assignment().size() == 4, () -> b.poll(Duration.ofMillis(50)), protocol + ": a static member is removed by an administrator");
      want(4, b.assignment().size(), protocol + ": the rest goes to the other one");
    }
  }

  /** Subscriptions by pattern: the client's, and the broker's (KIP-848 with RE2). */
  static void patterns() {
    try (KafkaConsumer<String, String> a = consumer("group.id", "patterns-classic"); KafkaConsumer<String, String> b = consumer("group.id", "patterns-consumer", "group.protocol", "consumer")) {
      a.subscribe(java.util.regex.Pattern.compile("members-.*Sticky.*"));
      until(() -> a.assignment().size() == 12, () -> a.poll(Duration.ofMillis(50)), "a pattern of the client's");
      b.subscribe(new SubscriptionPattern("members-.*Sticky.*"));
      until(() -> b.assignment().size() == 12, () -> b.poll(Duration.ofMillis(50)), "a pattern of the broker's");
      want(a.assignment(), b.assignment(), "both patterns mean the same");
    }
  }

  static void offsets(Admin admin) throws Exception {
    String group = "group-RangeAssignor";
    TopicPartition p0 = new TopicPartition("members-RangeAssignor", 0), p1 = new TopicPartition("members-RangeAssignor", 1);
    admin.alterConsumerGroupOffsets(group, Map.of(p0, new OffsetAndMetadata(7, Optional.of(0), "by hand"))).all().get();
    OffsetAndMetadata got = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(p0);
    want(List.of(7L, "by hand"), List.of(got.offset(), got.metadata()), "an administrator sets an offset with metadata");
    admin.deleteConsumerGroupOffsets(group, Set.of(p1)).all().get();
    want(false, admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().containsKey(p1), "and deletes one");
    Map<String, ListConsumerGroupOffsetsSpec> many = Map.of(group, new ListConsumerGroupOffsetsSpec(), "group-StickyAssignor", new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(new TopicPartition("members-StickyAssignor", 2))));
    var all = admin.listConsumerGroupOffsets(many).all().get();
    want(List.of(5, 1), List.of(all.get(group).size(), all.get("group-StickyAssignor").size()), "offsets of many groups in one request");
    wantError(GroupIdNotFoundException.class, () -> admin.describeConsumerGroups(List.of("nobody")).all().get(), "a group that is not there is not described");
    wantError(GroupIdNotFoundException.class, () -> admin.deleteConsumerGroups(List.of("nobody")).all().get(), "nor deleted");
    want(Set.of("group-consumer-uniform", "group-consumer-range", "group-static-consumer", "patterns-consumer"), admin.listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER))).all().get().stream()
        .map(GroupListing::groupId).filter(g -> g.startsWith("group-") || g.startsWith("patterns-")).collect(Collectors.toSet()), "groups are listed by type");
    want(true, admin.listGroups(new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE))).all().get().stream().noneMatch(g -> g.groupId().equals(group)), "and by state");
  }

  /** A transaction seen from outside: invisible, then whole or gone. */
  static void transactions(Admin admin) throws Exception {
    admin.createTopics(List.of(new NewTopic("tx", 2, (short) 1))).all().get();
    TopicPartition t0 = new TopicPartition("tx", 0), t1 = new TopicPartition("tx", 1);
    try (KafkaProducer<String, String> p = producer("transactional.id", "tour"); KafkaProducer<String, String> plain = producer();
         KafkaConsumer<String, String> committed = consumer("isolation.level", "read_committed"); KafkaConsumer<String, String> uncommitted = consumer()) {
      committed.assign(List.of(t0, t1));
      uncommitted.assign(List.of(t0, t1));
      p.initTransactions();
      p.beginTransaction();
      for (int i = 0; i < 10; i++) p.send(new ProducerRecord<>("tx", i % 2, "k", "gone"));
      p.flush();
      plain.send(new ProducerRecord<>("tx", 0, "k", "beside")).get();
      want(11, read(uncommitted, 11).size(), "read_uncommitted sees an open transaction");
      want(0L, committed.endOffsets(List.of(t0)).get(t0), "read_committed ends before it");
      want(0, committed.poll(Duration.ofMillis(300)).count(), "and sees nothing");
      want(org.apache.kafka.clients.admin.TransactionState.ONGOING, admin.describeTransactions(List.of("tour")).description("tour").get().state(), "an open transaction is described");
      want(Set.of(t0, t1), admin.describeTransactions(List.of("tour")).description("tour").get().topicPartitions(), "with its partitions");
      want(1L, admin.describeProducers(List.of(t0)).partitionResult(t0).get().activeProducers().stream().filter(s -> s.currentTransactionStartOffset().isPresent()).count(), "its partition knows where it began");
      p.abortTransaction();
      want("beside", read(committed, 1).get(0).value(), "what is aborted is skipped");
      p.beginTransaction();
      for (int i = 0; i < 10; i++) p.send(new ProducerRecord<>("tx", i % 2, "k", "there"));
      p.commitTransaction();
      want(Set.of("there"), read(committed, 10).stream().map(ConsumerRecord::value).collect(Collectors.toSet()), "what is committed is seen");
      want(committed.endOffsets(List.of(t0, t1)), uncommitted.endOffsets(List.of(t0, t1)), "both end at the same place then");
      // Offsets of a transaction are pending until it ends.
      TopicPartition source = new TopicPartition("records", 0);
      p.beginTransaction();
      p.sendOffsetsToTransaction(Map.of(source, new OffsetAndMetadata(5, "aborted")), new ConsumerGroupMetadata("tx-group"));
      p.abortTransaction();
      want(null, admin.listConsumerGroupOffsets("tx-group").partitionsToOffsetAndMetadata().get().get(source), "offsets are aborted with the transaction");
      p.beginTransaction();
      p.sendOffsetsToTransaction(Map.of(source, new OffsetAndMetadata(6, "committed")), new ConsumerGroupMetadata("tx-group"));
      p.send(new ProducerRecord<>("tx", 0, "k", "with offsets"));
      p.commitTransaction();
      want("committed", admin.listConsumerGroupOffsets("tx-group").partitionsToOffsetAndMetadata().get().get(source).metadata(), "and committed with it");
      // Many at once, small ones.
      for (int i = 0; i < 50; i++) {
        p.beginTransaction();
        p.send(new ProducerRecord<>("tx", i % 2, "k", "small " + i));
        if (i % 5 == 4) p.abortTransaction(); else p.commitTransaction();
      }
      want(41, read(committed, 41).size(), "fifty small transactions, every fifth aborted");
    }
  }

  static void fencing(Admin admin) throws Exception {
    try (KafkaProducer<String, String> p = producer("transactional.id", "by-admin")) {
      p.initTransactions();
      p.beginTransaction();
      p.send(new ProducerRecord<>("tx", 0, "k", "fenced")).get();
      admin.fenceProducers(List.of("by-admin")).all().get();
      boolean refused = false;
      try {
        p.commitTransaction();
      } catch (ProducerFencedException | InvalidProducerEpochException e) {
        refused = true;
      }
      want(true, refused, "an administrator fences a producer");
    }
    try (KafkaProducer<String, String> p = producer("transactional.id", "late", "transaction.timeout.ms", "1000")) {
      p.initTransactions();
      p.beginTransaction();
      p.send(new ProducerRecord<>("tx", 0, "k", "late")).get();
      until(() -> {
        try {
          return admin.describeTransactions(List.of("late")).description("late").get().state() == org.apache.kafka.clients.admin.TransactionState.COMPLETE_ABORT;
        } catch (Exception e) {
          throw new AssertionError(e);
        }
      }, () -> {}, "a transaction that takes too long is aborted");
      boolean refused = false;
      try {
        p.commitTransaction();
      } catch (KafkaException e) {
        refused = true;
      }
      want(true, refused, "and cannot be committed");
    }
    // KIP-447: the generation of a member that has left is worth nothing.
    try (KafkaProducer<String, String> p = producer("transactional.id", "zombie"); KafkaConsumer<String, String> c = consumer("group.id", "zombies")) {
      p.initTransactions();
      c.subscribe(List.of("tx"));
      until(() -> c.assignment().size() == 2, () -> c.poll(Duration.ofMillis(50)), "a member");
      ConsumerGroupMetadata old = c.groupMetadata();
      c.unsubscribe();
      p.beginTransaction();
      wantError(CommitFailedException.class, () -> {
        p.sendOffsetsToTransaction(Map.of(new TopicPartition("tx", 0), new OffsetAndMetadata(1)), old);
        p.commitTransaction();
      }, "a member that has left commits nothing");
      p.abortTransaction();
    }
    want(Set.of("late"), admin.listTransactions(new ListTransactionsOptions().filterStates(List.of(org.apache.kafka.clients.admin.TransactionState.COMPLETE_ABORT))).all().get().stream()
        .map(TransactionListing::transactionalId).filter(t -> t.equals("late")).collect(Collectors.toSet()), "transactions are listed by state");
  }

  static void topics(Admin admin) throws Exception {
    TopicDescription d = admin.describeTopics(List.of("tx")).allTopicNames().get().get("tx");
    want("tx", admin.describeTopics(TopicCollection.ofTopicIds(List.of(d.topicId()))).allTopicIds().get().get(d.topicId()).name(), "a topic is described by its id");
    want(1, d.partitions().get(0).isr().size(), "a partition has one replica");
    wantError(UnknownTopicOrPartitionException.class, () -> admin.describeTopics(List.of("nowhere")).allTopicNames().get(), "an unknown topic is not described");
    wantError(InvalidTopicException.class, () -> admin.createTopics(List.of(new NewTopic("no spaces", 1, (short) 1))).all().get(), "a name is checked");
    wantError(InvalidConfigurationException.class, () -> admin.createTopics(List.of(new NewTopic("bad", 1, (short) 1).configs(Map.of("retention.ms", "long")))).all().get(), "a configuration is checked");
    wantError(InvalidPartitionsException.class, () -> admin.createPartitions(Map.of("tx", NewPartitions.increaseTo(1))).all().get(), "partitions are not taken away");
    admin.createTopics(List.of(new NewTopic("only-checked", 1, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all().get();
    want(false, admin.listTopics().names().get().contains("only-checked"), "a topic that is only checked is not created");
    admin.createTopics(List.of(new NewTopic("defaults", Optional.empty(), Optional.empty()))).all().get();
    want(1, admin.describeTopics(List.of("defaults")).allTopicNames().get().get("defaults").partitions().size(), "defaults are the broker's");
    ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "defaults"), broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
    admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "1000"), AlterConfigOp.OpType.SET)))).all().get();
    ConfigEntry e = admin.describeConfigs(List.of(topic), new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true)).all().get().get(topic).get("retention.ms");
    want(List.of("1000", ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, ConfigEntry.ConfigType.LONG), List.of(e.value(), e.source(), e.type()), "a configuration has a value, a source and a type");
    want(false, e.synonyms().isEmpty(), "and synonyms");
    admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", null), AlterConfigOp.OpType.DELETE)))).all().get();
    want(true, admin.describeConfigs(List.of(topic)).all().get().get(topic).get("retention.ms").isDefault(), "it is its default again");
    want(true, !admin.describeConfigs(List.of(broker)).all().get().get(broker).entries().isEmpty(), "the broker's configuration is described");
    want(true, admin.describeReplicaLogDirs(List.of(new TopicPartitionReplica("tx", 0, 1))).all().get().values().iterator().next().getCurrentReplicaLogDir() != null, "where a replica is");
    want(false, admin.describeCluster().clusterId().get().isEmpty(), "the cluster has an id");
    // A topic deleted by id and made again under its name is another one.
    admin.deleteTopics(TopicCollection.ofTopicIds(List.of(d.topicId()))).all().get();
    admin.createTopics(List.of(new NewTopic("tx", 1, (short) 1))).all().get();
    Uuid[] id = {d.topicId()};
    until(() -> !id[0].equals(d.topicId()), () -> {
      try {
        id[0] = admin.describeTopics(List.of("tx")).allTopicNames().get().get("tx").topicId();
      } catch (InterruptedException | ExecutionException unknown) {
        // a cluster needs a moment to know
      }
    }, "a topic made again has a new id");
    try (KafkaConsumer<String, String> c = consumer()) {
      want(0L, c.endOffsets(List.of(new TopicPartition("tx", 0))).get(new TopicPartition("tx", 0)), "and is empty");
    }
  }

  /** What is about several brokers has an answer where there is one. */
  static void oneBroker(Admin admin) throws Exception {
    admin.createTopics(List.of(new NewTopic("alone", 2, (short) 1))).all().get();
    TopicPartition first = new TopicPartition("alone", 0), none = new TopicPartition("alone", 7);
    var elected = admin.electLeaders(ElectionType.PREFERRED, Set.of(first, none)).partitions().get();
    want(List.of(ElectionNotNeededException.class, UnknownTopicOrPartitionException.class), List.of(elected.get(first).get().getClass(), elected.get(none).get().getClass()), "no election is needed");
    want(Map.of(), admin.electLeaders(ElectionType.PREFERRED, null).partitions().get(), "nowhere");
    admin.alterPartitionReassignments(Map.of(first, Optional.of(new NewPartitionReassignment(List.of(1))))).all().get();
    wantError(InvalidReplicaAssignmentException.class, () -> admin.alterPartitionReassignments(Map.of(first, Optional.of(new NewPartitionReassignment(List.of(1, 2))))).all().get(), "a partition cannot move to a broker that is not there");
    wantError(NoReassignmentInProgressException.class, () -> admin.alterPartitionReassignments(Map.of(first, Optional.empty())).all().get(), "it is not moving");
    want(Map.of(), admin.listPartitionReassignments().reassignments().get(), "nothing is");
    String dir = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).keySet().iterator().next();
    admin.alterReplicaLogDirs(Map.of(new TopicPartitionReplica("alone", 0, 1), dir)).all().get();
    wantError(LogDirNotFoundException.class, () -> admin.alterReplicaLogDirs(Map.of(new TopicPartitionReplica("alone", 0, 1), "/nowhere")).all().get(), "a directory has to be there");
    wantError(InvalidUpdateVersionException.class, () -> admin.updateFeatures(Map.of("group.version", new FeatureUpdate((short) 9, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all().get(), "a feature has the levels it has");
    want(true, admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC), new ListConfigResourcesOptions()).all().get().contains(new ConfigResource(ConfigResource.Type.TOPIC, "alone")), "topics have configurations");
    ClientQuotaEntity quotas = new ClientQuotaEntity(Collections.singletonMap(ClientQuotaEntity.USER, null));
    admin.alterClientQuotas(List.of(new ClientQuotaAlteration(quotas, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e9))))).all().get();
    Map<?, ?>[] got = {null};
    until(() -> got[0] != null, () -> {
      try {
        got[0] = admin.describeClientQuotas(ClientQuotaFilter.contains(List.of(ClientQuotaFilterComponent.ofDefaultEntity(ClientQuotaEntity.USER)))).entities().get().get(quotas);
      } catch (InterruptedException | ExecutionException failed) {
        throw new AssertionError(failed);
      }
    }, "a quota is kept");
    want(Map.of("producer_byte_rate", 1e9), got[0], "with its rate");
    admin.alterClientQuotas(List.of(new ClientQuotaAlteration(quotas, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", null))))).all().get();
    wantError(InvalidRequestException.class, () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(quotas, List.of(new ClientQuotaAlteration.Op("nonsense", 1.0))))).all().get(), "a quota has to be one");
  }

  /** What the broker does not have is refused with an error, not with silence. */
  static void absent(Admin admin) throws Exception {
    wantError(SecurityDisabledException.class, () -> admin.createAcls(List.of(new AclBinding(new ResourcePattern(ResourceType.TOPIC, "tx", PatternType.LITERAL),
        new AccessControlEntry("User:a", "*", AclOperation.READ, AclPermissionType.ALLOW)))).all().get(), "no rules without users");
    wantError(UnsupportedVersionException.class, () -> admin.createDelegationToken().delegationToken().get(), "no delegation tokens");
  }
}
