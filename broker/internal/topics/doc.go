// Package topics is the broker's catalogue: which topics exist, how many partitions each has, and how each is
// configured.
//
// Reading is lock-free: [Catalog.Snapshot] returns an immutable picture. Every change is committed to the metadata
// database first and becomes visible afterwards, under one lock.
//
// All topic configs of Apache Kafka are known by name, type and default, whether or not this broker acts on them:
// clients set them on topics that they also create elsewhere, and read them back.
package topics
