import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.File;
import java.io.FileReader;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Queue;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyConfig;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.kstream.internals.SessionWindow;
import org.apache.kafka.streams.processor.LogAndSkipOnInvalidTimestamp;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.processor.TopicNameExtractor;
import org.apache.kafka.streams.processor.UsePartitionTimeOnInvalidTimestamp;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.internals.InternalTopicConfig;
import org.apache.kafka.streams.processor.internals.InternalTopologyBuilder;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.state.DslStoreSuppliers;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.TimestampedBytesStore;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.VersionedRecord;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.internals.SessionKeySchema;
import org.apache.kafka.streams.state.internals.WindowKeySchema;
import org.apache.kafka.streams.state.internals.WrappedStateStore;

/**
 * Plays conformance cases on Java Kafka Streams: Recorder IN OUT [SCRATCH] reads cases, one JSON object a line, builds each one's topology with the DSL, plays its steps
 * on the TopologyTestDriver and writes the case with Java's answer as its "expected". What a case's program and answer may hold, and what its functions do, is the
 * format that the test of streams/conformance reads. SCRATCH is a folder for the stores, by default the system's.
 *
 * A case whose program the recorder does not understand gets {"recorderError": ...} as its answer.
 */
@SuppressWarnings({"unchecked", "rawtypes", "deprecation"})
public class Recorder {
    static final ObjectMapper JSON = new ObjectMapper();
    static Path scratch = Path.of(System.getProperty("java.io.tmpdir"));

    public static void main(String[] args) throws Exception {
        if (args.length > 2) scratch = Path.of(args[2]);
        PrintStream out = new PrintStream(new java.io.FileOutputStream(args[1]), false, "UTF-8");
        try (BufferedReader in = new BufferedReader(new FileReader(args[0], StandardCharsets.UTF_8))) {
            for (String line; (line = in.readLine()) != null; ) {
                if (line.isBlank()) continue;
                ObjectNode c = (ObjectNode) JSON.readTree(line);
                ObjectNode expected;
                try {
                    expected = new Case(c).play();
                } catch (Throwable t) {
                    expected = JSON.createObjectNode();
                    expected.put("recorderError", t.toString());
                    System.err.println(c.path("name").asText() + ": " + t);
                }
                c.set("expected", expected);
                out.println(JSON.writeValueAsString(c));
            }
        }
        out.close();
    }

    static Throwable root(Throwable t) {
        while (t.getCause() != null && t.getCause() != t) t = t.getCause();
        return t;
    }

    static <T> T field(Object o, String name) {
        for (Class<?> k = o.getClass(); k != null; k = k.getSuperclass()) {
            try {
                Field f = k.getDeclaredField(name);
                f.setAccessible(true);
                return (T) f.get(o);
            } catch (NoSuchFieldException e) {
                continue;
            } catch (IllegalAccessException e) {
                throw new RuntimeException(e);
            }
        }
        throw new RuntimeException("no field " + name + " in " + o.getClass());
    }

    // --- bytes --------------------------------------------------------------------------------------------------------

    static JsonNode bytes(byte[] b) {
        if (b == null) return JSON.nullNode();
        boolean printable = true;
        for (byte x : b) printable = printable && x >= 0x20 && x <= 0x7e;
        if (printable) return JSON.getNodeFactory().textNode(new String(b, StandardCharsets.US_ASCII));
        return JSON.createObjectNode().put("hex", hex(b));
    }

    static String hex(byte[] b) {
        StringBuilder s = new StringBuilder();
        for (byte x : b) s.append(String.format("%02x", x));
        return s.toString();
    }

    static byte[] unhex(String s) {
        byte[] b = new byte[s.length() / 2];
        for (int i = 0; i < b.length; i++) b[i] = (byte) Integer.parseInt(s.substring(2 * i, 2 * i + 2), 16);
        return b;
    }

    static byte[] input(JsonNode n) {
        if (n == null || n.isNull()) return null;
        if (n.isTextual()) return n.asText().getBytes(StandardCharsets.UTF_8);
        if (n.isNumber()) return ByteBuffer.allocate(8).putLong(n.asLong()).array();
        return unhex(n.get("hex").asText());
    }

    static ArrayNode headers(Headers hs) {
        ArrayNode a = JSON.createArrayNode();
        for (Header h : hs) a.add(JSON.createArrayNode().add(h.key()).add(bytes(h.value())));
        return a;
    }

    // --- the default serde: writes what it gets, and reads as it wrote for the same topic --------------------------------

    static Map<String, Function<byte[], Object>> known = new ConcurrentHashMap<>();

    public static class AnyKey extends Any {
        public AnyKey() { super("k:"); }
    }

    public static class AnyValue extends Any {
        public AnyValue() { super("v:"); }
    }

    public static class Any implements Serde<Object> {
        final String role;

        Any(String role) { this.role = role; }

        public Serializer<Object> serializer() {
            return (topic, v) -> {
                if (v == null) return null;
                known.put(role + topic, reader(topic, v));
                return write(topic, v);
            };
        }

        static byte[] write(String topic, Object v) {
            if (v instanceof String) return ((String) v).getBytes(StandardCharsets.UTF_8);
            if (v instanceof Long) return ByteBuffer.allocate(8).putLong((Long) v).array();
            if (v instanceof Windowed) {
                Windowed w = (Windowed) v;
                byte[] key = write(topic, w.key());
                if (w.window() instanceof SessionWindow) return SessionKeySchema.toBinary(new Windowed<>(Bytes.wrap(key), w.window())).get();
                return ByteBuffer.allocate(key.length + 8).put(key).putLong(w.window().start()).array();
            }
            throw new ClassCastException("no serde for " + v.getClass());
        }

        static Function<byte[], Object> reader(String topic, Object sample) {
            if (sample instanceof String) return b -> new String(b, StandardCharsets.UTF_8);
            if (sample instanceof Long) return b -> ByteBuffer.wrap(b).getLong();
            Windowed w = (Windowed) sample;
            Function<byte[], Object> inner = reader(topic, w.key());
            if (w.window() instanceof SessionWindow)
                return b -> {
                    Windowed<Bytes> raw = SessionKeySchema.from(Bytes.wrap(b));
                    return new Windowed<>(inner.apply(raw.key().get()), raw.window());
                };
            long size = w.window().end() - w.window().start();
            return b -> {
                long start = ByteBuffer.wrap(b).getLong(b.length - 8);
                return new Windowed<>(inner.apply(Arrays.copyOf(b, b.length - 8)), new org.apache.kafka.streams.kstream.internals.TimeWindow(start, Math.max(start + size, start + 1)));
            };
        }

        public Deserializer<Object> deserializer() {
            return (topic, b) -> {
                if (b == null) return null;
                Function<byte[], Object> r = known.get(role + topic);
                if (r == null) return new String(b, StandardCharsets.UTF_8);
                return r.apply(b);
            };
        }
    }

