// Package ledger is the checker of load runs: did the server keep its promises to a million clients that live in many
// processes, judged in bounded memory?
//
// Every message carries a Note: which conversation, which sender, which number among the sender's messages there, and when
// it was due. So a receiver knows by itself what a message is, and sums do for what would otherwise be a list.
//
// Each worker has a Book of its own users. What one client can see it finds at once: a message for somebody else, under a
// second id, out of its sender's order, with another content, or from before a synced that had said all was there. What
// takes two clients in two processes is found in the end: the worker of a conversation's senders and those of its members
// send one line a conversation, with how many messages were acked and received and an order-free sum over their numbers and
// ids; the Judge compares. Only of conversations that don't agree every member's account is asked for. Receipts that
// were seen are judged by the worker of the one whom they are about.
//
// A Book holds, for every conversation of a user that had any traffic, some 100 bytes and a window of the last messages (at
// most Window, 24 bytes each). A message is kept nowhere once it has left the window.
//
// It is about the invariants of pkg/check, in the form in which they can be had at this scale; what it doesn't see
// (edits, revocations, changes of membership) pkg/check sees in the fault and crash tests. Start with book.go.
package ledger
