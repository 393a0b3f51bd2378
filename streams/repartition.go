package streams

// repartitionSpec is what Build needs to know of a node that goes through an internal topic.
type repartitionSpec struct {
	topic        string // undecorated: "<prefix>-repartition"
	prefix       string // of the node names
	partitions   int    // 0: as many as the sources have
	optimizable  bool   // made for a grouping, join or toTable, not by Repartition
	passNullKeys bool   // a left or outer join behind it wants them
}
