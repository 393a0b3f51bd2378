"""What a program over librdkafka asks of a broker: admin, producers, consumers, both kinds of groups, transactions.

Arguments: the broker's address. Prints a line "ok ..." for each part and ends with an error at the first that differs.
"""

import sys
import time

from confluent_kafka import Consumer, ConsumerGroupState, ConsumerGroupType, ElectionType, IsolationLevel, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

SERVER = {"bootstrap.servers": sys.argv[1]}
admin = AdminClient(SERVER)


def done(futures):
    return {key: future.result(30) for key, future in futures.items()}


def topic(name, partitions=1, **config):
    done(admin.create_topics([NewTopic(name, partitions, 1, config={key.replace("_", "."): value for key, value in config.items()})]))
    return name


def produce(to, values, key=None, **config):
    """Returns the errors."""
    errors = []
    producer = Producer(SERVER | {"linger.ms": 5} | {name.replace("_", "."): value for name, value in config.items()})
    for value in values:
        producer.produce(to, value, key, on_delivery=lambda error, _: error and errors.append(error.code()))
        producer.poll(0)
    assert producer.flush(60) == 0
    return errors


def consumer(group, **config):
    return Consumer(SERVER | {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False} | {name.replace("_", "."): value for name, value in config.items()})


def read(of, count, **config):
    c, got = consumer("read-" + of + "".join(map(str, config.values())), **config), []
    c.subscribe([of])
    end = time.monotonic() + 60
    while len(got) < count and time.monotonic() < end:
        message = c.poll(0.2)
        if message is not None:
            assert message.error() is None, message.error()
            got.append(message)
    c.close()
    assert len(got) == count, f"{len(got)} of {count} records of {of}"
    return got


def refused(call, code):
    try:
        call()
    except KafkaException as e:
        assert e.args[0].code() == code, e
    else:
        raise AssertionError(f"no error, want {code}")


def records():
    for codec in "none", "gzip", "snappy", "lz4", "zstd":
        for acks in 0, 1, -1:
            name = topic(f"records-{codec}-{acks}", 2)
            assert not produce(name, [b"value"] * 200, acks=acks, compression_type=codec)
            read(name, 200)
    name = topic("edges")
    p = Producer(SERVER)
    p.produce(name, None, None, headers=[("a", b"1"), ("a", None), ("b", b"")])
    p.produce(name, b"", b"")
    p.flush(30)
    null, empty = read(name, 2)
    assert (null.key(), null.value(), null.headers()) == (None, None, [("a", b"1"), ("a", None), ("b", b"")])
    assert (empty.key(), empty.value()) == (b"", b"")
    assert not produce(topic("large", max_message_bytes="5000000"), [b"x" * 4_000_000], message_max_bytes=6_000_000)
    assert len(read("large", 1, fetch_message_max_bytes=1000)[0].value()) == 4_000_000
    assert produce(topic("small", max_message_bytes="1000"), [b"x" * 5000]) == [KafkaError.MSG_SIZE_TOO_LARGE]
    assert produce(topic("compacted", cleanup_policy="compact"), [b"no key"]) == [KafkaError.INVALID_RECORD]
    assert not produce(topic("idempotent", 3), [b"%d" % i for i in range(5000)], enable_idempotence=True)
    assert len({m.value() for m in read("idempotent", 5000)}) == 5000


def transactions():
    source, to = topic("source"), topic("to", 2)
    assert not produce(source, [b"x"] * 10)
    p = Producer(SERVER | {"transactional.id": "tour"})
    p.init_transactions(30)
    p.begin_transaction()
    p.produce(to, b"kept", partition=0)
    p.produce(to, b"kept", partition=1)
    p.commit_transaction(30)
    p.begin_transaction()
    p.produce(to, b"lost", partition=0)
    p.flush(30)
    p.abort_transaction(30)
    c = consumer("transactions")
    c.subscribe([source])
    for _ in range(10):
        while (message := c.poll(1)) is None:
            pass
        assert message.error() is None
    p.begin_transaction()
    p.produce(to, b"last", partition=0)
    p.send_offsets_to_transaction(c.position(c.assignment()), c.consumer_group_metadata(), 30)
    p.commit_transaction(30)
    assert c.committed([TopicPartition(source, 0)], 30)[0].offset == 10
    c.close()
    assert sorted(m.value() for m in read(to, 3, isolation_level="read_committed")) == [b"kept", b"kept", b"last"]
    read(to, 4, isolation_level="read_uncommitted")
    Producer(SERVER | {"transactional.id": "tour"}).init_transactions(30)

    def zombie():
        p.begin_transaction()
        p.produce(to, b"zombie")
        p.commit_transaction(30)

    refused(zombie, KafkaError._FENCED)