    // --- functions ----------------------------------------------------------------------------------------------------

    static String text(Object v) {
        if (v == null) return null;
        if (v instanceof Windowed) {
            Windowed w = (Windowed) v;
            return key(w.key()) + "@" + w.window().start() + "-" + w.window().end();
        }
        return v.toString();
    }

    static String key(Object k) { return k == null ? "" : text(k); }

    static String side(Object v) { return v == null ? "null" : text(v); }

    static String[] call(String fn) {
        int i = fn.indexOf(':');
        return i < 0 ? new String[] {fn, ""} : new String[] {fn.substring(0, i), fn.substring(i + 1)};
    }

    static String first(String s) { return s.isEmpty() ? "" : s.substring(0, s.offsetByCodePoints(0, 1)); }

    static int len(String s) { return s.getBytes(StandardCharsets.UTF_8).length; }

    static String upper(String s) {
        StringBuilder b = new StringBuilder();
        for (char c : s.toCharArray()) b.append(c >= 'a' && c <= 'z' ? (char) (c - 32) : c);
        return b.toString();
    }

    static String part(String s, int i) {
        String[] ps = s.split("\\|", -1);
        return i < 0 || i >= ps.length || ps[i].isEmpty() ? null : ps[i];
    }

    static List<String> words(String s) {
        List<String> out = new ArrayList<>();
        for (String w : s.split(" ", -1)) if (!w.isEmpty()) out.add(w);
        return out;
    }

    static int byteOrder(String a, String b) {
        return Arrays.compareUnsigned(a.getBytes(StandardCharsets.UTF_8), b.getBytes(StandardCharsets.UTF_8));
    }

    static Predicate<Object, Object> predicate(String fn, boolean stream) {
        String[] c = call(fn);
        Predicate<Object, Object> p;
        switch (c[0]) {
            case "contains": p = (k, v) -> ((String) v).contains(c[1]); break;
            case "keyIs": p = (k, v) -> key(k).equals(c[1]); break;
            case "keyIn": { List<String> in = Arrays.asList(c[1].split(",", -1)); p = (k, v) -> in.contains(key(k)); break; }
            case "longer": { int n = Integer.parseInt(c[1]); p = (k, v) -> len((String) v) > n; break; }
            case "atLeast": { long n = Long.parseLong(c[1]); p = (k, v) -> (Long) v >= n; break; }
            case "all": p = (k, v) -> true; break;
            case "none": p = (k, v) -> false; break;
            default: throw new IllegalStateException("predicate " + fn);
        }
        return stream ? (k, v) -> v == null || p.test(k, v) : p;
    }

    static ValueMapperWithKey<Object, Object, Object> value(String fn) {
        String[] c = call(fn);
        ValueMapperWithKey<Object, Object, Object> f;
        switch (c[0]) {
            case "upper": f = (k, v) -> upper((String) v); break;
            case "append": f = (k, v) -> (String) v + c[1]; break;
            case "prefix": f = (k, v) -> c[1] + (String) v; break;
            case "const": f = (k, v) -> c[1]; break;
            case "length": f = (k, v) -> (long) len((String) v); break;
            case "toLong": f = (k, v) -> Long.parseLong((String) v); break;
            case "plus": { long n = Long.parseLong(c[1]); f = (k, v) -> (Long) v + n; break; }
            case "text": f = (k, v) -> Long.toString((Long) v); break;
            case "key+v": f = (k, v) -> key(k) + ":" + text(v); break;
            case "null": f = (k, v) -> null; break;
            default: throw new IllegalStateException("value function " + fn);
        }
        return (k, v) -> v == null ? null : f.apply(k, v);
    }

    static boolean longResult(String fn) { return List.of("length", "toLong", "plus").contains(call(fn)[0]); }

    static ValueMapper<Object, Iterable<Object>> values(String fn) {
        switch (fn) {
            case "words": return v -> (Iterable) words((String) v);
            case "twice": return v -> List.of(v, v);
            case "nothing": return v -> List.of();
        }
        throw new IllegalStateException("values function " + fn);
    }

    static KeyValueMapper<Object, Object, Object> keyOf(String fn) {
        String[] c = call(fn);
        switch (c[0]) {
            case "value": return (k, v) -> text(v);
            case "first": return (k, v) -> first(text(v));
            case "keyAppend": return (k, v) -> key(k) + c[1];
            case "constKey": return (k, v) -> c[1];
            case "part": { int i = Integer.parseInt(c[1]); return (k, v) -> part(text(v), i); }
            case "keyPart": { int i = Integer.parseInt(c[1]); return (k, v) -> part(key(k), i); }
            case "nullKey": return (k, v) -> null;
            case "windowText": return (k, v) -> key(k);
        }
        throw new IllegalStateException("key function " + fn);
    }

    static List<KeyValue<Object, Object>> records(String fn, Object k, Object v) {
        List<KeyValue<Object, Object>> out = new ArrayList<>();
        switch (fn) {
            case "swap": out.add(KeyValue.pair((String) v, key(k))); break;
            case "keyFromFirst": out.add(KeyValue.pair(first((String) v), v)); break;
            case "explode": for (String w : words((String) v)) out.add(KeyValue.pair(w, v)); break;
            default: throw new IllegalStateException("record function " + fn);
        }
        return out;
    }

    static Reducer<Object> reducer(String fn) {
        switch (fn) {
            case "concat": return (a, b) -> (String) a + (String) b;
            case "max": return (a, b) -> a instanceof Long ? (Object) Math.max((Long) a, (Long) b) : byteOrder((String) a, (String) b) >= 0 ? a : b;
            case "last": return (a, b) -> b;
            case "sum": return (a, b) -> (Long) a + (Long) b;
            case "firstWins": return (a, b) -> a;
        }
        throw new IllegalStateException("reducer " + fn);
    }

    static Reducer<Object> subtractor(String fn) {
        switch (fn) {
            case "concat": return (a, b) -> (String) a + "-" + (String) b;
            case "sum": return (a, b) -> (Long) a - (Long) b;
        }
        return (a, b) -> a;
    }

    static boolean longAggregate(String fn) { return fn.equals("count") || fn.equals("sumLen"); }

    static Initializer<Object> initial(String fn) { return longAggregate(fn) ? () -> 0L : () -> "0"; }

    static Aggregator<Object, Object, Object> adder(String fn) {
        String[] c = call(fn);
        switch (c[0]) {
            case "append": return (k, v, a) -> a + "+" + text(v);
            case "deleteOn": return (k, v, a) -> c[1].equals(text(v)) ? null : a + "+" + text(v);
            case "count": return (k, v, a) -> (Long) a + 1;
            case "sumLen": return (k, v, a) -> (Long) a + len((String) v);
        }
        throw new IllegalStateException("aggregator " + fn);
    }

