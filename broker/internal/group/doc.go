// Package group is the group coordinator of the embedded broker: consumer and
// connect groups of the classic protocol, consumer groups of KIP-848, and
// committed offsets, plain and transactional.
//
// # A driven state machine
//
// A Coordinator has no goroutine, no clock, no file and no socket. Its owner
// calls it from one goroutine at a time and does the outside work for it:
//
//	c.Handle(now, client, req, reply)  // any number of times
//	c.Tick(now)                        // when c.NextDeadline() has come
//	out := c.Take()
//	write(out.Writes)                  // one durable batch, in order
//	for _, release := range out.Replies {
//		release()
//	}
//
// Every request is answered exactly once, by its own reply function: at once
// (a heartbeat) or by a later call (a join that waits for the other members).
// An answer only ever leaves through [Coordinator.Take], together with the
// writes that it promises: an owner that writes before it releases can never
// acknowledge what a crash forgets. Calls that arrive together share a batch.
//
// When a batch cannot be written the memory of the Coordinator is ahead of the
// disk: its owner drops it and loads a new one.
//
// # What is kept
//
// [Load] builds a Coordinator from the pairs written so far: committed and
// staged offsets, and the last complete generation of every group with its
// members and assignments. Members carry on after a restart with the member
// id and generation they have; their sessions start anew at the load.
package group