def groups():
    name = topic("grouped", 6)
    assert not produce(name, [b"%d" % i for i in range(600)])
    for kind, config in {
        "range": {"partition_assignment_strategy": "range"},
        "cooperative-sticky": {"partition_assignment_strategy": "cooperative-sticky"},
        "consumer": {"group_protocol": "consumer"},
    }.items():
        group, seen = "group-" + kind, set()
        if kind != "consumer":
            config |= {"heartbeat_interval_ms": 300, "session_timeout_ms": 6000}
        members = [consumer(group, group_instance_id=f"{i}", **config) for i in range(3)]
        for member in members:
            member.subscribe([name])
        end = time.monotonic() + 60
        while time.monotonic() < end and (len(seen) < 600 or any(len(m.assignment()) != 2 for m in members)):
            for member in members:
                message = member.poll(0.01)
                if message is not None and message.error() is None:
                    seen.add((message.partition(), message.offset()))
        assert len(seen) == 600 and all(len(m.assignment()) == 2 for m in members), (kind, len(seen), [len(m.assignment()) for m in members])
        described = done(admin.describe_consumer_groups([group]))[group]
        assert described.state == ConsumerGroupState.STABLE and len(described.members) == 3, described.state
        want = ConsumerGroupType.CONSUMER if kind == "consumer" else ConsumerGroupType.CLASSIC
        assert group in [g.group_id for g in admin.list_consumer_groups(types={want}).result(30).valid]
        for member in members:
            member.close()


def positions():
    name = topic("positions")
    place, p = TopicPartition(name, 0), Producer(SERVER)
    start = int(time.time() * 1000) - 100_000
    for i in range(100):
        p.produce(name, b"%d" % i, timestamp=start + i * 1000)
    p.flush(30)
    c = consumer("positions")
    assert c.get_watermark_offsets(place, 30) == (0, 100)
    assert c.offsets_for_times([TopicPartition(name, 0, start + 50_000)], 30)[0].offset == 50
    c.assign([TopicPartition(name, 0, 20)])
    assert c.poll(30).value() == b"20"
    c.seek(TopicPartition(name, 0, 70))
    assert c.poll(30).value() == b"70"
    c.commit(offsets=[TopicPartition(name, 0, 33, "note")], asynchronous=False)
    committed = c.committed([place], 30)[0]
    assert (committed.offset, committed.metadata) == (33, "note")
    c.close()
    for spec, offset in (OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 100), (OffsetSpec.max_timestamp(), 99), (OffsetSpec.for_timestamp(start + 10_000), 10):
        (found,) = done(admin.list_offsets({place: spec}, isolation_level=IsolationLevel.READ_COMMITTED)).values()
        assert found.offset == offset, (spec, found.offset)
    done(admin.delete_consumer_groups(["positions"]))
    refused(lambda: done(admin.delete_consumer_groups(["positions"])), KafkaError.GROUP_ID_NOT_FOUND)
    (deleted,) = done(admin.delete_records([TopicPartition(name, 0, 40)])).values()
    assert deleted.low_watermark == 40
    assert read(name, 60)[0].offset() == 40


def administration():
    name = topic("managed", 2, retention_ms="1234")
    done(admin.create_partitions([NewPartitions(name, 5)]))
    assert len(done(admin.describe_topics(TopicCollection([name])))[name].partitions) == 5
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    assert done(admin.describe_configs([resource]))[resource]["retention.ms"].value == "1234"
    change = ConfigResource(ConfigResource.Type.TOPIC, name)
    change.add_incremental_config(ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND))
    done(admin.incremental_alter_configs([change]))
    assert done(admin.describe_configs([resource]))[resource]["cleanup.policy"].value == "delete,compact"
    refused(lambda: topic(name), KafkaError.TOPIC_ALREADY_EXISTS)
    refused(lambda: topic("no spaces"), KafkaError.TOPIC_EXCEPTION)
    refused(lambda: topic("odd", nonsense="1"), KafkaError.INVALID_CONFIG)
    refused(lambda: done(admin.delete_topics(["nowhere"])), KafkaError.UNKNOWN_TOPIC_OR_PART)
    place = TopicPartition(name, 0)
    assert admin.elect_leaders(ElectionType.PREFERRED, [place]).result(30)[place].code() == KafkaError.ELECTION_NOT_NEEDED
    done(admin.alter_user_scram_credentials([UserScramCredentialUpsertion("user", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 8192), b"secret")]))
    assert done(admin.describe_user_scram_credentials(["user"]))["user"].scram_credential_infos[0].iterations == 8192
    assert admin.describe_cluster().result(30).controller is not None
    done(admin.delete_topics([name]))
    assert name not in admin.list_topics(timeout=30).topics


for part in records, transactions, groups, positions, administration:
    part()
    print("ok", part.__name__, flush=True)