    static Aggregator<Object, Object, Object> remover(String fn) {
        switch (call(fn)[0]) {
            case "count": return (k, v, a) -> (Long) a - 1;
            case "sumLen": return (k, v, a) -> (Long) a - len((String) v);
        }
        return (k, v, a) -> a + "-" + text(v);
    }

    static Merger<Object, Object> merger(String fn) {
        return longAggregate(fn) ? (k, a, b) -> (Long) a + (Long) b : (k, a, b) -> a + "&" + b;
    }

    static ValueJoiner<Object, Object, Object> joiner() { return (l, r) -> side(l) + "-" + side(r); }

    static ValueJoinerWithKey<Object, Object, Object, Object> joinerWithKey() { return (k, l, r) -> key(k) + ":" + side(l) + "-" + side(r); }

    static class ByValue implements TopicNameExtractor<Object, Object> {
        final String fn, prefix;

        ByValue(String fn) { this.fn = fn; this.prefix = call(fn)[1]; }

        public String extract(Object k, Object v, org.apache.kafka.streams.processor.RecordContext c) {
            return prefix + first(v == null ? key(k) : text(v));
        }

        public String toString() { return fn; }
    }

    static class FromValue implements TimestampExtractor {
        static final java.util.regex.Pattern DIGITS = java.util.regex.Pattern.compile("[0-9]{1,18}");

        public long extract(org.apache.kafka.clients.consumer.ConsumerRecord<Object, Object> r, long partitionTime) {
            if (r.value() == null) return -1;
            String v = text(r.value());
            int i = v.lastIndexOf('@');
            if (i < 0 || !DIGITS.matcher(v.substring(i + 1)).matches()) return -1;
            return Long.parseLong(v.substring(i + 1));
        }
    }

    // --- processors ---------------------------------------------------------------------------------------------------

    static class Failed extends RuntimeException {
        Failed(String m) { super(m); }
    }

    interface Texts {
        String get(String k);

        void put(String k, String v, long ts);
    }

    static Texts texts(Object store) {
        return new Texts() {
            public String get(String k) {
                Object v = store instanceof VersionedKeyValueStore ? ((VersionedKeyValueStore) store).get(k) : ((KeyValueStore) store).get(k);
                if (v instanceof ValueAndTimestamp) v = ((ValueAndTimestamp) v).value();
                else if (v instanceof VersionedRecord) v = ((VersionedRecord) v).value();
                else if (v != null && !(v instanceof String)) try {
                    Method m = v.getClass().getMethod("value");
                    v = m.invoke(v);
                } catch (ReflectiveOperationException e) { /* a long */ }
                return v == null ? null : text(v);
            }

            public void put(String k, String v, long ts) {
                if (store instanceof VersionedKeyValueStore) ((VersionedKeyValueStore) store).put(k, v, ts);
                else if (store instanceof TimestampedKeyValueStore) ((TimestampedKeyValueStore) store).put(k, ValueAndTimestamp.make(v, ts));
                else ((KeyValueStore) store).put(k, v);
            }
        };
    }

    interface Step {
        /** The value and headers to forward, or null for none. */
        Object[] on(Object k, Object v, long ts, Headers hs);
    }

    static Step step(String fn, Function<String, StateStore> stores) {
        String[] c = call(fn);
        switch (c[0]) {
            case "dedup": {
                Texts s = texts(stores.apply(c[1]));
                return (k, v, ts, hs) -> {
                    if (s.get(key(k)) != null) return null;
                    s.put(key(k), text(v), ts);
                    return new Object[] {v, hs};
                };
            }
            case "lastSeen": {
                Texts s = texts(stores.apply(c[1]));
                return (k, v, ts, hs) -> {
                    String old = s.get(key(k));
                    s.put(key(k), text(v), ts);
                    return new Object[] {side(old) + ">" + text(v), hs};
                };
            }
            case "lookup": {
                Texts s = texts(stores.apply(c[1]));
                return (k, v, ts, hs) -> new Object[] {v + "~" + side(s.get(text(v))), hs};
            }
            case "header": {
                int i = c[1].indexOf('=');
                return (k, v, ts, hs) -> new Object[] {v, new RecordHeaders(hs).add(c[1].substring(0, i), c[1].substring(i + 1).getBytes(StandardCharsets.UTF_8))};
            }
            case "fail":
                return (k, v, ts, hs) -> {
                    if (c[1].equals(text(v))) throw new Failed(c[1]);
                    return new Object[] {v, hs};
                };
        }
        throw new IllegalStateException("processor " + fn);
    }

    static class Proc extends ContextualProcessor<Object, Object, Object, Object> {
        final String fn;
        Step step;

        Proc(String fn) { this.fn = fn; }

        public void init(ProcessorContext<Object, Object> ctx) {
            super.init(ctx);
            String[] c = call(fn);
            if (c[0].equals("tick")) {
                String[] d = call(c[1]);
                ctx.schedule(Duration.ofMillis(Long.parseLong(d[1])), d[0].equals("stream") ? PunctuationType.STREAM_TIME : PunctuationType.WALL_CLOCK_TIME,
                    ts -> ctx.forward(new Record<>("tick", Long.toString(ts), ts)));
                step = (k, v, ts, hs) -> new Object[] {v, hs};
            } else step = Recorder.step(fn, n -> {
                StateStore s = ctx.getStateStore(n);
                if (s == null) throw new IllegalStateException("no store " + n);
                return s;
            });
        }

        public void process(Record<Object, Object> r) {
            if (r.value() == null) { context().forward(r); return; }
            Object[] out = step.on(r.key(), r.value(), r.timestamp(), r.headers());
            if (out != null) context().forward(r.withValue(out[0]).withHeaders((Headers) out[1]));
        }
    }

    static class FixedProc extends ContextualFixedKeyProcessor<Object, Object, Object> {
        final String fn;
        Step step;

        FixedProc(String fn) { this.fn = fn; }

        public void init(FixedKeyProcessorContext<Object, Object> ctx) {
            super.init(ctx);
            step = Recorder.step(fn, n -> {
                StateStore s = ctx.getStateStore(n);
                if (s == null) throw new IllegalStateException("no store " + n);
                return s;
            });
        }

        public void process(FixedKeyRecord<Object, Object> r) {
            if (r.value() == null) { context().forward(r); return; }
            Object[] out = step.on(r.key(), r.value(), r.timestamp(), r.headers());
            if (out != null) context().forward(r.withValue(out[0]).withHeaders((Headers) out[1]));
        }
    }

    // --- one case -----------------------------------------------------------------------------------------------------

    static class Case {
        final ObjectNode c;
        final Map<String, Object> handles = new HashMap<>();
        final Properties props = new Properties();
        StreamsBuilder b;

