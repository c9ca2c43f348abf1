// Package check judges recorded histories: did a Murre server keep its promises, seen from its clients?
//
// A harness, test or fault run records what its clients did and saw as Events, in the order in which it happened on one
// clock, and adds them to a Checker; Finish gives the Report. The checker knows nothing of the server's code (it imports
// the domain types only), so it can't share its mistakes.
//
// What it asserts are the invariants of the delivery design; their numbers appear in every Violation:
//
//	1  acked messages are in history and in every member device's received set   (Lost, Undelivered)
//	2  nothing is stored or shown twice                                          (Duplicate, ShownTwice)
//	3  one order: history ascends, replies after parents, a sender's in send order (Disorder)
//	4  statuses never move backward and never claim what did not happen         (StatusBack, StatusFalse)
//	5  only members receive, list and fetch, for as long as they are members     (WrongRecipient)
//	6  a rejected message leaves nothing                                        (RejectedStored)
//	7  a revoked device gets nothing after 5 s                                   (AfterRevocation)
//	8  pending empties, cursors pass only what was received, `synced` never lies      (PendingLeft, CursorPassed, SyncedLied)
//	10 ids are unique and increase                                              (IDReused, IDWentBack)
//	11 deleted content is gone, what is shown is what was written                (DeletedShown, Diverged, Ghost)
//
// Invariant 9 (memory of a gateway) can't be seen from outside; the load harness measures it.
//
// Exact mode keeps every message until Finish and names each one that went wrong. Without it a message that is acked and
// was received everywhere is dropped, and only a count and a sum over its ids stays for the comparison with history:
// memory is then bounded by what is under way plus Options.Window ids a conversation, and a loss in history is known by
// conversation instead of by message.
//
// A Checker may be used from many goroutines; the order of the calls of Add is the order of events. Start with event.go.
package check
