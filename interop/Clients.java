import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

/**
 * Java's clients against a broker: administration, compression, both group protocols, transactions. Ends with an error at the first thing that is not as
 * Apache Kafka has it. Argument: bootstrap servers.
 */
public class Clients {
  static String servers;

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

  public static void main(String[] args) throws Exception {
    servers = args[0];
    try (Admin admin = Admin.create(with())) {
      topics(admin);
      int records = produce();
      for (String protocol : List.of("classic", "consumer")) groups(protocol, records);
      transactions(admin, records);
      fencing();
      inspection(admin);
      admin.deleteTopics(List.of("in", "out")).all().get();
      want(false, admin.listTopics().names().get().contains("in"), "topics are deleted");
    }
  }

  static void topics(Admin admin) throws Exception {
    CreateTopicsResult created = admin.createTopics(List.of(
        new NewTopic("in", 4, (short) 3).configs(Map.of("cleanup.policy", "compact,delete", "min.compaction.lag.ms", "5")), new NewTopic("out", 2, (short) 1)));
    created.all().get();
    want(4, created.numPartitions("in").get(), "a topic is created with the replication factor of a cluster");
    want("compact,delete", created.config("in").get().get("cleanup.policy").value(), "its configuration comes back");
    want(ConfigEntry.ConfigSource.DEFAULT_CONFIG, created.config("in").get().get("segment.bytes").source(), "with sources");
    try {
      admin.createTopics(List.of(new NewTopic("in", 1, (short) 1))).all().get();
      throw new AssertionError("a topic is created twice");
    } catch (java.util.concurrent.ExecutionException e) {
      want(TopicExistsException.class, e.getCause().getClass(), "a topic exists once");
    }
    ConfigResource in = new ConfigResource(ConfigResource.Type.TOPIC, "in");
    admin.incrementalAlterConfigs(Map.of(in, List.of(new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.SUBTRACT)))).all().get();
    want("delete", admin.describeConfigs(List.of(in)).all().get().get(in).get("cleanup.policy").value(), "a configuration is changed");
    admin.createPartitions(Map.of("in", NewPartitions.increaseTo(6))).all().get();
    want(6, admin.describeTopics(List.of("in")).allTopicNames().get().get("in").partitions().size(), "partitions are added");
    want((short) 2, admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("transaction.version").maxVersionLevel(), "transaction.version is 2");
    want(1, admin.describeCluster().nodes().get().size(), "there is one node");
    want(Set.of(1), admin.describeLogDirs(List.of(1)).allDescriptions().get().keySet(), "the directory is described");
  }

  static int produce() throws Exception {
    int n = 0;
    for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
      try (KafkaProducer<String, String> p = new KafkaProducer<>(with("compression.type", codec), new StringSerializer(), new StringSerializer())) {
        for (int i = 0; i < 500; i++, n++) p.send(new ProducerRecord<>("in", "k" + i % 50, codec + " " + i), (m, e) -> { if (e != null) throw new AssertionError(e); });
      }
    }
    return n;
  }

  /** Two members share the partitions, each record is read once, and the offsets stay. */
  static void groups(String protocol, int records) {
    Properties p = with("group.id", "g-" + protocol, "group.protocol", protocol, "auto.offset.reset", "earliest", "enable.auto.commit", "false");
    try (KafkaConsumer<String, String> a = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
         KafkaConsumer<String, String> b = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
      a.subscribe(List.of("in"));
      b.subscribe(List.of("in"));
      long deadline = System.currentTimeMillis() + 60_000;
      Set<String> seen = new HashSet<>();
      while ((seen.size() < records || a.assignment().size() != 3 || b.assignment().size() != 3) && System.currentTimeMillis() < deadline) {
        for (KafkaConsumer<String, String> c : List.of(a, b)) {
          for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(100))) seen.add(r.partition() + "-" + r.offset());
          try {
            c.commitSync();
          } catch (CommitFailedException | RebalanceInProgressException e) {
            // the other one joins: what was read is read again
          }
        }
      }
      want(records, seen.size(), "a " + protocol + " group reads everything");
      want(6, a.assignment().size() + b.assignment().size(), "a " + protocol + " group shares the partitions");
      Set<TopicPartition> all = Stream.concat(a.assignment().stream(), b.assignment().stream()).collect(Collectors.toSet());
      want((long) records, a.committed(all).values().stream().mapToLong(OffsetAndMetadata::offset).sum(), "a " + protocol + " group's offsets stay");
    }
  }

  /** Consume, transform, produce: exactly once, offsets included; what is aborted is not seen. */
  static void transactions(Admin admin, int records) throws Exception {
    try (KafkaProducer<String, String> p = new KafkaProducer<>(with("transactional.id", "tx"), new StringSerializer(), new StringSerializer());
         KafkaConsumer<String, String> c = new KafkaConsumer<>(with("group.id", "eos", "auto.offset.reset", "earliest", "enable.auto.commit", "false", "isolation.level", "read_committed"),
             new StringDeserializer(), new StringDeserializer())) {
      p.initTransactions();
      c.subscribe(List.of("in"));
      int done = 0, round = 0;
      for (long deadline = System.currentTimeMillis() + 60_000; done < records && System.currentTimeMillis() < deadline; ) {
        ConsumerRecords<String, String> rs = c.poll(Duration.ofMillis(100));
        if (rs.isEmpty()) continue;
        Map<TopicPartition, OffsetAndMetadata> before = new HashMap<>(), after = new HashMap<>();
        for (TopicPartition tp : rs.partitions()) {
          before.put(tp, new OffsetAndMetadata(rs.records(tp).get(0).offset()));
          after.put(tp, rs.nextOffsets().get(tp));
        }
        p.beginTransaction();
        for (ConsumerRecord<String, String> r : rs) p.send(new ProducerRecord<>("out", r.key(), r.value()));
        p.sendOffsetsToTransaction(after, c.groupMetadata());
        if (round++ % 2 == 0) {
          p.abortTransaction();
          before.forEach(c::seek);
        } else {
          p.commitTransaction();
          done += rs.count();
        }
      }
    }
    try (KafkaConsumer<String, String> c = new KafkaConsumer<>(with("isolation.level", "read_committed"), new StringDeserializer(), new StringDeserializer())) {
      List<TopicPartition> out = List.of(new TopicPartition("out", 0), new TopicPartition("out", 1));
      c.assign(out);
      c.seekToBeginning(out);
      Map<TopicPartition, Long> ends = c.endOffsets(out);
      int n = 0;
      for (long deadline = System.currentTimeMillis() + 30_000; out.stream().anyMatch(tp -> c.position(tp) < ends.get(tp)) && System.currentTimeMillis() < deadline; ) n += c.poll(Duration.ofMillis(100)).count();
      want(records, n, "transactions are seen whole or not at all");
    }
    want((long) records, admin.listConsumerGroupOffsets("eos").partitionsToOffsetAndMetadata().get().values().stream().mapToLong(OffsetAndMetadata::offset).sum(),
        "offsets move with their transaction");
  }

  static void fencing() {
    try (KafkaProducer<String, String> old = new KafkaProducer<>(with("transactional.id", "fenced"), new StringSerializer(), new StringSerializer());
         KafkaProducer<String, String> fresh = new KafkaProducer<>(with("transactional.id", "fenced"), new StringSerializer(), new StringSerializer())) {
      old.initTransactions();
      old.beginTransaction();
      old.send(new ProducerRecord<>("out", "zombie", "zombie"));
      old.flush();
      fresh.initTransactions();
      boolean refused = false;
      try {
        old.commitTransaction();
      } catch (ProducerFencedException | InvalidProducerEpochException e) {
        refused = true;
      }
      want(true, refused, "an instance that was replaced cannot commit");
    }
  }

  static void inspection(Admin admin) throws Exception {
    Map<String, GroupListing> groups = admin.listGroups().all().get().stream().collect(Collectors.toMap(GroupListing::groupId, g -> g));
    want("Consumer", groups.get("g-consumer").type().get().toString(), "groups of KIP-848 are listed as such");
    want("Classic", groups.get("g-classic").type().get().toString(), "classic ones too");
    want("EMPTY", admin.describeConsumerGroups(List.of("eos")).all().get().get("eos").groupState().name(), "a group without members is empty");
    want(true, admin.listTransactions().all().get().stream().anyMatch(t -> t.transactionalId().equals("tx")), "transactions are listed");
    want(TransactionState.COMPLETE_COMMIT, admin.describeTransactions(List.of("tx")).description("tx").get().state(), "and described");
    TopicPartition in0 = new TopicPartition("in", 0);
    want(false, admin.describeProducers(List.of(in0)).partitionResult(in0).get().activeProducers().isEmpty(), "producers are described");
    want(0L, admin.listOffsets(Map.of(in0, OffsetSpec.earliest())).all().get().get(in0).offset(), "the earliest offset is 0");
    want(3L, admin.deleteRecords(Map.of(in0, RecordsToDelete.beforeOffset(3))).lowWatermarks().get(in0).get().lowWatermark(), "records are deleted");
    want(3L, admin.listOffsets(Map.of(in0, OffsetSpec.earliest())).all().get().get(in0).offset(), "the earliest offset is 3 then");
    admin.deleteConsumerGroups(List.of("eos")).all().get();
    want(false, admin.listGroups().all().get().stream().anyMatch(g -> g.groupId().equals("eos")), "a group is deleted");
  }
}