        Case(ObjectNode c) { this.c = c; }

        ObjectNode play() throws Exception {
            known.clear();
            ObjectNode e = JSON.createObjectNode();
            Path dir = Files.createTempDirectory(scratch, "record");
            props.put("application.id", "app");
            props.put("bootstrap.servers", "dummy:1234");
            props.put("statestore.cache.max.bytes", "0");
            props.put("state.dir", dir.toString());
            props.put("default.key.serde", AnyKey.class);
            props.put("default.value.serde", AnyValue.class);
            props.put("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", 0L);
            props.put("__emit.interval.ms.kstreams.windowed.aggregation__", 0L);
            if (c.has("config")) c.get("config").fields().forEachRemaining(f -> {
                if (f.getKey().startsWith("__")) props.put(f.getKey(), f.getValue().asLong());
                else props.put(f.getKey(), f.getValue().asText());
            });
            TopologyTestDriver d = null;
            try {
                Topology t;
                try {
                    b = new StreamsBuilder(new TopologyConfig(new StreamsConfig(props)));
                    for (JsonNode o : c.get("program")) {
                        Object r = apply(o);
                        if (r != null && o.has("id")) handles.put(o.get("id").asText(), r);
                    }
                    t = b.build(props);
                    d = new TopologyTestDriver(t, props, Instant.EPOCH);
                } catch (IllegalStateException x) {
                    if (x.getMessage() != null && x.getMessage().matches("(predicate|value function|values function|key function|record function|reducer|aggregator|processor|operator|window|no handle) .*")) throw x;
                    return refused(e, x);
                } catch (Exception x) {
                    return refused(e, x);
                }
                e.put("describe", t.describe().toString());
                InternalTopologyBuilder itb = field(d, "internalTopologyBuilder");
                topics(itb, e);
                ArrayNode steps = e.putArray("steps");
                Map<String, TreeSet<byte[]>> keys = new HashMap<>();
                boolean failed = false;
                for (JsonNode s : c.get("steps")) {
                    ObjectNode answer = steps.addObject();
                    try {
                        if (s.has("advanceWallClock")) d.advanceWallClockTime(Duration.ofMillis(s.get("advanceWallClock").asLong()));
                        else pipe(d, s);
                    } catch (Throwable x) {
                        if (x instanceof InvocationTargetException) x = x.getCause();
                        answer.put("error", root(x).getClass().getSimpleName());
                        failed = true;
                        break;
                    }
                    produced(d, answer, keys);
                }
                if (!failed) {
                    stores(d, e, keys);
                    double dropped = 0;
                    for (var m : d.metrics().entrySet())
                        if (m.getKey().name().equals("dropped-records-total")) dropped += ((Number) m.getValue().metricValue()).doubleValue();
                    e.put("dropped", (long) dropped);
                }
                return e;
            } finally {
                if (d != null) try {
                    d.close();
                } catch (Throwable x) { /* after an error */ }
                try (var w = Files.walk(dir)) {
                    w.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
                }
            }
        }

        ObjectNode refused(ObjectNode e, Throwable x) {
            Throwable r = root(x);
            e.put("buildError", r.getClass().getSimpleName());
            e.put("buildMessage", String.valueOf(r.getMessage()));
            return e;
        }

        void topics(InternalTopologyBuilder itb, ObjectNode e) {
            Map<String, InternalTopicConfig> all = new TreeMap<>();
            for (var info : itb.subtopologyToTopicsInfo().values()) {
                all.putAll(info.repartitionSourceTopics);
                for (var t : info.stateChangelogTopics.entrySet()) if (!info.sourceTopics.contains(t.getKey())) all.put(t.getKey(), t.getValue());
            }
            Map<String, String> defaults = new HashMap<>();
            for (Object k : props.keySet()) if (k.toString().startsWith("topic.")) defaults.put(k.toString().substring(6), props.get(k).toString());
            long additional = Long.parseLong(props.getOrDefault("windowstore.changelog.additional.retention.ms", "86400000").toString());
            if (all.isEmpty()) return;
            ObjectNode n = e.putObject("internalTopics");
            for (var t : all.entrySet()) {
                ObjectNode cfg = n.putObject(t.getKey());
                new TreeMap<>(t.getValue().properties(defaults, additional)).forEach(cfg::put);
            }
        }

        void pipe(TopologyTestDriver d, JsonNode s) throws Throwable {
            RecordHeaders hs = new RecordHeaders();
            if (s.has("headers")) for (JsonNode h : s.get("headers")) hs.add(h.get(0).asText(), input(h.get(1)));
            Method m = TopologyTestDriver.class.getDeclaredMethod("pipeRecord", String.class, long.class, byte[].class, byte[].class, Headers.class);
            m.setAccessible(true);
            m.invoke(d, s.get("pipe").asText(), s.path("ts").asLong(), input(s.get("key")), input(s.get("value")), hs);
        }

        void produced(TopologyTestDriver d, ObjectNode answer, Map<String, TreeSet<byte[]>> keys) {
            Map<String, Queue<ProducerRecord<byte[], byte[]>>> out = field(d, "outputRecordsByTopic");
            ObjectNode p = JSON.createObjectNode();
            for (var t : new TreeMap<>(out).entrySet()) {
                if (t.getValue().isEmpty()) continue;
                ArrayNode rs = p.putArray(t.getKey());
                for (ProducerRecord<byte[], byte[]> r; (r = t.getValue().poll()) != null; ) {
                    ObjectNode n = rs.addObject();
                    n.set("k", bytes(r.key()));
                    n.set("v", bytes(r.value()));
                    if (r.timestamp() == null) n.putNull("ts");
                    else n.put("ts", r.timestamp());
                    if (r.headers().iterator().hasNext()) n.set("h", headers(r.headers()));
                    if (r.key() != null) keys.computeIfAbsent(t.getKey(), x -> new TreeSet<>(Arrays::compareUnsigned)).add(r.key());
                }
            }
            if (!p.isEmpty()) answer.set("produced", p);
        }

        void stores(TopologyTestDriver d, ObjectNode e, Map<String, TreeSet<byte[]>> keys) {
            ObjectNode n = JSON.createObjectNode();
            for (var s : new TreeMap<>(d.getAllStateStores()).entrySet()) {
                if (s.getValue() == null) continue;
                ArrayNode rows = rows(d, s.getKey(), s.getValue(), keys);
                if (rows != null) n.set(s.getKey(), rows);
            }
            e.set("stores", n);
        }

