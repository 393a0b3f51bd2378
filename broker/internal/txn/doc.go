// Package txn is the state machine of one transactional id: which producer owns it, whether a transaction is open, what
// it touched and how it ends. It has no clock, no lock and no I/O; the broker drives it.
//
//	         AddPartitions, AddGroup, first transactional batch
//	Empty ───────────────────────────────────────────────▶ Ongoing ◀──────────────┐
//	  ▲                                                       │                   │
//	  │ Init                             End, timeout, Init   │                   │ as from Empty
//	  │                                                       ▼                   │
//	  │                             PrepareCommit or PrepareAbort                 │
//	  │                                                       │ markers written   │
//	  │                                                       ▼                   │
//	  └──────────────────────────── CompleteCommit or CompleteAbort ──────────────┘
//
// # Where the commit point is
//
// The driver stores the transaction (Encode) when a call changed it, before anything else happens:
//
//  1. Prepare, with all partitions and groups: from here on the outcome is decided, and a restart finishes it.
//  2. The markers, one per partition, with MarkerProducerID and MarkerEpoch.
//  3. Complete, in one batch with the offsets that become visible.
//
// # Two protocols
//
// Under transaction version 1 a client registers partitions and groups before it uses them, and its epoch changes only
// when it initialises. Under version 2 (KIP-890) the first batch registers its partition, and every end raises the
// epoch: a late batch of an earlier transaction can be told from one of the current. The version is that of the
// request, not a property of the transaction, so clients of both kinds work side by side.
package txn
