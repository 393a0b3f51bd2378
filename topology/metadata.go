package topology

import "maps"

// metadata is what nodes keep with the committed offsets (Kafka's processor metadata): how far an operator has emitted, for example.
type metadata struct {
	values  map[string]int64
	changed bool
}

// ProcessorMetadata is a value that a node of the task has kept with the committed offsets by SetProcessorMetadata. It is known when the node is made.
func (c *Context) ProcessorMetadata(key string) (int64, bool) {
	v, ok := c.in.metadata.values[key]
	return v, ok
}

// SetProcessorMetadata keeps a value with the offsets that the next commit writes. Keys are shared by all nodes of the task: begin them with the
// node's or store's name.
func (c *Context) SetProcessorMetadata(key string, v int64) {
	m := &c.in.metadata
	if old, ok := m.values[key]; ok && old == v {
		return
	}
	if m.values == nil {
		m.values = map[string]int64{}
	}
	m.values[key] = v
	m.changed = true
}

// ProcessorMetadata is what all nodes keep, and whether it has changed since it was last set or committed. The map is the instance's own.
func (in *Instance) ProcessorMetadata() (values map[string]int64, changed bool) {
	return in.metadata.values, in.metadata.changed
}

// SetProcessorMetadata is called before Start with what the committed offsets hold.
func (in *Instance) SetProcessorMetadata(values map[string]int64) {
	in.metadata = metadata{values: maps.Clone(values)}
}

// ProcessorMetadataCommitted says that the current values are committed.
func (in *Instance) ProcessorMetadataCommitted() { in.metadata.changed = false }