        ArrayNode rows(TopologyTestDriver d, String name, StateStore s, Map<String, TreeSet<byte[]>> keys) {
            ArrayNode rows = JSON.createArrayNode();
            String kind = s.getClass().getSimpleName();
            boolean withHeaders = kind.contains("WithHeaders"), stamped = kind.contains("Timestamped") || withHeaders;
            if (s instanceof VersionedKeyValueStore) {
                TreeSet<byte[]> ks = new TreeSet<>(Arrays::compareUnsigned);
                keys.values().forEach(ks::addAll);
                for (JsonNode st : c.get("steps")) if (st.has("pipe") && input(st.get("key")) != null) ks.add(input(st.get("key")));
                Object bytesStore = field(s, "internal");
                KeyValueStore<Bytes, byte[]> raw = (KeyValueStore<Bytes, byte[]>) ((WrappedStateStore) bytesStore).wrapped();
                for (byte[] k : ks) {
                    byte[] v = raw.get(Bytes.wrap(k));
                    if (v == null) continue;
                    ByteBuffer bb = ByteBuffer.wrap(v);
                    long ts = bb.getLong();
                    byte[] val = new byte[bb.remaining()];
                    bb.get(val);
                    rows.add(JSON.createArrayNode().add(bytes(k)).add(bytes(val)).add(ts));
                }
                return rows;
            }
            if (!(s instanceof WrappedStateStore)) return null;
            StateStore inner = ((WrappedStateStore) s).wrapped();
            if (s instanceof SessionStore) {
                try (KeyValueIterator<Windowed<Bytes>, byte[]> it = ((SessionStore<Bytes, byte[]>) inner).fetch(null, null)) {
                    while (it.hasNext()) {
                        var r = it.next();
                        ArrayNode row = rows.addArray().add(bytes(r.key.key().get())).add(r.key.window().start()).add(r.key.window().end());
                        if (withHeaders) value(row, r.value, false, true);
                        else row.add(bytes(r.value));
                    }
                }
                return rows;
            }
            if (s instanceof WindowStore) {
                boolean plain = false;
                for (StateStore x = s; x != null; x = x instanceof WrappedStateStore ? ((WrappedStateStore) x).wrapped() : null)
                    if (x.getClass().getSimpleName().startsWith("PlainTo") || retains(x)) plain = true;
                try (KeyValueIterator<Windowed<Bytes>, byte[]> it = ((WindowStore<Bytes, byte[]>) inner).all()) {
                    while (it.hasNext()) {
                        var r = it.next();
                        value(rows.addArray().add(bytes(r.key.key().get())).add(r.key.window().start()), r.value, stamped, withHeaders);
                        if (plain) ((ArrayNode) rows.get(rows.size() - 1)).remove(3);
                    }
                } catch (IllegalArgumentException x) { // a window of size 0
                    return null;
                }
                return rows;
            }
            if (s instanceof KeyValueStore) {
                try (KeyValueIterator<Bytes, byte[]> it = ((KeyValueStore<Bytes, byte[]>) inner).all()) {
                    while (it.hasNext()) {
                        var r = it.next();
                        value(rows.addArray().add(bytes(r.key.get())), r.value, stamped, withHeaders);
                    }
                }
                return rows;
            }
            return null;
        }

        boolean retains(StateStore s) {
            try {
                return field(s, "retainDuplicates");
            } catch (RuntimeException x) {
                return false;
            }
        }

        void value(ArrayNode row, byte[] v, boolean stamped, boolean withHeaders) {
            if (v == null) { row.addNull(); return; }
            ByteBuffer bb = ByteBuffer.wrap(v);
            byte[] hs = null;
            if (withHeaders) {
                int n = org.apache.kafka.common.utils.ByteUtils.readVarint(bb);
                hs = new byte[n];
                bb.get(hs);
            }
            long ts = stamped ? bb.getLong() : 0;
            byte[] val = new byte[bb.remaining()];
            bb.get(val);
            row.add(bytes(val));
            if (stamped) row.add(ts);
            if (hs != null && hs.length > 0) {
                ByteBuffer h = ByteBuffer.wrap(hs);
                int n = org.apache.kafka.common.utils.ByteUtils.readVarint(h);
                ArrayNode a = JSON.createArrayNode();
                for (int i = 0; i < n; i++) {
                    byte[] k = new byte[org.apache.kafka.common.utils.ByteUtils.readVarint(h)];
                    h.get(k);
                    int l = org.apache.kafka.common.utils.ByteUtils.readVarint(h);
                    byte[] x = l < 0 ? null : new byte[l];
                    if (x != null) h.get(x);
                    a.add(JSON.createArrayNode().add(new String(k, StandardCharsets.UTF_8)).add(bytes(x)));
                }
                if (n > 0) row.add(a);
            }
        }

        // --- the DSL --------------------------------------------------------------------------------------------------

        <T> T get(JsonNode o, String field) {
            Object h = handles.get(o.get(field).asText());
            if (h == null) throw new IllegalStateException("no handle " + o.get(field).asText());
            return (T) h;
        }

        String fn(JsonNode o) { return o.path("fn").asText(); }

        String str(JsonNode o, String f) { return o.has(f) && !o.get(f).isNull() ? o.get(f).asText() : null; }

        Named named(JsonNode o) { return o.has("name") ? Named.as(o.get("name").asText()) : null; }

        Serde keys = Serdes.String();
        Serde any = new AnyValue(), anyKey = new AnyKey();

        Serde serde(JsonNode o) { return "long".equals(str(o, "value")) ? (Serde) Serdes.Long() : Serdes.String(); }

        Consumed consumed(JsonNode o) {
            Consumed x = Consumed.with(keys, serde(o));
            String ts = str(o, "timestamps");
            if (ts != null) switch (ts) {
                case "record": break;
                case "logAndSkip": x = x.withTimestampExtractor(new LogAndSkipOnInvalidTimestamp()); break;
                case "usePartitionTime": x = x.withTimestampExtractor(new UsePartitionTimeOnInvalidTimestamp()); break;
                case "fromValue": x = x.withTimestampExtractor(new FromValue()); break;
                default: throw new IllegalStateException("operator timestamps " + ts);
            }
            if (o.has("name")) x = x.withName(o.get("name").asText());
            return x;
        }

        Materialized mat(JsonNode o, Serde k, Serde v) {
            if (!o.has("materialized")) return null;
            JsonNode m = o.get("materialized");
            String name = str(m, "name"), store = str(m, "store");
            DslStoreSuppliers type = "inMemory".equals(store) ? Materialized.StoreType.IN_MEMORY : "rocksdb".equals(store) ? Materialized.StoreType.ROCKS_DB : null;
            Materialized x;
            if ("versioned".equals(store)) x = Materialized.as(Stores.persistentVersionedKeyValueStore(name, Duration.ofMillis(m.get("historyRetention").asLong())));
            else if (name != null) {
                x = Materialized.as(name);
                if (type != null) x = x.withStoreType(type);
            } else if (type != null) x = Materialized.as(type);
            else x = Materialized.with(null, null);
            if (m.path("serdes").asBoolean(true)) x = x.withKeySerde(k).withValueSerde(v);
            if (m.has("caching")) x = m.get("caching").asBoolean() ? x.withCachingEnabled() : x.withCachingDisabled();
            if (m.has("logging")) x = m.get("logging").asBoolean() ? x.withLoggingEnabled(new HashMap<>()) : x.withLoggingDisabled();
            if (m.has("retention")) x = x.withRetention(Duration.ofMillis(m.get("retention").asLong()));
            return x;
        }

