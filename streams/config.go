package streams

// Config is an application's configuration. The zero value of a field is its documented default.
type Config struct {
	// ApplicationID is the group id, and the prefix of internal topics, client ids and the state directory. Required.
	ApplicationID string
	// BootstrapServers are the brokers to start from, as host:port.
	BootstrapServers []string
	// CacheBytes is the size of the record caches, all threads together. nil: 10 MiB; 0: no store caches, whatever its own option says.
	CacheBytes *int64
}