        Materialized mat(JsonNode o) { return mat(o, anyKey, any); }

        Grouped grouped(JsonNode o) {
            Grouped g = Grouped.with(null, null);
            return o.has("name") ? g.withName(o.get("name").asText()) : null;
        }

        /** Calls the overload of a method of the DSL that has the given arguments; those that are null are left out. */
        Object invoke(Object h, String method, Object... args) throws Exception {
            List<Object> as = new ArrayList<>();
            for (Object a : args) if (a != null) as.add(a);
            Class<?>[] is = {KStream.class, KTable.class, KGroupedStream.class, KGroupedTable.class, TimeWindowedKStream.class, SessionWindowedKStream.class,
                CogroupedKStream.class, TimeWindowedCogroupedKStream.class, SessionWindowedCogroupedKStream.class, BranchedKStream.class};
            for (Class<?> i : is) {
                if (!i.isInstance(h)) continue;
                methods:
                for (Method m : i.getMethods()) {
                    if (!m.getName().equals(method)) continue;
                    Class<?>[] ps = m.getParameterTypes();
                    if (ps.length != as.size()) continue;
                    for (int j = 0; j < ps.length; j++) if (!ps[j].isInstance(as.get(j))) continue methods;
                    try {
                        return m.invoke(h, as.toArray());
                    } catch (InvocationTargetException x) {
                        throw x.getCause() instanceof Exception ? (Exception) x.getCause() : new RuntimeException(x.getCause());
                    }
                }
            }
            throw new IllegalStateException("operator " + method + " of " + h.getClass().getSimpleName() + " with " + as.size() + " arguments");
        }

        static Duration ms(long n) { return Duration.ofMillis(n); }

        static Duration ms(JsonNode n) { return Duration.ofMillis(n.asLong()); }

        Object apply(JsonNode o) throws Exception {
            String op = o.get("op").asText();
            switch (op) {
                case "stream": {
                    if (o.has("topics")) {
                        List<String> ts = new ArrayList<>();
                        o.get("topics").forEach(t -> ts.add(t.asText()));
                        return b.stream(ts, consumed(o));
                    }
                    return b.stream(o.get("topic").asText(), consumed(o));
                }
                case "table": {
                    Materialized m = mat(o, keys, serde(o));
                    return m == null ? b.table(o.get("topic").asText(), consumed(o)) : b.table(o.get("topic").asText(), consumed(o), m);
                }
                case "globalTable": {
                    Materialized m = mat(o, keys, serde(o));
                    return m == null ? b.globalTable(o.get("topic").asText(), consumed(o)) : b.globalTable(o.get("topic").asText(), consumed(o), m);
                }
                case "addStateStore": {
                    String n = o.get("storeName").asText();
                    var sup = "inMemory".equals(str(o, "kind")) ? Stores.inMemoryKeyValueStore(n)
                        : o.get("store").asText().equals("timestamped") ? Stores.persistentTimestampedKeyValueStore(n) : Stores.persistentKeyValueStore(n);
                    StoreBuilder sb = o.get("store").asText().equals("timestamped")
                        ? Stores.timestampedKeyValueStoreBuilder(sup, Serdes.String(), Serdes.String()) : Stores.keyValueStoreBuilder(sup, Serdes.String(), Serdes.String());
                    if (o.has("logging")) sb = o.get("logging").asBoolean() ? sb.withLoggingEnabled(new HashMap<>()) : sb.withLoggingDisabled();
                    b.addStateStore(sb);
                    return null;
                }
                case "addGlobalStore": {
                    String n = o.get("storeName").asText();
                    var sup = "inMemory".equals(str(o, "kind")) ? Stores.inMemoryKeyValueStore(n) : Stores.persistentKeyValueStore(n);
                    b.addGlobalStore(Stores.keyValueStoreBuilder(sup, Serdes.String(), Serdes.String()).withLoggingDisabled(), o.get("topic").asText(),
                        Consumed.with(Serdes.String(), Serdes.String()), () -> new Processor<String, String, Void, Void>() {
                            KeyValueStore<String, String> s;

                            public void init(ProcessorContext<Void, Void> ctx) { s = ctx.getStateStore(n); }

                            public void process(Record<String, String> r) { s.put(r.key(), r.value()); }
                        });
                    return null;
                }
                case "filter":
                case "filterNot": {
                    Object h = get(o, "from");
                    if (h instanceof KStream) return invoke(h, op, predicate(fn(o), true), named(o));
                    return invoke(h, op, predicate(fn(o), false), named(o), mat(o));
                }
                case "mapValues": {
                    Object h = get(o, "from");
                    ValueMapperWithKey<Object, Object, Object> f = Recorder.value(fn(o));
                    Object g = fn(o).equals("key+v") ? f : (ValueMapper<Object, Object>) v -> f.apply(null, v);
                    return invoke(h, op, g, named(o), h instanceof KTable ? mat(o) : null);
                }
                case "map":
                    return invoke(get(o, "from"), op, (KeyValueMapper) (k, v) -> records(fn(o), k, v).get(0), named(o));
                case "flatMap":
                    return invoke(get(o, "from"), op, (KeyValueMapper) (k, v) -> records(fn(o), k, v), named(o));
                case "flatMapValues":
                    return invoke(get(o, "from"), op, values(fn(o)), named(o));
                case "selectKey":
                    return invoke(get(o, "from"), op, keyOf(fn(o)), named(o));
                case "peek":
                case "foreach": {
                    ForeachAction<Object, Object> f = (k, v) -> {};
                    KStream<Object, Object> s = get(o, "from");
                    if (op.equals("peek")) return o.has("name") ? s.peek(f, named(o)) : s.peek(f);
                    if (o.has("name")) s.foreach(f, named(o));
                    else s.foreach(f);
                    return null;
                }
                case "merge":
                    return invoke(get(o, "from"), op, get(o, "with"), named(o));
                case "split": {
                    KStream<Object, Object> s = get(o, "from");
                    BranchedKStream<Object, Object> x = o.has("name") ? s.split(named(o)) : s.split();
                    for (JsonNode br : o.get("branches")) {
                        java.util.function.Consumer<KStream<Object, Object>> keep = k -> handles.put(br.get("id").asText(), k);
                        x = x.branch(predicate(br.get("fn").asText(), true), br.has("name") ? Branched.withConsumer(keep, br.get("name").asText()) : Branched.withConsumer(keep));
                    }
                    if (o.has("default") && !o.get("default").isNull()) {
                        JsonNode br = o.get("default");
                        java.util.function.Consumer<KStream<Object, Object>> keep = k -> handles.put(br.get("id").asText(), k);
                        x.defaultBranch(br.has("name") ? Branched.withConsumer(keep, br.get("name").asText()) : Branched.withConsumer(keep));
                    } else x.noDefaultBranch();
                    return null;
                }
                case "repartition": {
                    KStream<Object, Object> s = get(o, "from");
                    if (!o.has("name") && !o.has("partitions")) return s.repartition();
                    Repartitioned r = o.has("name") ? Repartitioned.as(o.get("name").asText()) : Repartitioned.with(null, null);
                    if (o.has("partitions")) r = r.withNumberOfPartitions(o.get("partitions").asInt());
                    return s.repartition(r);
                }
                case "to": {
                    KStream<Object, Object> s = get(o, "from");
                    Produced p = o.has("name") ? Produced.as(o.get("name").asText()) : null;
                    if (o.has("topicBy")) {
                        ByValue by = new ByValue(o.get("topicBy").asText());
                        if (p == null) s.to(by);
                        else s.to(by, p);
                    } else if (p == null) s.to(o.get("topic").asText());
                    else s.to(o.get("topic").asText(), p);
                    return null;
                }
                case "toTable":
                    return invoke(get(o, "from"), op, named(o), mat(o));
                case "groupByKey": {
                    KStream<Object, Object> s = get(o, "from");
                    Grouped g = grouped(o);
                    return g == null ? s.groupByKey() : s.groupByKey(g);
                }
                case "groupBy": {
                    KStream<Object, Object> s = get(o, "from");
                    Grouped g = grouped(o);
                    return g == null ? s.groupBy(keyOf(fn(o))) : s.groupBy(keyOf(fn(o)), g);
                }
                case "tableGroupBy": {
                    KTable<Object, Object> t = get(o, "from");
                    Grouped g = grouped(o);
                    KeyValueMapper<Object, Object, Object> f = keyOf(fn(o));
                    KeyValueMapper m = (k, v) -> KeyValue.pair(f.apply(k, v), v);
                    return g == null ? t.groupBy(m) : t.groupBy(m, g);
                }
                case "windowedBy":
                    return windowedBy(o);
                case "count":
                    return invoke(get(o, "from"), op, named(o), mat(o, anyKey, Serdes.Long()));
                case "reduce": {
                    Object h = get(o, "from");
                    Materialized m = mat(o);
                    Named n = named(o);
                    if (h instanceof KGroupedTable) {
                        if (n != null && m == null) m = Materialized.with(null, null);
                        return invoke(h, op, reducer(fn(o)), subtractor(fn(o)), n, m);
                    }
                    if (n != null && m == null && h instanceof KGroupedStream) m = Materialized.with(null, null);
                    return invoke(h, op, reducer(fn(o)), n, m);
                }
                case "aggregate": {
                    Object h = get(o, "from");
                    Materialized m = mat(o, anyKey, longAggregate(fn(o)) ? Serdes.Long() : Serdes.String());
                    Named n = named(o);
                    if (h instanceof KGroupedTable) return invoke(h, op, initial(fn(o)), adder(fn(o)), remover(fn(o)), n, m);
                    if (h instanceof CogroupedKStream || h instanceof TimeWindowedCogroupedKStream) return invoke(h, op, initial(fn(o)), n, m);
                    if (h instanceof SessionWindowedCogroupedKStream) return invoke(h, op, initial(fn(o)), merger(fn(o)), n, m);
                    if (h instanceof SessionWindowedKStream) return invoke(h, op, initial(fn(o)), adder(fn(o)), merger(fn(o)), n, m);
                    if (h instanceof KGroupedStream && n != null && m == null) m = Materialized.with(null, null);
                    return invoke(h, op, initial(fn(o)), adder(fn(o)), n, m);
                }
                case "cogroup": {
                    Object h = get(o, "from");
                    if (!o.has("with")) return ((KGroupedStream) h).cogroup(adder(fn(o)));
                    return ((CogroupedKStream) h).cogroup(get(o, "with"), adder(fn(o)));
                }
                case "suppress": {
                    KTable<Object, Object> t = get(o, "from");
                    return t.suppress(suppressed(o));
                }
                case "toStream": {
                    KTable<Object, Object> t = get(o, "from");
                    return invoke(t, op, o.has("fn") ? keyOf(fn(o)) : null, named(o));
                }
                case "transformValues": {
                    KTable<Object, Object> t = get(o, "from");
                    ValueMapperWithKey<Object, Object, Object> f = Recorder.value(fn(o));
                    Object none = longResult(fn(o)) ? (Object) (-1L) : "none";
                    ValueTransformerWithKeySupplier<Object, Object, Object> s = () -> new ValueTransformerWithKey<>() {
                        public void init(org.apache.kafka.streams.processor.ProcessorContext ctx) {}

                        public Object transform(Object k, Object v) { return v == null ? none : f.apply(k, v); }

                        public void close() {}
                    };
                    Materialized m = mat(o);
                    Named n = named(o);
                    if (m != null && n != null) return t.transformValues(s, m, n);
                    if (m != null) return t.transformValues(s, m);
                    if (n != null) return t.transformValues(s, n);
                    return t.transformValues(s);
                }
                case "join":
                case "leftJoin":
                case "outerJoin":
                    return join(o, op);
                case "fkJoin":
                case "fkLeftJoin": {
                    KTable<Object, Object> t = get(o, "from");
                    KeyValueMapper<Object, Object, Object> f = keyOf(o.get("extractor").asText());
                    Object by = o.get("extractor").asText().startsWith("keyPart") ? (BiFunction<Object, Object, Object>) f::apply : (Function<Object, Object>) v -> f.apply(null, v);
                    TableJoined tj = o.has("name") ? TableJoined.as(o.get("name").asText()) : null;
                    return invoke(t, op.equals("fkJoin") ? "join" : "leftJoin", get(o, "with"), by, joiner(), tj, mat(o));
                }
                case "process": {
                    KStream<Object, Object> s = get(o, "from");
                    String p = o.get("processor").asText();
                    step(p);
                    return o.has("name") ? s.process(() -> new Proc(p), named(o), stores(o)) : s.process(() -> new Proc(p), stores(o));
                }
                case "processValues": {
                    KStream<Object, Object> s = get(o, "from");
                    String p = o.get("processor").asText();
                    step(p);
                    return o.has("name") ? s.processValues(() -> new FixedProc(p), named(o), stores(o)) : s.processValues(() -> new FixedProc(p), stores(o));
                }
            }
            throw new IllegalStateException("operator " + op);
        }

        void step(String p) {
            if (!List.of("dedup", "lastSeen", "header", "tick", "fail", "lookup").contains(call(p)[0])) throw new IllegalStateException("processor " + p);
        }

        String[] stores(JsonNode o) {
            List<String> ns = new ArrayList<>();
            o.path("stores").forEach(n -> ns.add(n.asText()));
            return ns.toArray(new String[0]);
        }

        Object windowedBy(JsonNode o) throws Exception {
            Object h = get(o, "from");
            JsonNode w = o.get("window");
            boolean grace = w.has("grace"), close = "close".equals(str(o, "emit"));
            Object def;
            switch (w.get("type").asText()) {
                case "tumbling":
                    def = grace ? TimeWindows.ofSizeAndGrace(ms(w.get("size")), ms(w.get("grace"))) : TimeWindows.ofSizeWithNoGrace(ms(w.get("size")));
                    break;
                case "hopping":
                    def = (grace ? TimeWindows.ofSizeAndGrace(ms(w.get("size")), ms(w.get("grace"))) : TimeWindows.ofSizeWithNoGrace(ms(w.get("size")))).advanceBy(ms(w.get("advance")));
                    break;
                case "sliding":
                    def = grace ? SlidingWindows.ofTimeDifferenceAndGrace(ms(w.get("diff")), ms(w.get("grace"))) : SlidingWindows.ofTimeDifferenceWithNoGrace(ms(w.get("diff")));
                    break;
                case "session":
                    def = grace ? SessionWindows.ofInactivityGapAndGrace(ms(w.get("gap")), ms(w.get("grace"))) : SessionWindows.ofInactivityGapWithNoGrace(ms(w.get("gap")));
                    break;
                case "unlimited": {
                    UnlimitedWindows u = UnlimitedWindows.of();
                    def = w.has("start") ? u.startOn(Instant.ofEpochMilli(w.get("start").asLong())) : u;
                    break;
                }
                default:
                    throw new IllegalStateException("window " + w.get("type"));
            }
            if (h instanceof KGroupedStream) {
                KGroupedStream g = (KGroupedStream) h;
                if (def instanceof SessionWindows) {
                    SessionWindowedKStream s = g.windowedBy((SessionWindows) def);
                    return close ? s.emitStrategy(EmitStrategy.onWindowClose()) : s;
                }
                TimeWindowedKStream s = def instanceof SlidingWindows ? g.windowedBy((SlidingWindows) def) : g.windowedBy((Windows) def);
                return close ? s.emitStrategy(EmitStrategy.onWindowClose()) : s;
            }
            CogroupedKStream g = (CogroupedKStream) h;
            if (def instanceof SessionWindows) return g.windowedBy((SessionWindows) def);
            return def instanceof SlidingWindows ? g.windowedBy((SlidingWindows) def) : g.windowedBy((Windows) def);
        }

        Suppressed suppressed(JsonNode o) {
            boolean closes = o.get("until").isTextual(), bounded = o.has("maxRecords") || o.has("maxBytes");
            boolean down = "shutDown".equals(str(o, "full"));
            Suppressed s;
            if (closes) {
                Suppressed.StrictBufferConfig cfg;
                if (!bounded) cfg = Suppressed.BufferConfig.unbounded();
                else {
                    Suppressed.EagerBufferConfig e = o.has("maxRecords") ? Suppressed.BufferConfig.maxRecords(o.get("maxRecords").asLong()) : Suppressed.BufferConfig.maxBytes(o.get("maxBytes").asLong());
                    if (o.has("maxRecords") && o.has("maxBytes")) e = (Suppressed.EagerBufferConfig) e.withMaxBytes(o.get("maxBytes").asLong());
                    cfg = e.shutDownWhenFull();
                }
                if (o.has("logging")) cfg = (Suppressed.StrictBufferConfig) (o.get("logging").asBoolean() ? cfg.withLoggingEnabled(new HashMap<>()) : cfg.withLoggingDisabled());
                s = Suppressed.untilWindowCloses(cfg);
            } else {
                Suppressed.BufferConfig cfg;
                if (!bounded) cfg = Suppressed.BufferConfig.unbounded();
                else {
                    Suppressed.EagerBufferConfig e = o.has("maxRecords") ? Suppressed.BufferConfig.maxRecords(o.get("maxRecords").asLong()) : Suppressed.BufferConfig.maxBytes(o.get("maxBytes").asLong());
                    if (o.has("maxRecords") && o.has("maxBytes")) e = (Suppressed.EagerBufferConfig) e.withMaxBytes(o.get("maxBytes").asLong());
                    cfg = down ? e.shutDownWhenFull() : e;
                }
                if (o.has("logging")) cfg = o.get("logging").asBoolean() ? cfg.withLoggingEnabled(new HashMap<>()) : cfg.withLoggingDisabled();
                s = Suppressed.untilTimeLimit(ms(o.get("until")), cfg);
            }
            return o.has("name") ? s.withName(o.get("name").asText()) : s;
        }

        JoinWindows joinWindows(JsonNode w) {
            long before = w.get("before").asLong(), after = w.get("after").asLong(), d = Math.max(Math.max(before, after), 0);
            JoinWindows j = w.has("grace") ? JoinWindows.ofTimeDifferenceAndGrace(ms(d), ms(w.get("grace"))) : JoinWindows.ofTimeDifferenceWithNoGrace(ms(d));
            return j.before(ms(before)).after(ms(after));
        }

        Object join(JsonNode o, String op) throws Exception {
            Object l = get(o, "from"), r = get(o, "with");
            Object f = "joinKey".equals(fn(o)) ? joinerWithKey() : joiner();
            if (l instanceof KStream && r instanceof KStream) {
                StreamJoined sj = StreamJoined.with(null, new Any("left:" + o.get("id")), new Any("right:" + o.get("id")));
                if (o.has("name") || o.has("storeName")) {
                    if (o.has("name")) sj = sj.withName(o.get("name").asText());
                    if (o.has("storeName")) sj = sj.withStoreName(o.get("storeName").asText());
                }
                return invoke(l, op, r, f, joinWindows(o.get("window")), sj);
            }
            if (l instanceof KStream && r instanceof KTable) {
                Joined j = null;
                if (o.has("name") || o.has("grace")) {
                    j = Joined.with(null, null, null);
                    if (o.has("name")) j = j.withName(o.get("name").asText());
                    if (o.has("grace")) j = j.withGracePeriod(ms(o.get("grace")));
                }
                return invoke(l, op, r, f, j);
            }
            if (l instanceof KStream) return invoke(l, op, r, keyOf(o.get("keyFn").asText()), f, named(o));
            return invoke(l, op, r, f, named(o), mat(o));
        }
    }
}
